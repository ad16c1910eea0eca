"""Two walks in a browser: a share from the form to its end, and a broken glass from the reason to the review."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from access.grant_policy import change_policy
from access.models import BreakGlass, Organisation, User
from access.services import grant_role
from archive.models import Study
from core.tenancy import tenant
from tests.access.factories import make_member, make_organisation
from tests.archive.factories import deliver, make_archive
from tests.viewer import images
from tests.viewer.conftest import Viewer
from tests.viewer.test_whole import part10

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
PASSWORD = "correct horse battery staple"


class House:
    def __init__(self) -> None:
        self.organisation: Organisation = make_organisation("ward")
        self.archive = make_archive(self.organisation)
        self.manager = make_member(self.organisation)
        self.doctor = make_member(self.organisation)
        self.officer = make_member(self.organisation, roles=("officer",))
        grant_role(actor=None, container=self.archive, role="manager", user=self.manager)
        _delivery, outcomes = deliver(self.archive, [part10(dataset) for dataset in images.measuring_ct()])
        assert outcomes
        with tenant(self.organisation):
            change_policy(actor=None, organisation=self.organisation, changes={"sharing": "links", "break_glass": True})
            self.study = Study.objects.select_related("patient").get(archive=self.archive)


class Browsers:
    """Clean browser profiles, one a person."""

    def __init__(self, chromium: Any, address: str) -> None:
        self._chromium, self._address = chromium, address
        self._contexts: list[Any] = []

    def open(self, user: User | None = None) -> Viewer:
        context = self._chromium.new_context(viewport={"width": 1440, "height": 900})
        self._contexts.append(context)
        if user is not None:
            client = Client()
            client.force_login(user)
            name = settings.SESSION_COOKIE_NAME
            context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": self._address}])
        return Viewer(context.new_page(), self._address)

    def close(self) -> None:
        for context in self._contexts:
            context.close()


@pytest.fixture
def browsers(chromium: Any, front_end: None, live_server: Any) -> Iterator[Browsers]:
    found = Browsers(chromium, live_server.url)
    yield found
    found.close()


def is_drawn(viewer: Viewer) -> None:
    viewer.page.wait_for_selector("#viewer")  # the code of a link is sent by the page itself, which is then left
    viewer.wait(lambda: viewer.page.evaluate("document.getElementById('viewer')?.dataset.ready === 'true'"))
    assert viewer.pane()["count"] == 12
    assert viewer.problems == []


def test_a_link_from_the_form_to_its_end(browsers: Browsers) -> None:
    house = House()
    sharer = browsers.open(house.manager).page
    sharer.goto(f"{browsers._address}/o/ward/viewer/studies/{house.study.public_id}/")
    sharer.locator('[data-action="share"]').click()
    sharer.get_by_label("Whoever has the link").check()
    sharer.get_by_label("Recipient", exact=True).fill("Dr. Guest, Elsewhere")
    sharer.get_by_label("Purpose").fill("Second opinion")
    sharer.get_by_role("button", name="Share", exact=True).click()
    link = sharer.locator(".command code").inner_text()
    assert "/shared/#ward." in link

    guest = browsers.open()
    guest.page.goto(link)
    is_drawn(guest)
    assert "#" not in guest.page.url and "/shared/" in guest.page.url
    assert guest.page.locator('[data-action="share"], .viewer-back').count() == 0
    guest.key("ArrowDown")
    shown = guest.page.url
    assert guest.page.goto(f"{browsers._address}/o/ward/archive/").url.startswith(
        f"{browsers._address}/accounts/sign-in/"
    )

    sharer.get_by_role("button", name="Take back").click()
    sharer.get_by_role("dialog").get_by_role("button", name="Take back").click()
    sharer.get_by_text("Taken back").first.wait_for()
    guest.page.goto(shown)
    guest.page.get_by_text("What you had open was closed").wait_for()
    guest.page.goto(f"{browsers._address}/shared/")
    guest.page.goto(link)
    guest.page.get_by_text("This link opens nothing").wait_for()


def test_a_broken_glass_from_the_reason_to_the_review(browsers: Browsers) -> None:
    house = House()
    doctor = browsers.open(house.doctor)
    page = doctor.page
    page.goto(f"{browsers._address}/o/ward/break-glass/")
    page.get_by_label("Emergency: the patient is being treated now").check()
    page.get_by_label("In your words").fill("Unconscious in the emergency room.")
    page.get_by_role("textbox", name="Patient ID or the accession number").fill(house.study.patient.patient_id)
    page.get_by_role("button", name="Break the glass").click()
    page.get_by_label("Password").first.fill(PASSWORD)
    page.get_by_label("Password").first.press("Enter")
    page.locator(".glass-banner").wait_for()
    page.locator("tbody a.row-link").first.click()
    is_drawn(doctor)
    assert page.locator(".glass-banner").is_visible()

    with tenant(house.organisation):
        glass = BreakGlass.objects.get()
    officer = browsers.open(house.officer).page
    officer.goto(f"{browsers._address}/o/ward/")
    officer.locator(f'a[href="/o/ward/break-glass/{glass.public_id}/"]').first.click()
    officer.get_by_label("Justified").check()
    officer.get_by_label("Note").fill("Confirmed by the ward.")
    officer.get_by_role("button", name="Keep verdict").click()
    officer.get_by_text("Confirmed by the ward.").wait_for()

    page.locator(".glass-banner").get_by_role("button", name="End now").click()
    page.get_by_text("It is over").wait_for()
    page.goto(f"{browsers._address}/o/ward/viewer/studies/{house.study.public_id}/")
    assert page.locator("#viewer").count() == 0
