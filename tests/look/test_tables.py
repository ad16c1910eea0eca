"""Lists in a real browser: everything in the address, everything by keys."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from access.models import Organisation, User
from tests.access.factories import make_member

pytestmark = pytest.mark.e2e


@pytest.fixture
def crowd(hospital: Organisation) -> list[User]:
    people = []
    for number in range(30):
        user = make_member(hospital, username=f"crowd{number:02d}@hospital", roles=("officer",) if number < 3 else ())
        user.display_name = f"Crowd {number:02d}"
        user.save()
        people.append(user)
    return people


def test_typing_narrows_the_list_and_the_address_carries_it(
    new_visitor: Any, administrator: User, crowd: list[User]
) -> None:
    visitor = new_visitor().sign_in(administrator)
    page = visitor.go("/o/hospital/admin/people/")
    page.keyboard.press("/")
    page.keyboard.type("crowd 07", delay=20)
    expect(page.locator("[data-row]")).to_have_count(1)
    expect(page).to_have_url(f"{visitor.base}/o/hospital/admin/people/?q=crowd%2007")
    expect(page.get_by_role("searchbox", name="Search people")).to_be_focused()
    page.reload()
    expect(page.locator("[data-row]")).to_have_count(1)
    expect(page.get_by_role("searchbox", name="Search people")).to_have_value("crowd 07")


def test_filters_sort_and_pages_are_links_that_can_be_shared(
    new_visitor: Any, administrator: User, crowd: list[User]
) -> None:
    visitor = new_visitor().sign_in(administrator)
    page = visitor.go("/o/hospital/admin/people/?per=25")
    page.get_by_role("link", name="User name").click()
    expect(page).to_have_url(f"{visitor.base}/o/hospital/admin/people/?per=25&sort=username")
    page.get_by_role("link", name="Next page").click()
    expect(page).to_have_url(f"{visitor.base}/o/hospital/admin/people/?per=25&sort=username&page=2")
    address = page.url
    rows = page.locator("[data-row] th").all_inner_texts()
    second = new_visitor().sign_in(administrator)
    second.page.goto(address)
    assert second.page.locator("[data-row] th").all_inner_texts() == rows
    page.get_by_text("Never seen").click()
    expect(page).to_have_url(f"{visitor.base}/o/hospital/admin/people/?per=25&sort=username&never=1")
    page.go_back()
    expect(page).to_have_url(address)


def test_rows_are_walked_and_opened_by_keys(new_visitor: Any, administrator: User, crowd: list[User]) -> None:
    visitor = new_visitor().sign_in(administrator)
    page = visitor.go("/o/hospital/admin/people/?q=crowd")
    for key in ("j", "j", "j", "k"):
        page.keyboard.press(key)
    expect(page.locator("[data-row]").nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{visitor.base}/o/hospital/admin/people/{crowd[1].pk}/")


def test_columns_are_chosen_and_remembered(new_visitor: Any, administrator: User) -> None:
    visitor = new_visitor().sign_in(administrator)
    page = visitor.go("/o/hospital/admin/people/")
    expect(page.get_by_role("columnheader", name="E-mail")).to_have_count(0)
    page.get_by_role("button", name="Columns").click()
    page.get_by_label("E-mail").check()
    expect(page.get_by_role("columnheader", name="E-mail")).to_be_visible()
    visitor.go("/o/hospital/admin/people/")
    expect(page.get_by_role("columnheader", name="E-mail")).to_be_visible()


def test_without_scripts_a_list_still_searches(
    chromium: Any, live_server: Any, administrator: User, crowd: Any
) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{live_server.url}/accounts/sign-in/")
    page.get_by_label("User name").fill(administrator.username)
    page.get_by_label("Password").fill("correct horse battery staple")
    page.get_by_role("button", name="Sign in").click()
    page.goto(f"{live_server.url}/o/hospital/admin/people/")
    page.get_by_role("searchbox").fill("crowd 07")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("[data-row]")).to_have_count(1)
    context.close()


def test_a_view_is_kept_from_the_list_and_opens_it(new_visitor: Any, administrator: User, crowd: list[User]) -> None:
    visitor = new_visitor().sign_in(administrator)
    page = visitor.go("/o/hospital/admin/people/?q=crowd+07")
    page.get_by_role("button", name="Views").click()
    page.get_by_label("Keep words, filters, order and columns as").fill("Number seven")
    page.get_by_label("Open this list with it").check()
    # The form leaves once the server has answered that it is there.
    with page.expect_navigation():
        page.get_by_role("button", name="Keep this view").click()
    expect(page).to_have_url(f"{visitor.base}/o/hospital/admin/people/?q=crowd+07")
    visitor.go("/o/hospital/admin/people/")
    expect(page).to_have_url(f"{visitor.base}/o/hospital/admin/people/?q=crowd+07")
    expect(page.get_by_role("button", name="Number seven")).to_be_visible()
    visitor.go("/o/hospital/admin/people/?all=1")
    assert page.locator("[data-row]").count() > 20


def test_shortened_words_are_told_whole_and_no_column_is_cut_off(
    new_visitor: Any, administrator: User, crowd: list[User]
) -> None:
    long = crowd[0]
    long.display_name = "Wolfeschlegelsteinhausenbergerdorff " * 4
    long.save()
    visitor = new_visitor(width=1024).sign_in(administrator)
    page = visitor.go("/o/hospital/admin/people/?q=wolfe")
    cell = page.locator("[data-row] th").first
    cell.hover()
    expect(cell).to_have_attribute("title", re.compile("(Wolfeschlegelsteinhausenbergerdorff ?){4}"))
    assert (
        page.evaluate(
            "() => { const box = document.querySelector('.table-scroll'); return box.scrollWidth - box.clientWidth; }"
        )
        <= 0
    )
