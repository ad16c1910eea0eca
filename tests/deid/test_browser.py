"""The pages in a real browser: whole on a desk and on a phone, light and dark, nothing for axe to find."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from core.tenancy import tenant
from deid import queries, services, tasks
from deid.models import DeidentificationRun
from deid.services import runs
from deid.services.domains import domain_of
from tests.archive.factories import deliver, make_file
from tests.deid.conftest import House, make_house
from tests.look.conftest import new_visitor  # noqa: F401 -- fixture

pytestmark = pytest.mark.e2e


def make_later_round(house: House) -> tuple[DeidentificationRun, DeidentificationRun]:
    """A copy that an image came too late for, and one with stored images whose released ones wait for approval."""
    approver = house.person(clinical="reader", teaching="manager")
    late, later = (make_run(house, patient_id=number) for number in ("LM-5", "LM-6"))
    assert late.source_study is not None
    deliver(house.clinical, [make_file(StudyInstanceUID=late.source_study.study_instance_uid, PatientID="LM-5")])
    with tenant(house.organisation):
        late, later = (
            services.approve_run(actor=approver, run=run, seen=services.proposal(run)) for run in (late, later)
        )
    late, later = execute(late), execute(later)
    assert (late.late, later.state) == (1, DeidentificationRun.State.PARTIALLY_HELD)
    with tenant(house.organisation):
        held = [row.pk for row in queries.open_holds(later)]
        later = services.release_images(actor=approver, run=later, instances=held, reason="no text in any frame")
    later = execute(later)
    assert later.is_awaiting_approval and later.stored
    return late, later


def execute(run: DeidentificationRun) -> DeidentificationRun:
    tasks.execute_run(organisation_id=run.organisation_id, run_id=run.pk, job_id=str(run.job_id))
    with tenant(run.organisation):
        return runs.load(run.pk)


def make_run(house: House, *, patient_id: str) -> DeidentificationRun:
    shared: dict[str, Any] = {
        "PatientID": patient_id,
        "PatientName": "Meitner^Lise",
        "InstitutionName": "Kaiser Wilhelm Hospital",
        "BodyPartExamined": "HEAD",
        "SeriesDescription": "T1 axial for Dr. Hahn",
    }
    study = house.study(count=4, **shared)
    extra = [
        make_file(StudyInstanceUID=study.study_instance_uid, **{**shared, **more})
        for more in ({"BurnedInAnnotation": "YES"}, {"Modality": "US"}, {"Modality": "US", "InstanceNumber": 2})
    ]
    deliver(house.clinical, extra)
    with tenant(house.organisation):
        run = services.deidentify_study(actor=house.educator, study=study, target_archive=house.teaching)
    return execute(run)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
def test_every_page_has_no_violations(
    scheme: str,
    width: int,
    transactional_db: None,
    new_visitor: Any,  # noqa: F811
) -> None:
    house = make_house()
    run = make_run(house, patient_id="LM-1")
    colleague = house.person(clinical="reader", teaching="manager")
    with tenant(house.organisation):
        services.change_domain(
            actor=colleague, domain=domain_of(house.teaching), changes={"require_second_person": True}
        )
    waiting = make_run(house, patient_id="LM-2")
    assert waiting.is_awaiting_approval
    late, later = make_later_round(house)
    with tenant(house.organisation):
        study = house.study(count=1)
    root = f"/o/{house.organisation.slug}/deidentification"
    visitor = new_visitor(scheme=scheme, width=width).sign_in(colleague)
    found = {}
    for path in (
        f"{root}/",
        f"{root}/runs/{run.public_id}/",
        f"{root}/runs/{run.public_id}/compare/",
        f"{root}/runs/{run.public_id}/held/",
        f"{root}/runs/{run.public_id}/receipt/",
        f"{root}/runs/{waiting.public_id}/",
        f"{root}/runs/{late.public_id}/",
        f"{root}/runs/{later.public_id}/",
        f"{root}/runs/{later.public_id}/receipt/",
        f"{root}/new/{study.public_id}/",
        f"{root}/settings/{house.teaching.slug}/",
    ):
        page = visitor.go(path)
        found[path] = visitor.axe()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{path} scrolls sideways"
    assert {path: violations for path, violations in found.items() if violations} == {}


def test_a_colleague_compares_and_approves(transactional_db: None, new_visitor: Any) -> None:  # noqa: F811
    house = make_house()
    colleague = house.person(clinical="reader", teaching="manager")
    with tenant(house.organisation):
        services.change_domain(
            actor=colleague, domain=domain_of(house.teaching), changes={"require_second_person": True}
        )
    run = make_run(house, patient_id="LM-3")
    visitor = new_visitor().sign_in(colleague)
    page = visitor.go(f"/o/{house.organisation.slug}/deidentification/runs/{run.public_id}/")
    page.get_by_role("link", name="Before and after").first.click()
    page.get_by_role("cell", name="Meitner^Lise").wait_for()
    page.get_by_role("searchbox", name="Name, tag or rule").fill("institution")
    page.get_by_text(re.compile(r"^1 of \d+ element")).wait_for()
    assert page.get_by_role("cell", name="Meitner^Lise").count() == 0
    page.go_back()
    page.wait_for_url(f"**/runs/{run.public_id}/")
    page.get_by_label("Note").fill("Four images compared")
    page.get_by_role("button", name="Approve and store").click()
    page.get_by_text("Approved. The images are being stored.").wait_for()
    with tenant(house.organisation):
        after = runs.load(run.pk)
        assert (after.state, after.decided_by) == (DeidentificationRun.State.STORING, colleague)


def test_a_manager_looks_through_the_frames_and_releases_an_image(
    transactional_db: None,
    new_visitor: Any,  # noqa: F811
) -> None:
    house = make_house()
    pixels = (np.arange(3 * 256, dtype=np.uint16).reshape(3, 16, 16) * 5).tobytes()
    study = house.study(count=1, NumberOfFrames=3, PixelData=pixels, ImageType=["DERIVED", "SECONDARY"])
    with tenant(house.organisation):
        run = services.deidentify_study(actor=house.educator, study=study, target_archive=house.teaching)
    tasks.execute_run(organisation_id=run.organisation_id, run_id=run.pk, job_id=str(run.job_id))
    visitor = new_visitor().sign_in(house.person(clinical="reader", teaching="manager"))
    page = visitor.go(f"/o/{house.organisation.slug}/deidentification/runs/{run.public_id}/")
    page.get_by_role("link", name="Look at held images").click()
    slider = page.get_by_role("slider", name="Frame 1 of 3")
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.get_by_role("slider", name="Frame 2 of 3").wait_for()
    picture = page.get_by_role("img", name="Image 1, frame 2")
    picture.scroll_into_view_if_needed()
    page.wait_for_function("image => image.complete && image.naturalWidth > 0", arg=picture.element_handle())
    page.keyboard.press("ArrowRight")
    page.get_by_role("slider", name="Frame 3 of 3").wait_for()
    page.get_by_role("checkbox").check()
    page.get_by_label("Reason").fill("nothing but anatomy in three frames")
    page.get_by_role("button", name="Release").click()
    page.get_by_text("1 image released.").wait_for()
    with tenant(house.organisation):
        assert runs.load(run.pk).state == DeidentificationRun.State.RUNNING
