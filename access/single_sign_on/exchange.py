"""Talking to a provider or directory that an organisation entered: one clock, one limit of size, few at a time.

What is at the other end may be slow, silent or hostile, and anybody may make us ask it. So:

- everything of one exchange (looking up the name, connecting, TLS, each header, each part of a body, each LDAP answer)
  runs against one clock and one budget of bytes;
- what waits for the network does so in a thread of its own. The thread that serves people waits for it no longer than
  the clock allows; at its end the sockets are shut from here, whatever the library in between thinks of time;
- an organisation has `AT_ONCE` exchanges in a process and all together have `AT_ONCE_IN_ALL`, fewer than the process has
  threads; the next ones wait briefly, or are refused with `Busy`;
- who did not answer in time is not asked again for `SILENT_SECONDS`.
"""

from __future__ import annotations

import contextvars
import io
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.core.cache import cache

from access.single_sign_on.errors import ProviderUnreachable
from access.single_sign_on.models import SignOn

Answer = TypeVar("Answer")

SECONDS = 8.0
LARGEST_BYTES = 2 * 1024 * 1024
# Of 8 threads that a web process has (pacsweb.launcher.tree): half of them always serve who asks no provider.
AT_ONCE = 2
AT_ONCE_IN_ALL = 3
WAITING_IN_ALL = 1
WAIT_SECONDS = 1.0
SILENT_SECONDS = 20
# A look at everybody in a directory is work of the night, in a worker.
LONG_SECONDS = 15 * 60.0
LONG_BYTES = 512 * 1024 * 1024


class Busy(ProviderUnreachable):
    """So many exchanges run that this one is not begun. `retry_after` is in seconds."""

    status_code = 503

    def __init__(self, *, code: str, retry_after: int) -> None:
        super().__init__(code=code)
        self.retry_after = retry_after


class _Over(OSError):
    """The time or the bytes of an exchange are used up."""


@dataclass(slots=True)
class Clock:
    """What one exchange may still use. Times are of `time.monotonic`, in seconds."""

    until: float
    bytes_left: int
    is_too_large: bool = False
    _sockets: list[socket.socket] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _is_over: bool = False

    @property
    def remaining(self) -> float:
        return self.until - time.monotonic()

    @property
    def is_over(self) -> bool:
        return self._is_over or self.remaining <= 0

    def check(self) -> None:
        """Raises `OSError` when the time is over."""
        if self.is_over:
            raise _Over("time is over")

    def took(self, count: int) -> None:
        """`count` more bytes arrived. Raises `OSError` when they were too many, or came too late."""
        self.bytes_left -= count
        if self.bytes_left < 0:
            self.is_too_large = True
            raise _Over("too many bytes")
        self.check()

    def watch(self, sock: socket.socket) -> None:
        """Shut this connection when the time is over. A duplicate is kept: TLS takes the socket itself away."""
        with self._lock:
            if self._is_over:
                raise _Over("time is over")
            self._sockets.append(socket.socket(fileno=os.dup(sock.fileno())))

    def stop(self) -> None:
        """End everything that still waits for the other side."""
        with self._lock:
            self._is_over = True
            for one in self._sockets:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
            self._sockets.clear()


class CountedReader(io.RawIOBase):
    """A raw stream whose bytes are counted against a clock."""

    def __init__(self, raw: io.RawIOBase, *, clock: Clock) -> None:
        super().__init__()
        self._raw = raw
        self._clock = clock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._clock.check()
        count = self._raw.readinto(buffer)
        self._clock.took(count or 0)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


# Few at a time ---------------------------------------------------------------------------------------------------------


class _Places:
    """The exchanges of this process, by organisation."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._taken: Counter[int] = Counter()
        self._waiting = 0

    def take(self, organisation_id: int) -> bool:
        """A place, waiting for one if few others do; false when there is none."""
        until = time.monotonic() + WAIT_SECONDS
        with self._condition:
            if self._is_free(organisation_id):
                self._taken[organisation_id] += 1
                return True
            if self._waiting >= WAITING_IN_ALL:
                return False
            self._waiting += 1
            try:
                while not self._is_free(organisation_id):
                    left = until - time.monotonic()
                    if left <= 0 or not self._condition.wait(left):
                        return False
                self._taken[organisation_id] += 1
                return True
            finally:
                self._waiting -= 1

    def give_back(self, organisation_id: int) -> None:
        with self._condition:
            self._taken[organisation_id] -= 1
            if self._taken[organisation_id] <= 0:
                del self._taken[organisation_id]
            self._condition.notify_all()

    def _is_free(self, organisation_id: int) -> bool:
        return self._taken[organisation_id] < AT_ONCE and self._taken.total() < AT_ONCE_IN_ALL


_places = _Places()


class _Exchange:
    """Takes its place, and starts its clock, when the network is asked for the first time.

    The place is free again when the exchange and each thread that it began have ended.
    """

    def __init__(self, sign_on: SignOn, *, is_trial: bool, is_long: bool) -> None:
        self._sign_on = sign_on
        self._heeds_silence = not (is_trial or is_long)
        self._is_long = is_long
        self._holders = 1
        self._lock = threading.Lock()
        self._clock: Clock | None = None

    def begin(self) -> Clock:
        """The clock, which runs from the first call on. That one takes a place, and waits a moment if none is free.

        Raises `Busy` when the exchange may not begin.
        """
        if self._clock is None:
            if self._heeds_silence and cache.get(self._silence):
                raise Busy(code="silent", retry_after=SILENT_SECONDS)
            if not _places.take(int(self._sign_on.organisation_id)):
                raise Busy(code="busy", retry_after=2)
            self._clock = Clock(
                until=time.monotonic() + (LONG_SECONDS if self._is_long else SECONDS),
                bytes_left=LONG_BYTES if self._is_long else LARGEST_BYTES,
            )
        return self._clock

    @property
    def _silence(self) -> str:
        return f"sign-on-silent:{self._sign_on.public_id}"

    def note_silence(self) -> None:
        """It did not answer in time: for a while nobody waits for it. (What an administrator tries may be wrong.)"""
        if self._heeds_silence:
            cache.set(self._silence, 1, SILENT_SECONDS)

    def hold(self) -> None:
        with self._lock:
            self._holders += 1

    def leave(self) -> None:
        with self._lock:
            self._holders -= 1
            is_last = self._holders == 0
        if is_last and self._clock is not None:
            _places.give_back(int(self._sign_on.organisation_id))

    def end(self) -> None:
        if self._clock is not None:
            self._clock.stop()
        self.leave()


_current: ContextVar[_Exchange | None] = ContextVar("exchange", default=None)


def _running() -> _Exchange:
    found = _current.get()
    if found is None:
        raise RuntimeError("Nothing is asked outside an exchange: open one with `exchange.with_provider`.")
    return found


def clock() -> Clock:
    """The clock of the exchange that runs. Raises `Busy`."""
    return _running().begin()


@contextmanager
def with_provider(sign_on: SignOn, *, is_trial: bool = False, is_long: bool = False) -> Iterator[None]:
    """What is asked inside is one exchange with a provider or directory; `Busy` is raised where it may not begin.

    `is_trial`: an administrator tries it and wants it asked now. `is_long`: a worker, which serves nobody meanwhile.
    """
    opened = _Exchange(sign_on, is_trial=is_trial, is_long=is_long)
    token = _current.set(opened)
    try:
        yield
    finally:
        _current.reset(token)
        opened.end()


def in_time(work: Callable[[], Answer]) -> Answer:
    """What `work` returns or raises, if it ends before the clock does. Raises `ProviderUnreachable` ("timeout"), `Busy`.

    `work` asks the network and nothing else: it runs in a thread that has no database connection.
    """
    running = _running()
    opened = running.begin()
    outcome: list[Answer] = []
    failure: list[BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001 -- handed to the thread that waits
            failure.append(error)
        finally:
            done.set()
            running.leave()

    running.hold()
    context = contextvars.copy_context()
    try:
        threading.Thread(target=context.run, args=(run,), name="exchange", daemon=True).start()
    except RuntimeError as error:  # the system gives no more threads
        running.leave()
        raise Busy(code="busy", retry_after=2) from error
    is_done = done.wait(max(opened.remaining, 0))
    if opened.is_too_large:
        raise ProviderUnreachable(code="answer-too-large", hint="the answer is too large")
    if not is_done or (failure and opened.is_over):
        opened.stop()
        running.note_silence()
        raise ProviderUnreachable(code="timeout", hint=f"not done after {SECONDS:.0f} s")
    if failure:
        if isinstance(failure[0], ProviderUnreachable) and failure[0].code == "timeout":
            running.note_silence()
        raise failure[0]
    return outcome[0]
