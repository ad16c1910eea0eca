"""A page that is left and opened again at once: its own marks are no other window's."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.http import HttpResponse

from tests.viewer import images, site
from tests.viewer.conftest import Viewer

pytestmark = pytest.mark.e2e


@pytest.fixture
def phantom() -> site.Page:
    return site.page("leaving", site.entry(images.measuring_ct()))


def draw_and_reload(viewer: Viewer) -> None:
    viewer.open("leaving")
    viewer.tool("length")
    viewer.drag((100, 40), (220, 40))
    viewer.wait(lambda: len(viewer.marks) == 1)
    # Before the second after which marks are saved is over.
    viewer.open("leaving")


def no_conflict(viewer: Viewer, page: site.Page, count: int) -> None:
    viewer.wait(lambda: len(page.marks) == count)
    viewer.wait(lambda: viewer.get("saving") == "saved", within=15, what=f"saved, not {viewer.get('saving')}")
    assert "another window" not in viewer.page.inner_text("body")
    assert len(viewer.marks) == count


def test_a_page_left_and_reloaded_within_a_second_has_no_conflict_with_itself(
    viewer: Viewer, phantom: site.Page
) -> None:
    draw_and_reload(viewer)
    no_conflict(viewer, phantom, 1)
    viewer.tool("length")
    viewer.drag((100, 60), (220, 60))
    no_conflict(viewer, phantom, 2)


def test_what_leaves_with_the_page_may_arrive_after_the_page_was_opened_again(
    viewer: Viewer, phantom: site.Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last save is under way while the new page reads the marks: the new page knows it when it meets it."""
    real = site.TestMarks.put
    slow = iter([0.7])

    def put(self: Any, request: Any, **kwargs: Any) -> Any:
        time.sleep(next(slow, 0))
        return real(self, request, **kwargs)

    monkeypatch.setattr(site.TestMarks, "put", put)
    draw_and_reload(viewer)
    viewer.tool("length")
    viewer.drag((100, 60), (220, 60))
    no_conflict(viewer, phantom, 2)


def test_an_answer_that_is_lost_on_the_way_makes_no_conflict(
    viewer: Viewer, phantom: site.Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server stored the marks and its answer was lost: the next try meets the own marks, not another's."""
    real = site.TestMarks.put
    lost = iter([True])

    def put(self: Any, request: Any, **kwargs: Any) -> Any:
        answer = real(self, request, **kwargs)
        return HttpResponse(status=502) if next(lost, False) else answer

    monkeypatch.setattr(site.TestMarks, "put", put)
    viewer.open("leaving")
    viewer.tool("length")
    viewer.drag((100, 40), (220, 40))
    no_conflict(viewer, phantom, 1)
    viewer.drag((100, 60), (220, 60))
    no_conflict(viewer, phantom, 2)


def test_another_persons_marks_are_still_a_conflict_after_a_reload(viewer: Viewer, phantom: site.Page) -> None:
    viewer.open("leaving")
    viewer.page.route("**/marks/", lambda route: route.abort())
    viewer.tool("length")
    viewer.drag((100, 40), (220, 40))
    viewer.wait(lambda: viewer.get("saving") == "failed")
    phantom.version = 3
    viewer.page.unroute("**/marks/")
    viewer.open("leaving")
    viewer.wait(lambda: viewer.get("saving") == "conflict")
    assert phantom.marks == ()
