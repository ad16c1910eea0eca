"""The read side of DICOMweb. Every row passes `access.queries.visible_to` on its study; absent and forbidden look alike."""

from __future__ import annotations

from dicomweb.queries.index import unsupported
from dicomweb.queries.retrieval import (
    get_instance,
    get_series,
    get_study,
    instances_of_series,
    instances_of_study,
    series_of_study,
)
from dicomweb.queries.search import Page, search_instances, search_series, search_studies
from dicomweb.queries.sight import ABSENT, require_openness, require_some_sight, sees_all, sight_of, studies

__all__ = [
    "ABSENT",
    "Page",
    "get_instance",
    "get_series",
    "get_study",
    "instances_of_series",
    "instances_of_study",
    "require_openness",
    "require_some_sight",
    "search_instances",
    "search_series",
    "search_studies",
    "sees_all",
    "series_of_study",
    "sight_of",
    "studies",
    "unsupported",
]
