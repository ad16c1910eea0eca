"""The shape of a teaching case's content, before it meets a database."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Option:
    text: str
    correct: bool = False
    why: str = ""


@dataclass(frozen=True)
class Ask:
    """A question; ``options`` for choices, ``rubric`` as (line, points) for free text."""

    kind: Literal["single", "multiple", "mark", "text"]
    stem: str
    explanation: str = ""
    options: tuple[Option, ...] = ()
    rubric: tuple[tuple[str, int], ...] = ()
    points: int = 10


@dataclass(frozen=True)
class Code:
    system: Literal["RADLEX", "SCT", "I10", "LN", "LOCAL"]
    code: str
    display: str
    role: Literal["diagnosis", "finding", "anatomy", "topic"] = "diagnosis"


@dataclass(frozen=True)
class CaseText:
    """One case: which phantom it shows and everything that is written about it."""

    study: str
    title: str
    alternative_title: str
    history: str
    findings: str
    diagnosis: str
    discussion: str
    group: str
    category: str
    organ_system: str
    anatomy: str
    level: Literal["primary", "intermediate", "advanced"]
    age_band: str
    sex: Literal["female", "male", "other"]
    questions: tuple[Ask, ...]
    differential: str = ""
    references: str = ""
    codes: tuple[Code, ...] = ()
    keywords: tuple[str, ...] = ()
    priors: tuple[str, ...] = ()
    library: str = "demo"
    extra_sections: tuple[tuple[str, str], ...] = field(default=())

    @property
    def is_normal(self) -> bool:
        return self.group.startswith("normal")


#: The same in every case: as many as any of them has lesions, and more. A number of its own would tell how many there are.
MAX_MARKS = 10
MARK_STEM = "Mark each abnormality that matters, with how sure you are of it, or say that there is none."


def mark(explanation: str) -> Ask:
    """Return the "mark the lesion" question that every case asks in the same neutral words."""
    return Ask("mark", MARK_STEM, explanation)


def normal_choice(right: str, wrong: tuple[tuple[str, str], ...], explanation: str) -> Ask:
    """Return "what is your conclusion" for a normal, among conclusions that over-call it."""
    options = (Option(right, True, explanation), *(Option(text, False, why) for text, why in wrong))
    return Ask("single", "What is your conclusion?", explanation, options)
