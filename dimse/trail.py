"""Associations in the audit trail: one event for each that did something, floods of refusals summed up."""

from __future__ import annotations

import ipaddress
import threading
import time

import structlog

from audit import services as audit
from core.tenancy import tenant
from dimse import database, refusals
from dimse.directory import Destination
from dimse.domain import callers
from dimse.domain.pdu import Rejection
from dimse.limits import Limits
from dimse.summary import Summary

logger = structlog.get_logger(__name__)

MAXIMUM_ENTRIES = 2000
# Counts that wait for the clock, each with a timer of its own; beyond, the next call of that caller counts them.
MAXIMUM_WAITING = 50
DOOR = "dimse"


class Trail:
    """Writes what the associations of this process did. Repetition is held back and counted, never dropped."""

    def __init__(self, *, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._told: dict[tuple[str, ...], tuple[float, int]] = {}
        self._waiting: set[tuple[str, ...]] = set()

    def tell(self, summary: Summary) -> None:
        """Record the end of an association. A database that is away does not stop the listener: it is logged."""
        logger.info(
            "association_ended",
            called=summary.called_ae_title,
            calling=summary.calling_ae_title,
            ended=summary.ended,
            stored=summary.stored,
            refused=summary.refused,
            bytes=summary.bytes_received,
            seconds=summary.seconds,
        )
        try:
            if summary.reason and summary.reason != callers.BUSY and not _is_own_probe(summary):
                self._note_refusal(summary)
            if summary.rejection is not None:
                self._tell_refusal(summary, rejection=summary.rejection)
            elif summary.destination is not None:
                self._tell_association(summary, destination=summary.destination)
        # Whatever the database raises: the images are safe, and the log above has the line.
        except Exception as error:  # noqa: BLE001
            logger.error("association_not_in_trail", kind=type(error).__name__)

    def tell_of_handshake(self, *, address: str) -> None:
        """A connection that never became an association: nobody knows yet whom it wanted."""
        try:
            self._note_refusal(Summary(address=address, reason=callers.TLS))
        # As above.
        except Exception as error:  # noqa: BLE001
            logger.error("refusal_not_noted", kind=type(error).__name__)

    def _note_refusal(self, summary: Summary) -> None:
        """For the list of refused callers; a caller in a loop costs one write in a while."""
        key = ("noted", summary.address, summary.calling_ae_title, summary.called_ae_title, summary.reason)
        seconds = self._limits.refusals_noted_seconds
        repeated = self._repeated(key, seconds=seconds)
        if repeated is None:
            self._note_later(key, summary, seconds=seconds)
            return
        database.run(lambda: _note(summary, times=1 + repeated))

    def _note_later(self, key: tuple[str, ...], summary: Summary, *, seconds: float) -> None:
        """What was held back is counted by the clock: the caller may never come again."""
        with self._lock:
            if key in self._waiting or len(self._waiting) >= MAXIMUM_WAITING:
                return
            self._waiting.add(key)

        def count() -> None:
            with self._lock:
                self._waiting.discard(key)
                told_at, held_back = self._told.get(key, (0.0, 0))
                if held_back:
                    self._told[key] = (told_at, 0)
            if held_back:
                database.start(lambda: _note(summary, times=held_back), failed="refusal_not_noted")

        timer = threading.Timer(seconds, count)
        timer.daemon = True
        timer.start()

    def _tell_refusal(self, summary: Summary, *, rejection: Rejection) -> None:
        reason = rejection.name
        key = ("refused", summary.address, summary.calling_ae_title, summary.called_ae_title, reason)
        repeated = self._repeated(key, seconds=self._limits.refusals_seconds)
        if repeated is None:
            return
        destination = summary.destination
        organisation = destination.archive.organisation if destination is not None else None
        detail = {
            "called_ae_title": summary.called_ae_title,
            "calling_ae_title": summary.calling_ae_title,
            "reason": reason,
            "why": summary.reason,
            "repeated": repeated,
        }
        database.run(
            lambda: audit.record(
                action="association.refused",
                organisation=organisation,
                target=destination.archive if destination is not None else None,
                detail=detail,
                outcome="refused",
                door=DOOR,
                address=summary.address or None,
                explained_by=f"AE title {summary.calling_ae_title}: not allowed",
            )
        )

    def _tell_association(self, summary: Summary, *, destination: Destination) -> None:
        repeated: int | None = 0
        if not (summary.stored or summary.refused or summary.requests):
            key = ("verified", summary.address, summary.calling_ae_title, summary.called_ae_title, summary.ended)
            repeated = self._repeated(key, seconds=self._limits.echo_audit_seconds)
        if repeated is None:
            return
        failed = summary.ended not in ("released", "aborted")
        detail = {
            "called_ae_title": summary.called_ae_title,
            "calling_ae_title": summary.calling_ae_title,
            "archive": destination.archive.slug,
            "ended": summary.ended,
            "stored": summary.stored,
            "refused": summary.refused,
            "bytes": summary.bytes_received,
            "echoes": summary.echoes,
            "requests": summary.requests,
            "seconds": summary.seconds,
            "delivery": summary.delivery,
            "repeated": repeated,
        }

        def write() -> None:
            with tenant(destination.archive.organisation):
                audit.record(
                    action="association.ended",
                    organisation=destination.archive.organisation,
                    target=destination.archive,
                    detail=detail,
                    outcome="failed" if failed else "success",
                    door=DOOR,
                    address=summary.address or None,
                )

        database.run(write)

    def _repeated(self, key: tuple[str, ...], *, seconds: float) -> int | None:
        """How many alike were held back since the last one told; None: hold this one back too."""
        now = time.monotonic()
        with self._lock:
            told_at, count = self._told.get(key, (float("-inf"), 0))
            if now - told_at < seconds:
                self._told[key] = (told_at, count + 1)
                return None
            if len(self._told) >= MAXIMUM_ENTRIES:
                self._told.clear()
            self._told[key] = (now, 0)
            return count


def _is_own_probe(summary: Summary) -> bool:
    """The launcher's question whether the listener answers. It comes from this machine: a stranger who borrows the titles
    is listed like any other."""
    if (summary.called_ae_title, summary.calling_ae_title) != (callers.PROBE_CALLED, callers.PROBE_CALLING):
        return False
    try:
        address = ipaddress.ip_address(summary.address)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback or summary.address == summary.own_address


def _note(summary: Summary, *, times: int) -> None:
    refusals.note(
        destination=summary.destination,
        called=summary.called_ae_title,
        calling=summary.calling_ae_title,
        address=summary.address,
        reason=summary.reason,
        times=times,
    )
