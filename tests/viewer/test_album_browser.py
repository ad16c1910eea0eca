"""Two walks in a browser: from the study list over an album and a link to a guest's second study, and an album by keys."""

# ruff: noqa: F811 -- fixtures are imported by name

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from access.grant_policy import change_policy
from access.models import Organisation
from access.services import grant_role
from archive.albums import services as albums
from archive.albums.models import Album
from archive.models import Study
from core.tenancy import tenant
from tests.access.factories import make_member, make_organisation
from tests.archive.factories import deliver, make_archive
from tests.archive.test_settle import settle_now
from tests.look.conftest import Visitor
from tests.viewer import images
from tests.viewer.conftest import Viewer
from tests.viewer.test_guests import Browsers, browsers  # noqa: F401 -- fixture
from tests.viewer.test_whole import part10

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


class House:
    """Three patients with one series of twelve images each."""

    def __init__(self) -> None:
        self.organisation: Organisation = make_organisation("ward")
        self.archive = make_archive(self.organisation, slug="scans")
        self.manager = make_member(self.organisation)
        grant_role(actor=None, container=self.archive, role="manager", user=self.manager)
        for name in ("Adler", "Berg", "Celik"):
            deliver(self.archive, [part10(dataset) for dataset in self._stack(name)])
        settle_now(self.archive)
        with tenant(self.organisation):
            change_policy(actor=None, organisation=self.organisation, changes={"sharing": "links"})
            self.studies = list(Study.objects.order_by("patient__patient_name"))

    def _stack(self, name: str) -> list[Any]:
        found = images.measuring_ct()
        for dataset in found:
            dataset.StudyInstanceUID = images.uid(name)
            dataset.SeriesInstanceUID = images.uid(name, "series")
            dataset.SOPInstanceUID = images.uid(name, dataset.InstanceNumber)
            dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
            dataset.PatientName, dataset.PatientID = f"{name}^Anna", name
        return list(found)

    def order(self, album: Album) -> list[str]:
        with tenant(self.organisation):
            rows = album.entries.order_by("position").select_related("study__patient")
            return [entry.study.patient.patient_id for entry in rows]


def is_drawn(viewer: Viewer) -> None:
    viewer.page.wait_for_selector("#viewer")  # the code of a link is sent by the page itself, which is then left
    viewer.wait(lambda: viewer.page.evaluate("document.getElementById('viewer')?.dataset.ready === 'true'"))
    assert viewer.pane()["count"] == 12
    assert viewer.problems == []


def test_two_studies_into_an_album_by_link_to_a_guest_who_opens_the_second(browsers: Browsers) -> None:
    house = House()
    maker = browsers.open(house.manager).page
    maker.goto(f"{browsers._address}/o/ward/archive/scans/studies/?sort=patient")
    rows = maker.locator("[data-row]")
    for number in (0, 1):
        rows.nth(number).locator("[data-select-row]").check()
    maker.get_by_role("button", name="Add to album…").click()
    maker.get_by_label("Name of the new album").fill("Tumour board")
    maker.get_by_role("button", name="Add to album", exact=True).click()
    maker.get_by_text("2 studies were added to “Tumour board”.").wait_for()
    assert "sort=patient" in maker.url
    maker.get_by_role("link", name="Albums").click()
    maker.get_by_role("link", name="Tumour board").click()
    maker.get_by_role("link", name="Share…").click()
    maker.get_by_label("Whoever has the link").check()
    maker.get_by_label("Recipient", exact=True).fill("Dr. Guest, Elsewhere")
    maker.get_by_label("Purpose").fill("Second opinion")
    maker.get_by_role("button", name="Share", exact=True).click()
    link = maker.locator(".command code").inner_text()

    guest = browsers.open()
    guest.page.goto(link)
    is_drawn(guest)
    strip = guest.page.locator(".album-strip a")
    assert strip.count() == 2
    assert "Adler, Anna" in guest.page.locator("h1").inner_text()
    strip.nth(1).click()
    guest.page.locator("h1", has_text="Berg, Anna").wait_for()
    is_drawn(guest)
    assert guest.page.locator(".album-strip a[aria-current]").inner_text().startswith("Berg, Anna")
    guest.page.locator(".pane").first.focus()
    guest.key("Shift+PageUp")
    guest.page.locator("h1", has_text="Adler, Anna").wait_for()
    is_drawn(guest)
    answer = guest.page.request.get(f"{browsers._address}/o/ward/viewer/studies/{house.studies[2].public_id}/")
    assert "/accounts/sign-in/" in answer.url

    maker.goto(f"{browsers._address}/o/ward/archive/scans/albums/")
    maker.get_by_role("link", name="Tumour board").click()
    maker.get_by_text("Whoever has the link sees what is in here.").first.wait_for()


def test_an_album_is_put_in_order_by_keys_and_what_was_taken_out_comes_back(browsers: Browsers) -> None:
    house = House()
    album = albums.create_album(actor=house.manager, archive=house.archive, name="Round", studies=house.studies)
    page = browsers.open(house.manager).page
    there = f"{browsers._address}/o/ward/archive/scans/albums/{album.public_id}/"
    page.goto(there)
    last = page.locator("[data-row]", has_text="Celik")
    last.focus()
    page.keyboard.press("Alt+ArrowUp")
    page.locator("[data-row]:nth-child(2)", has_text="Celik").wait_for()
    assert house.order(album) == ["Adler", "Celik", "Berg"]
    assert page.evaluate("document.activeElement.textContent").count("Celik")
    page.keyboard.press("Alt+ArrowUp")
    page.locator("[data-row]:nth-child(1)", has_text="Celik").wait_for()
    assert house.order(album) == ["Celik", "Adler", "Berg"]
    page.get_by_role("button", name="Move Adler, Anna, 2024-02-29 down").click()
    page.locator("[data-row]:nth-child(3)", has_text="Adler").wait_for()
    assert house.order(album) == ["Celik", "Berg", "Adler"]
    assert page.url == there

    page.locator("[data-row]", has_text="Berg").locator("[data-select-row]").check()
    page.get_by_role("button", name="Take out of the album").click()
    page.get_by_text("1 study was taken out of the album.").wait_for()
    assert house.order(album) == ["Celik", "Adler"]
    page.get_by_role("button", name="Put back").click()
    page.get_by_text("1 study is back where it was.").wait_for()
    assert house.order(album) == ["Celik", "Berg", "Adler"]

    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete album").click()
    page.get_by_text("The album “Round” is deleted").wait_for()
    with tenant(house.organisation):
        assert not Album.objects.exists() and Study.objects.count() == 3


def test_pages_of_albums_have_no_violations(browsers: Browsers) -> None:
    house = House()
    album = albums.create_album(
        actor=house.manager, archive=house.archive, name="Round", description="Monday", studies=house.studies
    )
    albums.create_album(actor=house.manager, archive=house.archive, name=f"Empty {timezone.now():%Y}")
    page = browsers.open(house.manager).page
    found = {}
    for path in (
        "archive/scans/albums/",
        "archive/scans/albums/?q=nothing-like-it",
        "archive/scans/albums/new/",
        f"archive/scans/albums/{album.public_id}/",
        f"archive/scans/albums/{album.public_id}/?view=grid",
        f"archive/scans/albums/{album.public_id}/edit/",
        f"viewer/albums/{album.public_id}/",
    ):
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(f"{browsers._address}/o/ward/{path}")
            # The viewer's strip of tools stands between its landmarks, as on all its pages.
            complaints = Visitor(page=page, base=browsers._address).axe()
            found[f"{path} {width}"] = [one for one in complaints if not one.startswith("region: ['.viewer-tools']")]
    assert {place: violations for place, violations in found.items() if violations} == {}
