"""A published case as something that can be shared: read like a page of a book, with or without the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from access.sharing import registry
from access.sharing.models import Share
from archive.sharing import SharesStudies
from core.errors import Message, NotFound
from teaching import pinned, vocabulary
from teaching.domain import content as documents
from teaching.domain import markup
from teaching.models import Case, CaseVersion, VersionStudy
from teaching.presentation import layout_of
from viewer import services as viewer
from viewer.domain import manifest as contract
from viewer.domain.mark_reading import stored_mark
from viewer.sharing import DICOMWEB_ROUTES, SharedView

KIND: Final = "case"
SHARE: Final = "teaching.share_library"
ANSWER: Final = "answer"
#: A case is looked at; its images are handed over by sharing the study.
ROUTES: Final[Mapping[str, registry.Means]] = {
    name: means for name, means in DICOMWEB_ROUTES.items() if means == "view"
}


class SharedCaseView(SharedView):
    template_name = "teaching/shared_case.html"

    def get_manifest(self) -> contract.Manifest:
        self.version = version = current_version(self.share)
        self.revealed = bool(self.share.option(ANSWER))
        self.view = view = documents.learner_view(version.content, revealed=self.revealed, today=timezone.localdate())
        rows = list(
            version.version_studies.select_related(
                "study__archive__organisation", "study__organisation", "study__patient"
            )
        )
        studies = [row.study for row in rows]
        return viewer.build_manifest(
            mode="review" if self.revealed else "read",
            key=f"share:{self.share.public_id}",
            title=(view.get("title") if self.revealed else "") or view["alternative_title"],
            subtitle=subtitle_of(view),
            studies=studies,
            images=pinned.images_shown(version),
            main_study=next((row.study for row in rows if not row.is_prior), None),
            named_priors={row.study_id for row in rows if row.is_prior},
            layout=layout_of(version.content.get("layout") or {}),
            show_descriptions=False,
            layers=truth_layers(version) if self.revealed else (),
        )

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        content = self.version.content
        return super().get_context_data(
            view=self.view,
            revealed=self.revealed,
            abstract_html=markup.to_html(self.view["alternative_abstract"]),
            sections=[{**section, "html": markup.to_html(section["body"])} for section in self.view["sections"]],
            diagnosis=markup.first_line(documents.diagnosis_text(content)) if self.revealed else "",
            **context,
        )


def current_version(share: Share) -> CaseVersion:
    """What is published now. Raises `NotFound` once the case is retired."""
    found: CaseVersion | None = CaseVersion.objects.filter(pk__in=_versions(share)).select_related("case").first()
    if found is None:
        raise NotFound
    return found


def _versions(share: Share) -> QuerySet[Any]:
    rows: QuerySet[Any] = Case.objects.filter(
        pk=share.object_id, state=Case.State.PUBLISHED, current_version__isnull=False
    ).values("current_version")
    return rows


def truth_layers(version: CaseVersion) -> list[contract.Layer]:
    marks = tuple(stored_mark(entry["mark"]) for entry in version.content["truth"])
    return [contract.Layer(name="truth", label=_("Truth"), role="truth", marks=marks)]


def subtitle_of(view: Mapping[str, Any]) -> str:
    ages, sexes, levels = dict(vocabulary.AGE_BANDS), dict(vocabulary.SEXES), dict(vocabulary.LEVELS)
    patient = view["patient"]
    parts = (
        view["modality"],
        levels.get(view["level"], ""),
        sexes.get(patient.get("sex", ""), ""),
        ages.get(patient.get("age_band", ""), ""),
    )
    return " · ".join(str(part) for part in parts if part)


class ShareableCase(SharesStudies):
    kind = KIND
    model = Case
    label = gettext_lazy("Case")
    icon = "book-open"
    permission = SHARE
    routes = ROUTES
    is_blind = True
    shows_part = True
    options = (
        registry.Option(
            name=ANSWER,
            label=gettext_lazy("With the answer"),
            help=gettext_lazy(
                "The diagnosis, every section and the marks of the truth. Without it: the images and what is always shown."
            ),
        ),
    )

    def study_keys(self, share: Share) -> QuerySet[Any]:
        rows: QuerySet[Any] = VersionStudy.objects.filter(version__in=_versions(share)).values("study")
        return rows

    def shown_series(self, share: Share) -> Q:
        return pinned.series_of(_versions(share))

    def shown_images(self, share: Share) -> Q:
        return pinned.images_of(_versions(share))

    def find(self, public_id: str) -> Case | None:
        rows = Case.objects.select_related("library__organisation", "organisation", "current_version")
        found: Case | None = rows.filter(public_id=public_id).first()
        return found

    def refusal(self, row: Case) -> Message:
        if row.state != Case.State.PUBLISHED or row.current_version is None:
            return gettext_lazy("Only a published case can be shared. Publish it first.")
        return ""

    def is_there(self, share: Share) -> bool:
        return bool(_versions(share).exists())

    def describe(self, row: Case) -> str:
        """By its title as an unknown: lists of shares are read by people who may be learners."""
        return row.alternative_title or row.public_id

    def address(self, row: Case) -> str:
        return reverse("teaching:case-edit", kwargs={"organisation": row.organisation.slug, "case": row.public_id})

    def view(self, request: HttpRequest, share: Share) -> HttpResponseBase:
        return SharedCaseView.as_view(share=share)(request)


def register() -> None:
    registry.register_shareable(ShareableCase())
