"""How slow a client may be."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

Result = TypeVar("Result")

MOST_CREDIT_SECONDS = 60.0


class TooSlow(Exception):
    """The client moved too little for too long."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Bounds of one direction: seconds without any byte, and bytes a second over all."""

    silence_seconds: float
    least_rate: float


class Clock:
    """Counts only the time that we wait for the client. Bytes earn time, at most `MOST_CREDIT_SECONDS`: whoever was quick
    for a gigabyte may not be slow for hours."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._credit_seconds = pace.silence_seconds

    async def wait(self, moving: Awaitable[Result]) -> Result:
        """The result of `moving`. Raises `TooSlow`."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(max(0.0, min(self._pace.silence_seconds, self._credit_seconds))):
                return await moving
        except TimeoutError as error:
            raise TooSlow from error
        finally:
            self._credit_seconds -= loop.time() - began

    def moved(self, count: int) -> None:
        """`count` bytes came or went."""
        self._credit_seconds = min(MOST_CREDIT_SECONDS, self._credit_seconds + count / self._pace.least_rate)
