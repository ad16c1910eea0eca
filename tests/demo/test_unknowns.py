"""What a reader gets of the demo's cases before the answer has the same form whatever there is to find."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pacsweb.demo.cases import CASES, CaseText

#: Everything but the words of the history, which any patient could tell.
FEATURES: Mapping[str, Callable[[CaseText], Any]] = {
    "stems of the questions": lambda case: tuple(ask.stem for ask in case.questions),
    "kinds of the questions": lambda case: tuple(ask.kind for ask in case.questions),
    "points": lambda case: tuple(ask.points for ask in case.questions),
    "options": lambda case: tuple(len(ask.options) for ask in case.questions),
    "level": lambda case: case.level,
    "whether there is a history": lambda case: bool(case.history),
    "further sections": lambda case: len(case.extra_sections),
}


def test_normals_and_abnormals_are_asked_alike() -> None:
    normals, others = ([case for case in CASES if case.is_normal is normal] for normal in (True, False))
    assert len(normals) > 5
    for name, feature in FEATURES.items():
        assert {feature(case) for case in normals} == {feature(case) for case in others}, name


def test_every_abnormal_case_offers_a_normal_conclusion_and_every_normal_one_findings() -> None:
    for case in CASES:
        (conclusion,) = (ask for ask in case.questions if ask.kind == "single")
        texts = [option.text for option in conclusion.options]
        assert sum(text in ("Normal", "No focal lesion") or text.startswith("BI-RADS 1") for text in texts) == 1, (
            case.study
        )
        (right,) = (option.text for option in conclusion.options if option.correct)
        assert (right in ("Normal", "No focal lesion") or right.startswith("BI-RADS 1")) is case.is_normal, case.study
