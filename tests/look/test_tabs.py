"""A row of tabs that is wider than its place hides nothing: it wraps on a desk, and scrolls on a phone."""

from __future__ import annotations

from typing import Any

import pytest

from access.models import User

pytestmark = pytest.mark.e2e
# One at the beginning of the row, one at its end; the second is a narrow page.
PAGES = ("/o/hospital/admin/people/", "/o/hospital/admin/settings/", "/o/hospital/admin/sign-on/")
SHOWN = """row => {
  const inside = (one) => {
    const [outer, inner] = [row.getBoundingClientRect(), one.getBoundingClientRect()];
    return inner.left >= outer.left - 1 && inner.right <= outer.right + 1 && inner.top >= outer.top - 1;
  };
  const tabs = [...row.querySelectorAll('.tab')];
  return {
    all: tabs.length,
    inside: tabs.filter(inside).length,
    current: inside(row.querySelector('[aria-current]')),
    more: ['before', 'after'].filter((side) => row.hasAttribute(`data-more-${side}`)),
    rows: new Set(tabs.map((one) => one.getBoundingClientRect().top)).size,
    page: document.documentElement.scrollWidth <= window.innerWidth,
  };
}"""


def test_on_a_desk_every_tab_is_there(new_visitor: Any, administrator: User) -> None:
    visitor = new_visitor(width=1440).sign_in(administrator)
    for width, rows in ((1440, 1), (1100, 2)):
        visitor.page.set_viewport_size({"width": width, "height": 900})
        for path in PAGES:
            found = visitor.go(path).locator("nav.tabs").first.evaluate(SHOWN)
            assert found["inside"] == found["all"] > 8, (width, path)
            assert (found["more"], found["rows"], found["page"]) == ([], rows, True), (width, path)


def test_on_a_phone_the_current_tab_is_in_view_and_an_edge_says_that_there_are_more(
    new_visitor: Any, administrator: User
) -> None:
    visitor = new_visitor(width=390).sign_in(administrator)
    for path in PAGES:
        row = visitor.go(path).locator("nav.tabs").first
        visitor.page.locator("nav.tabs[data-more-before], nav.tabs[data-more-after]").first.wait_for()
        found = row.evaluate(SHOWN)
        assert found["current"] and found["page"], path
        assert found["inside"] < found["all"] and found["more"], path
        # Pushed to its end, the other edge fades.
        row.evaluate("row => { row.scrollLeft = row.scrollWidth; }")
        visitor.page.locator("nav.tabs:not([data-more-after])").first.wait_for()
        assert row.evaluate(SHOWN)["more"] == ["before"], path
