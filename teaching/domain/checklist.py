"""What has to be true before a case is published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from teaching.domain import content as documents
from teaching.domain import leaks, questions

Verdict = Literal["pass", "fail", "warn"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One line of the list. `code` names it; `detail` holds the facts its sentence needs."""

    code: str
    verdict: Verdict
    detail: tuple[str, ...] = ()

    @property
    def blocks(self) -> bool:
        return self.verdict == "fail"


def run(
    content: Mapping[str, Any],
    *,
    is_deidentified: bool,
    held_back_open: int,
    image_texts: Sequence[str] = (),
    telling_objects: Sequence[str] = (),
) -> list[Check]:
    """Every check, green ones too.

    :param is_deidentified: the images come from a finished de-identification run or stand in a de-identified archive.
    :param held_back_open: images held back by de-identification that nobody has dealt with yet.
    :param image_texts: every text in the images' own attributes that a reader could come across.
    :param telling_objects: kinds of objects beside the images (reports, segmentations) that stand in the studies.
    """
    asked = content.get("questions", ())
    has_mark_question = any(q["kind"] == "mark" for q in asked)
    faults = [f"{number}" for number, q in enumerate(asked, start=1) if questions.faults(q)]
    found = leaks.find(content)
    told = leaks.telling_in(content, image_texts)
    return [
        _check("deidentified", is_deidentified),
        _check("held-back", held_back_open == 0, detail=(str(held_back_open),)),
        _check("images", bool(content.get("studies")), soft=True),
        _check("alternative-title", bool(str(content.get("alternative_title", "")).strip())),
        _check("not-revealing", not found, soft=True, detail=_leak_detail(found)),
        _check("images-not-revealing", not told, detail=tuple(told[:8])),
        _check("no-telling-objects", not telling_objects, detail=tuple(telling_objects)),
        _check("diagnosis", _has_diagnosis(content)),
        _check("questions", bool(asked)),
        _check("questions-valid", not faults, detail=tuple(faults)),
        _truth_check(content, has_mark_question=has_mark_question),
        _check("level", bool(content.get("level"))),
        _check("filed", bool(content.get("category") or content.get("codes"))),
    ]


def blocking(checks: Sequence[Check]) -> list[Check]:
    return [check for check in checks if check.blocks]


def _check(code: str, passed: bool, *, soft: bool = False, detail: tuple[str, ...] = ()) -> Check:
    return Check(code=code, verdict="pass" if passed else "warn" if soft else "fail", detail=() if passed else detail)


def _has_diagnosis(content: Mapping[str, Any]) -> bool:
    if any(s["kind"] == "diagnosis" and s["body"].strip() for s in content.get("sections", ())):
        return True
    return any(c.get("role") == "diagnosis" for c in content.get("codes", ()))


def _truth_check(content: Mapping[str, Any], *, has_mark_question: bool) -> Check:
    has_lesion, normal = bool(documents.lesions(content)), bool(content.get("is_normal"))
    if normal and has_lesion:
        return Check(code="truth-contradicts", verdict="fail")
    # A normal is a lawful answer to "mark the lesion", but only when somebody says that it is one.
    return Check(code="truth", verdict="pass" if has_lesion or normal or not has_mark_question else "fail")


def _leak_detail(found: Sequence[leaks.Leak]) -> tuple[str, ...]:
    return tuple(f"{leak.where}: {leak.word}" for leak in found[:8])
