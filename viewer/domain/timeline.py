"""Which study came before which, as far as their dates say."""

from __future__ import annotations

from typing import Literal

Relation = Literal["", "prior", "later"]


def relation(*, main: tuple[str, str], other: tuple[str, str], named_prior: bool = False) -> Relation:
    """What the other study is to the main one. Each is its Study Date and Study Time (DA and TM as sent).

    Within a day times decide, and only where both are known. `named_prior`: somebody called it a prior, which counts where
    the dates say nothing: never against them.
    """
    (day, time), (other_day, other_time) = (_digits(*main), _digits(*other))
    if len(day) == 8 and len(other_day) == 8:
        if day != other_day:
            return "prior" if other_day < day else "later"
        # Times may stop at the hour or the minute (PS3.5 6.2): what both have is compared.
        known = min(len(time), len(other_time))
        if time[:known] != other_time[:known]:
            return "prior" if other_time[:known] < time[:known] else "later"
    return "prior" if named_prior else ""


def _digits(date: str, time: str) -> tuple[str, str]:
    return date.strip() if date.strip().isdigit() else "", time.split(".", maxsplit=1)[0].strip().replace(":", "")
