"""A study as something that can be shared: how a guest sees it, and what of DICOMweb it opens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from access.queries import may
from access.sharing import registry
from access.sharing.models import Share
from archive.models import Study
from archive.permissions import SHARE
from archive.services.bundle import zip_response
from archive.sharing import SharesStudies
from viewer import queries, services
from viewer.domain import manifest as contract
from viewer.views import ViewerView

KIND = "study"

#: The viewer asks these; whole instances are a download, and so is everything that hands over a study at once.
DICOMWEB_ROUTES: Mapping[str, registry.Means] = {
    "dicomweb:study-metadata": "view",
    "dicomweb:study-thumbnail": "view",
    "dicomweb:series-of-study": "view",
    "dicomweb:instances-of-study": "view",
    "dicomweb:series-metadata": "view",
    "dicomweb:series-thumbnail": "view",
    "dicomweb:instances-of-series": "view",
    "dicomweb:instance-metadata": "view",
    "dicomweb:instance-rendered": "view",
    "dicomweb:instance-thumbnail": "view",
    "dicomweb:frames": "view",
    "dicomweb:frame-list": "view",
    "dicomweb:frames-rendered": "view",
    "dicomweb:frames-thumbnail": "view",
    "dicomweb:bulk-data": "view",
    "dicomweb:study": "download",
    "dicomweb:series": "download",
    "dicomweb:instance": "download",
    "dicomweb:study-rendered": "download",
    "dicomweb:series-rendered": "download",
}


class SharedView(ViewerView):
    """The viewer for a guest: the images, nothing to keep, nothing that leads elsewhere."""

    share: Share = None  # type: ignore[assignment]  # as_view gives it

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(share=self.share, **context)


def download_action(share: Share) -> tuple[contract.Action, ...]:
    if not share.allows_download:
        return ()
    kwargs = {"organisation": share.organisation.slug, "share": share.public_id}
    href = reverse("access:shared-download", kwargs=kwargs)
    return (contract.Action(name="download", label=_("Download"), kind="link", href=href, icon="download"),)


class SharedStudyView(SharedView):
    template_name = "viewer/shared_study.html"

    def get_manifest(self) -> contract.Manifest:
        rows = Study.objects.select_related("archive__organisation", "patient", "organisation")
        study = rows.get(pk=self.share.object_id)
        banner = queries.patient_banner(study)
        return services.build_manifest(
            mode="study",
            key=f"share:{self.share.public_id}",
            title=banner.name or banner.patient_id or _("Study without a patient name"),
            subtitle=description_of(study),
            studies=[study],
            main_study=study,
            patient=banner,
            actions=download_action(self.share),
        )


def description_of(study: Study) -> str:
    """The study without its patient."""
    parts = ("/".join(study.modalities), queries.iso_date(study.study_date), study.description)
    return " · ".join(part for part in parts if part) or _("Study")


class ShareableStudy(SharesStudies):
    kind = KIND
    model = Study
    label = gettext_lazy("Study")
    icon = "scan"
    permission = SHARE
    routes = DICOMWEB_ROUTES
    warning = gettext_lazy(
        "The images leave as they are stored, with whatever names the patient in them. "
        "To show them without, make a de-identified copy and share that."
    )
    is_handed_over = True

    def study_keys(self, share: Share) -> list[int]:
        return [share.object_id]

    def find(self, public_id: str) -> Study | None:
        rows = Study.objects.select_related("archive__organisation", "patient", "organisation")
        found: Study | None = rows.filter(public_id=public_id).first()
        return found

    def is_there(self, share: Share) -> bool:
        return bool(Study.objects.filter(pk=share.object_id).exists())

    def describe(self, row: Study) -> str:
        return description_of(row)

    def address(self, row: Study) -> str:
        return reverse("viewer:study", kwargs={"organisation": row.organisation.slug, "study": row.public_id})

    def view(self, request: HttpRequest, share: Share) -> HttpResponseBase:
        return SharedStudyView.as_view(share=share)(request)

    def download(self, request: HttpRequest, share: Share) -> HttpResponseBase:
        study = Study.objects.get(pk=share.object_id)
        return zip_response(studies=[study], name=f"study-{study.public_id}.zip")


def share_action(*, user: Any, study: Any, request: Any) -> contract.Action | None:
    """*Share* in the viewer's header, for those who may share from the archive."""
    if not may(user, SHARE, study.archive):
        return None
    kwargs = {"organisation": request.organisation.slug, "kind": KIND, "thing": study.public_id}
    return contract.Action(
        name="share", label=_("Share"), kind="link", href=reverse("access:share-new", kwargs=kwargs), icon="share-2"
    )


def register() -> None:
    from viewer import hooks

    registry.register_shareable(ShareableStudy())
    hooks.register_action("share", share_action, order=60)
