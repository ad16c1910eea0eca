"""The lock screen takes nothing away: half-written texts and unsaved marks are there after it, and reach the server."""

from __future__ import annotations

from typing import Any

import pytest

from core.tenancy import tenant
from practice.models import Attempt
from teaching.models import Case
from tests.look.conftest import PASSWORD, Visitor, new_visitor  # noqa: F401 -- fixtures
from tests.practice.test_browser import draw_ellipse, house, images_are_there, until  # noqa: F401 -- fixtures
from tests.teaching.factories import House, make_case, publish

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.e2e]


def lock(page: Any) -> None:
    page.keyboard.press("Control+Alt+KeyL")
    page.get_by_role("heading", name="Locked").wait_for()


def unlock(page: Any) -> None:
    page.locator("#lock-password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.locator("html:not([data-locked])").wait_for(state="attached")


def test_a_half_written_case_text_is_kept_and_saved_after_the_lock(
    house: House,  # noqa: F811
    new_visitor: Any,  # noqa: F811
) -> None:
    case = make_case(house, alternative_title="")
    visitor: Visitor = new_visitor().sign_in(house.educator)
    visitor.expects_refusal = True
    page = visitor.go(f"/o/{house.organisation.slug}/teaching/cases/{case.public_id}/")
    images_are_there(page)
    title = page.get_by_label("Title as an unknown")
    title.click()
    page.keyboard.type("Woman of 54 with hea")
    lock(page)
    assert not title.is_visible()
    page.wait_for_timeout(1500)
    assert _title(house, case) == "", "nothing may reach the server while it is locked"
    unlock(page)
    assert title.input_value() == "Woman of 54 with hea"
    page.get_by_text("All changes saved").wait_for()
    title.press("End")
    page.keyboard.type("dache")
    until(lambda: _title(house, case) == "Woman of 54 with headache", what="the title is saved")


def _title(house: House, case: Case) -> str:  # noqa: F811
    with tenant(house.organisation):
        return str(Case.objects.get(pk=case.pk).alternative_title)


def test_an_unsaved_mark_and_an_answer_survive_the_lock_of_an_open_viewer(
    house: House,  # noqa: F811
    new_visitor: Any,  # noqa: F811
) -> None:
    version = publish(house)
    visitor: Visitor = new_visitor().sign_in(house.learner)
    visitor.expects_refusal = True
    page = visitor.go(f"/o/{house.organisation.slug}/practice/")
    page.get_by_role("button", name="Read the next case").click()
    page.wait_for_url("**/practice/reads/*/")
    images_are_there(page)
    page.locator(".mark-ask").get_by_role("button", name="Outline").click()
    draw_ellipse(page, column=8, row=8, radius=2)
    until(lambda: page.locator("[data-viewer-mark-count]").text_content() == "1", what="the mark is counted")
    page.get_by_text("A benign plexus lesion").click()
    lock(page)
    assert not page.locator("#viewer").is_visible()
    page.wait_for_timeout(2500)
    with tenant(house.organisation):
        attempt = Attempt.objects.get(version=version)
        assert not attempt.draft, "nothing may reach the server while it is locked"
    unlock(page)
    assert page.locator("[data-viewer-mark-count]").text_content() == "1"
    assert page.get_by_role("radio", name="A benign plexus lesion").is_checked()
    page.get_by_text("Answers saved").wait_for()
    page.wait_for_timeout(2500)
    page.reload()
    images_are_there(page)
    until(lambda: page.locator("[data-viewer-mark-count]").text_content() == "1", what="the mark was saved")
    assert page.get_by_role("radio", name="A benign plexus lesion").is_checked()
