"""Is a new password one that others will try? Decided here, without a network; no rule about kinds of characters.

Three sources: the estimator of zxcvbn (its lists of breached passwords, words and names, with the usual disguises:
leetspeak, dates, keyboard runs, repetition), Django's twenty thousand commonest, and, where the installation has it, the
full list of Have I Been Pwned as a sorted file of SHA-1 hashes.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from zxcvbn import zxcvbn

# An attacker who stole the hashes and tries 10^4 a second with Argon2id would need over three years for 10^12 guesses.
GUESSES_WANTED = 10**10
ESTIMATED_CHARACTERS = 72  # the estimator's time grows with the square of the length
HASH_CHARACTERS = 40
LONGEST_LINE = 80


class GuessableValidator:
    """Refuses what an attacker with the person's name and the usual lists guesses soon, and says why."""

    def validate(self, password: str, user: Any = None) -> None:
        about = words_about(user)
        found = zxcvbn(password[:ESTIMATED_CHARACTERS], user_inputs=about, max_length=ESTIMATED_CHARACTERS)
        if float(found["guesses"]) >= GUESSES_WANTED:
            return
        reasons = {match["pattern"] for match in found["sequence"]}
        raise ValidationError(reason_for(patterns=reasons, sequence=found["sequence"]), code="password_guessable")

    def get_help_text(self) -> str:
        return _(
            "Any characters; several words that do not belong together are good. Lists of stolen passwords are refused."
        )


class BreachedValidator:
    """Refuses passwords that stand in lists of stolen ones."""

    def validate(self, password: str, user: Any = None) -> None:
        if is_common(password) or is_in_file(password):
            raise ValidationError(
                _("This password stands in lists of stolen ones, which attackers try first."), code="password_breached"
            )

    def get_help_text(self) -> str:
        return ""


def words_about(user: Any) -> list[str]:
    """What others know about the person: an attacker tries it first."""
    if user is None:
        return ["pacsweb"]
    texts = [str(getattr(user, name, "") or "") for name in ("username", "display_name", "email")]
    return ["pacsweb", *texts, *(part for text in texts for part in re.split(r"[\W_]+", text) if len(part) > 2)]


def reason_for(*, patterns: set[str], sequence: list[dict[str, Any]]) -> str:
    dictionaries = {match.get("dictionary_name") for match in sequence if match["pattern"] == "dictionary"}
    if "user_inputs" in dictionaries:
        return _(
            "This password is too easy to guess: it is made of your name or address, or of the name of this system."
        )
    if "passwords" in dictionaries:
        return _("This password is too easy to guess: it is made of one that stands in lists of stolen passwords.")
    if patterns & {"repeat", "sequence", "spatial"}:
        return _("This password is too easy to guess: it repeats itself, or follows the alphabet or the keyboard.")
    if patterns & {"date", "regex"}:
        return _("This password is too easy to guess: it is made of a date or a year.")
    return _("This password is too easy to guess. Add one or two words that do not belong together.")


@lru_cache(maxsize=1)
def _common() -> CommonPasswordValidator:
    return CommonPasswordValidator()


def is_common(password: str) -> bool:
    folded = password.strip().casefold()
    # "password1234!" is "password" for whoever tries lists.
    bare = re.sub(r"[\W\d_]+$", "", folded)
    return folded in _common().passwords or bare in _common().passwords


def is_in_file(password: str) -> bool:
    path: Path | None = settings.BREACHED_PASSWORDS
    if path is None:
        return False
    wanted = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper().encode()
    with path.open("rb") as file:
        return has_line(file=file, size=path.stat().st_size, wanted=wanted)


def has_line(*, file: BinaryIO, size: int, wanted: bytes) -> bool:
    """Binary search for a hash in lines `HASH` or `HASH:count` sorted by hash: some 40 reads in 40 GB."""
    low, high = 0, size
    while high - low > LONGEST_LINE:
        middle = (low + high) // 2
        file.seek(middle)
        file.readline()
        start = file.tell()
        found = file.readline()[:HASH_CHARACTERS].upper()
        if not found or start >= high:
            high = middle
        elif found == wanted:
            return True
        elif found < wanted:
            low = start
        else:
            high = middle
    file.seek(low)
    lines = file.read(high - low + 2 * LONGEST_LINE).split(b"\n")
    return any(line[:HASH_CHARACTERS].upper() == wanted for line in lines)
