"""The order in which a reader sees the options of a question: random, but the same on every reload."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from typing import Any


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
