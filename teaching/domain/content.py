"""A case as one document: what a revision keeps, what a version freezes, and what a learner may see of it.

The document is plain JSON (`schema` 1):

    title abstract alternative_title alternative_abstract        str
    authors           [{name, affiliation, contact}]
    sections          [{id, kind, heading, title, body, visibility, visible_from}]   visible_from: ISO date or null
    patient           {age_band, sex}
    category organ_system modality anatomy level certainty licence   str
    keywords          [str]
    codes             [{system, code, display, version, role}]
    diagnosis_group   str
    is_normal         bool
    studies           [{id, uid, is_prior}]                       id: public id of the archive's study
    layout            {rows, columns, viewports}
    key_images        [{id, series, sop, frame, caption}]
    truth             [{id, mark, label, code, is_lesion, centre_mm, radius_mm, spacing_mm}]
    questions         [{id, kind, stem, explanation, points, options, shuffle, asks_confidence, confidence_levels,
                        max_marks, rubric, scored_by}]
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

SCHEMA: Final = 1
Content = dict[str, Any]

#: Fields that describe the unknown without naming it.
OPEN_FIELDS: Final = ("alternative_title", "alternative_abstract", "category", "organ_system", "modality", "level")
#: Fields that only editors edit through the form, in the order of the page.
TEXT_FIELDS: Final = ("title", "abstract", "alternative_title", "alternative_abstract")


def digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON form: keys sorted, no blanks, UTF-8."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def lesions(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [truth for truth in content.get("truth", ()) if truth.get("is_lesion")]


def is_normal(content: Mapping[str, Any]) -> bool:
    """A case without a lesion: the negatives of a reader study."""
    return not lesions(content)


def diagnosis_text(content: Mapping[str, Any]) -> str:
    """The diagnosis in words: the section of that kind, else the code's display, else the title."""
    for section in content.get("sections", ()):
        if section["kind"] == "diagnosis" and section["body"].strip():
            return str(section["body"]).strip()
    for code in content.get("codes", ()):
        if code.get("role") == "diagnosis" and code.get("display"):
            return str(code["display"])
    return str(content.get("title", ""))


def grouping(content: Mapping[str, Any], *, fallback: str) -> str:
    """The key of the diagnosis that this case teaches: siblings share it.

    An explicit group wins, then the first diagnosis code, then the case stands for itself.
    """
    explicit = str(content.get("diagnosis_group") or "").strip().lower()
    if explicit:
        return explicit[:120]
    for code in content.get("codes", ()):
        if code.get("role") == "diagnosis" and code.get("code"):
            return f"{code.get('system', '')}|{code['code']}".lower()[:120]
    return f"case|{fallback}"


def section_is_visible(section: Mapping[str, Any], *, revealed: bool, today: date) -> bool:
    """Whether a learner may read a section; empty ones are never shown."""
    if not str(section.get("body", "")).strip():
        return False
    visibility = section["visibility"]
    if visibility == "always":
        return True
    if visibility == "after_answer":
        return revealed
    if visibility == "from_date":
        start = section.get("visible_from")
        # A date does not lift the secret of an unknown that is still to be read.
        return revealed and start is not None and date.fromisoformat(start) <= today
    return False


def learner_view(content: Mapping[str, Any], *, revealed: bool, today: date) -> Content:
    """What a learner may know of a case: before the answer nothing that tells the diagnosis, afterwards the rest.

    Every door (page, API, search, manifest) shows learners this document and never the content itself.
    """
    view: Content = {name: content.get(name, "") for name in OPEN_FIELDS}
    view["patient"] = dict(content.get("patient", {}))
    view["sections"] = [
        {
            "id": s["id"],
            "kind": s["kind"] if revealed or s["kind"] == "history" else "note",
            "title": s["title"],
            "body": s["body"],
        }
        for s in content.get("sections", ())
        if section_is_visible(s, revealed=revealed, today=today)
    ]
    view["questions"] = [question_view(q, revealed=revealed) for q in content.get("questions", ())]
    view["revealed"] = revealed
    if revealed:
        view |= {name: content.get(name, "") for name in ("title", "abstract", "anatomy", "certainty", "licence")}
        view |= {name: list(content.get(name, ())) for name in ("authors", "keywords", "codes", "key_images", "truth")}
    return view


def question_view(question: Mapping[str, Any], *, revealed: bool) -> Content:
    """A question without its answer, and with it once revealed."""
    names = ("id", "kind", "stem", "points", "asks_confidence", "confidence_levels", "shuffle")
    view: Content = {name: question[name] for name in names}
    if question["kind"] in ("single", "multiple"):
        keys = ("id", "text", "is_correct", "explanation") if revealed else ("id", "text")
        view["options"] = [{key: option.get(key, "") for key in keys} for option in question["options"]]
    if question["kind"] == "mark":
        view["max_marks"] = question["max_marks"]
    if question["kind"] == "text":
        view["scored_by"] = question["scored_by"]
    if revealed:
        view["explanation"] = question.get("explanation", "")
        if question["kind"] == "text":
            view["rubric"] = list(question.get("rubric", ()))
    return view


@dataclass(frozen=True, kw_only=True)
class Change:
    """One difference between two documents, for the history page."""

    where: str
    what: str  # added | removed | changed | moved
    before: str = ""
    after: str = ""


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """What an edit changed, in reading order."""
    changes: list[Change] = []
    plain = (
        *TEXT_FIELDS,
        "category",
        "organ_system",
        "modality",
        "anatomy",
        "level",
        "certainty",
        "licence",
        "diagnosis_group",
    )
    for name in plain:
        changes += _compare(name, str(before.get(name) or ""), str(after.get(name) or ""))
    for name in ("age_band", "sex"):
        old, new = before.get("patient", {}), after.get("patient", {})
        changes += _compare(name, str(old.get(name) or ""), str(new.get(name) or ""))
    changes += _compare("keywords", ", ".join(before.get("keywords", ())), ", ".join(after.get("keywords", ())))
    changes += _compare("authors", _authors(before), _authors(after))
    changes += _compare("codes", _codes(before), _codes(after))
    changes += _rows("section", before.get("sections", ()), after.get("sections", ()), _section_text)
    changes += _rows("question", before.get("questions", ()), after.get("questions", ()), _question_text)
    changes += _rows("truth mark", before.get("truth", ()), after.get("truth", ()), _truth_text)
    changes += _rows("study", before.get("studies", ()), after.get("studies", ()), lambda row: str(row["id"]))
    changes += _rows("key image", before.get("key_images", ()), after.get("key_images", ()), _key_image_text)
    if before.get("layout") != after.get("layout"):
        changes.append(Change(where="layout", what="changed"))
    return changes


def _compare(where: str, before: str, after: str) -> list[Change]:
    if before == after:
        return []
    what = "added" if not before else "removed" if not after else "changed"
    return [Change(where=where, what=what, before=before, after=after)]


def _rows(
    kind: str, before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]], text: Any
) -> list[Change]:
    old = {str(row["id"]): row for row in before}
    new = {str(row["id"]): row for row in after}
    changes: list[Change] = []
    for key, row in new.items():
        if key not in old:
            changes.append(Change(where=kind, what="added", after=text(row)))
        elif old[key] != row:
            changes.append(Change(where=kind, what="changed", before=text(old[key]), after=text(row)))
    changes += [Change(where=kind, what="removed", before=text(row)) for key, row in old.items() if key not in new]
    kept = [key for key in old if key in new]
    if kept != [key for key in new if key in old]:
        changes.append(Change(where=kind, what="moved"))
    return changes


def _authors(content: Mapping[str, Any]) -> str:
    return "; ".join(str(author.get("name", "")) for author in content.get("authors", ()))


def _codes(content: Mapping[str, Any]) -> str:
    return "; ".join(f"{c.get('system')} {c.get('code')} {c.get('display')}" for c in content.get("codes", ()))


def _section_text(row: Mapping[str, Any]) -> str:
    until = f" {row['visible_from']}" if row.get("visible_from") else ""
    return f"{row['title']} ({row['visibility']}{until})\n{row['body']}"


def _question_text(row: Mapping[str, Any]) -> str:
    lines = [f"{row['stem']} ({row['kind']}, {row['points']})"]
    lines += [
        f"{'+' if o.get('is_correct') else '-'} {o['text']} {o.get('explanation', '')}".rstrip() for o in row["options"]
    ]
    lines += [f"{r['points']}: {r['text']}" for r in row.get("rubric", ())]
    if row.get("explanation"):
        lines.append(row["explanation"])
    return "\n".join(lines)


def _truth_text(row: Mapping[str, Any]) -> str:
    mark = row["mark"]
    return f"{row['label'] or '—'} · {mark['tool']} · {'lesion' if row['is_lesion'] else 'landmark'} · frame {mark['frame']}"


def _key_image_text(row: Mapping[str, Any]) -> str:
    return f"{row.get('caption', '')} (frame {row.get('frame', 1)})"
