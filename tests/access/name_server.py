"""A name server on loopback that answers what a test puts into it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset


class NameServer:
    """TXT records by name, lower case, without the dot at the end."""

    def __init__(self) -> None:
        self.records: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self.is_silent = False
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.2)
        self._is_over = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._socket.getsockname()[1]}"

    def close(self) -> None:
        self._is_over = True
        self._thread.join(2)
        self._socket.close()

    def _serve(self) -> None:
        while not self._is_over:
            try:
                data, sender = self._socket.recvfrom(4096)
            except TimeoutError:
                continue
            question = dns.message.from_wire(data)
            name = question.question[0].name.to_text(omit_final_dot=True).lower()
            self.asked.append(name)
            if self.is_silent:
                continue
            answer = dns.message.make_response(question)
            answer.flags |= dns.flags.RA
            texts = self.records.get(name)
            if texts is None:
                answer.set_rcode(dns.rcode.NXDOMAIN)
            elif texts:
                parts = [" ".join(f'"{text[i : i + 40]}"' for i in range(0, len(text), 40)) for text in texts]
                answer.answer.append(dns.rrset.from_text_list(f"{name}.", 60, "IN", "TXT", parts))
            self._socket.sendto(answer.to_wire(), sender)


@contextmanager
def running() -> Iterator[NameServer]:
    server = NameServer()
    try:
        yield server
    finally:
        server.close()
