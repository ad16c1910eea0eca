"""Which archive an AE title names. One port serves all tenants: the called AE title is the address."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

import structlog
from django.core.cache import cache

from archive.domain import ae_titles
from archive.intake import policy
from archive.models import Archive, IntakeSource
from core.tenancy import all_tenants
from dimse import database
from dimse.domain import callers
from dimse.limits import Limits

logger = structlog.get_logger(__name__)

VERSION_KEY = "dimse:directory-version"
# A stranger may try endless titles; what is remembered of that must not grow with it.
MAXIMUM_ENTRIES = 2000


@dataclass(frozen=True, slots=True)
class Destination:
    """An archive as the listener needs it. `archive` is a detached row: identity and settings, no lazy loading."""

    archive: Archive
    ae_title: str
    calling_ae_titles: frozenset[str]
    # Sources of the intake policy that are calling AE titles with their addresses; detached rows.
    sources: tuple[IntakeSource, ...] = ()
    # Why it takes no associations at all: a reason of `dimse.callers`, empty when it does.
    closed: str = ""

    @property
    def organisation_id(self) -> int:
        return int(self.archive.organisation_id)

    def source_of(self, *, calling_ae_title: str, address: str) -> int | None:
        """The key of the source that a caller is, if it is one."""
        named = (one for one in self.sources if one.calling_ae_title == calling_ae_title and one.covers(address))
        return next((one.pk for one in named), None)

    def is_source(self, *, calling_ae_title: str, address: str) -> bool:
        return self.source_of(calling_ae_title=calling_ae_title, address=address) is not None

    def knows(self, calling_ae_title: str) -> bool:
        """Whether the title is named here, from whatever address."""
        return calling_ae_title in self.calling_ae_titles or any(
            one.calling_ae_title == calling_ae_title for one in self.sources
        )

    def may_call(self, *, calling_ae_title: str, address: str) -> bool:
        """Whether the caller may open an association."""
        return (
            self.archive.is_open_to_any_caller
            or calling_ae_title in self.calling_ae_titles
            or self.is_source(calling_ae_title=calling_ae_title, address=address)
        )

    def may_store(self, *, calling_ae_title: str, address: str) -> bool:
        """Whether it may also send images: to an archive of de-identified images only as a source of its policy."""
        if self.archive.is_gated:
            return self.is_source(calling_ae_title=calling_ae_title, address=address)
        return self.may_call(calling_ae_title=calling_ae_title, address=address)


def archives_changed(**_signal: Any) -> None:
    """An archive was saved: every listener process asks the database again (after the commit)."""
    from django.db import transaction

    transaction.on_commit(_next_version)


def _next_version() -> None:
    try:
        cache.set(VERSION_KEY, time.time_ns(), timeout=None)
    except Exception as error:  # noqa: BLE001 -- any fault of the cache client; entries then age out in seconds
        logger.warning("dimse_directory_not_invalidated", kind=type(error).__name__)


class Directory:
    """Looks AE titles up and remembers them for some seconds."""

    def __init__(self, *, limits: Limits) -> None:
        self._seconds = limits.directory_seconds
        self._lock = threading.Lock()
        self._entries: dict[str, tuple[float, Any, Destination | None]] = {}

    def find(self, called_ae_title: str) -> Destination | None:
        """The archive behind a title, which may be `closed`; None when there is none. Raises `DatabaseAway`."""
        version = self._version()
        now = time.monotonic()
        with self._lock:
            entry = self._entries.get(called_ae_title)
        if entry is not None and now - entry[0] < self._seconds and entry[1] == version:
            return entry[2]
        found = database.run(lambda: _load(called_ae_title))
        with self._lock:
            if len(self._entries) >= MAXIMUM_ENTRIES:
                self._entries.clear()
            self._entries[called_ae_title] = (now, version, found)
        return found

    def _version(self) -> Any:
        try:
            return cache.get(VERSION_KEY)
        except Exception:  # noqa: BLE001 -- the cache is only a hint; without it entries age out
            return None


def _load(called_ae_title: str) -> Destination | None:
    with all_tenants():
        archive = Archive.objects.select_related("organisation").filter(ae_title=called_ae_title).first()
        if archive is None:
            return None
        sources = policy.sources_of(archive).filter(kind=IntakeSource.Kind.AE) if archive.is_gated else ()
        rows = tuple(sources)
    closed = "" if archive.is_open_to_dimse else callers.CLOSED
    return Destination(
        archive=archive,
        ae_title=archive.ae_title,
        calling_ae_titles=frozenset(ae_titles.significant(str(title)) for title in archive.calling_ae_titles),
        sources=rows,
        closed=callers.SUSPENDED if archive.organisation.suspended_at is not None else closed,
    )
