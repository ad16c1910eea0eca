"""Values of data sets as people read them."""

from __future__ import annotations

from datetime import datetime


def person_name(value: str) -> str:
    """`Yamada^Tarou=山田^太郎` as `Yamada, Tarou (山田 太郎)`."""
    groups = [_group(group, is_alphabetic=index == 0) for index, group in enumerate(value.split("=")[:2])]
    shown = [group for group in groups if group]
    if len(shown) == 2:
        return f"{shown[0]} ({shown[1]})"
    return shown[0] if shown else ""


def _group(group: str, *, is_alphabetic: bool) -> str:
    parts = [part.strip() for part in group.split("^")]
    family, given = [*parts, "", ""][:2]
    middle = parts[2] if len(parts) > 2 else ""
    rest = " ".join(part for part in (given, middle) if part)
    if not is_alphabetic:
        return " ".join(part for part in (family, rest) if part)
    return ", ".join(part for part in (family, rest) if part)


def shown_date(value: str) -> str:
    """DA as an ISO date; what is partial or odd stays as sent."""
    digits = value.replace(".", "")
    if len(digits) == 8 and digits.isdecimal():
        return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"
    return value


def shown_time(value: str) -> str:
    """TM as hours and minutes; what is odd stays as sent."""
    digits = value.replace(":", "")
    if len(digits) >= 4 and digits[:4].isdecimal():
        return f"{digits[:2]}:{digits[2:4]}"
    return value


def duration(start: datetime | None, end: datetime | None) -> str:
    if start is None or end is None:
        return ""
    seconds = max(0.0, (end - start).total_seconds())
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(int(seconds), 60)
    return f"{minutes} min {seconds:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
