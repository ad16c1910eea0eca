"""An album as something that can be shared: its studies one by one in the viewer, as long as they are in it.

A share follows its album. What is added opens to the guests, so adding needs the right to share; what is taken out
closes with their next request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.db.models import Model, Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from access.queries import visible_to
from access.sharing import registry
from access.sharing.models import Share
from archive.albums import queries as albums
from archive.albums.lists import album_url
from archive.albums.models import Album
from archive.models import Instance, Series, Study
from archive.permissions import SHARE, VIEW
from archive.services.bundle import zip_response
from core.errors import Invalid, Message, NotFound
from viewer import queries, services
from viewer.albums import Strip, chosen_study, of_same_patient, strip_of
from viewer.domain import manifest as contract
from viewer.sharing import DICOMWEB_ROUTES, SharedView, describe, download_action

KIND = albums.SHARED_AS
#: More images than this are not packed at once; each study can be downloaded by itself.
MOST_IMAGES = 100_000


class SharedAlbumView(SharedView):
    template_name = "viewer/shared_album.html"
    strip: Strip
    rows: QuerySet[Study]

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        album = _album(self.share)
        self.rows = studies(self.share)
        try:
            keys, chosen = chosen_study(self.rows, wanted=request.GET.get("study", ""))
        except NotFound:
            if request.GET.get("format") == "json":
                raise
            # Taken out while the page was open: the rest of the album is still there.
            return redirect(request.path)
        if not chosen:
            return render(request, "viewer/shared_album_empty.html", {"share": self.share, "album": album})
        self.strip = strip_of(
            album=album,
            rows=self.rows,
            keys=keys,
            chosen=chosen,
            start=request.GET.get("from", ""),
            address=request.path,
        )
        return super().get(request, **kwargs)

    def get_manifest(self) -> contract.Manifest:
        study = self.strip.study
        banner = queries.patient_banner(study)
        return services.build_manifest(
            mode="study",
            key=f"share:{self.share.public_id}:{study.public_id}",
            title=banner.name or banner.patient_id or _("Study without a patient name"),
            subtitle=describe(study),
            studies=[study, *of_same_patient(self.rows, study=study)],
            main_study=study,
            patient=banner,
            actions=self._downloads(study),
        )

    def _downloads(self, study: Study) -> tuple[contract.Action, ...]:
        found = []
        for whole in download_action(self.share):
            one = f"{whole.href}?study={study.public_id}"
            found.append(
                contract.Action(
                    name="download-study", label=_("Download study"), kind="link", href=one, icon="download"
                )
            )
            if image_count(self.rows) <= MOST_IMAGES:
                found.append(replace(whole, label=_("Download album"), icon="package"))
        return tuple(found)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(**context | {"strip": self.strip, "manifest_url": self.strip.manifest_url})


def studies(share: Share) -> QuerySet[Study]:
    """What is in the shared album now, in its order."""
    rows = Study.objects.select_related("archive__organisation", "patient", "organisation")
    return albums.in_album(rows, album_id=share.object_id)


def image_count(rows: QuerySet[Study]) -> int:
    return int(rows.aggregate(images=Sum("instance_count", default=0))["images"])


def _album(share: Share) -> Album:
    found: Album | None = Album.objects.filter(pk=share.object_id).first()
    if found is None:
        raise NotFound
    return found


def find(public_id: str) -> Album | None:
    rows = Album.objects.select_related("archive__organisation", "organisation")
    found: Album | None = rows.filter(public_id=public_id).first()
    return found


def hold(album: Album) -> None:
    Album.objects.select_for_update().filter(pk=album.pk).first()


def refusal(album: Album) -> Message:
    if not album.entries.exists():
        return gettext_lazy("This album is empty. Add a study first.")
    return ""


def covers(share: Share, kwargs: Mapping[str, Any]) -> bool:
    rows = Study.objects.filter(
        pk__in=albums.study_ids(share.object_id),
        study_instance_uid=kwargs.get("study", ""),
        archive__slug=kwargs.get("archive", ""),
    )
    return bool(rows.exists())


def reach(share: Share, model: type[Model], permission: str) -> Q | None:
    if permission != VIEW:
        return None
    if model is Study:
        return Q(pk__in=albums.study_ids(share.object_id))
    return Q(study__in=albums.study_ids(share.object_id)) if model in (Series, Instance) else None


def sees(user: Any, share: Share, kwargs: Mapping[str, Any]) -> bool:
    rows = Study.objects.filter(pk__in=albums.study_ids(share.object_id), study_instance_uid=kwargs.get("study", ""))
    return visible_to(user, rows, VIEW).exists()


def is_there(share: Share) -> bool:
    return bool(Album.objects.filter(pk=share.object_id).exists())


def view(request: HttpRequest, share: Share) -> HttpResponseBase:
    return SharedAlbumView.as_view(share=share)(request)


def download(request: HttpRequest, share: Share) -> HttpResponseBase:
    """The whole album, or with `?study=` one study of it."""
    rows = studies(share)
    wanted = request.GET.get("study", "")
    if wanted:
        rows = rows.filter(public_id=wanted)
    found = list(rows)
    if not found:
        raise NotFound(_("This study is not in the album any more.") if wanted else None)
    if not wanted and sum(study.instance_count for study in found) > MOST_IMAGES:
        raise Invalid(_("The album is too large to be downloaded at once. Download its studies one by one."))
    name = f"study-{wanted}.zip" if wanted else f"album-{_album(share).public_id}.zip"
    return zip_response(studies=found, name=name)


def register() -> None:
    registry.register_shareable(
        registry.Shareable(
            kind=KIND,
            model=Album,
            label=gettext_lazy("Album"),
            icon="images",
            permission=SHARE,
            routes=DICOMWEB_ROUTES,
            find=find,
            covers=covers,
            reach=reach,
            sees=sees,
            is_there=is_there,
            describe=lambda album: album.name,
            address=album_url,
            view=view,
            download=download,
            refusal=refusal,
            hold=hold,
            warning=gettext_lazy(
                "The share follows the album: whatever is added opens to the recipient, what is taken out closes. "
                "The images leave as they are stored, with whatever names the patients in them."
            ),
        )
    )
