"""An album as something that can be shared: its studies one by one in the viewer, as long as they are in it.

A share follows its album. What is added opens to the guests, so adding needs the right to share; what is taken out
closes with their next request.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.db.models import QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from access.sharing import registry
from access.sharing.models import Share
from archive.albums import queries as albums
from archive.albums.lists import album_url
from archive.albums.models import Album
from archive.models import Study
from archive.permissions import SHARE
from archive.services.bundle import zip_response
from archive.sharing import SharesStudies
from core.errors import Invalid, Message, NotFound
from viewer import queries, services
from viewer.albums import Strip, chosen_study, of_same_patient, strip_of
from viewer.domain import manifest as contract
from viewer.sharing import DICOMWEB_ROUTES, SharedView, description_of, download_action

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
            subtitle=description_of(study),
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


class ShareableAlbum(SharesStudies):
    kind = KIND
    model = Album
    label = gettext_lazy("Album")
    icon = "images"
    permission = SHARE
    routes = DICOMWEB_ROUTES
    warning = gettext_lazy(
        "The share follows the album: whatever is added opens to the recipient, what is taken out closes. "
        "The images leave as they are stored, with whatever names the patients in them."
    )
    is_handed_over = True

    def study_keys(self, share: Share) -> QuerySet[Any]:
        return albums.study_ids(share.object_id)

    def find(self, public_id: str) -> Album | None:
        rows = Album.objects.select_related("archive__organisation", "organisation")
        found: Album | None = rows.filter(public_id=public_id).first()
        return found

    def is_there(self, share: Share) -> bool:
        return bool(Album.objects.filter(pk=share.object_id).exists())

    def describe(self, row: Album) -> str:
        return row.name

    def address(self, row: Album) -> str:
        return album_url(row)

    def refusal(self, row: Album) -> Message:
        return "" if row.entries.exists() else gettext_lazy("This album is empty. Add a study first.")

    def hold(self, row: Album) -> None:
        Album.objects.select_for_update().filter(pk=row.pk).first()

    def view(self, request: HttpRequest, share: Share) -> HttpResponseBase:
        return SharedAlbumView.as_view(share=share)(request)

    def download(self, request: HttpRequest, share: Share) -> HttpResponseBase:
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
    registry.register_shareable(ShareableAlbum())
