"""The laws of scoring, and examples worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from practice.domain import calibration, curves, matching, order, repetition, responses, scoring
from practice.domain.curves import UNMARKED, CaseReading
from viewer.domain.marks import Mark

SERIES, IMAGE, FRAME = "1.2.3", "1.2.3.4", "1.2.9"


def mark(
    x: float,
    y: float,
    *,
    z: float = 0.0,
    rating: float | None = None,
    number: int = 0,
    space: str | None = FRAME,
    tool: str = "probe",
) -> Mark:
    points: tuple[tuple[float, float], ...] = ((x, y),)
    if tool == "ellipse":
        points = ((x - 4, y), (x + 4, y), (x, y - 4), (x, y + 4))
    patient = tuple((px, py, z) for px, py in points) if space else None
    return Mark(
        id=f"00000000-0000-4000-8000-{number:012d}",
        tool=tool,  # type: ignore[arg-type]
        series_instance_uid=SERIES,
        sop_instance_uid=IMAGE if z == 0 else f"{IMAGE}.{int(z)}",
        points=points,
        patient_points=patient,
        frame_of_reference_uid=space,
        confidence=rating,
    )


def lesion(x: float, y: float, *, radius: float = 4.0, key: str = "a") -> matching.Lesion:
    return matching.Lesion(id=key, mark=mark(x, y, tool="ellipse", number=900), centre_mm=(x, y, 0.0), radius_mm=radius)


# Matching ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("away", "radius", "hits"),
    [(9.9, 4.0, True), (10.0, 4.0, True), (10.1, 4.0, False), (18.0, 20.0, True), (20.5, 20.0, False)],
)
def test_a_mark_hits_within_ten_millimetres_or_the_radius(away: float, radius: float, hits: bool) -> None:
    found = matching.match(marks=[mark(50 + away, 50, number=1)], lesions=[lesion(50, 50, radius=radius)])
    assert (found.hit_count == 1) is hits


def test_a_mark_on_a_neighbouring_slice_hits_in_patient_space() -> None:
    found = matching.match(marks=[mark(50, 50, z=6, number=1)], lesions=[lesion(50, 50)])
    assert found.hit_count == 1


@pytest.mark.parametrize(
    ("across", "down", "hits"), [(19.0, 0.0, True), (21.0, 0.0, False), (0.0, 4.9, True), (0.0, 5.1, False)]
)
def test_rows_and_columns_have_spacings_of_their_own(across: float, down: float, hits: bool) -> None:
    """Pixel Spacing is (between rows, between columns): the first is for y (PS3.3 10.7.1.3)."""
    truth = matching.Lesion(
        id="a", mark=mark(100, 100, tool="ellipse", space=None, number=900), radius_mm=1.0, spacing_mm=(2.0, 0.5)
    )
    given = mark(100 + across, 100 + down, space=None, number=1)
    assert (matching.match(marks=[given], lesions=[truth]).hit_count == 1) is hits


def test_without_geometry_the_same_image_decides_in_pixels() -> None:
    truth = matching.Lesion(id="a", mark=mark(50, 50, tool="ellipse", space=None, number=900))
    near, far = mark(58, 50, space=None, number=1), mark(70, 50, space=None, number=2)
    elsewhere = mark(50, 50, z=5, space=None, number=3)
    assert matching.match(marks=[near], lesions=[truth]).hit_count == 1
    assert matching.match(marks=[far], lesions=[truth]).hit_count == 0
    assert matching.match(marks=[elsewhere], lesions=[truth]).hit_count == 0


def test_of_two_marks_on_a_lesion_the_higher_rated_one_counts_and_the_other_is_false() -> None:
    low, high = mark(50, 50, rating=2, number=1), mark(55, 50, rating=4, number=2)
    found = matching.match(marks=[low, high], lesions=[lesion(50, 50)])
    assert found.hits == {"a": high.id}
    assert found.false_marks == (low.id,)


def test_a_mark_between_two_lesions_goes_to_the_nearer_one() -> None:
    found = matching.match(marks=[mark(54, 50, number=1)], lesions=[lesion(50, 50, key="a"), lesion(60, 50, key="b")])
    assert found.to_json()["missed"] == ["b"]


coordinates = st.floats(0, 200)
many_marks = st.lists(st.tuples(coordinates, coordinates, st.integers(1, 5)), max_size=8)
many_lesions = st.lists(st.tuples(coordinates, coordinates, st.floats(0, 30)), max_size=5)


@given(many_marks, many_lesions)
def test_every_mark_is_either_the_hit_of_one_lesion_or_false(drawn: Any, truth: Any) -> None:
    marks = [mark(x, y, rating=r, number=i) for i, (x, y, r) in enumerate(drawn)]
    lesions = [lesion(x, y, radius=r, key=str(i)) for i, (x, y, r) in enumerate(truth)]
    found = matching.match(marks=marks, lesions=lesions)
    hits = [m for m in found.hits.values() if m]
    assert len(hits) == len(set(hits))
    assert sorted([*hits, *found.false_marks]) == sorted(m.id for m in marks)


@given(many_marks, many_lesions)
def test_an_added_false_mark_never_raises_the_score(drawn: Any, truth: Any) -> None:
    entries = [
        {
            "id": str(i),
            "mark": lesion(x, y, radius=r).mark.to_json(),
            "is_lesion": True,
            "centre_mm": [x, y, 0],
            "radius_mm": r,
            "spacing_mm": None,
        }
        for i, (x, y, r) in enumerate(truth)
    ]
    marks = [mark(x, y, rating=r, number=i) for i, (x, y, r) in enumerate(drawn)]
    far = mark(5000, 5000, rating=5, number=99)
    question = {"points": 10}
    before, after = scoring.score_marks(question, marks, entries), scoring.score_marks(question, [*marks, far], entries)
    assert 0 <= after.points <= before.points <= 10


# Choices, text ------------------------------------------------------------------------------------------------------


def choice(kind: str, right: set[str], total: int = 4) -> dict[str, Any]:
    return {
        "kind": kind,
        "points": 10,
        "options": [{"id": str(i), "is_correct": str(i) in right} for i in range(total)],
    }


@pytest.mark.parametrize(
    ("chosen", "points"),
    [({"0", "1"}, 10), ({"0"}, 5), ({"0", "2"}, 0), ({"0", "1", "2"}, 5), ({"0", "1", "2", "3"}, 0), (set(), 0)],
)
def test_several_right_answers_earn_share_less_what_is_wrong(chosen: set[str], points: float) -> None:
    assert scoring.score_choice(choice("multiple", {"0", "1"}), chosen).points == points


@given(st.sets(st.sampled_from("0123")), st.sets(st.sampled_from("0123"), min_size=1))
def test_points_stay_between_nothing_and_all_and_only_the_exact_answer_is_correct(
    chosen: set[str], right: set[str]
) -> None:
    found = scoring.score_choice(choice("multiple", right), chosen)
    assert 0 <= found.points <= 10
    assert found.is_correct is (chosen == right)
    assert (found.points == 10) is found.is_correct


def test_a_rubric_is_scaled_to_the_points_of_the_question() -> None:
    question = {"points": 10, "rubric": [{"id": "a", "text": "x", "points": 3}, {"id": "b", "text": "y", "points": 1}]}
    assert scoring.score_rubric(question, {"a"}).points == 7.5
    assert scoring.score_rubric(question, {"a", "b"}).is_correct
    for met in (set(), {"a"}, {"b"}):
        assert not scoring.score_rubric(question, met).is_correct


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # Newcombe 1998, table I (Wilson, method 3), and none at all.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718), (0, 0, 0, 1)],
)
def test_wilsons_interval_is_the_published_one(successes: int, trials: int, low: float, high: float) -> None:
    assert calibration.wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)


def test_a_bin_says_the_mean_of_what_was_stated() -> None:
    given = [calibration.Judgement(key=str(p), probability=p, correct=p > 0.85) for p in (0.82, 0.9, 0.98)]
    (found,) = calibration.bins(given)
    assert (found.stated, found.observed, found.count) == (pytest.approx(0.9), pytest.approx(2 / 3), 3)


def test_each_mark_question_gets_its_own_marks_and_no_other_kind_gets_any() -> None:
    asked = [
        {"id": "q1", "kind": "mark", "max_marks": 3},
        {"id": "q2", "kind": "mark", "max_marks": 3},
        {"id": "q3", "kind": "text"},
    ]
    drawn = [replace(mark(n, n, number=n), group=group) for n, group in enumerate(["q1", "q2", "q2", "q0", "q3"])]
    given_, missing = responses.collect({"q3": {"text": "x"}}, drawn, questions=asked)
    assert [[m.group for m in one.marks] for one in given_] == [["q1"], ["q2", "q2"], []]
    assert not missing


@pytest.mark.parametrize("frame", [1, 2, 3])
def test_an_outline_holds_marks_on_its_own_frame_alone(frame: int) -> None:
    truth = matching.Lesion(id="a", mark=replace(mark(50, 50, tool="ellipse", space=None, number=900), frame=2))
    given_ = replace(mark(50, 50, space=None, number=1), frame=frame)
    assert matching.match(marks=[given_], lesions=[truth]).hit_count == (frame == 2)


# Figures of merit ---------------------------------------------------------------------------------------------------


def test_afroc_and_wafroc_of_an_example_worked_by_hand() -> None:
    # Normals: highest false marks 2, none, 3. Abnormals: one with lesions rated 4 and missed, one with a lesion rated 3.
    readings = [
        CaseReading(key="n1", false_marks=(1, 2)),
        CaseReading(key="n2"),
        CaseReading(key="n3", false_marks=(3,)),
        CaseReading(key="a1", lesions=(4, UNMARKED), false_marks=(5,)),
        CaseReading(key="a2", lesions=(3,)),
    ]
    # ψ of lesion 4: 1 + 1 + 1; of the missed one: 0 + ½ + 0; of lesion 3: 1 + 1 + ½. Sum 6 over 3 · 3.
    assert curves.afroc(readings) == pytest.approx(6 / 9)
    # Case a1 weighs its lesions ½ each: (3 + ½) / 2 = 1.75; a2: 2.5. Sum 4.25 over 3 · 2.
    assert curves.wafroc(readings) == pytest.approx(4.25 / 6)
    # Highest rating of a case: normals 2, −∞, 3; abnormals 5, 3: 3 + 2.5 of 6.
    assert curves.case_auc(readings) == pytest.approx(5.5 / 6)


def test_a_reader_who_never_marks_gets_one_half() -> None:
    readings = [CaseReading(key="n"), CaseReading(key="m"), CaseReading(key="a", lesions=(UNMARKED, UNMARKED))]
    assert curves.afroc(readings) == curves.wafroc(readings) == curves.case_auc(readings) == 0.5


def test_one_kind_of_case_alone_has_no_figure() -> None:
    assert curves.afroc([CaseReading(key="n", false_marks=(2,))]) is None
    assert curves.wafroc([CaseReading(key="a", lesions=(2,))]) is None


ratings = st.lists(st.integers(1, 5).map(float), max_size=3).map(tuple)
hits = st.lists(st.one_of(st.just(UNMARKED), st.integers(1, 5).map(float)), min_size=1, max_size=3).map(tuple)
normals = st.lists(ratings, min_size=1, max_size=6)
abnormals = st.lists(st.tuples(hits, ratings), min_size=1, max_size=6)


def drawn_readings(no: Any, yes: Any) -> list[CaseReading]:
    return [CaseReading(key=f"n{i}", false_marks=f) for i, f in enumerate(no)] + [
        CaseReading(key=f"a{i}", lesions=h, false_marks=f) for i, (h, f) in enumerate(yes)
    ]


@given(normals, abnormals)
def test_the_area_under_the_points_is_the_figure(no: Any, yes: Any) -> None:
    readings = drawn_readings(no, yes)
    assert curves.area(curves.afroc_points(readings)) == pytest.approx(curves.wafroc(readings))
    assert curves.area(curves.afroc_points(readings, weighted=False)) == pytest.approx(curves.afroc(readings))


@given(normals, abnormals)
def test_figures_depend_on_the_order_of_ratings_only(no: Any, yes: Any) -> None:
    readings = drawn_readings(no, yes)
    stretched = [
        CaseReading(
            key=r.key,
            lesions=tuple(v if v == UNMARKED else math.exp(v) for v in r.lesions),
            false_marks=tuple(math.exp(v) for v in r.false_marks),
        )
        for r in readings
    ]
    for statistic in (curves.afroc, curves.wafroc, curves.case_auc):
        assert statistic(readings) == pytest.approx(statistic(stretched))
        assert 0 <= (statistic(readings) or 0) <= 1


def test_no_figure_below_twenty_cases_and_an_interval_around_it_above() -> None:
    readings = drawn_readings([()] * 5 + [(2.0,)] * 5, [((3.0,), ())] * 6 + [((UNMARKED,), ())] * 4)
    short = curves.figure(readings[:19], curves.wafroc)
    assert (short.value, short.missing) == (None, 1)
    full = curves.figure(readings, curves.wafroc)
    assert full.value is not None and full.low is not None and full.high is not None
    assert full.low <= full.value <= full.high
    assert full == curves.figure(readings, curves.wafroc)


# Calibration --------------------------------------------------------------------------------------------------------


def test_brier_and_bins_of_an_example_worked_by_hand() -> None:
    judged = [
        calibration.Judgement(key="a", probability=0.9, correct=True),
        calibration.Judgement(key="b", probability=0.9, correct=False),
        calibration.Judgement(key="c", probability=0.1, correct=False),
    ]
    assert calibration.brier(judged) == pytest.approx((0.01 + 0.81 + 0.01) / 3)
    low, high = calibration.bins(judged)
    assert (low.count, low.observed, high.count, high.observed) == (1, 0.0, 2, 0.5)
    assert high.keys == ("a", "b")
    assert calibration.tendency(judged) == pytest.approx(1.9 / 3 - 1 / 3)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1), st.integers(2, 10))
def test_every_answer_is_in_one_bin(drawn: Any, count: int) -> None:
    judged = [calibration.Judgement(key=str(i), probability=p, correct=c) for i, (p, c) in enumerate(drawn)]
    found = calibration.bins(judged, count=count)
    assert sorted(key for b in found for key in b.keys) == sorted(j.key for j in judged)
    assert all(0 <= b.low <= b.observed + 1e-9 and b.observed - 1e-9 <= b.high <= 1 for b in found)
    assert 0 <= (calibration.brier(judged) or 0) <= 1


@given(st.integers(2, 100))
def test_steps_of_a_scale_rise_and_never_say_never(levels: int) -> None:
    stated = [calibration.probability(confidence=c, levels=levels) for c in range(1, levels + 1)]
    assert stated == sorted(stated)
    assert stated[0] > 0 and stated[-1] < 1
    with pytest.raises(ValueError, match="not a step"):
        calibration.probability(confidence=levels + 1, levels=levels)


# Repetition, order, answers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grade", "rating"),
    [(0, 1), (2.99, 1), (3, 2), (5, 2), (6.99, 2), (7, 3), (9.99, 3), (10, 4)],
)
def test_grades_become_ratings_at_their_borders(grade: float, rating: int) -> None:
    assert repetition.rating_of(grade) == rating
    found = repetition.review(memory=None, grade=grade, moment=datetime(2026, 1, 1, tzinfo=UTC))
    assert (found.rating, found.is_lapse) == (rating, rating == 1)


def test_better_reads_come_back_later_and_a_lapse_comes_back_soon() -> None:
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    due = [repetition.review(memory=None, grade=grade, moment=now).due_at for grade in (0, 5, 8, 10)]
    assert due == sorted(due)
    assert all(moment >= now + timedelta(days=1) for moment in due)
    first = repetition.review(memory=None, grade=9, moment=now)
    later = repetition.review(memory=first.memory, grade=9, moment=first.due_at)
    lapse = repetition.review(memory=later.memory, grade=1, moment=later.due_at)
    assert later.due_at - first.due_at > first.due_at - now
    assert lapse.is_lapse
    assert lapse.due_at - later.due_at < later.due_at - first.due_at
    assert repetition.retention(memory=first.memory, moment=first.due_at) == pytest.approx(0.9, abs=0.03)


@given(st.integers(0, 2**31), st.permutations([{"id": c} for c in "abcdef"]))
def test_the_order_depends_on_the_seed_and_not_on_how_the_options_were_written(seed: int, options: Any) -> None:
    sorted_ones = sorted(options, key=lambda o: o["id"])
    first = order.shuffled(options, seed=seed, question_id="q", shuffle=True)
    assert first == order.shuffled(sorted_ones, seed=seed, question_id="q", shuffle=True)
    assert sorted(o["id"] for o in first) == list("abcdef")
    assert order.shuffled(options, seed=seed, question_id="q", shuffle=False) == list(options)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["q1", "q2", "q3", "x"]),
        st.dictionaries(st.sampled_from(["choice", "text", "none", "confidence"]), json_values),
    )
)
def test_a_draft_of_any_shape_is_cleaned_to_what_was_asked(draft: Any) -> None:
    questions = [
        {
            "id": "q1",
            "kind": "single",
            "options": [{"id": "a"}, {"id": "b"}],
            "asks_confidence": True,
            "confidence_levels": 5,
        },
        {"id": "q2", "kind": "text", "asks_confidence": False, "confidence_levels": 5},
        {"id": "q3", "kind": "mark", "max_marks": 2, "asks_confidence": True, "confidence_levels": 5},
    ]
    cleaned = responses.clean_draft(draft, questions=questions)
    assert responses.clean_draft(cleaned, questions=questions) == cleaned
    assert set(cleaned) <= {"q1", "q2", "q3"}
    assert set(cleaned.get("q1", {}).get("choice", ())) <= {"a", "b"}
    _given, missing = responses.collect(draft, [], questions=questions)
    assert set(missing) <= {"q1", "q2", "q3"}
