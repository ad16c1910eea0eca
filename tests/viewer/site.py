"""Pages of the viewer over data made here: the real page, views and manifests, with a DICOMweb peer beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from pydicom.dataset import Dataset

from tests.viewer import images
from tests.viewer.peer import Peer
from viewer.domain import manifest as contract
from viewer.domain.events import parse_events
from viewer.domain.mark_reading import ImageBounds
from viewer.domain.marks import Mark
from viewer.errors import MarksClosed, MarksConflict
from viewer.views import MarksView, ViewerView

PEER = Peer()


class Page:
    """A page under test: its manifest and the marks saved on it."""

    def __init__(self, manifest: contract.Manifest) -> None:
        self.manifest = manifest
        self.version = 0
        self.marks: tuple[Mark, ...] = ()
        self.closed = False
        self.saves = 0
        self.events: list[dict[str, Any]] = []

    @property
    def current(self) -> contract.Manifest:
        layers = tuple(
            replace(layer, version=self.version, marks=self.marks) if layer.editable else layer
            for layer in self.manifest.annotations.layers
        )
        return replace(self.manifest, annotations=replace(self.manifest.annotations, layers=layers))


PAGES: dict[str, Page] = {}


def entry(datasets: Sequence[Dataset], **more: Any) -> contract.SeriesEntry:
    """The manifest's entry of one series; the peer gets its data sets."""
    PEER.add(*datasets)
    first = datasets[0]
    frames = sum(int(d.get("NumberOfFrames", 1) or 1) for d in datasets if "Rows" in d)
    values: dict[str, Any] = {
        "uid": str(first.SeriesInstanceUID),
        "number": int(first.SeriesNumber),
        "modality": str(first.Modality),
        "description": str(first.get("SeriesDescription", "")),
        "instances": len(datasets),
        "frames": frames,
        "thumbnail": f"/peer/studies/{first.StudyInstanceUID}/series/{first.SeriesInstanceUID}/thumbnail",
        "kind": "image" if frames else "document",
    }
    return contract.SeriesEntry(**{**values, **more})


def page(name: str, *series: contract.SeriesEntry, study: str = "study", **more: Any) -> Page:
    """Make a page `/page/<name>/` that shows these series."""
    values: dict[str, Any] = {
        "mode": "study",
        "key": f"test:{name}",
        "title": "Phantom, Test",
        "subtitle": "CT · Measuring phantom · 2024-02-29",
        "back": contract.Link(label="Clinical", href="/"),
        "patient": contract.PatientBanner(name="Phantom, Test", patient_id="P1", birth_date="1970-01-01", sex="O"),
        "overlays": contract.Overlays(dates=True, descriptions=True, institution=True),
        "studies": (
            contract.StudyEntry(uid=images.uid(study), dicomweb="/peer", label="", date="2024-02-29", series=series),
        ),
        "annotations": contract.Annotations(
            load=f"/page/{name}/marks/",
            save=f"/page/{name}/marks/",
            layers=(contract.Layer(name="own", label="My marks", editable=True),),
        ),
        "telemetry": contract.Telemetry(url=f"/page/{name}/events/", interval_ms=1000),
    }
    PAGES[name] = Page(contract.Manifest(**{**values, **more}))
    return PAGES[name]


class TestPage(ViewerView):
    __test__ = False

    def get_manifest(self) -> contract.Manifest:
        return PAGES[self.kwargs["name"]].current


class TestMarks(MarksView):
    __test__ = False

    @property
    def page(self) -> Page:
        return PAGES[self.kwargs["name"]]

    def get_bounds(self) -> Mapping[str, ImageBounds]:
        return {
            str(d.SOPInstanceUID): ImageBounds(
                columns=d.Columns,
                rows=d.Rows,
                frames=int(d.get("NumberOfFrames", 1) or 1),
                series_instance_uid=str(d.SeriesInstanceUID),
            )
            for rows in PEER.series.values()
            for d in rows
            if "Rows" in d
        }

    def load_layers(self) -> Sequence[contract.Layer]:
        return self.page.current.annotations.layers

    def save_marks(self, *, layer: str, version: int, marks: Sequence[Mark]) -> int:
        found = self.page
        if found.closed:
            raise MarksClosed
        if version != found.version:
            raise MarksConflict
        found.version += 1
        found.saves += 1
        found.marks = tuple(marks)
        return found.version


def events(request: HttpRequest, name: str) -> HttpResponse:
    import json

    batch = parse_events(json.loads(request.body)["events"])
    PAGES[name].events.extend(event.to_json() for event in batch)
    return JsonResponse({"taken": len(batch)})


SERIES = "peer/studies/<str:study>/series/<str:series>"

urlpatterns = [
    path("page/<str:name>/", TestPage.as_view()),
    path("page/<str:name>/marks/", TestMarks.as_view()),
    path("page/<str:name>/events/", events),
    path(f"{SERIES}/metadata", lambda request, study, series: PEER.metadata(request, series)),
    path(f"{SERIES}/thumbnail", lambda request, study, series: PEER.thumbnail(request, series)),
    path(
        f"{SERIES}/instances/<str:sop>/frames/<int:number>",
        lambda request, study, series, sop, number: PEER.frame(request, series, sop, number),
    ),
]
