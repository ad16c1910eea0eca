"""What the caller may see of an archive: asked of `access.queries.visible_to`, remembered where that is safe.

Who sees the whole archive is asked once and then nothing is narrowed. For everybody else every condition, count and
derived attribute is computed over what they see, and only that: `Sight` is the one place that knows what this is.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import structlog
from django.core.cache import cache
from django.db.models import Count, QuerySet

from access import sight
from access.break_glass import queries as break_glass
from access.queries import Within, may, seen_within, visible_to
from archive.models import Archive, Instance, Series, Study
from core.errors import NotFound
from dicomweb.domain import blind
from dicomweb.errors import Withheld

VIEW = "archive.view_archive"
SIGHT_SECONDS = 10
#: All images of a series, as the memory keeps it.
EVERY = "all"
# The key of no row: what is absent is asked for like what is not the caller's.
ABSENT = -1

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


def sight_of(*, user: Any, archive: Archive) -> Sight:
    """The caller's sight of an archive. Asked once a request: the archive remembers."""
    known: dict[int, Sight] = archive.__dict__.setdefault("_dicomweb_sights", {})
    found = known.get(user.pk)
    if found is None or found.user is not user:
        found = known[user.pk] = Sight(user=user, archive=archive)
    return found


class Sight:
    """What one caller sees of one archive, in three lazy queries, and what of it openly."""

    def __init__(self, *, user: Any, archive: Archive) -> None:
        self.user = user
        self.archive = archive
        self._is_open: dict[int, bool] = {}

    def narrowed(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Of rows of the archive those that the caller sees."""
        return self._within(rows).rows

    def _within(self, rows: QuerySet[Any]) -> Within[Any]:
        is_open = sees_all(user=self.user, archive=self.archive)
        return seen_within(self.user, rows, VIEW, is_open=is_open, container=self.archive)

    @cached_property
    def is_whole(self) -> bool:
        """Whether nothing of the archive is hidden from the caller, be it by a role or for another reason."""
        if sees_all(user=self.user, archive=self.archive):
            return True
        every = (model._default_manager.filter(archive=self.archive) for model in (Study, Series, Instance))
        return all(self._within(rows).is_whole for rows in every)

    @cached_property
    def studies(self) -> QuerySet[Study]:
        return self.narrowed(Study.objects.filter(archive=self.archive)).order_by()

    @cached_property
    def series(self) -> QuerySet[Series]:
        return self.narrowed(Series.objects.filter(archive=self.archive)).order_by()

    @cached_property
    def instances(self) -> QuerySet[Instance]:
        return self.narrowed(Instance.objects.filter(archive=self.archive)).order_by()

    @cached_property
    def open_studies(self) -> QuerySet[Study]:
        """Studies that the caller sees with everything written in them; of the others only what draws the images."""
        rows = Study.objects.filter(archive=self.archive).order_by()
        return visible_to(self.user, rows, VIEW, openly=True)

    def is_open(self, study_id: int) -> bool:
        if study_id not in self._is_open:
            self._is_open[study_id] = self.is_whole or self.open_studies.filter(pk=study_id).exists()
        return self._is_open[study_id]

    def part_of(self, series: Series) -> frozenset[str] | None:
        """SOP Instance UIDs of the images of a series that the caller sees; None when these are all of them."""
        if self.is_whole:
            return None
        seen = list(self.instances.filter(series=series).values_list("sop_instance_uid", flat=True))
        return None if len(seen) == series.instances.count() else frozenset(seen)

    def clear(self, rows: Iterable[Any]) -> None:
        """Make loaded studies, series or instances (with the levels above them) say what the caller may know of them:
        counts and modalities of what they see, and no text of what they do not see openly. Changes them in memory."""
        rows = list(rows)
        if self.is_whole or not rows:
            return
        studies = {study.pk: study for row in rows for study in [row if isinstance(row, Study) else row.study]}
        self._count(rows)
        opened = set(self.open_studies.filter(pk__in=studies).values_list("pk", flat=True))
        for row in rows:
            for one in _levels(row):
                if (one.pk if isinstance(one, Study) else one.study_id) not in opened:
                    one.attributes = blind.shown(one.attributes)

    def _count(self, rows: list[Any]) -> None:
        studies = [one for row in rows for one in _levels(row) if isinstance(one, Study)]
        series = [one for row in rows for one in _levels(row) if isinstance(one, Series)]
        keys = {study.pk for study in studies}
        modalities: dict[int, list[str]] = {}
        for pk, modality in self.series.filter(study__in=keys).values_list("study_id", "modality").order_by("modality"):
            modalities.setdefault(pk, []).append(modality)
        within = {row["study"]: row["n"] for row in _counted(self.instances.filter(study__in=keys), "study")}
        for study in studies:
            found = modalities.get(study.pk, [])
            study.modalities = [one for one in dict.fromkeys(found) if one]
            study.series_count = len(found)
            study.instance_count = within.get(study.pk, 0)
        if series:
            in_series = _counted(self.instances.filter(series__in={one.pk for one in series}), "series")
            counts = {row["series"]: row["n"] for row in in_series}
            for one in series:
                one.instance_count = counts.get(one.pk, 0)


def _counted(rows: QuerySet[Any], name: str) -> QuerySet[Any]:
    return rows.values(name).annotate(n=Count("pk"))


def _levels(row: Any) -> tuple[Any, ...]:
    """A row and those above it."""
    if isinstance(row, Instance):
        return (row, row.series, row.study)
    return (row, row.study) if isinstance(row, Series) else (row,)


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
    return sight_of(user=user, archive=archive).narrowed(rows)


def require_openness(*, user: Any, archive: Archive, study: Study) -> None:
    """Raise `Withheld` to who sees the study as an unknown: a file holds everything that was ever written into it."""
    if not sees_all(user=user, archive=archive) and not sight_of(user=user, archive=archive).is_open(study.pk):
        raise Withheld


def require_sight(*, user: Any, archive: Archive, row: Study | Series) -> None:
    """Raises `NotFound` unless the caller may see the study or series.

    Seen by another reason than a role, it stays seen for some seconds. What is *not* seen is asked again every time.
    """
    if sees_all(user=user, archive=archive):
        return
    key = f"dicomweb:sight:{sight.caller_key(user)}:{row._meta.model_name}:{row.pk}"
    remembered, found = _recall(user=user, key=key)
    if remembered:
        return
    if not visible_to(user, type(row).objects.filter(pk=row.pk), VIEW).exists():
        raise NotFound
    _remember(user=user, key=key, found=found, what=EVERY)


def require_instance(*, user: Any, archive: Archive, instance: Instance) -> None:
    """The same for an instance with its series loaded. What is remembered is which images of its series are seen: a
    reader of a case fetches their frames by the hundred. An image that came since then is asked about anew."""
    if sees_all(user=user, archive=archive):
        return
    series = instance.series
    key = f"dicomweb:sight:{sight.caller_key(user)}:images:{series.pk}.{series.version}"
    remembered, found = _recall(user=user, key=key)
    if remembered and (remembered == EVERY or str(instance.pk) in remembered.split(",")):
        return
    if not _may_be_remembered(user):
        if not visible_to(user, Instance.objects.filter(pk=instance.pk), VIEW).exists():
            raise NotFound
        return
    images = Instance.objects.filter(series=series.pk).order_by()
    seen = set(visible_to(user, images, VIEW).values_list("pk", flat=True))
    if instance.pk not in seen:
        raise NotFound
    is_every = len(seen) == images.count()
    _remember(user=user, key=key, found=found, what=EVERY if is_every else ",".join(map(str, sorted(seen))))


def _recall(*, user: Any, key: str) -> tuple[str, dict[str, Any]]:
    """(what is remembered and still counts, or ""; what `_remember` needs)."""
    found: dict[str, Any] = {}
    try:
        if _may_be_remembered(user):
            found = cache.get_many([key, sight.stamp_key(user)])
    except Exception as error:  # noqa: BLE001 -- whatever the cache client raises; it only saves work
        logger.warning("sight_cache_away", kind=type(error).__name__)
    return sight.recalled(found=found, key=key, user=user), found


def _remember(*, user: Any, key: str, found: dict[str, Any], what: str) -> None:
    # Broken glass ends by the clock, too: nothing outlasts it.
    if not _may_be_remembered(user) or break_glass.is_running(user):
        return
    try:
        cache.set(key, sight.memory(found, user=user, what=what), timeout=SIGHT_SECONDS)
    except Exception as error:  # noqa: BLE001 -- the same
        logger.warning("sight_cache_away", kind=type(error).__name__)
