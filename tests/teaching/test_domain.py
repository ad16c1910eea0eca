from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teaching.domain import checklist, leaks, markup, questions, truth
from teaching.domain import content as documents
from viewer.domain.geometry import ImagePlane
from viewer.domain.marks import Mark


def content(**changes: Any) -> dict[str, Any]:
    return {
        "title": "Pulmonary embolism",
        "alternative_title": "Woman with dyspnoea",
        "alternative_abstract": "",
        "sections": [
            section("history", "Short of breath.", "always"),
            section("diagnosis", "Acute pulmonary embolism", "after_answer"),
        ],
        "questions": [],
        "codes": [],
        "truth": [],
        "keywords": [],
        **changes,
    }


def section(kind: str, body: str, visibility: str) -> dict[str, Any]:
    return {
        "id": kind,
        "kind": kind,
        "heading": "",
        "title": kind.title(),
        "body": body,
        "visibility": visibility,
        "visible_from": None,
    }


@pytest.mark.parametrize(
    ("where", "text", "found"),
    [
        ("alternative_title", "Suspected embolism", True),
        ("alternative_title", "Suspected EMBOLI", False),
        ("alternative_title", "Acute chest pain", False),
        ("alternative_abstract", "Known pulmonary disease", True),
        ("alternative_title", "Embolisms in the past", True),
    ],
)
def test_words_of_the_diagnosis_are_found_in_the_open_part(where: str, text: str, found: bool) -> None:
    assert bool(leaks.find(content(**{where: text}))) is found


def test_options_may_name_the_diagnosis_but_the_question_may_not() -> None:
    question = {"id": "q", "kind": "single", "stem": "Which lobe?", "options": [{"text": "Embolism"}]}
    assert not leaks.find(content(questions=[question]))
    assert leaks.find(content(questions=[{**question, "stem": "Where is the embolism?"}]))


def test_accents_and_case_do_not_hide_a_leak() -> None:
    assert leaks.find(content(title="Ménière disease", alternative_title="MENIERE?"))


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({}, []),
        ({"stem": " "}, ["stem"]),
        ({"points": 0}, ["points"]),
        ({"options": [{"text": "a", "is_correct": True}]}, ["options-count"]),
        ({"options": [{"text": "a", "is_correct": True}, {"text": "A"}]}, ["options-same"]),
        ({"options": [{"text": "a"}, {"text": "b"}]}, ["one-right"]),
        ({"kind": "multiple", "options": [{"text": "a"}, {"text": "b"}]}, ["some-right"]),
        ({"kind": "mark", "max_marks": 0}, ["max-marks"]),
        ({"kind": "text", "rubric": []}, ["rubric"]),
        ({"asks_confidence": True, "confidence_levels": 1}, ["confidence"]),
    ],
)
def test_questions_say_what_is_wrong_with_them(changes: dict[str, Any], faults: list[str]) -> None:
    question = {
        "kind": "single",
        "stem": "Q",
        "points": 5,
        "options": [{"text": "a", "is_correct": True}, {"text": "b"}],
        **changes,
    }
    assert questions.faults(question) == faults


def test_the_checklist_holds_an_empty_case_and_lets_a_whole_one_go() -> None:
    empty = checklist.run(content(sections=[], alternative_title=""), clearance="unknown", held_back_open=2)
    assert {check.code for check in checklist.blocking(empty)} == {
        "deidentified", "held-back", "alternative-title", "diagnosis", "questions", "level", "filed",
    }  # fmt: skip
    question = {"id": "q", "kind": "mark", "stem": "Mark it", "points": 5, "max_marks": 2}
    whole = content(questions=[question], level="primary", category="neuro", studies=[{}], is_normal=True)
    assert not checklist.blocking(checklist.run(whole, clearance="deidentified", held_back_open=0))
    for still_open in (1, 2, 50):
        held = checklist.run(whole, clearance="deidentified", held_back_open=still_open)
        assert [(check.code, check.detail) for check in checklist.blocking(held)] == [("held-back", (str(still_open),))]
    contradicts = {**whole, "truth": [{"is_lesion": True, "label": ""}]}
    assert [
        c.code for c in checklist.blocking(checklist.run(contradicts, clearance="deidentified", held_back_open=0))
    ] == ["truth-contradicts"]


def case_with(*, lesions: int, view: bool = False, most: int = 5) -> dict[str, Any]:
    mark = {"sop_instance_uid": "1.2.3", "frame": 1}
    return content(
        truth=[{"is_lesion": True, "label": "", "mark": mark}] * lesions,
        questions=[{"id": "q", "kind": "mark", "stem": "Mark it", "points": 5, "max_marks": most}],
        layout={"viewports": [{"series": "1.2", "sop": "1.2.4", "frame": 1}]} if view else {},
    )


@pytest.mark.parametrize(
    ("case", "others", "telling"),
    [
        (case_with(lesions=1, view=True), [case_with(lesions=0), case_with(lesions=2, view=True)], ["opening-view"]),
        (case_with(lesions=0), [case_with(lesions=1, view=True)], ["opening-view"]),
        (case_with(lesions=1, view=True), [case_with(lesions=0), case_with(lesions=0, view=True)], []),
        (case_with(lesions=1, view=True), [case_with(lesions=2)], []),
        (case_with(lesions=1, most=3), [case_with(lesions=0)], ["most-marks"]),
        (case_with(lesions=1, most=3), [case_with(lesions=0, most=3)], []),
        (case_with(lesions=3, most=3), [], ["mark-count"]),
        (case_with(lesions=0, most=5), [], []),
    ],
)
def test_presets_that_only_one_kind_of_case_has_are_telling(
    case: dict[str, Any], others: list[dict[str, Any]], telling: list[str]
) -> None:
    assert checklist.telling_presets(case, others) == telling
    checks = checklist.run(case, clearance="deidentified", held_back_open=0, others=others)
    (check,) = (one for one in checks if one.code == "presets-alike")
    # A warning: an editor may have reasons.
    assert (check.verdict, check.detail) == ("warn" if telling else "pass", tuple(telling))


def test_an_opening_view_that_shows_the_lesion_of_a_stack_is_warned_of() -> None:
    telling = content(
        truth=[{"is_lesion": True, "label": "", "mark": {"sop_instance_uid": "1.2.3", "frame": 1}}],
        layout={"viewports": [{"series": "1.2", "sop": "1.2.3", "frame": 1}]},
    )
    assert checklist.opens_on_truth(telling, stacks=frozenset({"1.2"}))
    # Of a single image there is no other to open.
    assert not checklist.opens_on_truth(telling, stacks=frozenset())
    assert not checklist.opens_on_truth(case_with(lesions=1, view=True), stacks=frozenset({"1.2"}))


def test_siblings_share_the_group_or_the_first_diagnosis_code() -> None:
    code = {"system": "RADLEX", "code": "RID1", "role": "diagnosis"}
    assert documents.grouping(content(codes=[code]), fallback="x") == "radlex|rid1"
    assert documents.grouping(content(codes=[code], diagnosis_group=" PE "), fallback="x") == "pe"
    assert documents.grouping(content(), fallback="x") == "case|x"


def test_differences_name_what_was_added_removed_changed_and_moved() -> None:
    before = content(sections=[section("a", "1", "always"), section("b", "2", "always")])
    after = content(title="New", sections=[section("b", "2", "always"), section("a", "9", "always")])
    assert [(c.where, c.what) for c in documents.differences(before, after)] == [
        ("title", "changed"), ("section", "changed"), ("section", "moved"),
    ]  # fmt: skip
    assert documents.differences(before, before) == []


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "![x](http://evil/x.png)",
        '<img src=x onerror="a">',
        "[x](data:text/html,a)",
    ],
)
def test_markup_lets_no_script_or_foreign_image_pass(text: str) -> None:
    html = markup.to_html(text)
    assert "<script" not in html and "<img" not in html
    assert 'href="javascript' not in html and 'href="data' not in html


@given(st.text(max_size=200))
def test_markup_of_any_text_has_no_script(text: str) -> None:
    assert "<script" not in markup.to_html(text).casefold()


@given(st.floats(20, 200), st.floats(20, 200), st.floats(2, 20), st.floats(0.2, 3), st.floats(0.2, 3))
def test_the_extent_of_a_circle_is_its_centre_and_radius_in_millimetres(
    x: float, y: float, r: float, rows: float, columns: float
) -> None:
    plane = ImagePlane(position=(-50.0, 10.0, 7.0), orientation=(1, 0, 0, 0, 0, 1), spacing=(rows, columns))
    steps = 24
    import math

    outline = tuple(
        (x + r * math.cos(2 * math.pi * i / steps), y + r * math.sin(2 * math.pi * i / steps)) for i in range(steps)
    )
    for tool, points in (("ellipse", ((x - r, y), (x + r, y), (x, y - r), (x, y + r))), ("freehand", outline)):
        mark = Mark(
            id="00000000-0000-4000-8000-000000000001",
            tool=tool,  # type: ignore[arg-type]
            series_instance_uid="1.2",
            sop_instance_uid="1.2.3",
            points=points,
            patient_points=tuple(plane.to_patient(p) for p in points),
            frame_of_reference_uid="1.2.9",
        )
        known = truth.extent(mark, spacing=(rows, columns))
        guessed = truth.extent(mark, spacing=None)
        expected = plane.to_patient((x, y))
        assert known.centre_mm == pytest.approx(expected, abs=1e-3)
        assert known.radius_mm == pytest.approx(r * math.sqrt(rows * columns), rel=0.02)
        assert guessed.radius_mm == pytest.approx(known.radius_mm, rel=0.02)


@pytest.mark.parametrize(
    ("clearance", "verdict"), [("deidentified", "pass"), ("screened", "warn"), ("unknown", "fail")]
)
def test_images_are_called_de_identified_only_when_a_run_wrote_them(clearance: str, verdict: str) -> None:
    found = {check.code: check.verdict for check in checklist.run(content(), clearance=clearance, held_back_open=0)}
    assert found["deidentified"] == verdict


def test_nothing_is_said_of_images_where_there_are_none() -> None:
    """A green tick for images that do not exist says something false."""
    text = checklist.run(content(), clearance=checklist.NO_IMAGES, held_back_open=0)
    said = {check.code: check.verdict for check in text}
    of_images = {"deidentified", "images-not-revealing", "no-telling-objects", "opening-view-blind"}
    assert not of_images & set(said)
    assert said["images"] == "warn"
    question = {"id": "q", "kind": "mark", "stem": "Mark it", "points": 5, "max_marks": 2}
    asked = checklist.run(content(questions=[question]), clearance=checklist.NO_IMAGES, held_back_open=0)
    assert {check.code: check.verdict for check in asked}["images"] == "fail"
    shown = checklist.run(content(studies=[{}]), clearance="deidentified", held_back_open=0)
    assert of_images <= {check.code for check in shown if check.verdict == "pass"}


@given(st.text(max_size=60), st.integers(2, 40))
def test_a_first_line_is_never_longer_than_its_limit_and_cut_only_when_it_has_to_be(text: str, limit: int) -> None:
    line, whole = markup.first_line(text, limit=limit), markup.first_line(text, limit=10_000)
    assert len(line) <= limit
    assert line == whole if len(whole) <= limit else whole.startswith(line[:-1]) and line.endswith("…")


def test_the_diagnosis_in_words_is_the_section_else_the_code_of_a_diagnosis_else_the_title() -> None:
    codes = [{"role": role, "display": f"of a {role}"} for role in ("anatomy", "topic", "diagnosis", "finding")]
    written = content(title="Title", codes=codes)
    assert documents.diagnosis_text(written) == "Acute pulmonary embolism"
    unwritten = {
        **written,
        "sections": [section("history", "Short of breath.", "always"), section("diagnosis", " ", "")],
    }
    assert documents.diagnosis_text(unwritten) == "of a diagnosis"
    assert documents.diagnosis_text({**unwritten, "codes": codes[:2]}) == "Title"


def test_only_a_section_or_a_code_of_a_diagnosis_is_a_diagnosis() -> None:
    def verdict(**changes: Any) -> str:
        checks = checklist.run(content(**changes), clearance="deidentified", held_back_open=0)
        return next(check.verdict for check in checks if check.code == "diagnosis")

    assert verdict() == "pass"
    assert verdict(sections=[section("findings", "Seen.", "after_answer")]) == "fail"
    assert verdict(sections=[section("diagnosis", " ", "after_answer")]) == "fail"
    assert verdict(sections=[], codes=[{"role": "anatomy", "code": "RID1"}]) == "fail"
    assert verdict(sections=[], codes=[{"role": "diagnosis", "code": "RID1"}]) == "pass"


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("nodule", "nodules", True),
        ("cysts", "cyst", True),  # a stem of four letters
        ("gases", "gas", False),  # one of three would be too short
        ("bony", "bone", False),
    ],
)
def test_endings_are_taken_off_as_long_as_four_letters_are_left(one: str, other: str, is_same: bool) -> None:
    assert (leaks.stem(one) == leaks.stem(other)) is is_same


LENGTHS = st.floats(2, 60)
TILTED = (0.6, 0.8, 0.0, 0.0, 0.0, -1.0)


@given(LENGTHS, LENGTHS, st.floats(0.2, 3), st.sampled_from(["ellipse", "rectangle", "length", "freehand", "probe"]))
def test_the_radius_is_the_same_from_the_spacing_and_from_the_patient(
    width: float, height: float, spacing: float, tool: str
) -> None:
    """Of any shape, as long as pixels are square; the centre too."""
    x, y = 100.0, 50.0
    left, right, top, bottom = x - width / 2, x + width / 2, y - height / 2, y + height / 2
    corners = ((left, top), (right, top), (left, bottom), (right, bottom))
    points = {
        "ellipse": ((left, y), (right, y), (x, top), (x, bottom)),
        "rectangle": corners,
        "length": (corners[0], corners[3]),
        "freehand": (corners[0], corners[1], corners[3], corners[2]),
        "probe": ((x, y),),
    }[tool]
    plane = ImagePlane(position=(-50.0, 10.0, 7.0), orientation=TILTED, spacing=(spacing, spacing))
    mark = Mark(
        id="00000000-0000-4000-8000-000000000001",
        tool=tool,  # type: ignore[arg-type]
        series_instance_uid="1.2",
        sop_instance_uid="1.2.3",
        points=points,
        patient_points=tuple(plane.to_patient(p) for p in points),
        frame_of_reference_uid="1.2.9",
    )
    known, guessed = truth.extent(mark, spacing=(spacing, spacing)), truth.extent(mark, spacing=None)
    assert guessed.radius_mm == pytest.approx(known.radius_mm, rel=1e-6, abs=1e-9)
    assert guessed.centre_mm == pytest.approx(known.centre_mm, abs=1e-6)
    if tool != "length":
        assert known.centre_mm == pytest.approx(plane.to_patient((x, y)), abs=1e-6)
    stored = truth.to_json(known)
    assert stored["centre_mm"] == [round(value, 4) for value in known.centre_mm or ()]
    assert (stored["radius_mm"], stored["spacing_mm"]) == (round(known.radius_mm or 0.0, 4), [spacing, spacing])


def test_a_truth_without_geometry_is_stored_as_unknown() -> None:
    unknown = truth.Extent(centre_mm=None, radius_mm=None, spacing_mm=None)
    assert truth.to_json(unknown) == {"centre_mm": None, "radius_mm": None, "spacing_mm": None}
