"""A listener in this process, and peers to speak with it."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE

from archive import spool
from archive.models import Archive, Delivery, Instance
from archive.services import index_delivery
from core.tenancy import all_tenants, tenant
from dimse.domain import pdu
from dimse.limits import Limits
from dimse.listener import Listener, listen

APPLICATION_CONTEXT = pdu.APPLICATION_CONTEXT.encode()


@contextlib.contextmanager
def running_listener(*, bind: str = "127.0.0.1", **limits: Any) -> Iterator[int]:
    """A listener on a free port; yields the port."""
    settings = {"drain_seconds": 5.0, "directory_seconds": 0.0, **limits}
    plain = listen(address=bind, port=0)
    listener = Listener(plain=plain, limits=Limits(**settings))
    thread = threading.Thread(target=listener.serve, daemon=True)
    thread.start()
    try:
        yield int(plain.getsockname()[1])
    finally:
        listener.stop()
        thread.join(timeout=20)
        plain.close()
        assert not thread.is_alive()


def send(port: int, datasets: list[Dataset], *, called: str, calling: str = "SENDER", **options: Any) -> list[int]:
    """Send with pynetdicom; returns the statuses."""
    ae = AE(ae_title=calling)
    for sop_class in {dataset.SOPClassUID for dataset in datasets}:
        ae.add_requested_context(sop_class, options.get("syntaxes", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"]))
    association = ae.associate("127.0.0.1", port, ae_title=called)
    assert association.is_established, "the association was not accepted"
    association.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        return [association.send_c_store(dataset).Status for dataset in datasets]
    finally:
        association.release()


def index_all() -> None:
    """What the workers do: index every delivery that has something in the spool."""
    with all_tenants():
        for delivery in Delivery.objects.select_related("archive", "organisation"):
            index_delivery(delivery=delivery)


def stored_uids(archive: Archive) -> list[str]:
    with tenant(archive.organisation):
        return sorted(Instance.objects.filter(archive=archive).values_list("sop_instance_uid", flat=True))


def spooled_files() -> list[str]:
    root = spool.spool_root()
    return (
        sorted(str(path.relative_to(root)) for path in root.glob("*/*") if path.name != spool.LOCK)
        if root.exists()
        else []
    )


class Peer:
    """A raw connection that says what it is told to."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_unused: object) -> None:
        self.socket.close()

    def say(self, data: bytes) -> None:
        self.socket.sendall(data)

    def hear(self) -> tuple[int, bytes]:
        """(type, body) of the next PDU; type 0 when the connection ended."""
        head = self._exactly(6)
        if head is None:
            return 0, b""
        kind, _reserved, length = struct.unpack(">BBI", head)
        return kind, self._exactly(length) or b""

    def _exactly(self, count: int) -> bytes | None:
        data = b""
        while len(data) < count:
            try:
                piece = self.socket.recv(count - len(data))
            except ConnectionResetError:
                return None
            if not piece:
                return None
            data += piece
        return data

    def associate(
        self, *, called: str, calling: str = "SENDER", contexts: Any = None, maximum: int = 16384
    ) -> tuple[int, bytes]:
        self.say(associate_request(called=called, calling=calling, contexts=contexts, maximum=maximum))
        return self.hear()


def item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(value)) + value


MR = "1.2.840.10008.5.1.4.1.1.4"
EXPLICIT = "1.2.840.10008.1.2.1"


def associate_request(
    *, called: str, calling: str = "SENDER", contexts: Any = None, maximum: int = 16384, extra_user_items: bytes = b""
) -> bytes:
    contexts = contexts if contexts is not None else {1: (MR, [EXPLICIT])}
    body = (
        struct.pack(">HH", 1, 0) + called.ljust(16).encode("latin-1") + calling.ljust(16).encode("latin-1") + bytes(32)
    )
    body += item(0x10, APPLICATION_CONTEXT)
    for context_id, (abstract, syntaxes) in contexts.items():
        value = bytes((context_id, 0, 0, 0)) + item(0x30, abstract.encode())
        value += b"".join(item(0x40, syntax.encode()) for syntax in syntaxes)
        body += item(0x20, value)
    user = item(0x51, struct.pack(">I", maximum)) + item(0x52, b"1.2.3.4") + extra_user_items
    body += item(0x50, user)
    return struct.pack(">BBI", 1, 0, len(body)) + body


def p_data(context_id: int, payload: bytes, *, control: int) -> bytes:
    value = struct.pack(">IBB", len(payload) + 2, context_id, control) + payload
    return struct.pack(">BBI", 4, 0, len(value)) + value
