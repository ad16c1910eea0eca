"""Addresses of DICOMweb (PS3.18 table 8.2-1) under the root of each archive."""

from __future__ import annotations

from django.urls import path, register_converter

from dicomweb.door import door
from dicomweb.views import frames, instances, metadata, rendered, search, store

app_name = "dicomweb"


class UidConverter:
    """A UID; anything else in its place is an address that does not exist."""

    regex = r"[0-9.]{1,64}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(UidConverter, "uid")

ROOT = "o/<slug:organisation>/dicomweb/<slug:archive>/"
STUDY = ROOT + "studies/<uid:study>"
SERIES = STUDY + "/series/<uid:series>"
INSTANCE = SERIES + "/instances/<uid:instance>"
FRAMES = INSTANCE + "/frames/<str:numbers>"

urlpatterns = [
    path(ROOT + "studies", door(get=search.studies, post=store.store), name="studies"),
    path(ROOT + "series", door(get=search.series), name="all-series"),
    path(ROOT + "instances", door(get=search.instances), name="all-instances"),
    path(STUDY, door(get=instances.study, post=store.store), name="study"),
    path(STUDY + "/metadata", door(get=metadata.study_metadata), name="study-metadata"),
    path(STUDY + "/rendered", door(get=rendered.study_rendered), name="study-rendered"),
    path(STUDY + "/thumbnail", door(get=rendered.study_thumbnail), name="study-thumbnail"),
    path(STUDY + "/series", door(get=search.series), name="series-of-study"),
    path(STUDY + "/instances", door(get=search.instances), name="instances-of-study"),
    path(SERIES, door(get=instances.series), name="series"),
    path(SERIES + "/metadata", door(get=metadata.series_metadata), name="series-metadata"),
    path(SERIES + "/rendered", door(get=rendered.series_rendered), name="series-rendered"),
    path(SERIES + "/thumbnail", door(get=rendered.series_thumbnail), name="series-thumbnail"),
    path(SERIES + "/instances", door(get=search.instances), name="instances-of-series"),
    path(INSTANCE, door(get=instances.instance), name="instance"),
    path(INSTANCE + "/metadata", door(get=metadata.instance_metadata), name="instance-metadata"),
    path(INSTANCE + "/rendered", door(get=rendered.instance_rendered), name="instance-rendered"),
    path(INSTANCE + "/thumbnail", door(get=rendered.instance_thumbnail), name="instance-thumbnail"),
    path(INSTANCE + "/frames", door(get=frames.frame_list), name="frames"),
    path(FRAMES, door(get=frames.frame_list), name="frame-list"),
    path(FRAMES + "/rendered", door(get=rendered.instance_rendered), name="frames-rendered"),
    path(FRAMES + "/thumbnail", door(get=rendered.instance_thumbnail), name="frames-thumbnail"),
    path(INSTANCE + "/bulkdata/<path:path>", door(get=frames.bulk_data), name="bulk-data"),
]
