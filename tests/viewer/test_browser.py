"""The viewer in a browser: what people do with images, checked against what is known of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from archive.decoding import Why
from dicomweb import reasons
from tests.viewer import images, site
from tests.viewer.conftest import Viewer
from viewer.domain import manifest as contract
from viewer.domain.marks import Mark

pytestmark = pytest.mark.e2e


@pytest.fixture
def phantom() -> site.Page:
    """The measuring CT alone."""
    return site.page("phantom", site.entry(images.measuring_ct()))


@pytest.fixture
def three() -> site.Page:
    """Axial CT, sagittal MR and thin axial CT in one frame of reference, side by side."""
    return site.page(
        "three",
        site.entry(images.measuring_ct()),
        site.entry(images.sagittal_mr()),
        site.entry(images.second_axial()),
        layout=contract.Layout(rows=1, columns=3),
    )


def test_the_first_image_is_the_middle_one_with_its_stored_window(viewer: Viewer, phantom: site.Page) -> None:
    viewer.open("phantom")
    pane = viewer.pane()
    assert (pane["index"], pane["drawn"], pane["count"]) == (5, 5, 12)
    assert pane["window"] == {"center": 40, "width": 400}
    assert viewer.wait(lambda: viewer.get("firstImageMs")) > 0
    # The whole stack follows by itself.
    viewer.wait(lambda: sum(viewer.get("cached").values()) == 12)


def test_scrolling_by_wheel_keys_and_bar(viewer: Viewer, phantom: site.Page) -> None:
    viewer.open("phantom")
    viewer.page.mouse.move(*viewer.at(160, 100))
    viewer.page.mouse.wheel(0, 100)
    viewer.wait(lambda: viewer.pane()["drawn"] == 6)
    viewer.focus()
    viewer.key("ArrowUp")
    viewer.wait(lambda: viewer.pane()["drawn"] == 5)
    viewer.key("End")
    viewer.wait(lambda: viewer.pane()["drawn"] == 11)
    viewer.key("ArrowDown")
    assert viewer.pane()["index"] == 11
    viewer.key("Home")
    viewer.wait(lambda: viewer.pane()["drawn"] == 0)
    box = viewer.page.locator(".pane-bar").bounding_box()
    viewer.page.mouse.click(box["x"] + 6, box["y"] + box["height"] - 2)
    viewer.wait(lambda: viewer.pane()["drawn"] == 11)
    # Slice k holds 100 + k at column 10, row 10; slices run from the head.
    assert viewer.get("pixels(0)")["values"][10 * 320 + 10] == 111


def test_window_by_preset_key_by_drag_and_back(viewer: Viewer, phantom: site.Page) -> None:
    viewer.open("phantom")
    viewer.focus()
    viewer.key("5")
    assert viewer.wait(lambda: viewer.pane()["window"]["width"] == 1500)
    assert viewer.pane()["window"]["center"] == -600
    viewer.drag((160, 100), (200, 100), button="right")
    assert viewer.pane()["window"]["width"] > 1500
    viewer.key("0")
    viewer.wait(lambda: viewer.pane()["window"] == {"center": 40, "width": 400})
    viewer.key("i")
    viewer.wait(lambda: viewer.pane()["inverted"])
    viewer.key("Shift+W")
    window = viewer.wait(lambda: viewer.pane()["window"] if viewer.pane()["window"]["width"] > 1000 else None)
    assert (window["center"], window["width"]) == (-250, 1500)


def test_a_length_across_unequal_pixels_is_the_known_distance(viewer: Viewer, phantom: site.Page) -> None:
    viewer.open("phantom")
    viewer.tool("length")
    viewer.drag((100, 40), (220, 40))
    viewer.expect("length", pytest.approx(60.0, abs=0.3), count=1)
    viewer.drag((100, 60), (100, 160))
    viewer.expect("length", pytest.approx(80.0, abs=0.3), count=2)
    mark = viewer.marks[-1]
    assert mark["measurements"][0]["unit"] == "mm"
    assert mark["points"][0] == pytest.approx([100, 60], abs=0.4)
    # Patient coordinates: x = -80 + 0.5 column, y = -80 + 0.8 row, z = 300 - 3 slice (LPS).
    assert mark["patient_points"][1] == pytest.approx([-30, 48, 285], abs=0.4)


def test_an_ellipse_in_the_disc_measures_its_value(viewer: Viewer, phantom: site.Page) -> None:
    viewer.open("phantom")
    viewer.tool("ellipse")
    viewer.drag((140, 90), (180, 110))
    viewer.expect("mean", 60)
    viewer.expect("sd", 0)
    viewer.expect("min", 60)
    viewer.expect("max", 60)
    # Half axes of 20 columns and 10 rows: 10 mm and 8 mm.
    viewer.expect("area", pytest.approx(3.14159 * 10 * 8, rel=0.05))
    assert viewer.marks[-1]["measurements"][1]["unit"] == "[hnsf'U]"


def test_every_marking_tool_makes_its_mark(viewer: Viewer, phantom: site.Page) -> None:
    viewer.open("phantom")
    viewer.tool("probe")
    viewer.click(160, 100)
    viewer.expect("value", 60)
    viewer.tool("rectangle")
    viewer.drag((150, 90), (170, 110))
    viewer.expect("mean", 60)
    viewer.tool("freehand")
    viewer.drag((140, 90), (180, 90), (180, 115), (140, 115), (140, 91))
    viewer.wait(lambda: viewer.marks[-1]["tool"] == "freehand")
    viewer.expect("mean", 60)
    viewer.tool("bidirectional")
    viewer.drag((40, 150), (90, 150))
    viewer.expect("long_axis", pytest.approx(25, abs=0.4))
    viewer.tool("arrow")
    viewer.drag((40, 20), (70, 40))
    viewer.wait(lambda: viewer.marks[-1]["tool"] == "arrow")
    viewer.page.keyboard.type("nodule")
    viewer.key("Enter")
    viewer.wait(lambda: viewer.marks[-1]["label"] == "nodule")
    viewer.tool("angle")
    viewer.drag((250, 60), (290, 60))
    viewer.click(290, 85)
    # 20 mm along the row and 20 mm down the column.
    viewer.expect("angle", pytest.approx(90, abs=1))
    assert [m["tool"] for m in viewer.marks] == ["probe", "rectangle", "freehand", "bidirectional", "arrow", "angle"]


def test_marks_are_saved_and_stand_at_the_same_place_after_a_reload(viewer: Viewer, phantom: site.Page) -> None:
    viewer.open("phantom")
    viewer.tool("length")
    viewer.drag((100, 40), (220, 40))
    viewer.tool("ellipse")
    viewer.drag((140, 90), (180, 110))
    viewer.wait(lambda: phantom.version >= 1 and len(phantom.marks) == 2)
    viewer.wait(lambda: viewer.get("saving") == "saved")
    before = {m["id"]: m["points"] for m in viewer.marks}
    viewer.open("phantom")
    viewer.wait(lambda: len(viewer.marks) == 2)
    assert {m["id"]: m["points"] for m in viewer.marks} == before
    # Drawn, too: the line of the length is in the drawing.
    viewer.wait(lambda: viewer.page.locator(".svg-layer line, .svg-layer path, .svg-layer ellipse").count() >= 2)
    assert viewer.page.locator(".marks-list .mark").count() == 2


def test_undo_redo_and_delete(viewer: Viewer, phantom: site.Page) -> None:
    viewer.open("phantom")
    viewer.tool("length")
    viewer.drag((100, 40), (220, 40))
    viewer.wait(lambda: len(viewer.marks) == 1)
    viewer.drag((100, 60), (220, 60))
    viewer.wait(lambda: len(viewer.marks) == 2)
    viewer.focus()
    viewer.key("Control+z")
    viewer.wait(lambda: len(viewer.marks) == 1)
    viewer.key("Control+Shift+Z")
    viewer.wait(lambda: len(viewer.marks) == 2)
    viewer.key("n")
    viewer.key("Delete")
    viewer.wait(lambda: len(viewer.marks) == 1)
    viewer.key("Control+z")
    viewer.wait(lambda: len(viewer.marks) == 2)
    viewer.wait(lambda: len(phantom.marks) == 2 and viewer.get("saving") == "saved")


def test_a_click_into_the_list_counts_though_it_is_drawn_anew_meanwhile(viewer: Viewer, phantom: site.Page) -> None:
    viewer.open("phantom")
    viewer.tool("length")
    viewer.drag((100, 40), (220, 40))
    viewer.wait(lambda: viewer.get("saving") == "saved")
    viewer.focus()
    viewer.page.get_by_role("button", name="Edit Length").hover()
    viewer.page.mouse.down()
    # The press took the focus; a key that the image had still in hand selects the mark.
    viewer.page.evaluate(
        "document.querySelector('.pane').dispatchEvent(new KeyboardEvent('keydown', {key: 'n', bubbles: true}))"
    )
    viewer.page.wait_for_timeout(300)
    viewer.page.mouse.up()
    viewer.page.locator(".mark-form").wait_for()
    assert "is-selected" in (viewer.page.locator(".marks-list .mark").get_attribute("class") or "")


def test_a_mark_can_be_placed_and_moved_by_keys_alone(viewer: Viewer, phantom: site.Page) -> None:
    viewer.open("phantom")
    viewer.focus()
    viewer.key("e")
    viewer.key("Enter")
    viewer.wait(lambda: len(viewer.marks) == 1)
    before = viewer.marks[0]["points"]
    viewer.key("n")
    viewer.key("Alt+ArrowRight")
    viewer.wait(lambda: viewer.marks[0]["points"][0][0] == pytest.approx(before[0][0] + 1))
    viewer.wait(lambda: len(phantom.marks) == 1)


def test_reference_lines_and_scrolling_together_by_position(viewer: Viewer, three: site.Page) -> None:
    viewer.open("three")
    viewer.wait(lambda: all(p["drawn"] >= 0 for p in viewer.get("panes")))
    # The sagittal image is cut by both axial ones, the axial ones by the sagittal one.
    viewer.wait(lambda: [p["lines"] for p in viewer.get("panes")] == [1, 2, 1])
    viewer.focus(0)
    viewer.key("j")
    viewer.key("Home")
    viewer.wait(lambda: viewer.pane(2)["drawn"] == 0)
    viewer.key("ArrowDown")
    viewer.key("ArrowDown")
    # Two slices of 3 mm are four of 1.5 mm; the sagittal series does not move.
    viewer.wait(lambda: viewer.pane(2)["drawn"] == 4)
    assert viewer.pane(1)["drawn"] == 4


def test_the_point_tool_finds_the_same_place_in_other_planes(viewer: Viewer, three: site.Page) -> None:
    viewer.open("three")
    viewer.wait(lambda: all(p["drawn"] >= 0 for p in viewer.get("panes")))
    viewer.tool("crosshair")
    # Column 140 lies at x = -10 mm: the third sagittal slice (-20, -15, -10 …).
    viewer.click(140, 100, pane=0)
    viewer.wait(lambda: viewer.pane(1)["drawn"] == 2)
    viewer.wait(lambda: viewer.page.locator(".pane-lines .is-point").count() >= 2)


def test_layouts_fill_with_series_and_one_viewport_can_stand_alone(viewer: Viewer) -> None:
    site.page("layouts", site.entry(images.measuring_ct()), site.entry(images.sagittal_mr()))
    viewer.open("layouts")
    viewer.page.click('[aria-label="Layout"]')
    viewer.page.click('[aria-label="2 by 2"]')
    viewer.wait(lambda: len(viewer.get("panes")) == 4)
    viewer.wait(lambda: viewer.pane(1)["drawn"] >= 0)
    assert viewer.pane(1)["series"] == images.uid("study", "sagittal")
    assert viewer.pane(2)["series"] is None
    viewer.focus(1)
    viewer.key("Shift+M")
    viewer.wait(lambda: len(viewer.get("panes")) == 1)
    assert viewer.pane(0)["series"] == images.uid("study", "sagittal")
    viewer.key("Shift+M")
    viewer.wait(lambda: len(viewer.get("panes")) == 4)


def test_a_series_goes_into_the_active_viewport_from_the_rail(viewer: Viewer, three: site.Page) -> None:
    viewer.open("three")
    viewer.focus(1)
    viewer.page.click(f'.rail-item[data-series="{images.uid("study", "thin")}"]')
    viewer.wait(lambda: viewer.pane(1)["series"] == images.uid("study", "thin"))
    viewer.page.drag_and_drop(f'.rail-item[data-series="{images.uid("study", "sagittal")}"]', ".pane >> nth=2")
    viewer.wait(lambda: viewer.pane(2)["series"] == images.uid("study", "sagittal"))


def test_a_clip_plays_and_its_lengths_are_in_pixels(viewer: Viewer) -> None:
    site.page("clip", site.entry([images.ultrasound_clip()]))
    viewer.open("clip")
    assert viewer.pane()["index"] == 0
    viewer.tool("length")
    viewer.drag((20, 20), (120, 20))
    viewer.expect("length", pytest.approx(100, abs=1))
    mark = viewer.marks[0]
    assert mark["measurements"][0]["unit"] == "px"
    assert mark["patient_points"] is None
    assert "lengths in pixels" in viewer.page.inner_text(".pane-bl")
    viewer.focus()
    viewer.key(" ")
    viewer.wait(lambda: viewer.pane()["playing"])
    viewer.wait(lambda: viewer.pane()["drawn"] > 3)
    viewer.key(" ")
    viewer.wait(lambda: not viewer.pane()["playing"])


def test_a_frame_that_fails_says_why_and_the_others_go_on(viewer: Viewer) -> None:
    stack = images.measuring_ct()
    site.page("broken", site.entry(stack))
    site.PEER.broken.add((str(stack[5].SOPInstanceUID), 1))
    try:
        viewer.open("broken")
        viewer.wait(lambda: "500" in viewer.page.inner_text(".pane-status"))
        viewer.focus()
        viewer.key("ArrowDown")
        viewer.wait(lambda: viewer.pane()["drawn"] == 6)
        assert viewer.page.locator(".pane-status").is_hidden()
        viewer.key("ArrowUp")
        viewer.wait(lambda: viewer.page.locator(".pane-status.is-error").is_visible())
        site.PEER.broken.clear()
        viewer.page.click(".pane-status button")
        viewer.wait(lambda: viewer.pane()["drawn"] == 5)
    finally:
        site.PEER.broken.clear()


def test_an_image_that_the_server_refuses_says_why_and_the_others_go_on(viewer: Viewer) -> None:
    stack = images.measuring_ct()
    site.page("refused", site.entry(stack))
    large = str(reasons.SENTENCES[Why.OVER_BUDGET])
    answers = {
        5: (
            406,
            {"code": "pixels-damaged", "detail": str(reasons.DAMAGED)},
            "This image is damaged and cannot be shown",
        ),
        6: (406, {"code": "not-decodable", "detail": large}, f"This image cannot be shown: {large}"),
        7: (503, {"code": "decoders-busy", "detail": "Busy."}, "The server is busy with other images"),
        8: (
            406,
            {"code": "not-acceptable", "detail": "None of the media types."},
            "in a form that cannot be shown here",
        ),
    }
    for place, (status, problem, _words) in answers.items():
        site.PEER.refused[str(stack[place].SOPInstanceUID), 1] = (status, problem)
    try:
        viewer.open("refused")
        for place, (status, _problem, words) in answers.items():
            viewer.wait(lambda words=words: words in viewer.page.inner_text(".pane-status"))
            # Asking again helps only where the server was busy.
            assert viewer.page.locator(".pane-status button").count() == (1 if status == 503 else 0)
            viewer.focus()
            viewer.key("ArrowDown")
            if place < max(answers):
                viewer.wait(lambda place=place: viewer.pane()["index"] == place + 1)
        viewer.wait(lambda: viewer.pane()["drawn"] == 9)
        assert viewer.page.locator(".pane-status").is_hidden()
    finally:
        site.PEER.refused.clear()


def test_objects_without_pixels_are_shown_as_what_they_are(viewer: Viewer) -> None:
    site.page("report", site.entry([images.report()]))
    viewer.open("report")
    words = viewer.page.inner_text(".pane-document")
    assert "Structured report" in words
    assert "A disc of 60 HU in air." in words


def test_an_enhanced_multi_frame_object_has_geometry_per_frame(viewer: Viewer) -> None:
    site.page("enhanced", site.entry([images.enhanced_ct()]))
    viewer.open("enhanced")
    viewer.tool("probe")
    viewer.focus()
    viewer.key("Home")
    viewer.wait(lambda: viewer.pane()["drawn"] == 0)
    viewer.click(32, 32)
    # From the head: the last frame, at 10 mm, is shown first.
    viewer.expect("value", 50)
    assert viewer.marks[0]["frame"] == 6
    assert viewer.marks[0]["patient_points"][0][2] == pytest.approx(10)


def test_a_read_becomes_its_review_on_the_same_image(viewer: Viewer) -> None:
    stack = images.measuring_ct()
    entry = replace(site.entry(stack), description="")
    study = contract.StudyEntry(uid=images.uid("study"), dicomweb="/peer", series=(entry,))
    blind = {"patient": None, "overlays": contract.Overlays(), "studies": (study,), "title": "Case 12", "subtitle": ""}
    read = site.page(
        "read",
        mode="read",
        mark_form=contract.MarkForm(
            ask=True,
            maximum=2,
            fields=(
                contract.MarkField(
                    name="confidence", label="How sure are you?", kind="scale", required=True, minimum=1, maximum=5
                ),
            ),
        ),
        **blind,
    )
    viewer.open("read")
    text = viewer.page.inner_text("body")
    assert "Phantom" not in text and "2024" not in text and "P1" not in text
    viewer.tool("ellipse")
    viewer.drag((140, 90), (180, 110))
    viewer.wait(lambda: len(viewer.marks) == 1)
    viewer.page.locator(".scale-row label", has_text="4").click()
    viewer.wait(lambda: viewer.marks[0]["confidence"] == 4)
    viewer.wait(lambda: len(read.marks) == 1 and read.marks[0].confidence == 4)
    window = viewer.pane()["window"]
    truth = Mark(
        id="6f1c1c94-38d5-4a6a-9d0e-0a86a1b1c001",
        tool="ellipse",
        series_instance_uid=str(stack[5].SeriesInstanceUID),
        sop_instance_uid=str(stack[5].SOPInstanceUID),
        points=((160, 75), (160, 125), (120, 100), (200, 100)),
        label="Disc",
    )
    site.page(
        "review",
        mode="review",
        annotations=contract.Annotations(
            layers=(
                contract.Layer(name="truth", label="Truth", role="truth", marks=(truth,)),
                contract.Layer(name="own", label="My marks", marks=tuple(m.judged(verdict="hit") for m in read.marks)),
            )
        ),
        **blind,
    )
    viewer.page.evaluate(
        "document.body.dispatchEvent(new CustomEvent('viewer:reload',"
        " {bubbles: true, detail: {url: '/page/review/?format=json'}}))"
    )
    viewer.wait(lambda: viewer.get("mode") == "review")
    assert [layer["name"] for layer in viewer.get("layers")] == ["truth", "own"]
    assert viewer.pane()["window"] == window
    assert "hit" in viewer.page.inner_text(".marks-list >> nth=1")
    # Nothing can be drawn any more.
    assert viewer.page.locator('[data-tool="ellipse"]').count() == 0


def test_marks_survive_a_session_that_ends(viewer: Viewer, phantom: site.Page) -> None:
    viewer.open("phantom")
    viewer.page.route("**/marks/", lambda route: route.fulfill(status=401))
    viewer.tool("length")
    viewer.drag((100, 40), (220, 40))
    viewer.wait(lambda: viewer.page.locator("dialog.v-dialog[open]").count() == 1)
    viewer.page.unroute("**/marks/")
    viewer.open("phantom")
    viewer.wait(lambda: len(viewer.marks) == 1)
    viewer.wait(lambda: len(phantom.marks) == 1)


def test_another_windows_changes_are_not_overwritten(viewer: Viewer, phantom: site.Page) -> None:
    viewer.open("phantom")
    phantom.version = 7
    viewer.tool("length")
    viewer.drag((100, 40), (220, 40))
    viewer.wait(lambda: viewer.get("saving") == "conflict")
    assert phantom.marks == ()
    viewer.page.click("text=Keep these")
    viewer.wait(lambda: phantom.version == 8 and len(phantom.marks) == 1)


def test_closed_marks_stop_drawing(viewer: Viewer, phantom: site.Page) -> None:
    viewer.open("phantom")
    phantom.closed = True
    viewer.tool("length")
    viewer.drag((100, 40), (220, 40))
    viewer.wait(lambda: viewer.get("saving") == "closed")


def test_what_was_on_screen_is_reported(viewer: Viewer, phantom: site.Page) -> None:
    viewer.open("phantom")
    viewer.focus()
    viewer.key("ArrowDown")
    viewer.wait(lambda: len({event["instance"] for event in phantom.events}) >= 2)
    event = phantom.events[0]
    assert event["series"] == images.uid("study", "measuring")
    assert event["ms"] > 0
    assert event["rect"][2] > 300


def test_help_lists_the_keys_and_closes(viewer: Viewer, phantom: site.Page) -> None:
    viewer.open("phantom")
    viewer.focus()
    viewer.key("?")
    viewer.wait(lambda: "Mediastinum" in viewer.page.inner_text("dialog[open]"))
    viewer.key("Escape")
    viewer.wait(lambda: viewer.page.locator("dialog[open]").count() == 0)


def test_without_webgl_images_are_drawn_by_the_processor(viewer: Viewer, phantom: site.Page) -> None:
    viewer.open("phantom", query="?cpu")
    assert viewer.pane()["drawn"] == 5
    assert "WebGL" in viewer.page.inner_text(".viewer-notice")
    viewer.tool("length")
    viewer.drag((100, 40), (220, 40))
    viewer.expect("length", pytest.approx(60.0, abs=0.4))


def test_it_works_on_a_phone(chromium: object, viewer_address: str, phantom: site.Page) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)  # type: ignore[attr-defined]
    try:
        viewer = Viewer(context.new_page(), viewer_address).open("phantom")
        assert viewer.page.evaluate("document.documentElement.scrollWidth") <= 390
        _left, _top, width, height = viewer.pane()["box"]
        assert width == 390 and height > 600
        viewer.page.tap('[data-command="panel"]')
        viewer.wait(lambda: viewer.page.locator(".viewer-panel").is_visible())
        assert viewer.problems == []
    finally:
        context.close()
