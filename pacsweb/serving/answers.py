"""What clients get: an answer that a thread makes while the event loop sends it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pacsweb.serving.clocks import Clock

Send = Callable[[dict[str, Any]], Awaitable[None]]

AHEAD_BYTES = 1024 * 1024
SEND_BYTES = 256 * 1024


@dataclass(frozen=True, kw_only=True)
class Head:
    """Status and header fields, as WSGI has them."""

    status: int
    headers: list[tuple[str, str]]

    def message(self) -> dict[str, Any]:
        fields = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in self.headers]
        return {"type": "http.response.start", "status": self.status, "headers": fields}


@dataclass(frozen=True, kw_only=True)
class Whole:
    """An answer of which every byte is there."""

    head: Head
    body: bytes
    is_without_body: bool = False

    async def send(self, *, send: Send, clock: Clock) -> None:
        """Raises `TooSlow`."""
        await send(self.head.message())
        if self.is_without_body:
            # The length of a HEAD is the one its headers give, or none.
            await send(_part(b"", more=True))
            await send(_part(b"", more=False))
            return
        last = max(0, (len(self.body) - 1) // SEND_BYTES * SEND_BYTES)
        for start in range(0, last + 1, SEND_BYTES):
            piece = self.body[start : start + SEND_BYTES]
            await clock.wait(send(_part(piece, more=start != last)))
            clock.moved(len(piece))


class Streamed:
    """An answer that one thread makes (`push`, `finish`) and the loop sends, with about `AHEAD_BYTES` between them."""

    def __init__(self, *, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._is_over = False
        self._is_made = False
        self._is_whole = False
        self._changed = threading.Condition()
        self._something = asyncio.Event()

    def push(self, piece: bytes) -> bool:
        """Whether more is wanted; waits while the client has not read what is there. For the thread."""
        with self._changed:
            self._changed.wait_for(lambda: self._held < AHEAD_BYTES or self._is_over)
            if self._is_over:
                return False
            self._pieces.append(piece)
            self._held += len(piece)
        self._tell()
        return True

    def finish(self, *, is_whole: bool) -> None:
        """Nothing more comes. For the thread."""
        with self._changed:
            self._is_made, self._is_whole = True, is_whole
        self._tell()

    def stop(self) -> None:
        """Nobody reads any more. For the loop."""
        with self._changed:
            self._is_over = True
            self._pieces.clear()
            self._changed.notify()
        self._something.set()

    def _tell(self) -> None:
        # A loop that is closed sends no more.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._something.set)

    async def send(self, *, send: Send, clock: Clock) -> None:
        """Everything until the end. Raises `TooSlow`."""
        while True:
            with self._changed:
                piece = self._pieces.popleft() if self._pieces else None
                is_made, is_over = self._is_made, self._is_over
                if piece is None:
                    self._something.clear()
            if is_over:
                return
            if piece is None:
                if is_made:
                    break
                await self._something.wait()
                continue
            for start in range(0, len(piece), SEND_BYTES):
                part = piece[start : start + SEND_BYTES]
                await clock.wait(send(_part(part, more=True)))
                clock.moved(len(part))
            with self._changed:
                self._held -= len(piece)
                self._changed.notify()
        if self._is_whole:
            await send(_part(b"", more=False))


def _part(data: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


def plain(*, status: int, text: str, headers: Iterable[tuple[str, str]] = ()) -> Whole:
    """A sentence of ours, where Django has no say."""
    body = text.encode()
    fields = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        *headers,
    ]
    return Whole(head=Head(status=status, headers=fields), body=body)
