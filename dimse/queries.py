"""The read side of the DICOM network."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from archive import queries as archive_queries
from archive.models import Archive
from archive.permissions import CHANGE
from core.errors import NotFound
from dimse.models import RefusedCaller


def archive_of(*, user: Any, slug: str) -> Archive:
    """The archive for who answers for its callers. Raises `NotFound`, `Forbidden`."""
    return archive_queries.get_archive(user=user, slug=slug, permission=CHANGE)


def refused_callers(*, archive: Archive) -> QuerySet[RefusedCaller]:
    """What the archive refused. The caller has authorised (`archive_of`)."""
    rows: QuerySet[RefusedCaller] = RefusedCaller.objects.filter(archive=archive)
    return rows.select_related("archive__organisation")


def refused_caller(*, archive: Archive, public_id: str) -> RefusedCaller:
    found = refused_callers(archive=archive).filter(public_id=public_id).first()
    if found is None:
        raise NotFound
    return found


def lost_callers() -> QuerySet[RefusedCaller]:
    """Callers of nobody: the installation's. The caller has authorised and lifted the scope."""
    rows: QuerySet[RefusedCaller] = RefusedCaller.objects.filter(organisation=None)
    return rows
