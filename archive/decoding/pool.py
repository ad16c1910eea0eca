"""The decoder processes of this process: a few, started when first needed, replaced when they die or take too long.

A fresh interpreter each, never a fork: web workers have threads, and a fork would inherit their locks. A process that
was itself forked (a Celery worker) starts its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from archive.decoding import messages
from archive.decoding.budget import Budget, usual_total
from archive.decoding.errors import Busy, DecodeError, Why

MAXIMUM_DECODERS: Final = max(2, min(4, os.cpu_count() or 2))
# The last one used stays for as long as the process lives. A timer ends the others once they were idle for this long.
IDLE_SECONDS: Final = 60.0
# How long to wait for a free decoder. A task has time. In a web process every thread that waits is one less to answer
# those who need no decoder, and a frame may take more than a minute.
TASK_WAIT_SECONDS: Final = 120.0
WEB_WAIT_SECONDS: Final = 5.0
PIPE_BYTES: Final = 1 << 20
START_SECONDS: Final = 60.0
ROOT: Final = Path(__file__).resolve().parent.parent.parent
MAXIMUM_TEXT_BYTES: Final = 1 << 16


class _Gone(Exception):
    """The decoder ended or was silent for too long; `why` says which."""

    def __init__(self, why: Why) -> None:
        self.why = why
        super().__init__(why.value)


class _Decoder:
    def __init__(self) -> None:
        environment = {
            "PYTHONPATH": str(ROOT),
            "LANG": "C.UTF-8",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "MALLOC_ARENA_MAX": "2",
        }
        for name in ("PATH", "LD_LIBRARY_PATH", "PYTHONHOME"):
            if name in os.environ:
                environment[name] = os.environ[name]
        theirs_in, self._requests = os.pipe()
        self._answers, theirs_out = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "archive.decoding.worker"],
                stdin=theirs_in,
                stdout=theirs_out,
                stderr=subprocess.DEVNULL,
                env=environment,
                cwd="/",
            )
        except BaseException:
            self.let_go()
            raise
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        self.last_used = time.monotonic()
        self.is_fresh = True
        for pipe in (self._requests, self._answers):
            os.set_blocking(pipe, False)
            # Fewer switches between the two; an unprivileged user's share of large pipes may be used up.
            with contextlib.suppress(OSError):
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, fields: dict[str, Any], payload: bytes, *, seconds: float) -> tuple[dict[str, Any], bytearray]:
        """Raises `_Gone`; the decoder is of no use then."""
        deadline = time.monotonic() + seconds + (START_SECONDS if self.is_fresh else 0.0)
        self.is_fresh = False
        try:
            self._write(messages.pack(fields, payload_bytes=len(payload)), deadline=deadline)
            self._write(payload, deadline=deadline)
            text_bytes, payload_bytes = messages.HEAD.unpack(self._read(messages.HEAD.size, deadline=deadline))
            if text_bytes > MAXIMUM_TEXT_BYTES or payload_bytes > fields["answer_bytes"]:
                raise _Gone(Why.DECODER_DIED)
            said = messages.unpack(bytes(self._read(text_bytes, deadline=deadline)))
            return said, self._read(payload_bytes, deadline=deadline)
        except (OSError, ValueError) as error:
            raise _Gone(Why.DECODER_DIED) from error

    def _write(self, data: bytes, *, deadline: float) -> None:
        left = memoryview(data)
        while left:
            self._wait(self._requests, select.POLLOUT, deadline=deadline)
            left = left[os.write(self._requests, left[: 1 << 20]) :]

    def _read(self, count: int, *, deadline: float) -> bytearray:
        found = bytearray(count)
        view = memoryview(found)
        while view:
            self._wait(self._answers, select.POLLIN, deadline=deadline)
            got = os.readv(self._answers, [view])
            if got == 0:
                raise _Gone(Why.DECODER_DIED)
            view = view[got:]
        return found

    def _wait(self, descriptor: int, event: int, *, deadline: float) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            raise _Gone(Why.TOO_SLOW)

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self._process.kill()
        self.let_go()
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            self._process.wait(timeout=5)

    def let_go(self) -> None:
        """Close this end of the pipes; a decoder that nobody holds reads their end and leaves."""
        for pipe in (self._requests, self._answers):
            with contextlib.suppress(OSError):
                os.close(pipe)


def _why(said: Any) -> Why:
    """What the decoder says, which a broken file may have taken over: a code that is known, or none."""
    try:
        return Why(said)
    except ValueError:
        return Why.DOES_NOT_DECODE


class Pool:
    """At most `size` decoders; who finds all of them busy waits for one, but not for ever."""

    def __init__(self, *, size: int = MAXIMUM_DECODERS, wait_seconds: float = TASK_WAIT_SECONDS) -> None:
        self.wait_seconds = wait_seconds
        self._timer: threading.Timer | None = None
        self._slots = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._idle: list[_Decoder] = []

    def run(
        self, fields: dict[str, Any], payload: bytes, *, memory_bytes: int, seconds: int, answer_bytes: int
    ) -> tuple[dict[str, Any], bytearray]:
        """One request to one decoder. Raises `DecodeError`, and `Busy` when none is free in time."""
        fields = {**fields, "memory_bytes": memory_bytes, "seconds": seconds, "answer_bytes": answer_bytes}
        with self._slot():
            decoder = self._take()
            try:
                said, answer = decoder.ask(fields, payload, seconds=seconds)
            except BaseException as error:
                decoder.end()
                if isinstance(error, _Gone):
                    raise DecodeError(error.why) from error
                raise
            self._put(decoder)
        if "error" in said:
            raise DecodeError(_why(said["error"]))
        return said, answer

    @contextlib.contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(timeout=self.wait_seconds):
            raise Busy
        try:
            yield
        finally:
            self._slots.release()

    def _take(self) -> _Decoder:
        while True:
            with self._lock:
                decoder = self._idle.pop() if self._idle else None
            if decoder is None:
                return _Decoder()
            if decoder.is_alive:
                return decoder
            decoder.end()

    def _put(self, decoder: _Decoder) -> None:
        decoder.last_used = time.monotonic()
        with self._lock:
            self._idle.append(decoder)
            self._tidy_later()

    def _tidy_later(self) -> None:
        """With the lock held: have idle decoders ended without anybody asking for a frame again."""
        if self._timer is not None or len(self._idle) < 2:
            return
        left = self._idle[0].last_used + IDLE_SECONDS - time.monotonic()
        self._timer = threading.Timer(max(left, 0.05), self._tidy)
        self._timer.daemon = True
        self._timer.start()

    def _tidy(self) -> None:
        limit = time.monotonic() - IDLE_SECONDS
        with self._lock:
            # The list is in the order of last use: the last one taken is the last one put back.
            stale = [one for one in self._idle[:-1] if one.last_used <= limit]
            self._idle = self._idle[len(stale) :]
            self._timer = None
            self._tidy_later()
        for one in stale:
            one.end()

    def warm(self) -> None:
        """Start one decoder, so that the first frame does not wait for it. It loads its codecs by itself."""
        with self._slot():
            self._put(self._take())

    def pids(self) -> list[int]:
        """Of the decoders that wait for work."""
        with self._lock:
            return [one.pid for one in self._idle]

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        for decoder in idle:
            decoder.end()

    def forget(self) -> None:
        """In a forked child: the decoders are the parent's."""
        for decoder in self._idle:
            decoder.let_go()


_pools: Final[list[Pool]] = [Pool()]
_budgets: Final[list[Budget]] = [Budget(total=usual_total(), wait_seconds=TASK_WAIT_SECONDS)]


def pool() -> Pool:
    """This process's own."""
    return _pools[0]


def budget() -> Budget:
    """Of this process and its decoders together."""
    return _budgets[0]


def wait_at_most(seconds: float) -> None:
    """Set how long this process, and those forked from it, wait for a free decoder, and for memory."""
    _pools[0].wait_seconds = _budgets[0].wait_seconds = seconds


def limit_memory(count: int) -> None:
    """Set how many bytes images take at the same time in this process, and in each forked from it; 0: the usual share."""
    _budgets[0] = Budget(total=count or usual_total(), wait_seconds=_budgets[0].wait_seconds)


def _after_fork() -> None:
    _pools[0].forget()
    _pools[0] = Pool(wait_seconds=_pools[0].wait_seconds)
    _budgets[0] = Budget(total=_budgets[0].total, wait_seconds=_budgets[0].wait_seconds)


os.register_at_fork(after_in_child=_after_fork)
