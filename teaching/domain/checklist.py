"""What has to be true before a case is published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from teaching.domain import content as documents
from teaching.domain import leaks, questions

Verdict = Literal["pass", "fail", "warn"]
NO_IMAGES: Final = "no-images"


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
    clearance: str,
    held_back_open: int,
    image_texts: Sequence[str] = (),
    telling_objects: Sequence[str] = (),
    others: Sequence[Mapping[str, Any]] = (),
    stacks: frozenset[str] = frozenset(),
) -> list[Check]:
    """Every check, green ones too.

    :param clearance: "deidentified": runs with their receipts wrote all images; "screened": others were checked when they
        came into the archive; "unknown": neither; "no-images": there are none, and nothing is said of them.
    :param held_back_open: images held back by de-identification that nobody has dealt with yet.
    :param image_texts: every text in the images' own attributes that a reader could come across.
    :param telling_objects: kinds of objects beside the images (reports, segmentations) that stand in the studies.
    :param others: the documents of the library's other published cases.
    :param stacks: Series Instance UIDs of those series that have more than one image.
    """
    asked = content.get("questions", ())
    has_images = clearance != NO_IMAGES
    has_mark_question = any(q["kind"] == "mark" for q in asked)
    faults = [f"{number}" for number, q in enumerate(asked, start=1) if questions.faults(q)]
    found = leaks.find(content)
    told = leaks.telling_in(content, image_texts)
    of_images = [
        _check("deidentified", clearance == "deidentified", soft=clearance == "screened"),
        _check("images-not-revealing", not told, detail=tuple(told[:8])),
        _check("no-telling-objects", not telling_objects, detail=tuple(telling_objects)),
        _check("opening-view-blind", not opens_on_truth(content, stacks=stacks), soft=True),
    ]
    return [
        # A text can be published without images; a question that asks for a mark on one cannot.
        _check("images", has_images, soft=not has_mark_question),
        *(of_images if has_images else ()),
        _check("held-back", held_back_open == 0, detail=(str(held_back_open),)),
        _check("alternative-title", bool(str(content.get("alternative_title", "")).strip())),
        _check("not-revealing", not found, soft=True, detail=_leak_detail(found)),
        _check("presets-alike", not (telling := telling_presets(content, others)), soft=True, detail=tuple(telling)),
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


def telling_presets(content: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of what an editor sets and a reader gets before the answer that would tell a normal from an abnormal case.

    `opening-view` and `most-marks`: this case has one that no case of the other kind in the library has; where the library
    holds only one kind there is nothing to compare. `mark-count`: as many marks are allowed as there are lesions.
    """
    found = []
    normal = documents.is_normal(content)
    opposite = [other for other in others if documents.is_normal(other) is not normal]
    for name, preset in (("opening-view", _has_opening_view), ("most-marks", _most_marks)):
        if opposite and all(preset(other) != preset(content) for other in opposite):
            found.append(name)
    if _most_marks(content) and sum(_most_marks(content)) == len(documents.lesions(content)) > 0:
        found.append("mark-count")
    return found


def _has_opening_view(content: Mapping[str, Any]) -> bool:
    return bool((content.get("layout") or {}).get("viewports"))


def _most_marks(content: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(int(q.get("max_marks") or 0) for q in content.get("questions", ()) if q["kind"] == "mark")


def opens_on_truth(content: Mapping[str, Any], *, stacks: frozenset[str]) -> bool:
    """Whether a viewport opens a series of several images on one that carries the truth."""
    marks = [truth["mark"] for truth in content.get("truth", ()) if truth.get("mark")]
    marked = {(mark["sop_instance_uid"], int(mark.get("frame") or 1)) for mark in marks}
    return any(
        preset.get("series") in stacks and (preset.get("sop"), int(preset.get("frame") or 1)) in marked
        for preset in (content.get("layout") or {}).get("viewports") or ()
    )


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
