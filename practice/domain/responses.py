"""From what a page sends to answers: cleaned against the questions as they were asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from viewer.domain.marks import Mark

MAX_TEXT: Final = 10_000


@dataclass(frozen=True, kw_only=True)
class Given:
    """The answer to one question. `marks` only for a mark question; `none` says "there is no lesion"."""

    question_id: str
    kind: str
    choice: tuple[str, ...] = ()
    text: str = ""
    none: bool = False
    marks: tuple[Mark, ...] = ()
    confidence: int | None = None
    confidence_levels: int | None = None


def clean_draft(draft: Mapping[str, Any], *, questions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Drafts of known questions with known options only; everything else is dropped."""
    found: dict[str, Any] = {}
    for question in questions:
        raw = draft.get(question["id"])
        if isinstance(raw, Mapping):
            found[str(question["id"])] = _clean_entry(raw, question=question)
    return found


def _clean_entry(raw: Mapping[str, Any], *, question: Mapping[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    kind = question["kind"]
    if kind in ("single", "multiple"):
        known = {str(option["id"]) for option in question["options"]}
        given = raw.get("choice") or []
        picked = [str(one) for one in given if str(one) in known] if isinstance(given, (list, tuple)) else []
        entry["choice"] = picked[-1:] if kind == "single" else list(dict.fromkeys(picked))
    elif kind == "text":
        entry["text"] = str(raw.get("text") or "").replace("\x00", "")[:MAX_TEXT]
    elif kind == "mark":
        entry["none"] = raw.get("none") is True
    if question.get("asks_confidence"):
        entry["confidence"] = _confidence(raw.get("confidence"), levels=int(question["confidence_levels"]))
    return entry


def _confidence(value: Any, *, levels: int) -> int | None:
    try:
        number = int(value)
    except (TypeError, ValueError):
        return None
    return number if 1 <= number <= levels else None


def marks_of(question_id: str, marks: Sequence[Mark], *, questions: Sequence[Mapping[str, Any]]) -> tuple[Mark, ...]:
    """The marks that answer one question: those of its group; all of them when it is the only mark question."""
    asked = [question["id"] for question in questions if question["kind"] == "mark"]
    if asked == [question_id]:
        return tuple(marks)
    return tuple(mark for mark in marks if mark.group == question_id)


def collect(
    draft: Mapping[str, Any], marks: Sequence[Mark], *, questions: Sequence[Mapping[str, Any]]
) -> tuple[list[Given], dict[str, str]]:
    """Answers to all questions, and what is missing: question id → code.

    Codes: `choice`, `text`, `marks` (neither a mark nor "no lesion"), `both` (marks and "no lesion"), `too-many`,
    `ratings` (a mark without its confidence), `confidence`.
    """
    cleaned = clean_draft(draft, questions=questions)
    given: list[Given] = []
    missing: dict[str, str] = {}
    for question in questions:
        entry = cleaned.get(str(question["id"]), {})
        answer = Given(
            question_id=str(question["id"]),
            kind=str(question["kind"]),
            choice=tuple(entry.get("choice", ())),
            text=str(entry.get("text", "")).strip(),
            none=bool(entry.get("none")),
            marks=marks_of(question["id"], marks, questions=questions) if question["kind"] == "mark" else (),
            confidence=entry.get("confidence"),
            confidence_levels=int(question["confidence_levels"]) if question.get("asks_confidence") else None,
        )
        code = _missing(answer, question=question)
        if code:
            missing[answer.question_id] = code
        given.append(answer)
    return given, missing


def _missing(answer: Given, *, question: Mapping[str, Any]) -> str:
    asks = bool(question.get("asks_confidence"))
    if answer.kind in ("single", "multiple") and not answer.choice:
        return "choice"
    if answer.kind == "text" and not answer.text:
        return "text"
    if answer.kind == "mark":
        if answer.marks and answer.none:
            return "both"
        if not answer.marks and not answer.none:
            return "marks"
        if len(answer.marks) > int(question["max_marks"]):
            return "too-many"
        # Each mark carries its own rating; the question's own confidence is that nothing is there.
        if asks and any(mark.confidence is None for mark in answer.marks):
            return "ratings"
        return "confidence" if asks and answer.none and answer.confidence is None else ""
    return "confidence" if asks and answer.confidence is None else ""
