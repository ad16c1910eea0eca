"""The listener: one process that accepts connections, and the parent that keeps several of them running."""

from __future__ import annotations

import contextlib
import mmap
import os
import selectors
import signal
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from core.callers import plain_address
from dimse import database
from dimse.association import Association
from dimse.directory import Directory
from dimse.domain import pdu
from dimse.domain.pdu import Rejection
from dimse.limits import Limits
from dimse.stream import Stream
from dimse.trail import Trail

logger = structlog.get_logger(__name__)

BACKLOG = 512
POLL_SECONDS = 0.5
# Beyond the limit, so many peers are told so in the protocol's words; the rest is closed without one.
REFUSERS = 50
# How long a process with more associations than the others lets them take the next one.
YIELD_SECONDS = 0.003
STACK_BYTES = 1 << 20


def listen(*, address: str, port: int) -> socket.socket:
    """A listening socket that child processes inherit. Raises `OSError` when the port is taken."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address, port))
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    listening.setblocking(False)
    return listening


def tls_context() -> ssl.SSLContext | None:
    """The TLS profile (PS3.15 B.9: BCP 195), or None when no certificate is set. Raises `ImproperlyConfigured`."""
    certificate, key = settings.DICOM_TLS_CERTIFICATE, settings.DICOM_TLS_KEY
    if certificate is None or key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    try:
        context.load_cert_chain(certificate, key)
        if settings.DICOM_TLS_AUTHORITIES is not None:
            context.load_verify_locations(settings.DICOM_TLS_AUTHORITIES)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise ImproperlyConfigured(f"The certificate of the DICOM TLS port cannot be used: {error}.") from error
    return context


class Load:
    """How many associations each process has, in memory they share."""

    def __init__(self, *, processes: int) -> None:
        self._processes = processes
        self._memory = mmap.mmap(-1, 4 * max(1, processes))

    def set(self, slot: int, count: int) -> None:
        struct.pack_into("<i", self._memory, 4 * slot, count)

    def is_least(self, slot: int) -> bool:
        counts = struct.unpack_from(f"<{self._processes}i", self._memory)
        return counts[slot] <= min(counts)


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class Listener:
    """Accepts and serves in this process until told to stop, then drains."""

    def __init__(
        self,
        *,
        plain: socket.socket,
        secure: socket.socket | None = None,
        tls: ssl.SSLContext | None = None,
        limits: Limits,
        load: Load | None = None,
        slot: int = 0,
    ) -> None:
        self._plain = plain
        self._secure = secure
        self._tls = tls
        self._limits = limits
        self._load = load
        self._slot = slot
        self._directory = Directory(limits=limits)
        self._trail = Trail(limits=limits)
        self._lock = threading.Lock()
        self._open: dict[threading.Thread, tuple[str, Association | None]] = {}
        self._refusing = 0
        self._buckets: dict[str, _Bucket] = {}
        self._stopping = threading.Event()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_writer.setblocking(False)

    @property
    def associations(self) -> int:
        with self._lock:
            return len(self._open) - self._refusing

    def stop(self) -> None:
        """Take no more associations; safe in a signal handler."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._wake_writer.send(b"x")

    def serve(self) -> None:
        """Accept until `stop`, then let associations finish, then return."""
        threading.stack_size(STACK_BYTES)
        with selectors.DefaultSelector() as selector:
            selector.register(self._plain, selectors.EVENT_READ, None)
            if self._secure is not None:
                selector.register(self._secure, selectors.EVENT_READ, self._tls)
            selector.register(self._wake_reader, selectors.EVENT_READ, None)
            while not self._stopping.is_set():
                for key, _events in selector.select(POLL_SECONDS):
                    if key.fileobj is not self._wake_reader and not self._stopping.is_set():
                        self._accept(key.fileobj, tls=key.data)  # type: ignore[arg-type]
        # An open port would go on taking connections that nobody answers.
        self._plain.close()
        if self._secure is not None:
            self._secure.close()
        self._drain()

    def _accept(self, listening: socket.socket, *, tls: ssl.SSLContext | None) -> None:
        if self._load is not None and not self._load.is_least(self._slot):
            # Another process has less to do; whoever is faster takes the connection.
            time.sleep(YIELD_SECONDS)
        try:
            connection, peer = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            # Out of descriptors: wait for associations to end instead of spinning.
            logger.error("dimse_accept_failed", error=error.errno)
            time.sleep(0.1)
            return
        address = plain_address(str(peer[0]))
        rejection = self._admission(address)
        if rejection is not None and self._refusing >= REFUSERS:
            connection.close()
            return
        thread = threading.Thread(
            target=self._run, args=(connection, address, tls, rejection), name="dimse-association", daemon=True
        )
        with self._lock:
            self._open[thread] = (address, None)
            self._refusing += rejection is not None
        self._report()
        try:
            thread.start()
        except RuntimeError:
            logger.error("dimse_no_thread")
            connection.close()
            self._forget(thread, refusing=rejection is not None)

    def _admission(self, address: str) -> Rejection | None:
        """Why a new connection gets no association; None: it may have one."""
        limits = self._limits
        with self._lock:
            here = [found for found, _association in self._open.values()]
            count = len(here) - self._refusing
            if count >= limits.associations or here.count(address) >= limits.associations_per_peer:
                return pdu.LOCAL_LIMIT_EXCEEDED
            now = time.monotonic()
            if len(self._buckets) > 10_000:
                self._buckets.clear()
            bucket = self._buckets.setdefault(address, _Bucket(float(limits.association_burst), now))
            bucket.tokens = min(
                float(limits.association_burst),
                bucket.tokens + (now - bucket.filled_at) * limits.associations_per_second,
            )
            bucket.filled_at = now
            if bucket.tokens < 1:
                return pdu.TEMPORARY_CONGESTION
            bucket.tokens -= 1
        return None

    def _run(
        self, connection: socket.socket, address: str, tls: ssl.SSLContext | None, rejection: Rejection | None
    ) -> None:
        thread = threading.current_thread()
        try:
            secured = self._secured(connection, tls)
            if secured is None:
                self._trail.tell_of_handshake(address=address)
                return
            association = Association(
                stream=Stream(connection=secured, limits=self._limits),
                address=address,
                directory=self._directory,
                limits=self._limits,
                must_refuse=rejection,
                is_draining=self._stopping.is_set,
            )
            with contextlib.suppress(OSError):
                association.summary.own_address = plain_address(str(secured.getsockname()[0]))
            with self._lock:
                self._open[thread] = (address, association)
            self._trail.tell(association.run())
        # The last line of defence: one association's fault must not be silent, nor touch the others.
        except Exception:
            logger.exception("dimse_association_failed")
        finally:
            with contextlib.suppress(OSError):
                connection.close()
            self._forget(thread, refusing=rejection is not None)

    def _secured(self, connection: socket.socket, tls: ssl.SSLContext | None) -> socket.socket | None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if tls is None:
            return connection
        connection.settimeout(self._limits.artim_seconds)
        try:
            return tls.wrap_socket(connection, server_side=True)
        except (OSError, ssl.SSLError) as error:
            logger.info("dimse_tls_refused", kind=type(error).__name__)
            return None

    def _forget(self, thread: threading.Thread, *, refusing: bool) -> None:
        with self._lock:
            self._open.pop(thread, None)
            self._refusing -= refusing
        self._report()

    def _report(self) -> None:
        if self._load is not None:
            self._load.set(self._slot, self.associations)

    def _drain(self) -> None:
        """Let busy associations finish within their time; idle ones, and then all, are ended."""
        deadline = time.monotonic() + self._limits.drain_seconds
        while self._open and time.monotonic() < deadline:
            for association in self._associations():
                if association.idle_seconds > self._limits.drain_idle_seconds:
                    association.hang_up()
            time.sleep(0.05)
        for association in self._associations():
            association.hang_up()
        with self._lock:
            threads = list(self._open)
        for thread in threads:
            thread.join(timeout=5)
        database.close()
        self._wake_reader.close()
        self._wake_writer.close()

    def _associations(self) -> list[Association]:
        with self._lock:
            return [association for _address, association in self._open.values() if association is not None]


class Supervisor:
    """The parent of the listener processes: starts them, replaces those that die, passes signals on."""

    SHORTEST_DELAY = 0.2
    LONGEST_DELAY = 10.0
    STEADY_SECONDS = 30.0

    def __init__(
        self, *, processes: int, serve: Callable[[int], None], close_ports: Callable[[], None], patience: float
    ) -> None:
        self._serve = serve
        self._close_ports = close_ports
        self._patience = patience
        self._children: dict[int, int] = {}
        self._started: dict[int, float] = {}
        self._delays: dict[int, float] = {}
        self._due: dict[int, float] = dict.fromkeys(range(processes), 0.0)
        self._is_stopping = False

    def run(self) -> int:
        """Return the exit status: 0 when every child ended in peace after a signal."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        while not self._is_stopping:
            self._start_due()
            self._reap()
            time.sleep(0.1)
        return self._end_children()

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._is_stopping = True

    def _start_due(self) -> None:
        now = time.monotonic()
        for slot, moment in list(self._due.items()):
            if now < moment or self._is_stopping:
                continue
            del self._due[slot]
            process = os.fork()
            if process == 0:
                self._become_child(slot)
            self._children[process] = slot
            self._started[slot] = now

    def _become_child(self, slot: int) -> None:
        status = 1
        try:
            _die_with_parent()
            self._serve(slot)
            status = 0
        except Exception:
            logger.exception("dimse_process_failed")
        finally:
            # Not sys.exit: the parent's clean-up must not run in the child.
            os._exit(status)

    def _reap(self) -> None:
        for process, slot in list(self._children.items()):
            found, status = os.waitpid(process, os.WNOHANG)
            if not found:
                continue
            del self._children[process]
            now = time.monotonic()
            steady = now - self._started[slot] > self.STEADY_SECONDS
            delay = self.SHORTEST_DELAY if steady else min(self.LONGEST_DELAY, self._delays.get(slot, 0.1) * 2)
            self._delays[slot] = delay
            self._due[slot] = now + delay
            logger.error("dimse_process_died", slot=slot, status=status, again_in_seconds=round(delay, 1))

    def _end_children(self) -> int:
        self._close_ports()
        for process in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)
        deadline = time.monotonic() + self._patience
        result = 0
        while self._children and time.monotonic() < deadline:
            for process in list(self._children):
                found, status = os.waitpid(process, os.WNOHANG)
                if found:
                    del self._children[process]
                    result = result or os.waitstatus_to_exitcode(status)
            time.sleep(0.02)
        for process in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            result = 1
        return abs(result)


def _die_with_parent() -> None:
    """A parent that is killed without a chance to clean up takes its children along (Linux)."""
    import ctypes

    pr_set_pdeathsig = 1
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGTERM, 0, 0, 0)
    if os.getppid() == 1:
        os._exit(1)
