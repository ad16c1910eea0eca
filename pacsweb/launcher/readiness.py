"""Does every door answer? Asked as a stranger would ask, from outside the process."""

from __future__ import annotations

import http.client
import json
import struct
from dataclasses import dataclass
from typing import Any

import redis

from pacsweb.launcher.tree import QUEUES, Doors

VERIFICATION = b"1.2.840.10008.1.1"
IMPLICIT_LITTLE_ENDIAN = b"1.2.840.10008.1.2"
APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"
IMPLEMENTATION = b"1.2.826.0.1.3680043.8.498.1"
WORKER_KEY = "cache:2:worker-seen:{queue}"
"""How the cache spells `pacsweb.health.heartbeat_key`; a test keeps the two together."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    ready: bool
    waiting_for: str = ""
    schema_is_behind: bool = False


def forget_workers(*, redis_url: str) -> None:
    """A heartbeat of the last run is no sign of life of this one."""
    redis.Redis.from_url(redis_url).delete(*(WORKER_KEY.format(queue=queue) for queue in QUEUES))


def ask(*, doors: Doors, with_dicom: bool) -> Answer:
    """Ask each door once."""
    health = _healthz(host=doors.reachable_host, port=doors.http)
    if health is None:
        return Answer(ready=False, waiting_for="the web server")
    failed = [name for name, result in health.get("checks", {}).items() if result == "failed"]
    if failed:
        return Answer(ready=False, waiting_for=", ".join(failed), schema_is_behind="schema" in failed)
    silent = [queue for queue, seen in health.get("queues", {}).items() if not seen]
    if silent:
        return Answer(ready=False, waiting_for="the workers for " + ", ".join(silent))
    if with_dicom and not dicom_answers(host=doors.reachable_host, port=doors.dicom):
        return Answer(ready=False, waiting_for="the DICOM listener")
    return Answer(ready=True)


def _healthz(*, host: str, port: int) -> dict[str, Any] | None:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        found = json.loads(connection.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return found if isinstance(found, dict) else None


def dicom_answers(*, host: str, port: int, called: str = "PACSWEB", calling: str = "PACSWEB_PROBE") -> bool:
    """Ask for an association for verification, and send the C-ECHO when it is granted.

    A rejection for an unknown AE title is an answer too: the listener is up and says who may not in.
    Written out here because the DICOM library costs half a second of every start. PS3.8 9.3, PS3.7 9.3.5.
    """
    import socket

    try:
        with socket.create_connection((host, port), timeout=5) as connection:
            connection.sendall(_associate_request(called=called, calling=calling))
            kind = _read_pdu(connection)[0]
            if kind == 0x03:
                return True
            if kind != 0x02:
                return False
            connection.sendall(_echo_request())
            kind, _body = _read_pdu(connection)
            connection.sendall(struct.pack(">BBLL", 0x05, 0, 4, 0))
            return kind == 0x04
    except (OSError, struct.error):
        return False


def _read_pdu(connection: Any) -> tuple[int, bytes]:
    header = _read(connection, 6)
    kind, _reserved, length = struct.unpack(">BBL", header)
    return kind, _read(connection, min(length, 65536))


def _read(connection: Any, size: int) -> bytes:
    received = b""
    while len(received) < size:
        piece = connection.recv(size - len(received))
        if not piece:
            raise ConnectionError
        received += piece
    return received


def _item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(body)) + body


def _associate_request(*, called: str, calling: str) -> bytes:
    context = _item(
        0x20,
        struct.pack(">BBBB", 1, 0, 0, 0) + _item(0x30, VERIFICATION) + _item(0x40, IMPLICIT_LITTLE_ENDIAN),
    )
    user = _item(0x50, _item(0x51, struct.pack(">L", 16384)) + _item(0x52, IMPLEMENTATION))
    body = (
        struct.pack(">HH", 1, 0)
        + called.ljust(16).encode("ascii")
        + calling.ljust(16).encode("ascii")
        + bytes(32)
        + _item(0x10, APPLICATION_CONTEXT)
        + context
        + user
    )
    return struct.pack(">BBL", 0x01, 0, len(body)) + body


def _echo_request() -> bytes:
    def element(tag: int, value: bytes) -> bytes:
        return struct.pack("<HHL", 0, tag, len(value)) + value

    fields = (
        element(0x0002, VERIFICATION + b"\0")
        + element(0x0100, struct.pack("<H", 0x0030))
        + element(0x0110, struct.pack("<H", 1))
        + element(0x0800, struct.pack("<H", 0x0101))
    )
    command = element(0x0000, struct.pack("<L", len(fields))) + fields
    value = struct.pack(">LBB", len(command) + 2, 1, 0x03) + command
    return struct.pack(">BBL", 0x04, 0, len(value)) + value
