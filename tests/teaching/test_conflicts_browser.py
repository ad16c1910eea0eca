"""Two windows on one case: both texts are shown, one is chosen or both are put together, and none is lost."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from core.tenancy import tenant
from teaching import services
from teaching.models import Case
from tests.look.conftest import Visitor, new_visitor  # noqa: F401 -- fixtures
from tests.teaching.factories import House, make_house

pytestmark = pytest.mark.e2e


@pytest.fixture
def house(transactional_db: None) -> House:
    return make_house()


@pytest.fixture
def case(house: House) -> Case:
    with tenant(house.organisation):
        return services.create_case(actor=house.educator, library=house.library, title="Two windows")


def open_editor(house: House, case: Case, visitor: Visitor) -> Page:
    visitor.expects_refusal = True
    page = visitor.go(f"/o/{house.organisation.slug}/teaching/cases/{case.public_id}/")
    page.get_by_role("textbox", name="Findings").wait_for()
    return page


def stored(house: House, case: Case, kind: str = "findings") -> str:
    with tenant(house.organisation):
        return str(case.sections.get(kind=kind).body)


def history(house: House, case: Case) -> list[str]:
    with tenant(house.organisation):
        return [
            section["body"]
            for revision in case.revisions.order_by("number")
            for section in revision.content["sections"]
            if section["kind"] == "findings"
        ]


@pytest.fixture
def clashing(house: House, case: Case, new_visitor: Any, request: Any) -> Page:  # noqa: F811
    """A page on whose screen stands "Second text" of a section in which "First text" was stored from elsewhere."""
    first: Visitor = new_visitor().sign_in(house.educator)
    page = open_editor(house, case, first)
    if request.param == "two people":
        second = new_visitor().sign_in(house.administrator)
    else:
        second = Visitor(page=first.page.context.new_page(), base=first.base)
    other = open_editor(house, case, second)
    # In steps, which the history folds into one entry of one author.
    for text in ("First", "First text"):
        page.get_by_role("textbox", name="Findings").fill(text)
        page.get_by_text("All changes saved").wait_for()
    other.get_by_role("textbox", name="Discussion").fill("Beside it")
    other.get_by_text("All changes saved").wait_for()
    other.get_by_role("textbox", name="Findings").fill("Second text")
    dialog = other.get_by_role("dialog", name="Changed elsewhere")
    dialog.wait_for()
    assert dialog.get_by_text("First text").is_visible()
    assert dialog.get_by_role("textbox", name="Yours: Findings").input_value() == "Second text"
    assert other.get_by_text("All changes saved").count() == 0
    assert stored(house, case) == "First text"
    assert stored(house, case, "discussion") == "Beside it"
    return other


BOTH = pytest.mark.parametrize("clashing", ["two people", "two tabs of one person"], indirect=True)


@BOTH
def test_keeping_ones_own_text_leaves_the_other_in_the_history(house: House, case: Case, clashing: Page) -> None:
    clashing.get_by_role("button", name="Save my text").click()
    clashing.get_by_text("All changes saved").wait_for()
    assert stored(house, case) == "Second text"
    assert "First text" in history(house, case)


@BOTH
def test_taking_the_stored_text_shows_it(house: House, case: Case, clashing: Page) -> None:
    clashing.get_by_role("button", name="Use the stored text").click()
    clashing.get_by_text("All changes saved").wait_for()
    field = clashing.get_by_role("textbox", name="Findings")
    assert field.input_value() == "First text"
    field.fill("First text, and more")
    clashing.get_by_text("Saving…").wait_for()
    clashing.get_by_text("All changes saved").wait_for()
    assert stored(house, case) == "First text, and more"


@BOTH
def test_both_texts_can_be_put_together(house: House, case: Case, clashing: Page) -> None:
    clashing.get_by_role("button", name="Put the stored text above mine").click()
    clashing.get_by_role("button", name="Save my text").click()
    clashing.get_by_text("All changes saved").wait_for()
    assert stored(house, case) == "First text\n\nSecond text"
    assert clashing.get_by_role("textbox", name="Findings").input_value() == "First text\n\nSecond text"


@BOTH
def test_a_decision_can_wait_and_nothing_is_called_saved_until_then(house: House, case: Case, clashing: Page) -> None:
    clashing.get_by_role("button", name="Decide later").click()
    field = clashing.get_by_role("textbox", name="Findings")
    assert field.input_value() == "Second text"
    field.fill("Second text, longer")
    clashing.get_by_text("Not saved: changed elsewhere.").wait_for()
    clashing.get_by_role("button", name="Compare").click()
    dialog = clashing.get_by_role("dialog", name="Changed elsewhere")
    assert dialog.get_by_role("textbox", name="Yours: Findings").input_value() == "Second text, longer"
    dialog.get_by_role("button", name="Save my text").click()
    clashing.get_by_text("All changes saved").wait_for()
    assert stored(house, case) == "Second text, longer"
