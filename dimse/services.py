"""Where upper floors register DIMSE services besides storage: `register(abstract_syntax=, handler=)`.

Storage (C-STORE) has its own path in `dimse.storage`. A registered service gets each request of its abstract syntax and
yields replies: all but the last pending, the last final. The association sends them; between two replies it looks for a
C-CANCEL and tells `request.is_cancelled()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from dimse.domain import command as commands
from dimse.domain.negotiation import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, VERIFICATION, Offer

if TYPE_CHECKING:
    from dimse.directory import Destination

IDENTIFIER_SYNTAXES = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)


@dataclass(frozen=True, slots=True)
class Request:
    """One DIMSE request: its command set, its identifier as bytes in `transfer_syntax`, and who asks which archive."""

    command: commands.Command
    data_set: bytes | None
    transfer_syntax: str
    destination: Destination
    calling_ae_title: str
    address: str
    is_cancelled: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Reply:
    """One response: status, an identifier in the request's transfer syntax, further command elements, a comment."""

    status: int
    data_set: bytes | None = None
    fields: dict[int, bytes] = field(default_factory=dict)
    comment: str = ""


class Handler(Protocol):
    def __call__(self, *, request: Request) -> Iterable[Reply]: ...


@dataclass(frozen=True, slots=True)
class Service:
    handler: Handler
    # Command fields the service answers; any other is refused as an unrecognised operation.
    operations: frozenset[int]
    transfer_syntaxes: tuple[str, ...] = IDENTIFIER_SYNTAXES
    # The requestor may also be the SCP of this SOP class (PS3.7 D.3.3.4), as C-GET needs.
    allow_scp_role: bool = False
    # Answers SOP class extended negotiation (PS3.7 D.3.3.5); None leaves it unanswered.
    negotiate: Callable[[bytes], bytes | None] | None = None


_services: dict[str, Service] = {}


def register(
    *,
    abstract_syntax: str,
    handler: Handler,
    operations: Iterable[int],
    transfer_syntaxes: tuple[str, ...] = IDENTIFIER_SYNTAXES,
    allow_scp_role: bool = False,
    negotiate: Callable[[bytes], bytes | None] | None = None,
) -> None:
    """Answer a SOP class at every AE title; call it in `AppConfig.ready`. A second registration replaces the first."""
    _services[abstract_syntax] = Service(
        handler=handler,
        operations=frozenset(operations),
        transfer_syntaxes=transfer_syntaxes,
        allow_scp_role=allow_scp_role,
        negotiate=negotiate,
    )


def find(abstract_syntax: str) -> Service | None:
    return _services.get(abstract_syntax)


def offers() -> Mapping[str, Offer]:
    return {uid: Offer(service.transfer_syntaxes) for uid, service in _services.items()}


def echo(*, request: Request) -> Iterator[Reply]:
    """Verification (PS3.4 A)."""
    yield Reply(status=commands.SUCCESS)


def register_own() -> None:
    register(abstract_syntax=VERIFICATION, handler=echo, operations=(commands.C_ECHO_RQ,), transfer_syntaxes=(
        IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, "1.2.840.10008.1.2.2",
    ))  # fmt: skip
