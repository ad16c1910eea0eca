"""Whole numbers out of what people and programs write into addresses, headers and forms."""

from __future__ import annotations

#: What a PostgreSQL integer holds.
GREATEST = 2**31 - 1
_MOST_DIGITS = 10


def read_whole_number(words: str) -> int | None:
    """The number that `words` write in plain digits, from 0 to `GREATEST`; None for everything else.

    `str.isdigit` alone lets signs through that `int` refuses, such as “²”, and numbers of any length.
    """
    if not (words.isascii() and words.isdigit() and len(words) <= _MOST_DIGITS):
        return None
    number = int(words)
    return number if number <= GREATEST else None
