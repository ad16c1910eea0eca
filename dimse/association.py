"""One association from its first byte to its last: negotiate, serve messages, release (PS3.8 9.2 as acceptor)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from archive.domain import ae_titles
from archive.inspection import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION
from dimse import handshake, services
from dimse.directory import Destination, Directory
from dimse.domain import callers, negotiation, pdu
from dimse.domain import command as commands
from dimse.domain.command import Command
from dimse.domain.pdu import (
    PDV,
    AbortReason,
    AbortSource,
    AssociateRequest,
    ProtocolError,
    Rejection,
)
from dimse.errors import DatabaseAway, Draining, PeerGone, PeerSilent
from dimse.handshake import Context
from dimse.limits import Limits
from dimse.services import Reply, Request, Service
from dimse.storage import Reception, Session
from dimse.stream import Stream
from dimse.summary import Summary, printable

logger = structlog.get_logger(__name__)

SHORT_PDU = 4


@dataclass(slots=True)
class _Incoming:
    """A request other than C-STORE whose identifier is on its way."""

    context: Context
    command: Command
    data: bytearray = field(default_factory=bytearray)


class Association:
    """Runs in its own thread. `must_refuse`: the listener is full, and the peer learns it in the protocol's words."""

    def __init__(
        self,
        *,
        stream: Stream,
        address: str,
        directory: Directory,
        limits: Limits,
        must_refuse: Rejection | None = None,
        is_draining: Callable[[], bool] = lambda: False,
    ) -> None:
        self._stream = stream
        self._directory = directory
        self._limits = limits
        self._must_refuse = must_refuse
        self._is_draining = is_draining
        self._contexts: dict[int, Context] = {}
        self._peer_maximum = 0
        self._session: Session | None = None
        self._command = bytearray()
        self._command_context = 0
        self._reception: Reception | None = None
        self._reception_context = 0
        self._incoming: _Incoming | None = None
        self._cancelled: set[int] = set()
        self._busy_since = time.monotonic()
        self._is_serving = False
        self.summary = Summary(address=address)

    @property
    def _storage(self) -> Session:
        """The storage session; there is one from the moment the association is accepted."""
        if self._session is None:
            raise ProtocolError("The association is not established.", reason=AbortReason.UNEXPECTED_PDU)
        return self._session

    @property
    def idle_seconds(self) -> float:
        """How long nothing came, for a listener that goes down; 0 in the middle of a message."""
        if self._reception is not None or self._incoming is not None or self._is_serving:
            return 0.0
        return time.monotonic() - self._busy_since

    def hang_up(self) -> None:
        """From the listener's thread: end it now."""
        self._stream.hang_up(pdu.encode_abort(source=AbortSource.PROVIDER))

    def run(self) -> Summary:
        """Serve until the end, whatever the peer does; returns what the trail should say. Raises nothing of the peer's."""
        begun = time.monotonic()
        try:
            if self._negotiate():
                self.summary.ended = self._serve()
        except ProtocolError as error:
            logger.info("dimse_protocol_error", why=str(error), reason=error.reason.name)
            self.summary.ended = "protocol-error"
            self._abort(reason=error.reason)
        except PeerSilent:
            self.summary.ended = self.summary.ended or "timeout"
            self._abort(reason=AbortReason.NOT_SPECIFIED)
        except PeerGone:
            self.summary.ended = self.summary.ended or "connection-lost"
        except Draining:
            self.summary.ended = "shutdown"
            self._abort(reason=AbortReason.NOT_SPECIFIED)
        finally:
            self._finish()
            self.summary.seconds = round(time.monotonic() - begun, 3)
        return self.summary

    def _abort(self, *, reason: AbortReason) -> None:
        try:
            self._stream.write(pdu.encode_abort(source=AbortSource.PROVIDER, reason=reason))
        except (PeerGone, PeerSilent):
            return

    def _finish(self) -> None:
        """Nothing half-received stays; the delivery is closed so that what was acknowledged is indexed."""
        self._stream.close()
        if self._reception is not None:
            self._reception.abandon()
            self._reception = None
        if self._session is not None:
            session, self._session = self._session, None
            self.summary.delivery = session.delivery_id
            session.close()
            self.summary.stored = session.stored
            self.summary.refused = session.refused
            if session.is_denied:
                self.summary.reason = callers.NOT_A_SOURCE
            self.summary.bytes_received = session.bytes_received

    # Negotiation ------------------------------------------------------------------------------------------------------

    def _negotiate(self) -> bool:
        kind, body = self._stream.read(
            patience=self._limits.artim_seconds,
            whole_within=self._limits.artim_seconds,
            most=pdu.MAXIMUM_ASSOCIATE_LENGTH,
        )
        if kind == pdu.ABORT:
            self.summary.ended = "aborted"
            return False
        if kind != pdu.ASSOCIATE_RQ:
            raise ProtocolError("The first PDU is not an association request.", reason=AbortReason.UNEXPECTED_PDU)
        request = pdu.parse_associate_request(bytes(body))
        self.summary.called_ae_title = printable(request.called_ae_title)
        self.summary.calling_ae_title = printable(request.calling_ae_title) or callers.NO_TITLE
        judged = self._judge(request)
        if isinstance(judged, Rejection):
            self._reject(judged)
            return False
        self._accept(request, destination=judged)
        return True

    def _judge(self, request: AssociateRequest) -> Rejection | Destination:
        if (rejection := handshake.fault_of(request)) is not None:
            is_title = rejection is pdu.CALLING_AE_NOT_RECOGNISED
            self.summary.reason = callers.UNSOUND_TITLE if is_title else callers.PROTOCOL
            if self._must_refuse is None:
                self._note_destination(request.called_ae_title)
            return rejection
        self.summary.reason = callers.BUSY
        if self._must_refuse is not None:
            return self._must_refuse
        if self._is_draining():
            return pdu.TEMPORARY_CONGESTION
        try:
            destination = self._directory.find(request.called_ae_title)
        except DatabaseAway:
            # Unknown is not the same as away: a sender keeps its objects and tries again.
            return pdu.TEMPORARY_CONGESTION
        self.summary.destination = destination
        if destination is None or destination.closed:
            self.summary.reason = callers.UNKNOWN_CALLED if destination is None else destination.closed
            return pdu.CALLED_AE_NOT_RECOGNISED
        self.summary.reason = self._objection(request, destination=destination)
        return pdu.CALLING_AE_NOT_RECOGNISED if self.summary.reason else destination

    def _note_destination(self, called_ae_title: str) -> None:
        """For a request that is refused whatever it asks for: the archive it meant, so that its manager sees it."""
        if not ae_titles.is_sound(called_ae_title):
            return
        with contextlib.suppress(DatabaseAway):
            self.summary.destination = self._directory.find(called_ae_title)

    def _objection(self, request: AssociateRequest, *, destination: Destination) -> str:
        """Why the caller may not do what it asks for; empty when it may do some of it."""
        who = {"calling_ae_title": request.calling_ae_title, "address": self.summary.address}
        if not destination.may_call(**who):
            is_named = destination.knows(request.calling_ae_title)
            return callers.WRONG_ADDRESS if is_named else callers.UNKNOWN_CALLING
        # Who comes to store and may not is told so at once, not object by object.
        asked = [context.abstract_syntax for context in request.contexts]
        only_stores = bool(asked) and all(map(negotiation.is_storage_class, asked))
        return callers.NOT_A_SOURCE if only_stores and not destination.may_store(**who) else ""

    def _reject(self, rejection: Rejection) -> None:
        self.summary.ended = "rejected"
        self.summary.rejection = rejection
        self._stream.write(pdu.encode_associate_reject(rejection))
        self._stream.wait_for_close()

    def _accept(self, request: AssociateRequest, *, destination: Destination) -> None:
        answers = negotiation.answer(proposed=request.contexts, offers=services.offers())
        self._contexts = handshake.accepted_contexts(request, answers)
        self._peer_maximum = request.maximum_length
        self._session = Session(
            destination=destination,
            calling_ae_title=request.calling_ae_title,
            address=self.summary.address,
            limits=self._limits,
            directory=self._directory,
        )
        self._stream.write(
            pdu.encode_associate_accept(
                request=request,
                contexts=answers,
                maximum_length=self._limits.pdu_bytes,
                implementation_class=IMPLEMENTATION_CLASS_UID,
                implementation_version=IMPLEMENTATION_VERSION,
                roles=handshake.roles(request, self._contexts.values()),
                extended=handshake.extended(request),
            )
        )

    # Data transfer ----------------------------------------------------------------------------------------------------

    def _serve(self) -> str:
        """Take PDUs until the association ends; returns how it ended."""
        stream, limits = self._stream, self._limits
        while True:
            kind, body = stream.read(
                patience=limits.idle_seconds, whole_within=limits.pdu_seconds, most=limits.pdu_bytes
            )
            self._busy_since = time.monotonic()
            if kind == pdu.P_DATA_TF:
                self._take_data(body)
            elif kind == pdu.RELEASE_RQ:
                if len(body) != SHORT_PDU:
                    raise ProtocolError("The release request has a wrong length.")
                stream.write(pdu.encode_release_reply())
                stream.wait_for_close()
                return "released"
            elif kind == pdu.ABORT:
                return "aborted"
            else:
                raise ProtocolError("The PDU has no place here.", reason=AbortReason.UNEXPECTED_PDU)

    def _take_data(self, body: memoryview) -> None:
        """Each presentation data value of a P-DATA-TF (PS3.8 9.3.5, annex E)."""
        position, end = 0, len(body)
        if not end:
            raise ProtocolError("The data PDU is empty.")
        while position < end:
            if end - position < PDV.size:
                raise ProtocolError("The data PDU ends inside a header.")
            length, context_id, control = PDV.unpack_from(body, position)
            if length < 2 or length > end - position - 4:
                raise ProtocolError("A presentation data value is longer than its PDU.")
            fragment = body[position + PDV.size : position + 4 + length]
            position += 4 + length
            if control & 0x01:
                self._take_command(context_id, fragment, is_last=bool(control & 0x02))
            elif self._reception is not None:
                if context_id != self._reception_context:
                    raise ProtocolError("The data set comes in another presentation context than its command.")
                self._reception.write(fragment)
                if control & 0x02:
                    self._finish_store()
            else:
                self._take_identifier(context_id, fragment, is_last=bool(control & 0x02))

    def _take_command(self, context_id: int, fragment: memoryview, *, is_last: bool) -> None:
        if self._reception is not None or self._incoming is not None:
            raise ProtocolError("A command comes in the middle of a data set.", reason=AbortReason.UNEXPECTED_PDU)
        if self._command and context_id != self._command_context:
            raise ProtocolError("A command changes its presentation context.")
        self._command_context = context_id
        self._command += fragment
        if len(self._command) > commands.MAXIMUM_LENGTH:
            raise ProtocolError("The command set is too long.")
        if not is_last:
            return
        raw = bytes(self._command)
        self._command.clear()
        context = self._contexts.get(context_id)
        if context is None:
            raise ProtocolError("The presentation context was not accepted.", reason=AbortReason.UNEXPECTED_PARAMETER)
        self._dispatch(context, commands.decode(raw))

    def _dispatch(self, context: Context, command: Command) -> None:
        if command.field == commands.C_CANCEL_RQ:
            # Nothing is running any more when it is read here: the final response crossed it on its way.
            return
        if command.field & commands.RESPONSE:
            raise ProtocolError("A response comes without a request.", reason=AbortReason.UNEXPECTED_PDU)
        service = services.find(context.abstract_syntax)
        if service is None and command.field == commands.C_STORE_RQ:
            self._begin_store(context, command)
            return
        if command.has_data_set:
            self._incoming = _Incoming(context, command)
            return
        self._answer(context, command, data_set=None, service=service)

    def _begin_store(self, context: Context, command: Command) -> None:
        if not command.has_data_set:
            self._send(context, commands.response(
                request=command, status=commands.CANNOT_UNDERSTAND, comment="The request has no data set"
            ))  # fmt: skip
            return
        self._reception_context = context.context_id
        self._reception = self._storage.begin(
            command=command, abstract_syntax=context.abstract_syntax, transfer_syntax=context.transfer_syntax
        )

    def _finish_store(self) -> None:
        reception, session = self._reception, self._storage
        if reception is None:
            raise ProtocolError("A data set ends that never began.", reason=AbortReason.UNEXPECTED_PDU)
        reception.finish()
        self._reception = None
        session.count(reception)
        self._send(
            self._contexts[self._reception_context],
            commands.response(request=reception.command, status=reception.status, comment=reception.comment),
        )
        session.index_when_due()

    def _take_identifier(self, context_id: int, fragment: memoryview, *, is_last: bool) -> None:
        incoming = self._incoming
        if incoming is None:
            raise ProtocolError("A data set comes without a command.", reason=AbortReason.UNEXPECTED_PDU)
        if context_id != incoming.context.context_id:
            raise ProtocolError("The data set comes in another presentation context than its command.")
        incoming.data += fragment
        if len(incoming.data) > self._limits.identifier_bytes:
            raise ProtocolError("The identifier is too long.")
        if is_last:
            self._incoming = None
            self._answer(
                incoming.context,
                incoming.command,
                data_set=bytes(incoming.data),
                service=services.find(incoming.context.abstract_syntax),
            )

    def _answer(self, context: Context, command: Command, *, data_set: bytes | None, service: Service | None) -> None:
        if service is None or command.field not in service.operations:
            self._send(context, commands.response(request=command, status=commands.UNRECOGNIZED_OPERATION))
            return
        if command.field == commands.C_ECHO_RQ:
            self.summary.echoes += 1
        else:
            self.summary.requests += 1
        self._cancelled.discard(command.message_id)
        request = Request(
            command=command,
            data_set=data_set,
            transfer_syntax=context.transfer_syntax,
            destination=self._storage.destination,
            calling_ae_title=self.summary.calling_ae_title,
            address=self.summary.address,
            is_cancelled=lambda: self._was_cancelled(command.message_id),
        )
        self._is_serving = True
        try:
            for reply in service.handler(request=request):
                self._send_reply(context, command, reply)
        except (ProtocolError, PeerGone, PeerSilent, Draining):
            raise
        # A fault of a service must not take the association's other messages with it.
        except Exception:
            logger.exception("dimse_service_failed", abstract_syntax=context.abstract_syntax)
            self._send(context, commands.response(request=command, status=commands.PROCESSING_FAILURE))
        finally:
            self._is_serving = False
            self._busy_since = time.monotonic()

    def _send_reply(self, context: Context, command: Command, reply: Reply) -> None:
        message = commands.response(
            request=command,
            status=reply.status,
            has_data_set=reply.data_set is not None,
            comment=reply.comment,
            fields=reply.fields,
        )
        self._send(context, message, data_set=reply.data_set)

    def _was_cancelled(self, message_id: int) -> bool:
        """Look for a C-CANCEL between two replies (PS3.7 9.3.2.3); anything else at this point breaks the protocol."""
        while message_id not in self._cancelled and self._stream.has_input():
            kind, body = self._stream.read(
                patience=self._limits.pdu_seconds, whole_within=self._limits.pdu_seconds, most=self._limits.pdu_bytes
            )
            if kind == pdu.ABORT:
                raise PeerGone
            if kind != pdu.P_DATA_TF or len(body) < PDV.size:
                raise ProtocolError("The PDU has no place here.", reason=AbortReason.UNEXPECTED_PDU)
            length, _context_id, control = PDV.unpack_from(body)
            if length != len(body) - 4 or control & 0x03 != 0x03:
                raise ProtocolError("Only a cancel request may come here.", reason=AbortReason.UNEXPECTED_PDU)
            command = commands.decode(bytes(body[PDV.size :]))
            if command.field != commands.C_CANCEL_RQ:
                raise ProtocolError("Only a cancel request may come here.", reason=AbortReason.UNEXPECTED_PDU)
            self._cancelled.add(command.number(commands.MESSAGE_ID_RESPONDED_TO) or 0)
        return message_id in self._cancelled

    def _send(self, context: Context, command: bytes, *, data_set: bytes | None = None) -> None:
        self._stream.write(
            pdu.encode_message(
                context_id=context.context_id, command=command, data_set=data_set, maximum_length=self._peer_maximum
            )
        )
