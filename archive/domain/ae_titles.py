"""AE titles: what may call an archive."""

from __future__ import annotations

from typing import Final

MOST_CHARACTERS: Final = 16


def significant(title: str) -> str:
    """A title without its leading and trailing spaces, which mean nothing (PS3.5 6.2); those inside belong to it."""
    return title.strip(" ")


def is_sound(title: str) -> bool:
    """PS3.5 6.2: 1 to 16 characters of the default repertoire without backslash and control characters, not all spaces.

    `title` comes without padding (`significant`).
    """
    return 0 < len(title) <= MOST_CHARACTERS and all(" " <= one <= "~" and one != "\\" for one in title)
