"""Marks: what is accepted, what is refused, and the laws of their geometry."""

from __future__ import annotations

import json
import math
import uuid
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from viewer.domain.geometry import ImagePlane
from viewer.domain.mark_reading import MAX_LABEL, ImageBounds, MarkError, parse_marks, stored_mark
from viewer.domain.marks import POINT_COUNTS, Mark

# A busy machine is no fault of the strategies.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

SOP, SERIES = "1.2.3.4", "1.2.3"
BOUNDS = {SOP: ImageBounds(columns=320, rows=200, frames=4, series_instance_uid=SERIES)}

inside = st.tuples(st.floats(0, 319), st.floats(0, 199))
coordinate = st.floats(-1000, 1000)


def mark(**changes: Any) -> dict[str, Any]:
    base = {
        "id": str(uuid.UUID(int=7)),
        "tool": "length",
        "series_instance_uid": SERIES,
        "sop_instance_uid": SOP,
        "frame": 1,
        "points": [[0, 0], [10, 10]],
    }
    return {**base, **changes}


def refusal(item: Any, **options: Any) -> str:
    with pytest.raises(MarkError) as caught:
        parse_marks([item], bounds=BOUNDS, **options)
    field: str = caught.value.errors[0]["field"]
    return field


def faults(payload: Any) -> list[dict[str, Any]] | None:
    """What the parser finds wrong; None when it accepts. Any other exception is a defect."""
    try:
        parse_marks(payload, bounds=BOUNDS)
    except MarkError as error:
        return error.errors
    return None


@st.composite
def marks(draw: st.DrawFn) -> dict[str, Any]:
    tool = draw(st.sampled_from(sorted(POINT_COUNTS)))
    least, most = POINT_COUNTS[tool]
    points = draw(st.lists(inside, min_size=least, max_size=min(most, 12)))
    return mark(
        id=str(draw(st.uuids())),
        tool=tool,
        frame=draw(st.integers(1, 4)),
        points=[list(p) for p in points],
        label=draw(st.text(max_size=40)),
        confidence=draw(st.none() | st.floats(1, 5)),
        measurements=[{"name": "length", "value": draw(st.floats(0, 1e6)), "unit": "mm"}],
    )


@patient
@given(marks())
def test_a_mark_survives_json_and_comes_back_equal(item: dict[str, Any]) -> None:
    (parsed,) = parse_marks([item], bounds=BOUNDS, confidence=(1, 5))
    stored = json.loads(json.dumps(parsed.to_json()))
    assert stored_mark(stored) == parsed
    assert parse_marks([stored], bounds=BOUNDS) == (parsed,)


@patient
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from([*mark(), "confidence", "measurements"]), inner)
        ),
        max_leaves=30,
    )
)
def test_no_json_breaks_the_parser(payload: Any) -> None:
    assert faults(payload) is None or faults(payload)


@patient
@given(marks(), st.sampled_from(sorted(mark())), st.sampled_from([None, [], {}, "x", -1, 1e400, True, [[None, None]]]))
def test_a_spoiled_field_is_refused_with_its_name_or_harmless(item: dict[str, Any], field: str, value: Any) -> None:
    found = faults([{**item, field: value}])
    if found is not None:
        assert found[0]["field"]
        return
    (parsed,) = parse_marks([{**item, field: value}], bounds=BOUNDS)
    assert all(math.isfinite(c) for p in parsed.points for c in p)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": "not-a-uuid"}, "id"),
        ({"tool": "polygon"}, "tool"),
        ({"sop_instance_uid": "9.9"}, "sop_instance_uid"),
        ({"series_instance_uid": "9.9"}, "sop_instance_uid"),
        ({"sop_instance_uid": "1.2; DROP"}, "sop_instance_uid"),
        ({"frame": 5}, "frame"),
        ({"frame": 0}, "frame"),
        ({"frame": True}, "frame"),
        ({"points": [[0, 0]]}, "points"),
        ({"points": [[0, 0], [330, 0]]}, "points"),
        ({"points": [[0, 0], [math.nan, 0]]}, "points"),
        ({"points": [[0, 0], [math.inf, 0]]}, "points"),
        ({"points": [[0, 0], ["1", 0]]}, "points"),
        ({"patient_points": [[0, 0, 0]], "frame_of_reference_uid": "1.2"}, "patient_points"),
        ({"patient_points": [[0, 0, 0], [1, 1, 1]]}, "frame_of_reference_uid"),
        ({"label": "x" * (MAX_LABEL + 1)}, "label"),
        ({"confidence": "sure"}, "confidence"),
        ({"measurements": [{"name": "Mean!", "value": 1}]}, "measurements"),
        ({"measurements": [{"name": "mean", "value": math.nan}]}, "measurements"),
    ],
)
def test_what_makes_no_sense_is_refused_by_field(change: dict[str, Any], field: str) -> None:
    assert refusal(mark(**change)) == field


def test_limits_of_the_place_are_kept() -> None:
    assert refusal(mark(), tools=("ellipse",)) == "tool"
    assert refusal(mark(confidence=6), confidence=(1, 5)) == "confidence"
    with pytest.raises(MarkError):
        parse_marks([mark(), mark(id=str(uuid.UUID(int=8)))], bounds=BOUNDS, limit=1)
    with pytest.raises(MarkError, match="same id"):
        parse_marks([mark(), mark()], bounds=BOUNDS)


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(MarkError) as caught:
        parse_marks([mark(id="x"), mark(), mark(tool="y")], bounds=BOUNDS)
    assert [e["index"] for e in caught.value.errors] == [0, 2]


def test_a_verdict_from_outside_is_dropped_and_one_from_the_store_is_kept() -> None:
    (parsed,) = parse_marks([mark(verdict="hit")], bounds=BOUNDS)
    assert parsed.verdict is None
    assert stored_mark({**parsed.to_json(), "verdict": "miss"}).verdict == "miss"


def test_text_cannot_carry_what_the_database_cannot_hold() -> None:
    (parsed,) = parse_marks([mark(label=" a\x00b\ud800c\n ")], bounds=BOUNDS)
    assert parsed.label == "abc"


@st.composite
def planes(draw: st.DrawFn) -> ImagePlane:
    a, b, c = (draw(st.floats(-3, 3)) for _ in range(3))
    ca, sa, cb, sb, cc, sc = math.cos(a), math.sin(a), math.cos(b), math.sin(b), math.cos(c), math.sin(c)
    row = (ca * cb, sa * cb, -sb)
    column = (ca * sb * sc - sa * cc, sa * sb * sc + ca * cc, cb * sc)
    spacing = (draw(st.floats(0.05, 5)), draw(st.floats(0.05, 5)))
    position = (draw(coordinate), draw(coordinate), draw(coordinate))
    return ImagePlane(position=position, orientation=(*row, *column), spacing=spacing)


@patient
@given(planes(), inside)
def test_image_to_patient_and_back_is_the_same_point(plane: ImagePlane, point: tuple[float, float]) -> None:
    assert plane.to_image(plane.to_patient(point)) == pytest.approx(point, abs=1e-6)


@patient
@given(planes(), inside, inside)
def test_distances_in_the_patient_follow_the_spacing(
    plane: ImagePlane, a: tuple[float, float], b: tuple[float, float]
) -> None:
    expected = math.hypot((b[0] - a[0]) * plane.spacing[1], (b[1] - a[1]) * plane.spacing[0])
    assert math.dist(plane.to_patient(a), plane.to_patient(b)) == pytest.approx(expected, abs=1e-6)


def region(tool: str, *points: tuple[float, float]) -> Mark:
    (found,) = parse_marks([mark(tool=tool, points=[list(p) for p in points])])
    return found


def test_an_ellipse_knows_its_area_centre_and_inside() -> None:
    ellipse = region("ellipse", (160, 90), (160, 110), (140, 100), (180, 100))
    assert ellipse.target == (160, 100)
    assert ellipse.area() == pytest.approx(math.pi * 10 * 20)
    assert ellipse.radius(spacing=(0.5, 0.5)) == pytest.approx(math.sqrt(200) * 0.5)
    assert ellipse.encloses((178, 100))
    assert not ellipse.encloses((160, 111))


def test_a_turned_ellipse_is_still_the_same_ellipse() -> None:
    ellipse = region("ellipse", (90, 90), (110, 110), (105, 95), (95, 105))
    assert ellipse.encloses((109, 109))
    assert not ellipse.encloses((109, 91))


def test_rectangle_and_outline_agree() -> None:
    corners = [(10, 10), (30, 10), (10, 20), (30, 20)]
    rectangle = region("rectangle", *corners)
    outline = region("freehand", (10, 10), (30, 10), (30, 20), (10, 20))
    assert rectangle.area() == outline.area() == 200
    assert rectangle.target == pytest.approx(outline.target)
    for point in ((20, 15), (31, 15), (11, 11)):
        assert rectangle.encloses(point) == outline.encloses(point)


def test_an_outline_is_about_the_same_point_in_the_image_and_in_the_patient() -> None:
    plane = ImagePlane(position=(-80, 20, 5), orientation=(0, 1, 0, 0, 0, -1), spacing=(0.5, 2))
    # An L, with many corners in one of its arms: their mean lies elsewhere than the middle of the area.
    corners = [(0, 0), (40, 0), (40, 10), (10, 10), (10, 40), (9, 40), (6, 40), (3, 40), (0, 40)]
    outline = region("freehand", *[(100 + x, 50 + y) for x, y in corners])
    outline = replace(outline, patient_points=tuple(plane.to_patient(point) for point in outline.points))
    assert outline.target == pytest.approx((100 + 95 / 7, 50 + 95 / 7))
    assert outline.target_patient == pytest.approx(plane.to_patient(outline.target))


def test_an_arrow_is_about_its_tip_and_encloses_nothing() -> None:
    arrow = region("arrow", (50, 60), (90, 90))
    assert arrow.target == (50, 60)
    assert not arrow.encloses((50, 60))


@patient
@given(marks())
def test_every_mark_has_a_finite_target_outline_and_radius(item: dict[str, Any]) -> None:
    (found,) = parse_marks([item], bounds=BOUNDS)
    assert all(math.isfinite(c) for c in found.target)
    assert found.radius() >= 0
    assert len(found.outline()) >= 1
    found.encloses((1.0, 1.0))
