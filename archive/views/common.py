"""What every page of an archive needs."""

from __future__ import annotations

from typing import Any

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase

from archive import queries
from archive.models import Archive
from archive.permissions import VIEW, Rights
from audit import services as audit
from core.cache import is_first
from core.tables import Table

CHUNK = 1 << 20
NOTE_AGAIN_SECONDS = 300


def load_archive(request: Any, slug: str, permission: str = VIEW) -> Archive:
    """The archive of the address, authorised. Raises `NotFound` or `Forbidden`."""
    return queries.get_archive(user=request.user, slug=slug, permission=permission)


def page_context(request: Any, archive: Archive, *, tab: str = "") -> dict[str, Any]:
    rights = Rights(user=request.user, archive=archive)
    return {
        "archive": archive,
        "rights": rights,
        "tab": tab,
        "quarantine_count": _kept(request.user, archive) if rights.add else None,
    }


def _kept(user: Any, archive: Archive) -> int:
    return queries.quarantined(user=user, archive=archive).filter(state="kept").count()


def note_search(request: Any, archive: Archive, table: Table) -> None:
    """Record that somebody searched: once in a while, since every letter typed is a request. Words are never kept."""
    if not table.is_narrowed:
        return
    if is_first(f"archive-searched-{request.user.pk}-{archive.pk}", seconds=NOTE_AGAIN_SECONDS):
        audit.record(
            action="study.listed",
            organisation=request.organisation,
            target=archive,
            detail={"archive": archive.slug},
            request=request,
        )


def send_file(opened: Any, *, size: int, name: str, content_type: str) -> HttpResponseBase:
    """A stored file as a download, streamed with flat memory."""
    response = StreamingHttpResponse(_pieces(opened), content_type=content_type)
    response["Content-Length"] = str(size)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    return response


def _pieces(opened: Any) -> Any:
    with opened as file:
        while piece := file.read(CHUNK):
            yield piece
