"""Protocol data units of the DICOM upper layer (PS3.8 9.3) as the acceptor of associations needs them.

Everything a peer sends is checked before it is used: lengths against what is there, items against the grammar, UIDs
against PS3.5 9.1. A violation is a `ProtocolError` that carries the A-ABORT to answer with.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

HEADER: Final = struct.Struct(">BBI")
ITEM: Final = struct.Struct(">BBH")
PDV: Final = struct.Struct(">IBB")

ASSOCIATE_RQ: Final = 0x01
ASSOCIATE_AC: Final = 0x02
ASSOCIATE_RJ: Final = 0x03
P_DATA_TF: Final = 0x04
RELEASE_RQ: Final = 0x05
RELEASE_RP: Final = 0x06
ABORT: Final = 0x07
PDU_TYPES: Final = frozenset(range(ASSOCIATE_RQ, ABORT + 1))

APPLICATION_CONTEXT: Final = "1.2.840.10008.3.1.1.1"
PROTOCOL_VERSION: Final = 1

MAXIMUM_ASSOCIATE_LENGTH: Final = 1 << 18
MAXIMUM_CONTEXTS: Final = 128
MAXIMUM_TRANSFER_SYNTAXES: Final = 128
# The smallest P-DATA-TF in which anything fits: a PDV header and one byte.
MINIMUM_PDU_LENGTH: Final = 7

_UID = re.compile(rb"[0-9]+(?:\.[0-9]+)*\Z")
_FIXED_PART: Final = 68


class AbortSource(IntEnum):
    USER = 0
    PROVIDER = 2


class AbortReason(IntEnum):
    """Reasons of an abort by the provider (PS3.8 table 9-26)."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PARAMETER = 4
    UNEXPECTED_PARAMETER = 5
    INVALID_PARAMETER = 6


class ProtocolError(Exception):
    """The peer broke the protocol; answer with A-ABORT of this reason. The text holds no data of the peer."""

    def __init__(self, message: str, *, reason: AbortReason = AbortReason.INVALID_PARAMETER) -> None:
        self.reason = reason
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Rejection:
    """The three fields of an A-ASSOCIATE-RJ (PS3.8 table 9-21)."""

    result: int
    source: int
    reason: int
    name: str

    @property
    def is_transient(self) -> bool:
        return self.result == 2


CALLED_AE_NOT_RECOGNISED: Final = Rejection(1, 1, 7, "called-ae-not-recognised")
CALLING_AE_NOT_RECOGNISED: Final = Rejection(1, 1, 3, "calling-ae-not-recognised")
APPLICATION_CONTEXT_NOT_SUPPORTED: Final = Rejection(1, 1, 2, "application-context-not-supported")
PROTOCOL_VERSION_NOT_SUPPORTED: Final = Rejection(1, 2, 2, "protocol-version-not-supported")
TEMPORARY_CONGESTION: Final = Rejection(2, 3, 1, "temporary-congestion")
LOCAL_LIMIT_EXCEEDED: Final = Rejection(2, 3, 2, "local-limit-exceeded")


@dataclass(frozen=True, slots=True)
class ProposedContext:
    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


class ContextResult(IntEnum):
    """PS3.8 table 9-18."""

    ACCEPTED = 0
    USER_REJECTION = 1
    NO_REASON = 2
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


@dataclass(frozen=True, slots=True)
class AnsweredContext:
    context_id: int
    result: ContextResult
    # Not significant unless accepted, but has to be there.
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class Role:
    """SCP/SCU role selection of one SOP class (PS3.7 D.3.3.4)."""

    sop_class: str
    scu: bool
    scp: bool


@dataclass(frozen=True, slots=True)
class AssociateRequest:
    """A checked A-ASSOCIATE-RQ. Titles are without padding; `raw_titles` goes back as it came (PS3.8 9.3.3)."""

    protocol_version: int
    called_ae_title: str
    calling_ae_title: str
    raw_titles: bytes
    application_context: str
    contexts: tuple[ProposedContext, ...]
    maximum_length: int
    implementation_class: str
    implementation_version: str
    roles: tuple[Role, ...] = ()
    extended: dict[str, bytes] = field(default_factory=dict)
    has_user_identity: bool = False


def parse_header(data: bytes | bytearray | memoryview) -> tuple[int, int]:
    """(type, length of what follows). Raises `ProtocolError` for a type that does not exist."""
    kind, _reserved, length = HEADER.unpack_from(data)
    if kind not in PDU_TYPES:
        raise ProtocolError("There is no such PDU.", reason=AbortReason.UNRECOGNIZED_PDU)
    return kind, length


def _items(data: bytes, *, start: int, end: int) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    position = start
    while position < end:
        if end - position < ITEM.size:
            raise ProtocolError("An item ends inside its header.")
        kind, _reserved, length = ITEM.unpack_from(data, position)
        position += ITEM.size
        if length > end - position:
            raise ProtocolError("An item is longer than what holds it.")
        found.append((kind, data[position : position + length]))
        position += length
    return found


def _uid(raw: bytes, what: str) -> str:
    # Padding with a trailing NUL is not allowed here (PS3.8 annex F) but common; spaces are seen as well.
    text = raw.rstrip(b"\0 ")
    if not 0 < len(text) <= 64 or not _UID.match(text):
        raise ProtocolError(f"The {what} is not a UID.")
    return text.decode("ascii")


def _ae_title(raw: bytes) -> str:
    return raw.decode("latin-1").strip(" \0")


def parse_associate_request(body: bytes) -> AssociateRequest:
    """Read what follows the header of an A-ASSOCIATE-RQ (PS3.8 9.3.2). Raises `ProtocolError`."""
    if len(body) < _FIXED_PART:
        raise ProtocolError("The association request is too short.")
    (version,) = struct.unpack_from(">H", body)
    application_context = ""
    contexts: list[ProposedContext] = []
    user: _UserInformation | None = None
    for kind, value in _items(body, start=_FIXED_PART, end=len(body)):
        if kind == 0x10:
            if application_context:
                raise ProtocolError("There are two application contexts.", reason=AbortReason.UNEXPECTED_PARAMETER)
            application_context = _uid(value, "application context")
        elif kind == 0x20:
            contexts.append(_proposed_context(value))
        elif kind == 0x50:
            if user is not None:
                raise ProtocolError("There are two user information items.", reason=AbortReason.UNEXPECTED_PARAMETER)
            user = _user_information(value)
        # Other items are ignored (PS3.8 9.3.1: unrecognised items shall be).
    if not application_context or user is None:
        raise ProtocolError("The association request lacks an item it must have.")
    if not contexts:
        raise ProtocolError("The association request proposes nothing.")
    if len(contexts) > MAXIMUM_CONTEXTS or len({c.context_id for c in contexts}) != len(contexts):
        raise ProtocolError("Presentation context identifiers are given twice.")
    return AssociateRequest(
        protocol_version=version,
        called_ae_title=_ae_title(body[4:20]),
        calling_ae_title=_ae_title(body[20:36]),
        raw_titles=body[4:36],
        application_context=application_context,
        contexts=tuple(contexts),
        maximum_length=user.maximum_length,
        implementation_class=user.implementation_class,
        implementation_version=user.implementation_version,
        roles=tuple(user.roles),
        extended=user.extended,
        has_user_identity=user.has_identity,
    )


def _proposed_context(value: bytes) -> ProposedContext:
    if len(value) < 4:
        raise ProtocolError("A presentation context is too short.")
    context_id = value[0]
    if context_id % 2 == 0:
        raise ProtocolError("A presentation context has an even identifier.")
    abstract_syntax = ""
    transfer_syntaxes: list[str] = []
    for kind, sub in _items(value, start=4, end=len(value)):
        if kind == 0x30:
            if abstract_syntax:
                raise ProtocolError("A presentation context has two abstract syntaxes.")
            abstract_syntax = _uid(sub, "abstract syntax")
        elif kind == 0x40:
            transfer_syntaxes.append(_uid(sub, "transfer syntax"))
    if not abstract_syntax or not transfer_syntaxes:
        raise ProtocolError("A presentation context lacks its abstract or transfer syntax.")
    if len(transfer_syntaxes) > MAXIMUM_TRANSFER_SYNTAXES:
        raise ProtocolError("A presentation context proposes too many transfer syntaxes.")
    return ProposedContext(context_id, abstract_syntax, tuple(dict.fromkeys(transfer_syntaxes)))


@dataclass(slots=True)
class _UserInformation:
    maximum_length: int = 0
    implementation_class: str = ""
    implementation_version: str = ""
    roles: list[Role] = field(default_factory=list)
    extended: dict[str, bytes] = field(default_factory=dict)
    has_identity: bool = False


def _user_information(value: bytes) -> _UserInformation:
    user = _UserInformation()
    for kind, sub in _items(value, start=0, end=len(value)):
        if kind == 0x51:
            if len(sub) != 4:
                raise ProtocolError("The maximum length is not four bytes.")
            (user.maximum_length,) = struct.unpack(">I", sub)
            # 0 is unlimited (PS3.8 D.1.1); less than a PDV could never be answered.
            if 0 < user.maximum_length < MINIMUM_PDU_LENGTH:
                raise ProtocolError("The maximum length is too short to send anything.")
        elif kind == 0x52:
            user.implementation_class = _uid(sub, "implementation class")
        elif kind == 0x55:
            user.implementation_version = sub[:16].decode("latin-1").strip()
        elif kind == 0x54:
            user.roles.append(_role(sub))
        elif kind == 0x56:
            sop_class, information = _sop_class_and_rest(sub)
            user.extended[sop_class] = information
        elif kind == 0x58:
            user.has_identity = True
        # 0x53, the asynchronous operations window: not answered means one operation at a time (PS3.7 D.3.3.3).
    return user


def _sop_class_and_rest(sub: bytes) -> tuple[str, bytes]:
    if len(sub) < 2:
        raise ProtocolError("A negotiation item is too short.")
    (length,) = struct.unpack_from(">H", sub)
    if length > len(sub) - 2:
        raise ProtocolError("A negotiation item is longer than what holds it.")
    return _uid(sub[2 : 2 + length], "SOP class"), sub[2 + length :]


def _role(sub: bytes) -> Role:
    sop_class, rest = _sop_class_and_rest(sub)
    if len(rest) != 2 or rest[0] > 1 or rest[1] > 1:
        raise ProtocolError("A role selection is neither yes nor no.")
    return Role(sop_class, scu=bool(rest[0]), scp=bool(rest[1]))


def _item(kind: int, value: bytes) -> bytes:
    return ITEM.pack(kind, 0, len(value)) + value


def _pdu(kind: int, body: bytes) -> bytes:
    return HEADER.pack(kind, 0, len(body)) + body


def encode_associate_accept(
    *,
    request: AssociateRequest,
    contexts: list[AnsweredContext],
    maximum_length: int,
    implementation_class: str,
    implementation_version: str,
    roles: list[Role] | None = None,
    extended: dict[str, bytes] | None = None,
) -> bytes:
    """A-ASSOCIATE-AC (PS3.8 9.3.3)."""
    body = struct.pack(">HH", PROTOCOL_VERSION, 0) + request.raw_titles + bytes(32)
    body += _item(0x10, request.application_context.encode("ascii"))
    for context in contexts:
        head = bytes((context.context_id, 0, context.result, 0))
        body += _item(0x21, head + _item(0x40, context.transfer_syntax.encode("ascii")))
    user = _item(0x51, struct.pack(">I", maximum_length)) + _item(0x52, implementation_class.encode("ascii"))
    for role in roles or ():
        name = role.sop_class.encode("ascii")
        user += _item(0x54, struct.pack(">H", len(name)) + name + bytes((role.scu, role.scp)))
    user += _item(0x55, implementation_version.encode("ascii"))
    for sop_class, information in (extended or {}).items():
        name = sop_class.encode("ascii")
        user += _item(0x56, struct.pack(">H", len(name)) + name + information)
    return _pdu(ASSOCIATE_AC, body + _item(0x50, user))


def encode_associate_reject(rejection: Rejection) -> bytes:
    return _pdu(ASSOCIATE_RJ, bytes((0, rejection.result, rejection.source, rejection.reason)))


def encode_release_reply() -> bytes:
    return _pdu(RELEASE_RP, bytes(4))


def encode_abort(*, source: AbortSource, reason: AbortReason = AbortReason.NOT_SPECIFIED) -> bytes:
    return _pdu(ABORT, bytes((0, 0, source, reason if source == AbortSource.PROVIDER else 0)))


def encode_message(*, context_id: int, command: bytes, data_set: bytes | None, maximum_length: int) -> bytes:
    """A DIMSE message as P-DATA-TF PDUs that the peer takes; `maximum_length` 0 is unlimited (PS3.8 D.1)."""
    room = (maximum_length or 1 << 17) - PDV.size
    pieces = [_fragments(context_id, command, room, is_command=True)]
    if data_set is not None:
        pieces.append(_fragments(context_id, data_set, room, is_command=False))
    return b"".join(pieces)


def _fragments(context_id: int, payload: bytes, room: int, *, is_command: bool) -> bytes:
    out = bytearray()
    position = 0
    while True:
        fragment = payload[position : position + room]
        position += len(fragment)
        is_last = position >= len(payload)
        control = (0x01 if is_command else 0x00) | (0x02 if is_last else 0x00)
        out += HEADER.pack(P_DATA_TF, 0, len(fragment) + PDV.size)
        out += PDV.pack(len(fragment) + 2, context_id, control)
        out += fragment
        if is_last:
            return bytes(out)
