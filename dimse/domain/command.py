"""Command sets of DIMSE messages (PS3.7 6.3, E): always implicit VR little endian, group 0000."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Final

from dimse.domain.pdu import ProtocolError

MAXIMUM_LENGTH: Final = 1 << 16

AFFECTED_SOP_CLASS_UID: Final = 0x0002
COMMAND_FIELD: Final = 0x0100
MESSAGE_ID: Final = 0x0110
MESSAGE_ID_RESPONDED_TO: Final = 0x0120
MOVE_DESTINATION: Final = 0x0600
PRIORITY: Final = 0x0700
DATA_SET_TYPE: Final = 0x0800
STATUS: Final = 0x0900
OFFENDING_ELEMENT: Final = 0x0901
ERROR_COMMENT: Final = 0x0902
AFFECTED_SOP_INSTANCE_UID: Final = 0x1000
MOVE_ORIGINATOR_AE: Final = 0x1030
MOVE_ORIGINATOR_MESSAGE_ID: Final = 0x1031

C_STORE_RQ: Final = 0x0001
C_GET_RQ: Final = 0x0010
C_FIND_RQ: Final = 0x0020
C_MOVE_RQ: Final = 0x0021
C_ECHO_RQ: Final = 0x0030
C_CANCEL_RQ: Final = 0x0FFF
RESPONSE: Final = 0x8000
NO_DATA_SET: Final = 0x0101

SUCCESS: Final = 0x0000
# PS3.7 C.5.12.
NOT_AUTHORIZED: Final = 0x0124
SOP_CLASS_NOT_SUPPORTED: Final = 0x0122
OUT_OF_RESOURCES: Final = 0xA700
MISMATCH: Final = 0xA900
CANNOT_UNDERSTAND: Final = 0xC000
UNRECOGNIZED_OPERATION: Final = 0x0211
PROCESSING_FAILURE: Final = 0x0110

_ELEMENT = struct.Struct("<HHI")
_UID = re.compile(r"[0-9]+(?:\.[0-9]+)*\Z")


@dataclass(frozen=True, slots=True)
class Command:
    """A decoded command set: raw values by element number."""

    values: dict[int, bytes]

    def number(self, element: int) -> int | None:
        raw = self.values.get(element)
        return None if raw is None else int(struct.unpack("<H", raw)[0])

    def text(self, element: int) -> str:
        return self.values.get(element, b"").decode("latin-1").strip(" \0")

    @property
    def field(self) -> int:
        return self.number(COMMAND_FIELD) or 0

    @property
    def message_id(self) -> int:
        return self.number(MESSAGE_ID) or 0

    @property
    def has_data_set(self) -> bool:
        return self.number(DATA_SET_TYPE) != NO_DATA_SET

    @property
    def sop_class_uid(self) -> str:
        return self.text(AFFECTED_SOP_CLASS_UID)

    @property
    def sop_instance_uid(self) -> str:
        return self.text(AFFECTED_SOP_INSTANCE_UID)


_SHORTS: Final = frozenset(
    {COMMAND_FIELD, MESSAGE_ID, MESSAGE_ID_RESPONDED_TO, PRIORITY, DATA_SET_TYPE, STATUS, MOVE_ORIGINATOR_MESSAGE_ID}
)


def decode(data: bytes) -> Command:
    """Read a command set. Raises `ProtocolError`."""
    values: dict[int, bytes] = {}
    position = 0
    while position < len(data):
        if len(data) - position < _ELEMENT.size:
            raise ProtocolError("The command set ends inside an element.")
        group, element, length = _ELEMENT.unpack_from(data, position)
        position += _ELEMENT.size
        if group != 0:
            raise ProtocolError("The command set holds an element of another group.")
        if length > len(data) - position:
            raise ProtocolError("An element of the command set is longer than the command set.")
        if element in values:
            raise ProtocolError("An element of the command set is given twice.")
        if element in _SHORTS and length != 2:
            raise ProtocolError("A number in the command set has not two bytes.")
        values[element] = data[position : position + length]
        position += length
    if COMMAND_FIELD not in values or DATA_SET_TYPE not in values:
        raise ProtocolError("The command set lacks an element it must have.")
    return Command(values)


def is_uid(text: str) -> bool:
    return 0 < len(text) <= 64 and bool(_UID.match(text))


def encode(values: dict[int, bytes]) -> bytes:
    """Write a command set with its group length; values must have even lengths."""
    body = b"".join(_ELEMENT.pack(0, element, len(value)) + value for element, value in sorted(values.items()))
    return _ELEMENT.pack(0, 0, 4) + struct.pack("<I", len(body)) + body


def us(number: int) -> bytes:
    return struct.pack("<H", number)


def padded(text: str, *, filler: bytes = b"\0") -> bytes:
    raw = text.encode("ascii", "replace")
    return raw + filler if len(raw) % 2 else raw


def response(
    *,
    request: Command,
    status: int,
    has_data_set: bool = False,
    comment: str = "",
    fields: dict[int, bytes] | None = None,
) -> bytes:
    """The response to a request (PS3.7 9.3): echoes message and SOP UIDs, carries the status and an error comment."""
    values: dict[int, bytes] = {
        COMMAND_FIELD: us(request.field | RESPONSE),
        MESSAGE_ID_RESPONDED_TO: us(request.message_id),
        DATA_SET_TYPE: us(0x0001 if has_data_set else NO_DATA_SET),
        STATUS: us(status),
    }
    if request.sop_class_uid:
        values[AFFECTED_SOP_CLASS_UID] = padded(request.sop_class_uid)
    if request.field == C_STORE_RQ and request.sop_instance_uid:
        values[AFFECTED_SOP_INSTANCE_UID] = padded(request.sop_instance_uid)
    if comment:
        # LO: at most 64 characters.
        values[ERROR_COMMENT] = padded(comment[:64], filler=b" ")
    values.update(fields or {})
    return encode(values)
