# ruff: noqa: F811 -- fixtures of the look are imported by name
"""The archive in a real browser: upload by picker and by drop, the list by keys, accessibility of each page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from access.models import Organisation, User
from archive.models import Archive, Instance, QuarantinedFile, Study
from core.tenancy import tenant
from tests.archive.factories import deliver, make_archive, make_file, make_series
from tests.archive.test_settle import settle_now
from tests.archive.test_zips import make_zip
from tests.look.conftest import (  # noqa: F401 -- fixtures
    administrator,
    hospital,
    new_visitor,
)

pytestmark = pytest.mark.e2e

PATIENCE_MS = 30_000

DROP = """([name, text]) => {
  const transfer = new DataTransfer();
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  transfer.items.add(new File([bytes], name));
  const target = document.querySelector('[data-drop]');
  for (const type of ['dragover', 'drop'])
    target.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: transfer }));
}"""


@pytest.fixture
def archive(hospital: Organisation, administrator: User) -> Archive:
    return make_archive(hospital, actor=administrator, slug="clinical", name="Clinical")


@pytest.fixture(autouse=True)
def _be_patient() -> Iterator[None]:
    """A busy machine is no fault of the page."""
    expect.set_options(timeout=PATIENCE_MS)
    yield
    expect.set_options(timeout=5000)


@pytest.fixture(autouse=True)
def _run_tasks_here(monkeypatch: pytest.MonkeyPatch) -> None:
    from core.tasks import Task

    monkeypatch.setattr(Task, "enqueue", lambda self, *, delay_seconds=None, **arguments: self.function(**arguments))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "disc"
    (found / "DICOM" / "ST1").mkdir(parents=True)
    for number, content in enumerate(make_series(count=4, PatientName="Folder^Patient")):
        (found / "DICOM" / "ST1" / f"IM{number}").write_bytes(content)
    (found / "readme.txt").write_text("not an image " * 20)
    (found / "broken.dcm").write_bytes(make_file()[:-9])
    (found / "Thumbs.db").write_bytes(b"x")
    return found


def test_a_folder_and_then_a_zip_go_in_with_an_answer_for_each_file(
    new_visitor: Any,
    administrator: User,
    archive: Archive,
    folder: Path,
    tmp_path: Path,
) -> None:
    page = new_visitor().sign_in(administrator).go("/o/hospital/archive/clinical/upload/")
    page.set_input_files("[data-pick][webkitdirectory]", str(folder))
    expect(page.locator("[data-phase]")).to_contain_text("Some files did not go in")
    expect(page.locator('[data-count="stored"]')).to_have_text("4")
    expect(page.locator('[data-count="refused"]')).to_have_text("2")
    expect(page.locator('[data-count="skipped"]')).to_have_text("1")
    expect(page.locator("[data-studies]")).to_contain_text("Folder, Patient")
    page.locator("[data-problem-search]").fill("broken")
    expect(page.locator("[data-problem-rows] tr")).to_have_count(1)
    expect(page.locator("[data-problem-rows]")).to_contain_text("cut off on its way")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as CSV").click()
    assert "disc/broken.dcm" in Path(download.value.path()).read_text(encoding="utf-8-sig")
    packed = tmp_path / "more.zip"
    packed.write_bytes(
        make_zip({"a/1": make_file(PatientName="Zip^Patient"), "../evil": make_file(), "a/DICOMDIR": b"x"})
    )
    page.set_input_files("[data-drop] [data-pick]:not([webkitdirectory])", str(packed))
    expect(page.locator("[data-zips]")).to_contain_text("unpacked")
    expect(page.locator("[data-studies]")).to_contain_text("Zip, Patient")
    expect(page.locator("[data-problem-rows]")).to_contain_text("leads out of the zip file")
    with tenant(archive.organisation):
        assert Instance.objects.count() == 5
        assert QuarantinedFile.objects.count() == 3


def test_a_dropped_file_goes_in_and_its_study_is_one_click_away(
    new_visitor: Any,
    administrator: User,
    archive: Archive,
) -> None:
    import base64

    page = new_visitor().sign_in(administrator).go("/o/hospital/archive/clinical/upload/")
    page.evaluate(DROP, ["one.dcm", base64.b64encode(make_file(PatientName="Dropped^One")).decode()])
    expect(page.locator("[data-phase]")).to_have_text("All files went in.")
    page.get_by_role("link", name="Dropped, One").click()
    expect(page.get_by_role("heading", name="Dropped, One")).to_be_visible()


def test_a_broken_connection_is_waited_out(
    new_visitor: Any,
    administrator: User,
    archive: Archive,
    folder: Path,
) -> None:
    visitor = new_visitor()
    visitor.expects_refusal = True
    page = visitor.sign_in(administrator).go("/o/hospital/archive/clinical/upload/")
    failures = iter([True, True])

    def flaky(route: Any) -> None:
        if next(failures, False):
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/files/", flaky)
    page.set_input_files("[data-pick][webkitdirectory]", str(folder))
    expect(page.locator("[data-phase]")).to_contain_text("No connection")
    expect(page.locator("[data-phase]")).to_contain_text("Some files did not go in")
    expect(page.locator('[data-count="failed"]')).to_have_text("0")
    with tenant(archive.organisation):
        assert Instance.objects.count() == 4


def test_the_study_list_is_worked_by_keys_alone(new_visitor: Any, administrator: User, archive: Archive) -> None:
    for name in ("Alpha^One", "Beta^Two", "Gamma^Three"):
        deliver(archive, make_series(count=1, PatientName=name))
    settle_now(archive)
    visitor = new_visitor().sign_in(administrator)
    page = visitor.go("/o/hospital/archive/clinical/studies/?sort=patient")
    page.keyboard.press("/")
    page.keyboard.type("beta", delay=20)
    expect(page.locator("[data-row]")).to_have_count(1)
    page.keyboard.press("Escape")
    page.goto(f"{visitor.base}/o/hospital/archive/clinical/studies/?sort=patient")
    page.locator("[data-row]").first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("j")
    page.keyboard.press("Space")
    expect(page.locator("[data-bulk-count]")).to_contain_text("2")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#drawer")).to_contain_text("Beta, Two")
    page.keyboard.press("Escape")
    page.locator("[data-row]").nth(2).focus()
    page.keyboard.press("Enter")
    with tenant(archive.organisation):
        study = Study.objects.get(patient__patient_name="Gamma^Three")
    page.wait_for_url(f"**/viewer/studies/{study.public_id}/**")


def test_the_list_shows_a_study_that_came_while_it_was_open(
    new_visitor: Any,
    administrator: User,
    archive: Archive,
) -> None:
    deliver(archive, make_series(count=1, PatientName="First^Study"))
    page = new_visitor().sign_in(administrator).go("/o/hospital/archive/clinical/studies/")
    expect(page.locator("[data-row]")).to_have_count(1)
    deliver(archive, make_series(count=1, PatientName="Second^Study"))
    expect(page.locator("[data-row]")).to_have_count(2)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_archives_pages_are_accessible(
    new_visitor: Any,
    administrator: User,
    archive: Archive,
    scheme: str,
) -> None:
    delivery, _outcomes = deliver(archive, [*make_series(count=2), b"not an image"])
    settle_now(archive)
    with tenant(archive.organisation):
        study, instance = Study.objects.get(), Instance.objects.first()
    visitor = new_visitor(scheme=scheme).sign_in(administrator)
    base = "/o/hospital/archive/"
    for path in (
        "", "new/", "clinical/studies/", "clinical/studies/?view=grid", f"clinical/studies/{study.public_id}/",
        f"clinical/studies/{study.public_id}/instances/{instance.pk}/", "clinical/upload/", "clinical/deliveries/",
        f"clinical/deliveries/{delivery.pk}/", "clinical/quarantine/", "clinical/settings/",
    ):  # fmt: skip
        visitor.go(base + path)
        assert visitor.axe() == [], path
