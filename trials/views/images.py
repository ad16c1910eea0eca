"""A subject's images in the viewer: one study, with the other time points beside it. Looked at; nothing is marked."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from access.queries import require
from archive.models import Study
from audit.reasons import of_role
from core.errors import NotFound
from trials import queries
from trials.models import SubjectStudy
from trials.permissions import VIEW_SUBJECTS
from trials.views.common import load_subject, load_trial
from viewer.domain import manifest as contract
from viewer.queries import iso_date, patient_banner
from viewer.services import build_manifest, open_session
from viewer.views import ViewerView

#: Other time points that are loaded beside the chosen one: those nearest to it in time.
BESIDE = 10


def _about(study: Study) -> str:
    parts = ("/".join(study.modalities), study.description, iso_date(study.study_date))
    return " · ".join(part for part in parts if part)


class SubjectImages(ViewerView):
    """For those who see the subject: coordinators, monitors, staff of its site."""

    def get_manifest(self) -> contract.Manifest:
        request: Any = self.request
        trial = load_trial(request, self.kwargs["trial"])
        subject = load_subject(request, trial, self.kwargs["subject"])
        rows = list(queries.images_of(request.user, subject=subject))
        at = next((n for n, row in enumerate(rows) if row.study.public_id == self.kwargs["study"]), None)
        if at is None:
            raise NotFound
        studies = [row.study for row in _nearest(rows, at=at)]
        chosen = rows[at]
        session = open_session(
            user=request.user,
            organisation=request.organisation,
            kind="trial-subject",
            key=subject.public_id,
            studies=studies,
            target=chosen.study,
            explained_by=of_role(person=request.user, places=(trial,)),
            request=request,
        )
        address = {"organisation": request.organisation.slug, "trial": trial.slug, "subject": subject.public_id}
        return build_manifest(
            mode="study",
            key=f"trial-study:{chosen.study.public_id}:{request.user.pk}",
            title=f"{subject.subject_id} · {chosen.time_point}" if chosen.time_point else subject.subject_id,
            subtitle=_about(chosen.study),
            back=contract.Link(label=subject.subject_id, href=reverse("trials:subject", kwargs=address)),
            studies=studies,
            main_study=chosen.study,
            patient=patient_banner(chosen.study),
            session=session,
        )


def _nearest(rows: list[SubjectStudy], *, at: int) -> list[SubjectStudy]:
    """The chosen one first, then the others by their distance in the order of time."""
    others = sorted((n for n in range(len(rows)) if n != at), key=lambda n: (abs(n - at), -n))
    return [rows[at], *(rows[n] for n in others[:BESIDE])]


class WaitingImages(ViewerView):
    """A study that belongs to no subject yet, for those who see all subjects."""

    def get_manifest(self) -> contract.Manifest:
        request: Any = self.request
        trial = load_trial(request, self.kwargs["trial"])
        require(request.user, VIEW_SUBJECTS, trial)
        study = (
            queries.waiting(request.user, trial=trial)
            .select_related("archive__organisation")
            .filter(public_id=self.kwargs["study"])
            .first()
        )
        if study is None:
            raise NotFound
        session = open_session(
            user=request.user,
            organisation=request.organisation,
            kind="trial-waiting",
            key=study.public_id,
            studies=[study],
            target=study,
            explained_by=of_role(person=request.user, places=(trial,)),
            request=request,
        )
        address = {"organisation": request.organisation.slug, "trial": trial.slug, "study": study.public_id}
        banner = patient_banner(study)
        return build_manifest(
            mode="study",
            key=f"trial-waiting:{study.public_id}:{request.user.pk}",
            title=banner.patient_id or trial.protocol_id,
            subtitle=_about(study),
            back=contract.Link(label=trial.protocol_id, href=reverse("trials:match", kwargs=address)),
            studies=[study],
            patient=banner,
            session=session,
        )
