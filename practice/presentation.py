"""What a reader is shown of a case, before and after the commit: the one source of pages, API and manifest.

Everything here starts from `teaching.domain.content.learner_view`, which leaves the truth out until it is revealed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from archive.models import Study
from core.whole_numbers import read_whole_number
from practice.domain import order
from practice.models import Answer, Attempt, Score
from teaching import pinned, vocabulary
from teaching.domain import content as documents
from teaching.domain import markup
from viewer import services as viewer
from viewer.domain import manifest as contract
from viewer.domain.mark_reading import ImageBounds, stored_mark
from viewer.domain.marks import Mark
from viewer.queries import image_bounds

#: Other readers' answers are shown once at least this many of them committed the same version.
PEERS_MINIMUM = 5
#: Of how many reads, and how many marks, an educator can lay over the images.
MOST_READS = 200
MOST_MARKS = 500
#: Every tool may be used while reading; these are the ones that answer a question.
MARKING_TOOLS = ("ellipse", "arrow", "probe", "freehand", "rectangle")


def view_of(attempt: Attempt) -> documents.Content:
    """What the reader of this attempt may know now, the options in their order."""
    view = documents.learner_view(attempt.version.content, revealed=attempt.is_revealed, today=timezone.localdate())
    for question in view["questions"]:
        if "options" in question:
            question["options"] = order.shuffled(
                question["options"],
                seed=attempt.seed,
                question_id=question["id"],
                shuffle=bool(question.pop("shuffle", True)),
            )
    return view


def bounds_of(attempt: Attempt) -> dict[str, ImageBounds]:
    """The images that may carry marks: those of the version, none once the case is withdrawn."""
    return image_bounds(studies=studies_of(attempt), images=pinned.images_shown(attempt.version))


def studies_of(attempt: Attempt) -> list[Study]:
    """The version's studies in their order; none once the case is withdrawn."""
    if attempt.version.case.is_withdrawn:
        return []
    rows = attempt.version.version_studies.select_related(
        "study__archive__organisation", "study__organisation", "study__patient"
    )
    return [row.study for row in rows]


def manifest_of(
    attempt: Attempt,
    *,
    session: Any,
    organisation: str,
    back: contract.Link,
    studies: Sequence[Study],
    with_all_readers: bool = False,
) -> contract.Manifest:
    """The viewer's manifest: the unknown with own marks, or after the commit the same images with the truth.

    Educators (`with_all_readers`) can also lay the marks of every committed read over the images.
    """
    view = view_of(attempt)
    revealed = attempt.is_revealed
    main = next((row.study for row in attempt.version.version_studies.all() if not row.is_prior), None)
    return viewer.build_manifest(
        mode="review" if revealed else "read",
        key=f"attempt:{attempt.public_id}",
        title=view["alternative_title"],
        subtitle=subtitle_of(view),
        back=back,
        studies=studies,
        images=pinned.images_shown(attempt.version),
        main_study=main,
        named_priors={row.study_id for row in attempt.version.version_studies.all() if row.is_prior},
        session=session,
        layout=layout_of(attempt.version.content.get("layout") or {}, studies=studies),
        show_descriptions=False,
        layers=_layers(attempt, with_all_readers=with_all_readers),
        save_url=None
        if revealed
        else reverse("practice:attempt-marks", kwargs={"organisation": organisation, "attempt": attempt.public_id}),
        mark_form=mark_form(view["questions"]) if not revealed else None,
    )


def subtitle_of(view: Mapping[str, Any]) -> str:
    levels = dict(vocabulary.LEVELS)
    parts = [view["modality"], str(levels.get(view["level"], "")), patient_words(view["patient"])]
    return " · ".join(part for part in parts if part)


def patient_words(patient: Mapping[str, str]) -> str:
    ages, sexes = dict(vocabulary.AGE_BANDS), dict(vocabulary.SEXES)
    words = [str(sexes.get(patient.get("sex", ""), "")), str(ages.get(patient.get("age_band", ""), ""))]
    return ", ".join(word for word in words if word)


def layout_of(stored: Mapping[str, Any], *, studies: Sequence[Study]) -> contract.Layout:
    """The layout the editor set, as far as its series are still shown."""
    del studies
    if not stored.get("viewports"):
        return contract.Layout()
    presets = tuple(
        contract.ViewportPreset(
            series=preset.get("series"),
            sop=preset.get("sop"),
            frame=int(preset.get("frame") or 1),
            window=contract.Window(**preset["window"]) if preset.get("window") else None,
            invert=bool(preset.get("invert")),
        )
        for preset in stored["viewports"]
    )
    return contract.Layout(rows=int(stored["rows"]), columns=int(stored["columns"]), viewports=presets)


def mark_form(questions: Sequence[Mapping[str, Any]]) -> contract.MarkForm:
    """What is asked for each mark: how sure, and, with several mark questions, which of them it answers."""
    asked = [question for question in questions if question["kind"] == "mark"]
    fields: list[contract.MarkField] = []
    rated = next((question for question in asked if question["asks_confidence"]), None)
    if rated is not None:
        fields.append(
            contract.MarkField(
                name="confidence",
                label=_("How sure are you that this is a lesion?"),
                kind="scale",
                required=True,
                minimum=1,
                maximum=float(rated["confidence_levels"]),
            )
        )
    if len(asked) > 1:
        numbers = {question["id"]: number for number, question in enumerate(questions, start=1)}
        fields.append(
            contract.MarkField(
                name="group",
                label=_("Answers question"),
                kind="choice",
                required=True,
                choices=tuple((str(q["id"]), _("Question %d") % numbers[q["id"]]) for q in asked),
            )
        )
    return contract.MarkForm(
        fields=tuple(fields),
        ask=bool(fields),
        tools=MARKING_TOOLS if asked else (),
        maximum=sum(int(question["max_marks"]) for question in asked) or None,
    )


def _layers(attempt: Attempt, *, with_all_readers: bool) -> list[contract.Layer]:
    if not attempt.is_revealed:
        return own_layer(attempt)
    return [
        *review_layers(attempt, is_own=not with_all_readers),
        *(all_readers_layer(attempt) if with_all_readers else ()),
    ]


def all_readers_layer(attempt: Attempt) -> list[contract.Layer]:
    """Where everybody else marked: false marks of many at one place tell what misleads. Hidden until asked for."""
    rows = Attempt.objects.filter(version=attempt.version_id, state__in=Attempt.REVEALED_STATES).exclude(pk=attempt.pk)
    marks = [stored_mark(mark) for stored in rows.values_list("marks", flat=True)[:MOST_READS] for mark in stored]
    layer = contract.Layer(
        name="others", label=_("All readers"), role="other", visible=False, marks=tuple(marks[:MOST_MARKS])
    )
    return [layer]


def own_layer(attempt: Attempt) -> list[contract.Layer]:
    return [
        contract.Layer(
            name="own",
            label=_("My marks"),
            role="own",
            editable=True,
            version=attempt.marks_version,
            marks=tuple(stored_mark(mark) for mark in attempt.marks),
        )
    ]


def review_layers(attempt: Attempt, *, is_own: bool) -> list[contract.Layer]:
    """The truth, and the reader's marks with their verdicts; `is_own` when they are looking themselves."""
    verdicts = verdicts_of(attempt)
    truth = [
        stored_mark(entry["mark"]).judged(
            verdict=None if not entry["is_lesion"] else "hit" if entry["id"] in verdicts.hit_lesions else "miss"
        )
        for entry in attempt.version.content["truth"]
    ]
    own = [stored_mark(mark) for mark in attempt.marks]
    return [
        contract.Layer(name="truth", label=_("Truth"), role="truth", marks=tuple(truth)),
        contract.Layer(
            name="own",
            label=_("My marks") if is_own else _("The reader's marks"),
            role="own",
            marks=tuple(mark.judged(verdict=verdicts.of(mark)) for mark in own),
        ),
    ]


class Verdicts:
    """Hits and false marks over all mark questions of an attempt."""

    def __init__(self) -> None:
        self.hit_lesions: dict[str, str] = {}
        self.false_marks: set[str] = set()

    def of(self, mark: Mark) -> Any:
        if mark.id in self.hit_lesions.values():
            return "hit"
        return "false" if mark.id in self.false_marks else None


def verdicts_of(attempt: Attempt) -> Verdicts:
    found = Verdicts()
    for score in Score.objects.filter(answer__attempt=attempt, answer__kind="mark", by=Score.By.RULE):
        found.hit_lesions |= score.detail.get("hits", {})
        found.false_marks |= set(score.detail.get("false", ()))
    return found


def newest_scores(attempt: Attempt) -> dict[str, Score]:
    """Question id → the score that counts."""
    rows = Score.objects.filter(answer__attempt=attempt).select_related("answer", "actor").order_by("pk")
    return {score.answer.question_id: score for score in rows}


def read_questions(
    attempt: Attempt, *, draft: Mapping[str, Any] | None = None, errors: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Questions as the form of the read asks them, with what is already given."""
    given = attempt.draft if draft is None else draft
    asked = view_of(attempt)["questions"]
    only_one = sum(question["kind"] == "mark" for question in asked) == 1
    rows = []
    for number, question in enumerate(asked, start=1):
        entry = given.get(question["id"], {})
        rows.append(
            {
                **question,
                "number": number,
                "html": markup.to_html(question["stem"]),
                "given": {**entry, "confidence": _step(entry.get("confidence"))},
                "is_only_mark": only_one,
                "steps": list(range(1, int(question["confidence_levels"]) + 1)),
                "errors": (errors or {}).get(question["id"], []),
            }
        )
    return rows


def _step(value: Any) -> int | None:
    return read_whole_number(str(value or ""))


def review_questions(attempt: Attempt) -> list[dict[str, Any]]:
    """Questions with answer, score, explanation and, where enough people read the case, the peers."""
    scores = newest_scores(attempt)
    answers = {answer.question_id: answer for answer in Answer.objects.filter(attempt=attempt)}
    peers = peers_of(attempt)
    lesions = {entry["id"]: entry for entry in attempt.version.content["truth"] if entry["is_lesion"]}
    rows = []
    for number, question in enumerate(view_of(attempt)["questions"], start=1):
        answer, score = answers.get(question["id"]), scores.get(question["id"])
        row = {
            **question,
            "number": number,
            "html": markup.to_html(question["stem"]),
            "explanation_html": markup.to_html(question.get("explanation", "")),
            "answer": answer,
            "score": score,
        }
        if answer is not None and "options" in question:
            row["options"] = _judged_options(question, answer=answer, peers=peers.get(question["id"]))
            row["peers_count"] = peers.get(question["id"], {}).get("count", 0)
        if answer is not None and answer.kind == "mark":
            row |= _judged_marks(answer=answer, score=score, lesions=lesions)
        if answer is not None and answer.kind == "text":
            row["met"] = set(score.detail.get("rubric", ())) if score is not None else set()
        rows.append(row)
    return rows


def _judged_options(
    question: Mapping[str, Any], *, answer: Answer, peers: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    chosen = set(answer.response.get("choice", ()))
    return [
        {
            **option,
            "chosen": option["id"] in chosen,
            "explanation_html": markup.to_html(option.get("explanation", "")),
            "share": None if not peers else round(100 * peers["options"].get(option["id"], 0) / peers["count"]),
        }
        for option in question["options"]
    ]


def _judged_marks(*, answer: Answer, score: Score | None, lesions: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    detail = score.detail if score is not None else {}
    hits = detail.get("hits", {})
    marks = {mark["id"]: mark for mark in answer.response.get("marks", ())}
    return {
        "lesions": [
            {
                "label": entry["label"] or _("Lesion %d") % number,
                "mark": marks.get(hits.get(lesion_id, "")),
                "goto": place_of(entry["mark"]),
                "is_hit": lesion_id in hits,
            }
            for number, (lesion_id, entry) in enumerate(lesions.items(), start=1)
        ],
        "false_marks": [
            {"mark": marks[mark_id], "goto": place_of(marks[mark_id])}
            for mark_id in detail.get("false", ())
            if mark_id in marks
        ],
        "said_none": bool(answer.response.get("none")),
    }


def place_of(mark: Mapping[str, Any]) -> dict[str, Any]:
    return {"series": mark["series_instance_uid"], "sop": mark["sop_instance_uid"], "frame": mark["frame"]}


def peers_of(attempt: Attempt) -> dict[str, dict[str, Any]]:
    """How others answered the choices of this version: each person's first read, only from `PEERS_MINIMUM` persons on."""
    rows = (
        Answer.objects.filter(
            attempt__version=attempt.version_id,
            attempt__state__in=Attempt.REVEALED_STATES,
            kind__in=("single", "multiple"),
        )
        .exclude(attempt__user=attempt.user_id)
        .order_by("attempt__committed_at")
        .values_list("question_id", "attempt__user", "response")
    )
    first: dict[tuple[str, int], list[str]] = {}
    for question_id, user, response in rows:
        first.setdefault((question_id, user), response.get("choice", []))
    found: dict[str, dict[str, Any]] = {}
    for (question_id, _user), choice in first.items():
        entry = found.setdefault(question_id, {"count": 0, "options": {}})
        entry["count"] += 1
        for option in choice:
            entry["options"][option] = entry["options"].get(option, 0) + 1
    return {key: entry for key, entry in found.items() if entry["count"] >= PEERS_MINIMUM}


def sections_html(view: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{**section, "html": markup.to_html(section["body"])} for section in view["sections"]]
