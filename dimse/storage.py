"""C-STORE: from P-DATA fragments to a synced file in the spool, and the truth about it to the sender (PS3.4 B.2.3)."""

from __future__ import annotations

import contextlib
import errno
import time

import structlog

from archive import quota
from archive import services as archive_services
from archive.errors import NotASource, OutOfSpace
from archive.inspection import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION, fault_of
from archive.intake import policy
from archive.limits import limit
from archive.models import Delivery
from archive.services.commit import DICOM_STATUS
from archive.services.deliveries import check_space
from archive.spool import SpoolWriter
from core.errors import PacswebError, RetriableError
from core.tenancy import tenant
from dimse import database
from dimse.directory import Destination, Directory
from dimse.domain import command as commands
from dimse.domain import part10
from dimse.domain.command import CANNOT_UNDERSTAND, MISMATCH, NOT_AUTHORIZED, OUT_OF_RESOURCES, SUCCESS, Command
from dimse.errors import DatabaseAway
from dimse.limits import Limits

logger = structlog.get_logger(__name__)

SPACE_CHECK_SECONDS = 1.0
# Error Comment (0000,0902) holds 64 characters.
ERROR_COMMENTS = {
    "truncated": "The data set is cut off",
    "pixel-data-missing": "The image has no pixel data",
    "uid-missing": "Study, Series or SOP Instance UID is missing",
    "uid-invalid": "Study, Series or SOP Instance UID is not valid",
    "sop-class-missing": "SOP Class UID is missing",
    "transfer-syntax-mismatch": "The data set is not in the transfer syntax agreed",
}
FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Session:
    """The storage of one association: one delivery, opened with the first object, closed at the end whatever happens."""

    def __init__(
        self,
        *,
        destination: Destination,
        calling_ae_title: str,
        address: str,
        limits: Limits,
        directory: Directory | None = None,
    ) -> None:
        self.destination = destination
        self._directory = directory
        self._calling_ae_title = calling_ae_title
        self._address = address
        self._limits = limits
        self._delivery: Delivery | None = None
        #: That of the latest object, also when it is closed.
        self.delivery_id = ""
        self._writer: SpoolWriter | None = None
        self._data_set_bytes: int = limit("file_bytes")
        self._space_checked_at = 0.0
        self._has_space = True
        self._room: int | None = None
        self._unindexed = 0
        self._indexed_at = time.monotonic()
        self._admitted_at = time.monotonic()
        self._may_store = destination.may_store(calling_ae_title=calling_ae_title, address=address)
        self._source = destination.source_of(calling_ae_title=calling_ae_title, address=address)
        self.is_denied = False
        self.stored = 0
        self.refused = 0
        self.bytes_received = 0

    def begin(self, *, command: Command, abstract_syntax: str, transfer_syntax: str) -> Reception:
        """Take a C-STORE request whose data set follows. What cannot be taken is drained and answered at its end."""
        self._ask_admission_again()
        has_space = self._space()
        most = self._data_set_bytes if self._room is None else min(self._data_set_bytes, self._room)
        reception = Reception(
            command=command,
            transfer_syntax=transfer_syntax,
            most_bytes=most,
            is_screened=self.destination.archive.is_gated,
        )
        if not self._may_store:
            self._deny(reception)
            return reception
        if not has_space:
            reception.refuse(OUT_OF_RESOURCES, "The archive has no room")
            return reception
        self._open_file(reception=reception)
        if not commands.is_uid(command.sop_class_uid) or not commands.is_uid(command.sop_instance_uid):
            reception.keep_aside(
                CANNOT_UNDERSTAND, "The command names no valid SOP class and instance", code="command-invalid"
            )
        elif command.sop_class_uid != abstract_syntax:
            reception.keep_aside(MISMATCH, "SOP class is not that of the presentation context", code="command-mismatch")
        return reception

    def _ask_admission_again(self) -> None:
        """The sender may have been taken out of the policy, or given another site, since the association began.

        An archive of de-identified images is asked for every object, which costs a look into the cache; others now and
        then.
        """
        now = time.monotonic()
        is_due = self.destination.archive.is_gated or now - self._admitted_at > SPACE_CHECK_SECONDS
        if self._directory is None or not is_due:
            return
        self._admitted_at = now
        who = {"calling_ae_title": self._calling_ae_title, "address": self._address}
        try:
            found = self._directory.find(self.destination.ae_title)
        except DatabaseAway:
            # The delivery cannot be opened either then, and says so.
            return
        self._may_store = found is not None and not found.closed and found.may_store(**who)
        source = found.source_of(**who) if found is not None else None
        if source != self._source or not self._may_store:
            # What comes from now on is another source's.
            self.close()
        self._source = source

    def _deny(self, reception: Reception) -> None:
        self.is_denied = True
        is_gated = self.destination.archive.is_gated
        why = (
            "Only named sources may send to this archive" if is_gated else "The archive takes nothing from this sender"
        )
        reception.refuse(NOT_AUTHORIZED, why)

    def _space(self) -> bool:
        now = time.monotonic()
        if now - self._space_checked_at > SPACE_CHECK_SECONDS:
            self._space_checked_at = now
            try:
                check_space()
                self._room = database.run(
                    lambda: quota.check_organisation(organisation_id=self.destination.organisation_id)
                )
                self._has_space = True
            except OutOfSpace as error:
                self._has_space = False
                logger.error("dimse_no_space", code=error.code)
            except DatabaseAway:
                # The delivery cannot be opened either then, and says so.
                self._has_space = True
        return self._has_space

    def _open_file(self, *, reception: Reception) -> None:
        try:
            writer = self._open_writer()
            reception.attach(writer=writer.open(), head=self._head(reception))
        except NotASource:
            # Taken out of the policy since the association began.
            self._deny(reception)
        except (DatabaseAway, PacswebError) as error:
            logger.warning("dimse_delivery_not_opened", code=error.code)
            reception.refuse(OUT_OF_RESOURCES, "The archive cannot take images at the moment")
        except OSError as error:
            reception.fail(error)

    def _head(self, reception: Reception) -> bytes:
        command = reception.command
        if not commands.is_uid(command.sop_class_uid) or not commands.is_uid(command.sop_instance_uid):
            # What such a command says has no place in a file; the data set is kept as it came.
            return b""
        # A file of a de-identified archive names no site; its delivery does.
        is_named = not self.destination.archive.is_gated
        return part10.file_meta(
            sop_class_uid=command.sop_class_uid,
            sop_instance_uid=command.sop_instance_uid,
            transfer_syntax_uid=reception.transfer_syntax,
            implementation_class=IMPLEMENTATION_CLASS_UID,
            implementation_version=IMPLEMENTATION_VERSION,
            source_ae_title=self._calling_ae_title if is_named else "",
            receiving_ae_title=self.destination.ae_title if is_named else "",
        )

    def _open_writer(self) -> SpoolWriter:
        if self._writer is None:
            if self._delivery is None:
                self._delivery = database.run(self._open_delivery)
                self.delivery_id = str(self._delivery.pk)
            self._writer = SpoolWriter(self._delivery.pk)
        return self._writer

    def _open_delivery(self) -> Delivery:
        return archive_services.open_delivery(
            archive=self.destination.archive,
            source=Delivery.Source.DIMSE,
            calling_ae_title=self._calling_ae_title,
            address=self._address or None,
        )

    def count(self, reception: Reception) -> None:
        """After a reception's answer is settled."""
        self.bytes_received += reception.size_bytes
        if reception.status == SUCCESS:
            self.stored += 1
        else:
            self.refused += 1
            logger.info("dimse_object_refused", status=f"{reception.status:04X}", why=reception.comment)
        if reception.is_spooled and self._delivery is not None:
            self._unindexed += 1
            quota.take(delivery_id=self._delivery.pk, size_bytes=reception.size_bytes)
            if self._room is not None:
                self._room -= reception.size_bytes

    def index_when_due(self) -> None:
        """Ask for indexing of what came so far, now and then; called when the sender has its answer."""
        if not self._unindexed:
            return
        now = time.monotonic()
        if self._unindexed >= self._limits.index_every_files or (
            now - self._indexed_at >= self._limits.index_every_seconds
        ):
            self._unindexed = 0
            self._indexed_at = now
            # The sender's next object must not wait for the broker; what gets lost here the end of the delivery repeats.
            database.start(self._request_indexing, failed="dimse_indexing_not_asked_for")

    def _request_indexing(self) -> None:
        delivery = self._delivery
        if delivery is not None:
            with tenant(self.destination.archive.organisation):
                archive_services.request_indexing(
                    delivery_id=delivery.pk, organisation_id=self.destination.organisation_id
                )

    def close(self) -> None:
        """Close the delivery. When that fails, the archive's sweeper finds it: its files are safe in the spool."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._delivery is not None:
            delivery, self._delivery = self._delivery, None
            try:
                database.run(lambda: archive_services.close_delivery(delivery=delivery))
            # Whatever the database or the broker raises: the files are safe and the sender already has its answer.
            except Exception as error:  # noqa: BLE001
                logger.warning("dimse_delivery_not_closed", kind=type(error).__name__)


class Reception:
    """One object on its way in."""

    def __init__(self, *, command: Command, transfer_syntax: str, most_bytes: int, is_screened: bool = False) -> None:
        self.command = command
        self.transfer_syntax = transfer_syntax
        self.status = SUCCESS
        self.comment = ""
        self.size_bytes = 0
        self.is_spooled = False
        self._most_bytes = most_bytes
        self._is_screened = is_screened
        self._writer: SpoolWriter | None = None
        self._beginning = bytearray()

    def attach(self, *, writer: SpoolWriter, head: bytes) -> None:
        self._writer = writer
        writer.write(head)

    def refuse(self, status: int, comment: str) -> None:
        """Settle the answer; what still comes is drained."""
        self.status, self.comment = status, comment
        self.abandon()

    def keep_aside(self, status: int, comment: str, *, code: str) -> None:
        """Settle the answer and keep what comes all the same: the index puts it into quarantine with the reason."""
        if self._writer is not None:
            self.status, self.comment = status, comment
            self._writer.mark_refused(code=code, reason=f"{comment}.")

    def fail(self, error: OSError) -> None:
        logger.error("dimse_spool_failed", error=errno.errorcode.get(error.errno or 0, "unknown"))
        self.refuse(OUT_OF_RESOURCES, "The archive has no room" if error.errno in FULL_DISK else "The spool failed")

    def write(self, fragment: memoryview) -> None:
        self.size_bytes += len(fragment)
        if self._writer is None:
            return
        if self.size_bytes > self._most_bytes:
            self.refuse(OUT_OF_RESOURCES, "The object is larger than this archive takes")
            return
        room = part10.PEEK_BYTES - len(self._beginning)
        if room > 0:
            self._beginning += fragment[:room]
        try:
            self._writer.write(fragment)
        except OSError as error:
            self.fail(error)

    def finish(self) -> None:
        """The data set is whole: judge it, make it durable, settle the answer."""
        if self._writer is None:
            return
        if not self.size_bytes:
            self.refuse(CANNOT_UNDERSTAND, "The data set is empty")
            return
        identity = self._identity()
        fault = self._fault(identity) if self.status == SUCCESS else None
        if fault is not None and fault[0] == "class":
            # The index could not tell: command and data set agree on everything it looks at.
            self.keep_aside(MISMATCH, fault[1], code="command-mismatch")
        try:
            # A walk through the file costs a fifth of receiving it: spared where the look has proven what it would.
            if fault is None and self.status == SUCCESS and not (identity.is_conclusive and identity.is_plain_image):
                self._look_through(self._writer)
        except OSError as error:
            self.fail(error)
            return
        if fault is None and self.status == SUCCESS and self._is_screened:
            try:
                self._screen(self._writer)
            except RetriableError as error:
                logger.info("dimse_not_screened", code=error.code)
                self.refuse(OUT_OF_RESOURCES, "The archive is busy; send it again later")
                return
        writer, self._writer = self._writer, None
        try:
            # What is refused for its content is spooled too: the index keeps it in quarantine with the reason.
            writer.commit()
        except OSError as error:
            self._writer = writer
            self.fail(error)
            return
        self.is_spooled = True
        if fault is not None:
            kind, self.comment = fault
            self.status = MISMATCH if kind in ("instance", "class") else CANNOT_UNDERSTAND

    def _look_through(self, writer: SpoolWriter) -> None:
        """What the index will refuse is said while the sender listens; the index keeps it in quarantine all the same."""
        fault = fault_of(path=writer.flush())
        if fault is not None:
            self.status = DICOM_STATUS.get(fault.code, CANNOT_UNDERSTAND)
            self.comment = ERROR_COMMENTS.get(fault.code, "The data set is damaged")

    def _screen(self, writer: SpoolWriter) -> None:
        """An archive of de-identified images looks at an object while its sender still listens."""
        finding = policy.look_at(path=writer.flush())
        if finding is not None:
            self.status, self.comment = DICOM_STATUS.get(finding.code, CANNOT_UNDERSTAND), finding.comment
            writer.mark_refused(code=finding.code, reason=finding.reason)

    def _identity(self) -> part10.Identity:
        return part10.peek(bytes(self._beginning), transfer_syntax_uid=self.transfer_syntax, size=self.size_bytes)

    def _fault(self, identity: part10.Identity) -> tuple[str, str] | None:
        return identity.fault(sop_class_uid=self.command.sop_class_uid, sop_instance_uid=self.command.sop_instance_uid)

    def abandon(self) -> None:
        """Forget what came of the object; safe to repeat."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            with contextlib.suppress(OSError):
                writer.abort()
