"""Orders of chance that are the same on every reload: of the options of a question, and of what is read next."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from typing import Any

# How often what is read next comes from the unread cases of a diagnosis that is due.
SHARE_OF_SIBLINGS = 0.5


def shuffled(
    options: Sequence[Mapping[str, Any]], *, seed: int, question_id: str, shuffle: bool
) -> list[Mapping[str, Any]]:
    """The options in this reader's order. Sorted by id first, so that the author's order cannot shine through."""
    if not shuffle:
        return list(options)
    ordered = sorted(options, key=lambda option: str(option["id"]))
    digest = hashlib.sha256(f"{seed}:{question_id}".encode()).digest()
    random.Random(int.from_bytes(digest[:8])).shuffle(ordered)  # noqa: S311 -- an order, not a secret
    return ordered


def drawn(unread: Sequence[int], *, siblings: Sequence[int], seed: str) -> int:
    """One of the unread cases: half of the time one of `siblings`, if there are any, else any of them.

    The draw depends on `seed` and on the cases, not on when or how often it is made.
    """
    chance = random.Random(hashlib.sha256(seed.encode()).digest())  # noqa: S311 -- a choice, not a secret
    is_sibling_wanted = chance.random() < SHARE_OF_SIBLINGS
    return chance.choice(sorted(siblings if is_sibling_wanted and siblings else unread))
