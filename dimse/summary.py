"""What an association did, for the log and the trail."""

from __future__ import annotations

from dataclasses import dataclass

from dimse.directory import Destination
from dimse.domain.pdu import Rejection


@dataclass(slots=True)
class Summary:
    """What the trail says of an association."""

    called_ae_title: str = ""
    calling_ae_title: str = ""
    address: str = ""
    # This machine's end of the connection.
    own_address: str = ""
    ended: str = ""
    rejection: Rejection | None = None
    # Of `dimse.domain.callers`: why the caller was refused, or may not store.
    reason: str = ""
    destination: Destination | None = None
    delivery: str = ""
    stored: int = 0
    refused: int = 0
    bytes_received: int = 0
    echoes: int = 0
    requests: int = 0
    seconds: float = 0.0


def printable(title: str) -> str:
    """An AE title for logs and the trail, whatever the peer sent."""
    return "".join(character if " " <= character <= "~" else "?" for character in title)[:16]
