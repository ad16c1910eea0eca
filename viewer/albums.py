"""An album in the viewer: one of its studies at a time, and the others beside it to choose from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from access.queries import require
from archive.albums import queries as albums
from archive.albums.lists import album_url
from archive.albums.models import Album
from archive.models import Series, Study
from archive.permissions import VIEW
from core.errors import NotFound
from viewer import queries
from viewer.domain import manifest as contract
from viewer.views import StudyView

#: How many studies stand beside the images at a time; a long album is leafed through.
WINDOW = 100
PRIORS = 5


@dataclass(frozen=True, kw_only=True)
class Line:
    """One study of the album as the list beside the images shows it."""

    number: int
    title: str
    about: str
    url: str
    thumbnail: str
    is_shown: bool


@dataclass(frozen=True, kw_only=True)
class Strip:
    """The studies around the one that is shown, and the ways to the others."""

    album: Album
    study: Study
    number: int
    total: int
    lines: tuple[Line, ...]
    previous: str
    following: str
    earlier: str
    later: str
    #: Of the manifest of this study, whatever stands first in the album by then.
    manifest_url: str
    first: int
    last: int


def chosen_study(rows: QuerySet[Study], *, wanted: str) -> tuple[list[str], str]:
    """The keys of an album's studies in their order, and the one to show: the wanted one, else the first.

    Raises `NotFound` when the wanted one is not in the album (any more).
    """
    keys = list(rows.values_list("public_id", flat=True))
    if wanted and wanted not in keys:
        raise NotFound(_("This study is not in the album any more."))
    return keys, wanted or next(iter(keys), "")


def strip_of(*, album: Album, rows: QuerySet[Study], keys: list[str], chosen: str, start: str, address: str) -> Strip:
    """`rows` are the studies of the album that the caller may see, `address` the page without its query."""
    at = keys.index(chosen)
    asked = int(start) - 1 if start.isascii() and start.isdigit() and len(start) < 9 else at
    first = max(0, min(asked, len(keys) - 1)) // WINDOW * WINDOW
    window = keys[first : first + WINDOW]
    found = {
        study.public_id: study
        for study in rows.filter(public_id__in={*window, chosen}).select_related("patient", "archive__organisation")
    }
    pictures = thumbnails(list(found.values()))

    def to(key: str, **more: Any) -> str:
        return f"{address}?{urlencode({'study': key, **more})}"

    return Strip(
        album=album,
        study=found[chosen],
        number=at + 1,
        total=len(keys),
        lines=tuple(
            _line(
                study=found[key], number=number, url=to(key), thumbnail=pictures.get(found[key].pk, ""), chosen=chosen
            )
            for number, key in enumerate(window, start=first + 1)
            if key in found
        ),
        previous=to(keys[at - 1]) if at else "",
        following=to(keys[at + 1]) if at + 1 < len(keys) else "",
        earlier=to(chosen, **{"from": first - WINDOW + 1}) if first else "",
        later=to(chosen, **{"from": first + WINDOW + 1}) if first + WINDOW < len(keys) else "",
        manifest_url=to(chosen, format="json"),
        first=first + 1,
        last=first + len(window),
    )


def _line(*, study: Study, number: int, url: str, thumbnail: str, chosen: str) -> Line:
    parts = (queries.iso_date(study.study_date), "/".join(study.modalities), study.description)
    return Line(
        number=number,
        title=queries.readable_name(study.patient_name) or study.patient.patient_id or _("No name"),
        about=" · ".join(part for part in parts if part),
        url=url,
        thumbnail=thumbnail,
        is_shown=study.public_id == chosen,
    )


def thumbnails(studies: list[Study]) -> dict[int, str]:
    """One picture a study, by the DICOMweb address: a guest may ask for it as well as a reader."""
    places = {study.pk: study for study in studies}
    rows = (
        Series.objects.filter(study__in=places)
        .exclude(thumbnail_key="")
        .order_by("study_id", "-instance_count", "pk")
        .distinct("study_id")
        .only("study_id", "series_instance_uid", "instance_count")
    )
    return {row.study_id: _thumbnail(places[row.study_id], row.series_instance_uid) for row in rows}


def _thumbnail(study: Study, series_uid: str) -> str:
    root = queries.dicomweb_root(study.archive)
    return f"{root}/studies/{study.study_instance_uid}/series/{series_uid}/thumbnail"


def of_same_patient(rows: QuerySet[Study], *, study: Study) -> list[Study]:
    """Other studies of the patient within the album, the newest first, to compare with."""
    if not study.patient.patient_id:
        return []
    found = (
        rows.filter(patient=study.patient_id).exclude(pk=study.pk).select_related("archive__organisation", "patient")
    )
    return list(found.order_by("-study_date", "-pk")[:PRIORS])


class AlbumView(StudyView):
    """An album for readers of its archive: each study as `StudyView` shows it."""

    template_name = "viewer/album.html"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        album = _album(request, kwargs["album"])
        rows = albums.studies(user=request.user, album=album)
        keys, chosen = chosen_study(rows, wanted=request.GET.get("study", ""))
        if not chosen:
            return redirect(album_url(album))
        self.album = album
        self.strip = strip_of(
            album=album,
            rows=rows,
            keys=keys,
            chosen=chosen,
            start=request.GET.get("from", ""),
            address=request.path,
        )
        self.kwargs["study"] = chosen
        return super().get(request, **kwargs)

    def get_manifest(self) -> contract.Manifest:
        return replace(super().get_manifest(), back=contract.Link(label=self.album.name, href=album_url(self.album)))

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(**context | {"strip": self.strip, "manifest_url": self.strip.manifest_url})


def _album(request: HttpRequest, public_id: str) -> Album:
    rows = Album.objects.select_related("archive__organisation", "organisation")
    found = rows.filter(public_id=public_id).first()
    if found is None:
        raise NotFound
    require(request.user, VIEW, found.archive)
    return albums.get_album(user=request.user, archive=found.archive, public_id=public_id)
