"""Every marking tool against the pointer's path, and what becomes of a path that is not followed to its end."""

from __future__ import annotations

from math import pi
from typing import Any

import pytest

from tests.viewer import images, site
from tests.viewer.conftest import Viewer
from viewer.domain import manifest as contract

pytestmark = pytest.mark.e2e

Path = list[tuple[float, float]]

#: Tool, the pointer's path in pixels (one point is a click), the mark's points, and one value in known units.
#: A column of the phantom is 0.5 mm wide, a row 0.8 mm high.
PATHS: list[tuple[str, Path, Path, tuple[str, float] | None]] = [
    ("length", [(100, 40), (220, 40)], [(100, 40), (220, 40)], ("length", 60)),
    ("bidirectional", [(40, 150), (90, 150)], [(40, 150), (90, 150)], ("long_axis", 25)),
    ("ellipse", [(140, 90), (180, 110)], [(160, 90), (160, 110), (140, 100), (180, 100)], ("area", pi * 10 * 8)),
    ("rectangle", [(140, 90), (180, 110)], [(140, 90), (180, 90), (140, 110), (180, 110)], ("area", 20 * 16)),
    ("freehand", [(140, 90), (180, 90), (180, 115), (140, 115), (140, 91)], [(140, 90)], ("area", 20 * 20)),
    ("probe", [(160, 100)], [(160, 100)], ("value", 60)),
    ("arrow", [(40, 20), (70, 40)], [(40, 20), (70, 40)], None),
    ("angle", [(250, 60), (290, 60), (290, 85)], [(250, 60), (290, 60), (290, 85)], ("angle", 90)),
]
BY_TOOL = pytest.mark.parametrize(("tool", "path", "points", "value"), PATHS, ids=[row[0] for row in PATHS])


@pytest.fixture
def phantom() -> site.Page:
    """The measuring CT, and another series beside it in the list."""
    layout = contract.Layout(viewports=(contract.ViewportPreset(series=images.uid("study", "measuring")),))
    return site.page("tools", site.entry(images.measuring_ct()), site.entry(images.sagittal_mr()), layout=layout)


def draw(viewer: Viewer, tool: str, path: Path) -> None:
    """Follow a path with the pointer as the tool wants it drawn."""
    if len(path) == 1:
        viewer.click(*path[0])
    elif tool == "angle":
        viewer.drag(*path[:2])
        viewer.click(*path[2])
    else:
        viewer.drag(*path)


def expect_path(viewer: Viewer, tool: str, points: Path, value: tuple[str, float] | None) -> None:
    """The one mark there is lies where the pointer went."""
    viewer.wait(lambda: viewer.marks, what=f"a mark of {tool}")
    (mark,) = viewer.marks
    assert mark["tool"] == tool
    ends = ends_of(mark["points"], tool)
    for wanted in points:
        assert any(found == pytest.approx(wanted, abs=0.8) for found in ends), (wanted, ends)
    if value is not None:
        viewer.expect(value[0], pytest.approx(value[1], rel=0.06))


def ends_of(points: list[list[float]], tool: str) -> list[list[float]]:
    # The second axis of two axes follows from the first.
    return points[:2] if tool == "bidirectional" else points


def settle(viewer: Viewer) -> None:
    """Longer than a press may take to be told from a double click."""
    viewer.page.wait_for_timeout(600)


@pytest.mark.parametrize("again", ["button", "key", "key while drawing"])
@BY_TOOL
def test_a_tool_chosen_again_draws_where_the_pointer_went(
    viewer: Viewer,
    phantom: site.Page,
    tool: str,
    path: Path,
    points: Path,
    value: tuple[str, float] | None,
    again: str,
) -> None:
    viewer.open("tools")
    viewer.tool(tool)
    key = viewer.page.locator(f'.viewer-tools [data-tool="{tool}"]').get_attribute("aria-keyshortcuts").lower()
    if again == "button":
        viewer.tool(tool)
    elif again == "key":
        viewer.focus()
        viewer.key(key)
    if again == "key while drawing" and len(path) > 1:
        viewer.page.mouse.move(*viewer.at(*path[0]))
        viewer.page.mouse.down()
        for place in path[1:2] if tool == "angle" else path[1:]:
            viewer.page.mouse.move(*viewer.at(*place), steps=4)
            viewer.key(key)
        viewer.page.mouse.up()
        if tool == "angle":
            viewer.click(*path[2])
    else:
        draw(viewer, tool, path)
    expect_path(viewer, tool, points, value)


@BY_TOOL
def test_a_stray_click_is_no_end_of_the_line_that_is_drawn_next(
    viewer: Viewer, phantom: site.Page, tool: str, path: Path, points: Path, value: tuple[str, float] | None
) -> None:
    if len(path) == 1:
        pytest.skip("A click is the whole path.")
    viewer.open("tools")
    viewer.tool(tool)
    viewer.click(30, 190)
    settle(viewer)
    draw(viewer, tool, path)
    expect_path(viewer, tool, points, value)


def test_a_line_can_be_drawn_by_two_clicks(viewer: Viewer, phantom: site.Page) -> None:
    viewer.open("tools")
    viewer.tool("length")
    viewer.click(100, 40)
    settle(viewer)
    viewer.page.mouse.move(*viewer.at(160, 40), steps=3)
    viewer.click(220, 40)
    expect_path(viewer, "length", [(100, 40), (220, 40)], ("length", 60))


LEAVING = {
    "another tool": lambda viewer: viewer.tool("length"),
    "another image by the wheel": lambda viewer: viewer.page.mouse.wheel(0, 100),
    "another image by key": lambda viewer: viewer.key("ArrowDown"),
    "another series": lambda viewer: viewer.page.click(f'.rail-item[data-series="{images.uid("study", "sagittal")}"]'),
    "another layout": lambda viewer: (
        viewer.page.click('[aria-label="Layout"]'),
        viewer.page.click('[aria-label="1 by 2"]'),
    ),
    "Escape": lambda viewer: viewer.key("Escape"),
}


@pytest.mark.parametrize("leaving", LEAVING)
@pytest.mark.parametrize(
    ("tool", "begin"),
    [
        ("angle", lambda viewer: viewer.drag((250, 60), (290, 60))),
        ("ellipse", lambda viewer: (viewer.click(140, 90), settle(viewer), viewer.page.mouse.move(500, 500, steps=3))),
    ],
    ids=["angle", "ellipse"],
)
def test_what_is_half_drawn_is_given_up_with_its_tool_image_or_series(
    viewer: Viewer, phantom: site.Page, tool: str, begin: Any, leaving: str
) -> None:
    viewer.open("tools")
    viewer.tool(tool)
    begin(viewer)
    before = viewer.pane()["sop"]
    LEAVING[leaving](viewer)
    viewer.wait(lambda: "discarded" in viewer.page.inner_text("[data-part=toast]"), within=15)
    if leaving.startswith("another image"):
        viewer.wait(lambda: viewer.pane()["drawn"] == 6)
        assert viewer.pane()["sop"] != before
    if leaving == "another series":
        viewer.wait(lambda: viewer.pane()["series"] == images.uid("study", "sagittal") and viewer.pane()["drawn"] >= 0)
    assert viewer.marks == []
    # The next path is a mark of its own, on the image that is shown now.
    viewer.tool("probe")
    viewer.tool("rectangle")
    viewer.drag((100, 60), (120, 80))
    viewer.wait(lambda: [mark["tool"] for mark in viewer.marks] == ["rectangle"])
    assert viewer.marks[0]["sop_instance_uid"] == viewer.pane()["sop"]
    assert viewer.marks[0]["points"][0] == pytest.approx([100, 60], abs=0.8)


def test_a_mark_drawn_while_marks_are_hidden_shows_them_again(viewer: Viewer, phantom: site.Page) -> None:
    viewer.open("tools")
    viewer.tool("rectangle")
    viewer.drag((20, 20), (40, 40))
    viewer.wait(lambda: len(viewer.marks) == 1)
    viewer.key("m")
    viewer.wait(lambda: viewer.get("layers")[0]["visible"] is False)
    viewer.drag((60, 20), (90, 40))
    viewer.wait(lambda: len(viewer.marks) == 2)
    assert viewer.get("layers")[0]["visible"] is True
    viewer.wait(lambda: viewer.page.locator(".marks-list .mark").count() == 2)
