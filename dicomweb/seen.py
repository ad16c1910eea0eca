"""The trail of who fetched what: before the bytes leave, once for each thing, person and session in an hour.

A viewer fetches a thousand frames of a series; the trail says once that the series was seen. The first fetch pays for the
record, the others ask the cache. When the cache does not answer, each fetch is recorded: too much, never too little.
"""

from __future__ import annotations

import hashlib
from typing import Any

import structlog
from django.core.cache import cache
from django.http import HttpRequest

from access.break_glass.queries import shown_to
from archive.models import Archive, Series, Study
from audit import services as audit
from dicomweb import queries

logger = structlog.get_logger(__name__)

HOUR = 60 * 60
DOOR = "dicomweb"


def series_seen(request: HttpRequest, *, archive: Archive, series: Series, purpose: str) -> None:
    """Pixels or attributes of a series leave; `purpose` is "view" (shown) or "fetch" (taken away)."""
    action = "series.viewed" if purpose == "view" else "study.transferred"
    if _is_first(request, action, series.pk, archive=archive):
        audit.record(
            action=action,
            organisation=archive.organisation,
            actor=request.user,
            target=series if purpose == "view" else series.study,
            detail={"archive": archive.slug, "series": series.public_id, "study": series.study.public_id},
            request=request,
            door=DOOR,
        )


def study_fetched(request: HttpRequest, *, archive: Archive, study: Study) -> None:
    """Whole instances, or all metadata, of a study leave."""
    if _is_first(request, "study.transferred:study", study.pk, archive=archive):
        audit.record(
            action="study.transferred",
            organisation=archive.organisation,
            actor=request.user,
            target=study,
            detail={"archive": archive.slug, "study": study.public_id},
            request=request,
            door=DOOR,
        )


def searched(request: HttpRequest, *, archive: Archive, keys: list[str], found: int) -> None:
    """A search was answered. What was searched for may identify a patient: only the names of the keys are kept."""
    if _is_first(request, "study.listed", f"{archive.pk}:{','.join(sorted(keys))}", archive=archive):
        audit.record(
            action="study.listed",
            organisation=archive.organisation,
            actor=request.user,
            target=archive,
            detail={"archive": archive.slug, "keys": sorted(keys), "found": found},
            request=request,
            door=DOOR,
        )


def _reason(request: HttpRequest, archive: Archive) -> str:
    """What is seen by another share, or under a broken glass, is seen anew. Who has a role needs no other reason."""
    share = getattr(request.user, "guest", None)
    if share is not None:
        return str(share)
    if queries.sees_all(user=request.user, archive=archive):
        return ""
    return ",".join(glass.public_id for glass in shown_to(request))


def _is_first(request: HttpRequest, action: str, subject: Any, *, archive: Archive) -> bool:
    token = getattr(request, "api_token", None)
    session = f"token {token.pk}" if token is not None else f"session {request.session.session_key}"
    reason = _reason(request, archive)
    name = hashlib.sha256(f"{request.user.pk}\0{session}\0{action}\0{subject}\0{reason}".encode()).hexdigest()
    try:
        return bool(cache.add(f"dicomweb:seen:{name}", 1, timeout=HOUR))
    except Exception as error:  # noqa: BLE001 -- whatever the cache client raises, the trail must not miss the act
        logger.warning("seen_cache_away", kind=type(error).__name__)
        return True
