"""What the caller may see of an archive: asked of `access.queries.visible_to`, remembered where that is safe."""

from __future__ import annotations

from typing import Any

import structlog
from django.core.cache import cache
from django.db.models import QuerySet

from access import sight
from access.break_glass import queries as break_glass
from access.queries import may, visible_to, visible_within
from archive.models import Archive, Series, Study
from core.errors import NotFound

VIEW = "archive.view_archive"
SIGHT_SECONDS = 10

logger = structlog.get_logger(__name__)


def known_roles(archive: Archive) -> dict[int, bool]:
    """Whose roles were asked about in this request, by primary key, and whether one opens the archive."""
    known: dict[int, bool] = archive.__dict__.setdefault("_dicomweb_roles", {})
    return known


def sees_all(*, user: Any, archive: Archive) -> bool:
    """Whether a role of the caller opens the whole archive. Asked once a request: the archive remembers."""
    known = known_roles(archive)
    if user.pk not in known:
        known[user.pk] = may(user, VIEW, archive)
    return known[user.pk]


def _may_be_remembered(user: Any) -> bool:
    """What a guest sees is asked every time: it ends at once when the share is taken back."""
    return getattr(user, "guest", None) is None


def studies(*, user: Any, archive: Archive) -> QuerySet[Study]:
    return only_seen(Study.objects.filter(archive=archive), user=user, archive=archive)


def require_some_sight(*, user: Any, archive: Archive) -> None:
    """An archive without a role, and without a single study to see, does not exist. Raises `NotFound`."""
    if not sees_all(user=user, archive=archive) and not studies(user=user, archive=archive).exists():
        raise NotFound


def only_seen(rows: QuerySet[Any], *, user: Any, archive: Archive) -> QuerySet[Any]:
    """Of rows of one archive those that the caller may see: who sees a study for a case may not see the reports in it."""
    return visible_within(user, rows, VIEW, is_open=sees_all(user=user, archive=archive), container=archive)


def require_sight(*, user: Any, archive: Archive, row: Study | Series) -> None:
    """Raises `NotFound` unless the caller may see the study or series.

    Seen by another reason than a role, it stays seen for some seconds: a reader of a case fetches its frames by the
    hundred. What is *not* seen is asked again every time.
    """
    if sees_all(user=user, archive=archive):
        return
    key = f"dicomweb:sight:{sight.caller_key(user)}:{row._meta.model_name}:{row.pk}"
    found: dict[str, Any] = {}
    try:
        if _may_be_remembered(user):
            found = cache.get_many([key, sight.stamp_key(user)])
        if sight.is_fresh(found=found, key=key, user=user):
            return
    except Exception as error:  # noqa: BLE001 -- whatever the cache client raises; it only saves work
        logger.warning("sight_cache_away", kind=type(error).__name__)
    if not visible_to(user, type(row).objects.filter(pk=row.pk), VIEW).exists():
        raise NotFound
    # Broken glass ends by the clock, too: nothing outlasts it.
    if not _may_be_remembered(user) or break_glass.is_running(user):
        return
    try:
        cache.set(key, sight.stamp(found, user=user), timeout=SIGHT_SECONDS)
    except Exception as error:  # noqa: BLE001 -- the same
        logger.warning("sight_cache_away", kind=type(error).__name__)
