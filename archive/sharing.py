"""What a share of anything with images opens in the archives: some studies, with or without all of their series."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.db.models import Model, Q

from access.queries import visible_to
from access.sharing import registry
from access.sharing.models import Share
from archive.models import Instance, Series, Study
from archive.permissions import VIEW


class SharesStudies(registry.Shareable):
    """A thing whose guests look at studies; upper floors say which studies these are."""

    #: Series of these modalities are no part of what guests see, not even their existence.
    withheld: ClassVar[Sequence[str]] = ()

    @abstractmethod
    def study_keys(self, share: Share) -> Any:
        """Primary keys of the studies that the share shows: a list, or a query of one column."""

    def covers(self, share: Share, kwargs: Mapping[str, Any]) -> bool:
        rows = Study.objects.filter(
            pk__in=self.study_keys(share),
            study_instance_uid=kwargs.get("study", ""),
            archive__slug=kwargs.get("archive", ""),
        )
        series = kwargs.get("series")
        if series is None or not self.withheld:
            return bool(rows.exists())
        images = Series.objects.filter(study__in=rows.values("pk"), series_instance_uid=series)
        return bool(images.exclude(modality__in=self.withheld).exists())

    def reach(self, share: Share, model: type[Model], permission: str) -> Q | None:
        if permission != VIEW:
            return None
        if model is Study:
            return Q(pk__in=self.study_keys(share))
        if model is Series:
            return Q(study__in=self.study_keys(share)) & self._shown("modality")
        if model is Instance:
            return Q(study__in=self.study_keys(share)) & self._shown("series__modality")
        return None

    def _shown(self, path: str) -> Q:
        return ~Q(**{f"{path}__in": self.withheld}) if self.withheld else Q()

    def sees(self, user: Any, share: Share, kwargs: Mapping[str, Any]) -> bool:
        rows = Study.objects.filter(pk__in=self.study_keys(share), study_instance_uid=kwargs.get("study", ""))
        return visible_to(user, rows, VIEW).exists()
