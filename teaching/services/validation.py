"""Input of the editor, checked field by field."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model
from django.utils.translation import gettext as _

from core.errors import Invalid
from teaching import vocabulary

MAX_LIST = 50
MAX_FRAME = 1_000_000
# PostgreSQL's text cannot hold NUL, and half of a surrogate pair cannot be encoded.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_LINE_END = re.compile(r"\r\n?")


def validate(row: Model, *, exclude: Sequence[str] = ()) -> None:
    """The model's own rules as an `Invalid` with its fields."""
    try:
        row.full_clean(exclude=exclude, validate_unique=False)
    except ValidationError as error:
        raise Invalid(fields=error.message_dict) from error


def text_of(value: Any, *, limit: int) -> str:
    """Text without what cannot be stored, trimmed, its lines ended by LF: forms send CR LF, which would make the text
    longer than the person sees, and another one than the page has. Raises `Invalid` when it is longer than `limit`:
    nothing is cut."""
    text = _LINE_END.sub("\n", _UNSTORABLE.sub("", "" if value is None else str(value))).strip()
    if len(text) > limit:
        raise Invalid(
            _("At most %(most)s characters; this has %(n)s: “%(start)s…”")
            % {"most": limit, "n": len(text), "start": text[:20]}
        )
    return text


def whole_of(value: Any, *, name: str, least: int, most: int) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        raise Invalid(fields={name: [_("A whole number was expected.")]}) from None
    if not least <= number <= most:
        raise Invalid(fields={name: [_("From %(least)d to %(greatest)d.") % {"least": least, "greatest": most}]})
    return number


def finite_of(value: Any, *, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise Invalid(fields={name: [_("A number was expected.")]})
    return number


def keywords_of(value: Any) -> list[str]:
    words = value.split(",") if isinstance(value, str) else value or ()
    if not isinstance(words, (list, tuple)):
        raise Invalid(fields={"keywords": [_("A list of words was expected.")]})
    found = dict.fromkeys(text_of(word, limit=60) for word in words)
    return [word for word in found if word][:MAX_LIST]


def authors_of(value: Any) -> list[dict[str, str]]:
    rows = _rows(value, name="authors")
    found = [{key: text_of(row.get(key), limit=200) for key in ("name", "affiliation", "contact")} for row in rows]
    return [row for row in found if row["name"]]


def codes_of(value: Any) -> list[dict[str, str]]:
    rows = _rows(value, name="codes")
    roles = {key for key, _label in vocabulary.CODE_ROLES}
    systems = {key for key, _label in vocabulary.CODE_SYSTEMS}
    found = []
    for row in rows:
        code = {key: text_of(row.get(key), limit=120) for key in ("system", "code", "display", "version", "role")}
        if not code["code"]:
            continue
        if code["role"] not in roles or code["system"] not in systems:
            raise Invalid(fields={"codes": [_("A code needs a known system and role.")]})
        found.append(code)
    return found


def key_images_of(value: Any) -> list[dict[str, Any]]:
    return [
        {
            "id": text_of(row.get("id"), limit=36),
            "series": text_of(row.get("series"), limit=64),
            "sop": text_of(row.get("sop"), limit=64),
            "frame": whole_of(row.get("frame") or 1, name="key_images", least=1, most=MAX_FRAME),
            "caption": text_of(row.get("caption"), limit=300),
        }
        for row in _rows(value, name="key_images")
    ]


def _rows(value: Any, *, name: str) -> list[Mapping[str, Any]]:
    rows = value or []
    if not isinstance(rows, (list, tuple)) or len(rows) > MAX_LIST or not all(isinstance(row, Mapping) for row in rows):
        raise Invalid(fields={name: [_("A list of at most %d entries was expected.") % MAX_LIST]})
    return list(rows)
