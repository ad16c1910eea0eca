"""After the commit: whose mark is which, what was missed, and words that can be read."""

from __future__ import annotations

from typing import Any

import pytest

from tests.viewer import images, site
from tests.viewer.conftest import Viewer
from viewer.domain import manifest as contract
from viewer.domain.marks import Mark

pytestmark = pytest.mark.e2e

OWN, TRUTH = "#56d3c6", "#f0b84e"


def ellipse(number: int, *, slice_: int, around: tuple[float, float], **more: Any) -> Mark:
    stack = images.measuring_ct()
    x, y = around
    return Mark(
        id=f"6f1c1c94-38d5-4a6a-9d0e-0a86a1b1c00{number}",
        tool="ellipse",
        series_instance_uid=str(stack[slice_].SeriesInstanceUID),
        sop_instance_uid=str(stack[slice_].SOPInstanceUID),
        points=((x, y - 20), (x, y + 20), (x - 30, y), (x + 30, y)),
        **more,
    )


def review(name: str, *, truth: tuple[Mark, ...], own: tuple[Mark, ...]) -> site.Page:
    layers = (
        contract.Layer(name="truth", label="Truth", role="truth", marks=truth),
        contract.Layer(name="own", label="My marks", marks=own),
    )
    return site.page(
        name, site.entry(images.measuring_ct()), mode="review", annotations=contract.Annotations(layers=layers)
    )


def drawn(viewer: Viewer) -> list[dict[str, Any]]:
    """The words beside marks: their lines, colour and box on the page."""
    found: list[dict[str, Any]] = viewer.page.evaluate(
        """() => [...document.querySelectorAll('.svg-layer g[data-annotation-uid]')].map((group) => {
            const {left, top, right, bottom} = group.getBoundingClientRect();
            const lines = [...group.querySelectorAll('tspan')].map((line) => line.textContent).filter(Boolean);
            return {id: group.dataset.annotationUid, lines, colour: group.querySelector('text').getAttribute('fill'),
                    box: [left, top, right, bottom]};
        })"""
    )
    return sorted((one for one in found if one["lines"]), key=lambda one: one["id"])


def strokes(viewer: Viewer) -> set[str]:
    found: list[str] = viewer.page.evaluate(
        "[...document.querySelectorAll('.svg-layer ellipse, .svg-layer path')].map((e) => e.getAttribute('stroke'))"
    )
    return {stroke for stroke in found if stroke}


def test_truth_is_amber_and_ones_own_teal_whatever_the_verdict_and_a_legend_says_so(viewer: Viewer) -> None:
    review(
        "colours",
        truth=(ellipse(1, slice_=5, around=(160, 100), label="Disc", verdict="hit"),),
        own=(
            ellipse(2, slice_=5, around=(162, 102), verdict="hit"),
            ellipse(3, slice_=5, around=(60, 60), verdict="false"),
        ),
    )
    viewer.open("colours")
    viewer.wait(lambda: len(drawn(viewer)) == 3)
    truth, hit, false = drawn(viewer)
    assert (truth["colour"], truth["lines"]) == (TRUTH, ["Disc · found"])
    assert (hit["colour"], hit["lines"][0]) == (OWN, "hit")
    assert (false["colour"], false["lines"][0]) == (OWN, "false mark")
    assert strokes(viewer) >= {TRUTH, OWN}
    legend = viewer.page.locator(".marks-legend > span")
    assert legend.all_inner_texts() == ["Truth", "My marks"]
    assert [
        legend.nth(i).locator(".swatch").evaluate("(dot) => getComputedStyle(dot).borderTopColor") for i in (0, 1)
    ] == ["rgb(240, 184, 78)", "rgb(86, 211, 198)"]


def test_words_of_marks_at_one_place_do_not_cover_each_other(viewer: Viewer) -> None:
    review(
        "words",
        truth=tuple(
            ellipse(n, slice_=5, around=(160 + 2 * n, 100 + n), label=f"Lesion {n}", verdict="hit") for n in (1, 2)
        ),
        own=tuple(ellipse(n, slice_=5, around=(158 + 2 * n, 101 + n), verdict="hit") for n in (3, 4)),
    )
    viewer.open("words")
    viewer.wait(lambda: len(drawn(viewer)) == 4)
    for _time in range(2):
        boxes = [one["box"] for one in drawn(viewer)]
        for i, (left, top, right, bottom) in enumerate(boxes):
            for other in boxes[:i]:
                apart = right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
                assert apart, boxes
        # And after the image was moved and drawn anew.
        viewer.focus()
        viewer.key("Shift+ArrowDown")
        viewer.page.wait_for_timeout(300)


def test_a_review_begins_at_the_lesion_that_was_missed_and_says_so(viewer: Viewer) -> None:
    review(
        "missed",
        truth=(
            ellipse(1, slice_=5, around=(160, 100), label="Disc", verdict="hit"),
            ellipse(2, slice_=9, around=(90, 120), label="Nodule", verdict="miss"),
        ),
        own=(ellipse(3, slice_=5, around=(160, 100), verdict="hit"),),
    )
    viewer.open("missed")
    viewer.wait(lambda: viewer.pane()["drawn"] == 9)
    assert "Missed: Nodule" in viewer.page.inner_text("[data-part=toast]")
    viewer.wait(lambda: [one["lines"] for one in drawn(viewer)] == [["Nodule · missed"]])
    assert "is-selected" in viewer.page.locator(".mark", has_text="Nodule").get_attribute("class")


def test_no_statistics_are_drawn_or_listed_of_the_truth(viewer: Viewer) -> None:
    """Nor while its author draws it: what is marked is where the lesion is."""
    layer = contract.Layer(name="truth", label="Truth", role="truth", editable=True)
    site.page(
        "author", site.entry(images.measuring_ct()), mode="author", annotations=contract.Annotations(layers=(layer,))
    )
    viewer.open("author")
    for tool in ("ellipse", "rectangle"):
        viewer.tool(tool)
        viewer.drag((140, 90), (180, 110)) if tool == "ellipse" else viewer.drag((40, 40), (80, 60))
    viewer.wait(lambda: len(viewer.marks) == 2)
    viewer.tool("length")
    viewer.drag((100, 160), (220, 160))
    viewer.wait(lambda: [one["lines"] for one in drawn(viewer)] == [["60 mm"]])
    values = viewer.page.locator(".mark-values").all_inner_texts()
    assert values == ["", "", "60 mm"]
