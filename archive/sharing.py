"""What a share of anything with images opens in the archives: some studies, with or without all of their series."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import Model, Q

from access.queries import visible_to
from access.sharing import registry
from access.sharing.models import Share
from archive.models import Instance, Series, Study
from archive.permissions import VIEW


class SharesStudies(registry.Shareable):
    """A thing whose guests look at studies; upper floors say which studies these are."""

    @abstractmethod
    def study_keys(self, share: Share) -> Any:
        """Primary keys of the studies that the share shows: a list, or a query of one column."""

    #: Whether guests see less than the studies whole, as `shown_series` and `shown_images` say.
    shows_part: ClassVar[bool] = False

    def shown_series(self, share: Share) -> Q:
        """On `Series`, those that guests see; a kind of thing that shows less than its studies whole narrows it, and the
        images as well: of what is not shown, guests do not even learn that it exists."""
        return Q(study__in=self.study_keys(share))

    def shown_images(self, share: Share) -> Q:
        """The same on `Instance`."""
        return Q(study__in=self.study_keys(share))

    def covers(self, share: Share, kwargs: Mapping[str, Any]) -> bool:
        rows = Study.objects.filter(
            pk__in=self.study_keys(share),
            study_instance_uid=kwargs.get("study", ""),
            archive__slug=kwargs.get("archive", ""),
        )
        series = kwargs.get("series")
        if series is None or not self.shows_part:
            return bool(rows.exists())
        images = Series.objects.filter(
            self.shown_series(share), study__in=rows.values("pk"), series_instance_uid=series
        )
        return bool(images.exists())

    def reach(self, share: Share, model: type[Model], permission: str) -> Q | None:
        if permission != VIEW:
            return None
        if model is Study:
            return Q(pk__in=self.study_keys(share))
        if model is Series:
            return self.shown_series(share)
        return self.shown_images(share) if model is Instance else None

    def sees(self, user: Any, share: Share, kwargs: Mapping[str, Any]) -> bool:
        rows = Study.objects.filter(pk__in=self.study_keys(share), study_instance_uid=kwargs.get("study", ""))
        return visible_to(user, rows, VIEW).exists()
