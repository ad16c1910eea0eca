"""Dates moved by whole days: one shift for all that belongs to a patient, so that every interval survives."""

from __future__ import annotations

import calendar
import datetime as dt
import hashlib
import hmac
import re
from typing import Final

DUMMY_DATE: Final = "19000101"
DEFAULT_WINDOW_DAYS: Final = 1095

_DATE: Final = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})")
# PS3.5 6.2: 60 is a leap second. Wider ranges would let 54:03:12 be a time, which is a birth date.
_HOURS, _MINUTES, _SECONDS = r"(?:[01]\d|2[0-3])", r"[0-5]\d", r"(?:[0-5]\d|60)"
_CLOCK: Final = rf"{_HOURS}(?:{_MINUTES}(?:{_SECONDS}(?:\.\d{{1,6}})?)?)?"
_ZONE: Final = rf"(?:-(?:(?:0\d|1[01]){_MINUTES}|1200)|\+(?:(?:0\d|1[0-3]){_MINUTES}|1400))"
_DATETIME: Final = re.compile(
    rf"(?P<date>\d{{4}}(?:\d{{2}}(?:\d{{2}})?)?)(?P<time>(?<=\d{{8}}){_CLOCK})?(?P<zone>{_ZONE})?", re.ASCII
)
_TIME: Final = re.compile(rf"{_HOURS}(?::?{_MINUTES}(?::?{_SECONDS}(?:\.\d{{1,6}})?)?)?", re.ASCII)
_OFFSET: Final = re.compile(_ZONE, re.ASCII)


def shift_days(*, key: bytes, patient_key: str, window_days: int = DEFAULT_WINDOW_DAYS) -> int:
    """The patient's shift in days: within ±`window_days`, never zero, the same for the same key and patient."""
    if window_days < 1:
        raise ValueError("The window of date shifts has at least one day.")
    digest = hmac.new(key, b"dates\0" + patient_key.encode(), hashlib.sha256).digest()
    # 2·window values: -window … -1 and 1 … window. 128 bits against a few thousand leave no measurable bias.
    step = int.from_bytes(digest[:16], "big") % (2 * window_days)
    return step - window_days if step < window_days else step - window_days + 1


def shift_date(value: str, *, days: int) -> str | None:
    """A DA value moved by days (PS3.5 6.2; also the form 2024.01.31 of ACR-NEMA); None when it is no date."""
    match = _DATE.fullmatch(value.strip(" \0"))
    if match is None:
        return None
    moved = _moved(year=match[1], month=match[2], day=match[3], days=days)
    return moved.strftime("%Y%m%d").zfill(8) if moved is not None else None


def shift_datetime(value: str, *, days: int) -> str | None:
    """A DT value moved by days, time and offset from UTC as they were; None when it is no date and time.

    A value with the year, or year and month, only is taken at its middle and keeps its precision.
    """
    match = _DATETIME.fullmatch(value.strip(" \0"))
    if match is None:
        return None
    date, time, zone = match["date"], match["time"] or "", match["zone"] or ""
    year, month, day = date[:4], date[4:6], date[6:8]
    if month and not 1 <= int(month) <= 12:
        return None
    moved = _moved(year=year, month=month or "07", day=day or ("15" if month else "01"), days=days)
    if moved is None:
        return None
    return moved.strftime("%Y%m%d").zfill(8)[: len(date)] + time + zone


def is_time(value: str) -> bool:
    """Whether a TM value is a time of day (PS3.5 6.2; also the form 12:30:59 of ACR-NEMA)."""
    return _TIME.fullmatch(value.strip(" \0")) is not None


def is_offset(value: str) -> bool:
    """Whether a text is an offset from UTC, -1200 to +1400 (PS3.3 C.12.1.1.8)."""
    return _OFFSET.fullmatch(value.strip(" \0")) is not None


def _moved(*, year: str, month: str, day: str, days: int) -> dt.date | None:
    number = int(year), int(month), int(day)
    if not (number[0] >= 1 and 1 <= number[1] <= 12 and 1 <= number[2] <= calendar.monthrange(number[0], number[1])[1]):
        return None
    try:
        return dt.date(*number) + dt.timedelta(days=days)
    except OverflowError:
        return None
