"""Decode compressed frames in child processes that may be killed: whatever a file does, this process lives on.

The codestream is compared with the data set first (`archive.domain.codestreams`); only then does a child get the frame,
with as much memory and time as the image described can need. All images of a process together have a budget
(`archive.decoding.budget`). Uncompressed frames need no codec and are read here.
"""

from __future__ import annotations

from archive.decoding.budget import to_decode, to_draw
from archive.decoding.errors import Busy, DecodeError, Why
from archive.decoding.frames import (
    MAXIMUM_FILE_BYTES,
    Decoded,
    decode_frame,
    decode_in_file,
    description_of,
    options_of,
)
from archive.decoding.pool import WEB_WAIT_SECONDS, budget, limit_memory, wait_at_most
from archive.decoding.pool import pool as _pool
from archive.domain.codestreams import frame_bytes

__all__ = [
    "MAXIMUM_FILE_BYTES",
    "WEB_WAIT_SECONDS",
    "Busy",
    "DecodeError",
    "Decoded",
    "Why",
    "budget",
    "decode_frame",
    "decode_in_file",
    "description_of",
    "frame_bytes",
    "limit_memory",
    "options_of",
    "to_decode",
    "to_draw",
    "wait_at_most",
    "warm",
]


def warm() -> None:
    """Start a decoder ahead of the first frame."""
    _pool().warm()
