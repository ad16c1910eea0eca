"""What clients send: small bodies whole before a thread is taken, larger ones as a stream that a thread reads."""

from __future__ import annotations

import asyncio
import contextlib
import io
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, BinaryIO

from pacsweb.serving.clocks import Clock, Pace, TooSlow

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]

WHOLE_BYTES = 1024 * 1024
AHEAD_BYTES = 1024 * 1024
READ_BYTES = 128 * 1024


class ClientGone(Exception):
    """The connection ended before the body did."""


class StreamedBody(io.RawIOBase):
    """A body that the event loop fills (`fill`) and one thread reads, with at most about `AHEAD_BYTES` between them.

    Reading raises `TimeoutError` after a client that is too slow and `ConnectionResetError` after one that left: a
    payload that ends early must not look whole.
    """

    def __init__(self, *, receive: Receive, clock: Clock, first: list[bytes]) -> None:
        super().__init__()
        self.is_too_slow = False
        self.is_complete = False
        self._receive, self._clock = receive, clock
        self._loop = asyncio.get_running_loop()
        self._pieces = deque(memoryview(piece) for piece in first if piece)
        self._held = sum(map(len, first))
        self._error: OSError | None = None
        self._changed = threading.Condition()
        self._room = asyncio.Event()

    async def fill(self) -> None:
        """Take what the client sends until its end, or until it is too slow. Runs in the loop."""
        try:
            while not self.is_complete:
                message = await self._clock.wait(self._receive())
                if message["type"] == "http.disconnect":
                    return self._end(ConnectionResetError("The client closed the connection."))
                data: bytes = message.get("body", b"")
                self._clock.moved(len(data))
                self._put(data, is_last=not message.get("more_body", False))
                await self._room.wait()
        except TooSlow:
            self.is_too_slow = True
            self._end(TimeoutError("The client sends too slowly."))
        except asyncio.CancelledError:
            self._end(ConnectionResetError("The request is over."))
            raise
        return None

    def _put(self, data: bytes, *, is_last: bool) -> None:
        with self._changed:
            if data:
                self._pieces.append(memoryview(data))
                self._held += len(data)
            self.is_complete = is_last
            if self._held < AHEAD_BYTES or is_last:
                self._room.set()
            else:
                self._room.clear()
            self._changed.notify()

    def _end(self, error: OSError) -> None:
        with self._changed:
            self._error = error
            self._changed.notify()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        target = memoryview(buffer).cast("B")
        with self._changed:
            while not self._pieces:
                if self.is_complete:
                    return 0
                if self._error is not None:
                    raise self._error
                self._changed.wait()
            piece = self._pieces[0]
            count = min(len(piece), len(target))
            target[:count] = piece[:count]
            if count == len(piece):
                self._pieces.popleft()
            else:
                self._pieces[0] = piece[count:]
            was_full = self._held >= AHEAD_BYTES
            self._held -= count
            if was_full and self._held < AHEAD_BYTES:
                # A loop that is closed reads no more.
                with contextlib.suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(self._room.set)
        return count


async def taken_in(
    *, receive: Receive, headers: dict[str, str], http_version: str, small: Pace, large: Pace
) -> tuple[BinaryIO, StreamedBody | None]:
    """`wsgi.input`, and the stream behind it when the body is larger than `WHOLE_BYTES`, which then has to be filled.

    Raises `TooSlow` and `ClientGone`.
    """
    length = headers.get("CONTENT_LENGTH")
    if http_version.startswith("1") and length in (None, "0") and "HTTP_TRANSFER_ENCODING" not in headers:
        return io.BytesIO(), None
    pieces: list[bytes] = []
    if length is None or not length.isdecimal() or int(length) <= WHOLE_BYTES:
        clock, size = Clock(small), 0
        while size <= WHOLE_BYTES:
            message = await clock.wait(receive())
            if message["type"] == "http.disconnect":
                raise ClientGone
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            clock.moved(len(pieces[-1]))
            if not message.get("more_body", False):
                return io.BytesIO(b"".join(pieces)), None
    stream = StreamedBody(receive=receive, clock=Clock(large), first=pieces)
    return io.BufferedReader(stream, READ_BYTES), stream
