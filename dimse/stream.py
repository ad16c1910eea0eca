"""A peer's connection as PDUs: one buffer for each association, timers on everything that can take long."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time

from dimse.domain.pdu import HEADER, AbortReason, ProtocolError, parse_header
from dimse.errors import PeerGone, PeerSilent
from dimse.limits import Limits

QUICK_ACK = getattr(socket, "TCP_QUICKACK", None)
# What a peer may send before its association stands.
FIRST_BUFFER_BYTES = 1 << 14
# Some peers count the PDU's own header into the maximum length.
TOLERANCE_BYTES = 64


class Stream:
    """Reads and writes PDUs. The view that `read` returns is valid until the next `read`."""

    def __init__(self, *, connection: socket.socket, limits: Limits) -> None:
        self._socket = connection
        self._limits = limits
        self._buffer = bytearray(FIRST_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._header = bytearray(HEADER.size)
        self._header_view = memoryview(self._header)
        self._is_plain = not isinstance(connection, ssl.SSLSocket)
        if self._is_plain:
            # Answers are small and must not wait for the acknowledgement of the one before.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def read(self, *, patience: float, whole_within: float, most: int) -> tuple[int, memoryview]:
        """(type, what follows the header) of the next PDU.

        Waits `patience` seconds for its first byte, then `whole_within` for the rest: a peer that trickles bytes holds
        a thread no longer than that. A PDU longer than `most` is refused before it is read. Raises `PeerSilent`,
        `PeerGone`, `ProtocolError`.
        """
        if self._is_plain and QUICK_ACK is not None:
            # Without this the kernel delays its acknowledgement, and a sender with Nagle's algorithm waits for it:
            # 40 ms an object. The kernel clears the option by itself, so it is set for every PDU.
            self._socket.setsockopt(socket.IPPROTO_TCP, QUICK_ACK, 1)
        deadline = self._fill(self._header_view, deadline=None, patience=patience, whole_within=whole_within)
        kind, length = parse_header(self._header)
        if length > most + TOLERANCE_BYTES:
            raise ProtocolError("The PDU is longer than was agreed.", reason=AbortReason.INVALID_PARAMETER)
        if length > len(self._buffer):
            self._buffer = bytearray(length)
            self._view = memoryview(self._buffer)
        body = self._view[:length]
        if length:
            self._fill(body, deadline=deadline, patience=patience, whole_within=whole_within)
        return kind, body

    def _fill(self, target: memoryview, *, deadline: float | None, patience: float, whole_within: float) -> float:
        """Fill the target; returns the moment by which the PDU must be whole."""
        connection = self._socket
        position, size = 0, len(target)
        while position < size:
            if deadline is None:
                connection.settimeout(patience)
            else:
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    raise PeerSilent
                connection.settimeout(remaining)
            try:
                count = connection.recv_into(target[position:])
            except TimeoutError:
                raise PeerSilent from None
            except OSError:
                raise PeerGone from None
            if not count:
                raise PeerGone
            if deadline is None:
                deadline = time.monotonic() + whole_within
            position += count
        return deadline if deadline is not None else time.monotonic() + whole_within

    def has_input(self) -> bool:
        """Whether the peer has sent something that is not read yet."""
        if not self._is_plain and self._socket.pending():  # type: ignore[attr-defined]
            return True
        self._socket.setblocking(False)
        try:
            return bool(self._socket.recv(1, socket.MSG_PEEK)) if self._is_plain else False
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            return True

    def write(self, data: bytes) -> None:
        """Send everything. Raises `PeerSilent`, `PeerGone`."""
        self._socket.settimeout(self._limits.send_seconds)
        try:
            self._socket.sendall(data)
        except TimeoutError:
            raise PeerSilent from None
        except OSError:
            raise PeerGone from None

    def wait_for_close(self) -> None:
        """After a release or a rejection the peer closes (PS3.8 9.2, Sta13); what it still says is not heard."""
        deadline = time.monotonic() + self._limits.artim_seconds
        while (remaining := deadline - time.monotonic()) > 0:
            self._socket.settimeout(remaining)
            try:
                if not self._socket.recv_into(self._view):
                    return
            except OSError:
                return

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self._socket.close()

    def hang_up(self, farewell: bytes) -> None:
        """From another thread: say goodbye if the line is free, and wake the reader by ending the connection."""
        with contextlib.suppress(OSError):
            if self._is_plain:
                self._socket.send(farewell, socket.MSG_DONTWAIT)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
