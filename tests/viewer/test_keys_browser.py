"""Keys belong to what has the focus: the image's own act on the image alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.viewer import images, site
from tests.viewer.conftest import Viewer
from viewer.domain import manifest as contract

pytestmark = pytest.mark.e2e

SCALE = contract.MarkField(
    name="confidence", label="How sure are you?", kind="scale", required=True, minimum=1, maximum=5
)


@pytest.fixture
def rated() -> site.Page:
    """A page that asks how sure one is of each mark."""
    return site.page("rated", site.entry(images.measuring_ct()), mark_form=contract.MarkForm(fields=(SCALE,), ask=True))


def active(viewer: Viewer) -> str:
    """What has the focus, in short."""
    found: str = viewer.page.evaluate(
        """() => {
            const held = document.activeElement;
            if (held.matches('.pane')) return 'image';
            return held.matches('.mark-form .scale input') ? 'scale' : held.tagName.toLowerCase();
        }"""
    )
    return found


def on_tool_button(viewer: Viewer) -> None:
    viewer.page.focus('.viewer-tools [data-tool="rectangle"]')


def on_menu_button(viewer: Viewer) -> None:
    viewer.page.focus('[aria-label="Image"]')


def on_series(viewer: Viewer) -> None:
    viewer.page.focus(".rail-item")


def on_mark(viewer: Viewer) -> None:
    viewer.page.focus(".marks-list .mark-main")


def on_scale(viewer: Viewer) -> None:
    viewer.page.click('[aria-label="Edit Ellipse"]')
    viewer.page.focus(".mark-form .scale input >> nth=2")


def where_the_server_took_it_away(viewer: Viewer) -> None:
    """What had the focus in the panel is gone: the page has it now."""
    viewer.page.evaluate(
        """() => {
            const button = document.createElement('button');
            document.querySelector('.viewer-panel').append(button);
            button.focus();
            button.remove();
        }"""
    )
    assert active(viewer) == "body"


PLACES: list[Callable[[Viewer], Any]] = [
    on_tool_button,
    on_menu_button,
    on_series,
    on_mark,
    on_scale,
    where_the_server_took_it_away,
]


@pytest.mark.parametrize("place", PLACES)
def test_letters_and_enter_outside_the_image_neither_pick_tools_nor_place_marks(
    viewer: Viewer, rated: site.Page, place: Callable[[Viewer], Any]
) -> None:
    viewer.open("rated")
    viewer.tool("ellipse")
    viewer.drag((140, 90), (180, 110))
    viewer.wait(lambda: len(viewer.marks) == 1)
    viewer.page.locator(".mark-form").get_by_role("button", name="Done").click()
    before = viewer.pane()
    for keys in ("Granuloma", "Enter"):
        place(viewer)
        if keys == "Enter":
            viewer.key(keys)
        else:
            viewer.page.keyboard.type(keys)
        viewer.page.wait_for_timeout(150)
        assert len(viewer.marks) == 1
        # Enter on a tool's button picks that tool; letters pick none.
        assert viewer.get("tool") == ("rectangle" if keys == "Enter" and place is on_tool_button else "ellipse")
        assert all(layer["visible"] for layer in viewer.get("layers"))
        viewer.key("Escape")
    after = viewer.pane()
    assert (after["index"], after["window"], after["inverted"]) == (
        before["index"],
        before["window"],
        before["inverted"],
    )


def test_keys_act_on_the_image_from_the_start_and_after_a_tool_was_pointed_at(viewer: Viewer, rated: site.Page) -> None:
    viewer.open("rated")
    viewer.key("i")
    viewer.wait(lambda: viewer.pane()["inverted"])
    viewer.tool("length")
    assert active(viewer) == "image"
    viewer.key("ArrowDown")
    viewer.wait(lambda: viewer.pane()["drawn"] == 6)


def test_a_mark_is_rated_by_a_digit_after_it_was_drawn_and_after_it_was_moved(viewer: Viewer, rated: site.Page) -> None:
    viewer.open("rated")
    window = viewer.pane()["window"]
    viewer.tool("rectangle")
    viewer.drag((40, 40), (80, 80))
    viewer.wait(lambda: active(viewer) == "scale")
    viewer.key("4")
    viewer.wait(lambda: viewer.marks[0]["confidence"] == 4)
    viewer.key("Enter")
    viewer.wait(lambda: active(viewer) == "image")
    # By its lower edge, ten columns to the right.
    viewer.drag((60, 80), (70, 80))
    viewer.wait(lambda: viewer.marks[0]["points"][0] == pytest.approx([50, 40], abs=0.8))
    viewer.wait(lambda: active(viewer) == "scale")
    viewer.key("2")
    viewer.wait(lambda: viewer.marks[0]["confidence"] == 2)
    assert viewer.pane()["window"] == window
    assert len(viewer.marks) == 1


def test_enter_held_down_places_one_mark(viewer: Viewer) -> None:
    site.page("held", site.entry(images.measuring_ct()))
    viewer.open("held")
    viewer.focus()
    viewer.key("e")
    for _time in range(4):
        viewer.page.keyboard.down("Enter")
    viewer.page.keyboard.up("Enter")
    viewer.page.wait_for_timeout(300)
    assert len(viewer.marks) == 1


def test_the_list_of_marks_keeps_the_focus_when_it_is_drawn_anew(viewer: Viewer, rated: site.Page) -> None:
    viewer.open("rated")
    viewer.tool("rectangle")
    viewer.drag((40, 40), (80, 80))
    viewer.wait(lambda: len(viewer.marks) == 1)
    viewer.page.locator(".mark-form").get_by_role("button", name="Done").click()
    viewer.page.focus(".marks-list .mark-main")
    viewer.key("Enter")
    viewer.page.mouse.move(*viewer.at(160, 100))
    viewer.page.mouse.wheel(0, 100)
    viewer.wait(lambda: viewer.pane()["drawn"] == 6)
    viewer.page.wait_for_timeout(200)
    assert viewer.page.evaluate("document.activeElement.matches('.mark-main')")
