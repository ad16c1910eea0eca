"""Does the open part of a case name what the reader is to find?"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from teaching.domain import content as documents

#: Words that say nothing about a diagnosis: articles, sides, sizes, and the nouns every report has.
COMMON: Final = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "both",
        "by",
        "case",
        "cases",
        "ct",
        "due",
        "for",
        "from",
        "has",
        "have",
        "he",
        "her",
        "his",
        "image",
        "images",
        "in",
        "is",
        "it",
        "its",
        "left",
        "lesion",
        "mr",
        "mri",
        "no",
        "normal",
        "not",
        "of",
        "on",
        "or",
        "patient",
        "right",
        "she",
        "side",
        "study",
        "the",
        "their",
        "there",
        "this",
        "to",
        "ultrasound",
        "us",
        "was",
        "were",
        "with",
        "without",
        "x",
        "ray",
        "xray",
        "acute",
        "chronic",
        "large",
        "small",
        "mild",
        "moderate",
        "severe",
        "unknown",
        "year",
        "years",
        "old",
        "man",
        "woman",
        "male",
        "female",
        "girl",
        "boy",
        "child",
        "upper",
        "lower",
        "anterior",
        "posterior",
        "medial",
        "lateral",
        "bilateral",
        "unilateral",
        "multiple",
        "single",
        "solitary",
        "finding",
        "findings",
        "head",
        "chest",
        "brain",
        "knee",
        "abdomen",
        "pelvis",
        "neck",
        "spine",
        "lung",
        "lungs",
        "lobe",
        "liver",
        "kidney",
        "bone",
        "breast",
        "heart",
        "shoulder",
        "hip",
        "foot",
        "hand",
        "ankle",
        "wrist",
        "elbow",
        "thorax",
        "type",
        "grade",
        "stage",
        "primary",
        "secondary",
        "first",
        "second",
        "third",
        "known",
        "history",
        "pain",
    ]
)
_WORD: Final = re.compile(r"[^\W\d_]{3,}", re.UNICODE)


@dataclass(frozen=True, kw_only=True)
class Leak:
    """`word` of the diagnosis stands in `where` (a field's name or a section's title)."""

    word: str
    where: str


def words(text: str) -> list[str]:
    """Words of at least three letters, folded: no case, no accents."""
    folded = unicodedata.normalize("NFKD", text.casefold())
    return _WORD.findall("".join(c for c in folded if not unicodedata.combining(c)))


def stem(word: str) -> str:
    """A word without its usual English endings, so that *nodules* is found by *nodule*."""
    for ending in ("ically", "ical", "ies", "es", "s", "ic", "ous", "al", "y", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word


def telling_words(content: Mapping[str, Any]) -> dict[str, str]:
    """Stem → word for everything in the title, the diagnosis and the codes that would give the case away."""
    sources: list[str] = [documents.diagnosis_text(content), str(content.get("title", ""))]
    sources += [
        str(c.get("display", "")) for c in content.get("codes", ()) if c.get("role") in ("diagnosis", "finding")
    ]
    sources += [str(t.get("label", "")) for t in documents.lesions(content)]
    found: dict[str, str] = {}
    for text in sources:
        for word in words(text):
            if word not in COMMON:
                found.setdefault(stem(word), word)
    return found


def open_texts(content: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Every text a learner reads before the answer, with where it stands. Options of questions may name it."""
    yield "alternative_title", str(content.get("alternative_title", ""))
    yield "alternative_abstract", str(content.get("alternative_abstract", ""))
    for section in content.get("sections", ()):
        if section["visibility"] == "always":
            yield str(section["title"]), f"{section['title']} {section['body']}"
    for number, question in enumerate(content.get("questions", ()), start=1):
        yield f"question {number}", str(question.get("stem", ""))


def find(content: Mapping[str, Any]) -> list[Leak]:
    """Words of the diagnosis in the open part of the case, each once for every place."""
    telling = telling_words(content)
    leaks: list[Leak] = []
    for where, text in open_texts(content):
        seen: set[str] = set()
        for word in words(text):
            key = stem(word)
            if key in telling and key not in seen and word not in COMMON:
                seen.add(key)
                leaks.append(Leak(word=word, where=where))
    return leaks


def telling_in(content: Mapping[str, Any], texts: Iterable[str]) -> list[str]:
    """Words of the diagnosis in texts that came with the images (descriptions, comments)."""
    telling = telling_words(content)
    found = {word for text in texts for word in words(text) if stem(word) in telling and word not in COMMON}
    return sorted(found)
