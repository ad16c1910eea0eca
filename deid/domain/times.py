"""Numbers and birth dates of the patient that are written as a time of day, as its fraction or in the time of a DT.

195403 is a time of day, and so is every ID whose figures happen to be one. A time is not looked at for what it could mean
but for what is known: a day of birth in any order of six or eight figures, a number of five or more.
"""

from __future__ import annotations

import re
from typing import Final

from deid.domain import dates, numbers
from deid.domain.identifiers import Identifiers

_ZONE: Final = re.compile(r"[+-]\d{4}$")
_DATE_FIGURES: Final = 8


def spared(value: str, *, identifiers: Identifiers) -> str | None:
    """A TM value with a fraction of zeros where its fraction tells; None when its hours, minutes and seconds do."""
    whole, _dot, fraction = value.strip(" \0").partition(".")
    clock = whole.replace(":", "")
    if numbers.is_known(clock, identifiers=identifiers) or numbers.is_known_in_parts(
        clock + fraction, identifiers=identifiers
    ):
        return None
    # Fractions are filled up with zeros.
    if numbers.is_known(fraction, identifiers=identifiers) or numbers.is_known(
        fraction.rstrip("0"), identifiers=identifiers
    ):
        return f"{whole}.{'0' * len(fraction)}"
    return value


def spared_datetime(value: str, *, identifiers: Identifiers) -> str:
    """A DT value (PS3.5 6.2) without what its time tells: a fraction of zeros, or its date and zone alone."""
    text = value.strip(" \0")
    zone = _ZONE.search(text)
    end = zone.start() if zone is not None else len(text)
    time = text[_DATE_FIGURES:end]
    kept = spared(time, identifiers=identifiers)
    return value if kept == time else text[:_DATE_FIGURES] + (kept or "") + text[end:]


def shifted(value: str, *, vr: str, days: int, identifiers: Identifiers) -> str | None:
    """A DA, TM or DT value moved by whole days, without what its time tells; None when it is none, or tells itself.

    The time of day stays as it was, once it is certain that it is one.
    """
    if vr == "TM":
        return spared(value, identifiers=identifiers) if dates.is_time(value) else None
    if vr == "DA":
        return dates.shift_date(value, days=days)
    return dates.shift_datetime(spared_datetime(value, identifiers=identifiers), days=days)
