"""Where the editor puts the focus, and what it chooses beforehand: nothing that the person did not choose."""

from __future__ import annotations

from typing import Any

import pytest

from tests.look.conftest import Visitor, new_visitor  # noqa: F401 -- fixtures
from tests.practice.test_browser import images_are_there, leave, until
from tests.teaching.factories import House, make_case, make_house, publish

pytestmark = pytest.mark.e2e


@pytest.fixture
def house(transactional_db: None) -> House:
    return make_house()


HELD = """() => {
    const held = document.activeElement;
    const selected = held.value === undefined ? '' : held.value.slice(held.selectionStart, held.selectionEnd);
    const form = held.closest('.question-editor');
    return {name: held.name, value: held.value, selected,
            question: [...document.querySelectorAll('.question-editor')].indexOf(form) + 1};
}"""


def test_what_is_added_has_the_focus_and_a_prefilled_question_is_replaced_by_typing(
    house: House,
    new_visitor: Any,  # noqa: F811
) -> None:
    case = make_case(house)
    visitor: Visitor = new_visitor().sign_in(house.educator)
    page = visitor.go(f"/o/{house.organisation.slug}/teaching/cases/{case.public_id}/")
    images_are_there(page)
    page.get_by_role("tab", name="Questions").click()
    page.get_by_role("button", name="Mark the lesion").click()
    until(lambda: page.evaluate(HELD)["question"] == 3, what="the new question has the focus")
    held = page.evaluate(HELD)
    assert (held["name"], held["selected"]) == ("stem", held["value"]) and held["value"]
    page.keyboard.type("Mark the plexus.")
    page.get_by_text("All changes saved").wait_for()

    # The focus once given to question 3 is not given to it again.
    first = page.locator(".question-editor").first
    before = first.get_by_label("Option", exact=False).count()
    first.get_by_role("button", name="Add an option").click()
    until(lambda: first.get_by_label("Option", exact=False).count() > before, what="another option")
    until(lambda: page.evaluate(HELD)["name"] == "option_text", what="the new option has the focus")
    assert page.evaluate(HELD)["question"] == 1
    assert page.evaluate(HELD)["value"] == ""
    page.keyboard.type("Meningioma")
    page.get_by_text("All changes saved").wait_for()
    assert first.locator("input[name=option_text]").last.input_value() == "Meningioma"
    leave(page)


def test_no_case_is_ticked_before_it_is_chosen(house: House, new_visitor: Any) -> None:  # noqa: F811
    publish(house, make_case(house))
    visitor: Visitor = new_visitor().sign_in(house.educator)
    page = visitor.go(f"/o/{house.organisation.slug}/teaching/courses/{house.course.slug}/assign/")
    boxes = page.get_by_role("group", name="Cases").get_by_role("checkbox")
    assert boxes.count() == 1
    assert not boxes.first.is_checked()
