"""Review, publication and retirement."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.search import SearchVector
from django.db import transaction
from django.db.models import Value
from django.utils import timezone
from django.utils.translation import gettext as _

from access.queries import require
from audit.services import record
from core.errors import Invalid
from teaching import notices, pinned, queries
from teaching.domain import checklist, markup
from teaching.domain import content as documents
from teaching.errors import CaseChanged, NotReady, ReviewNeeded, WrongState
from teaching.models import Case, CaseRevision, CaseVersion, Review, VersionSeries, VersionStudy
from teaching.services.editing import changed_elsewhere
from teaching.services.snapshot import content_of


@transaction.atomic
def request_review(*, actor: Any, case: Case, reviewer: Any = None, note: str = "", request: Any = None) -> Review:
    """Ask a reviewer of the library (anyone, when none is named) to look at the case as it stands."""
    locked = _lock(case)
    require(actor, "teaching.edit_cases", locked.library)
    if locked.state not in (Case.State.DRAFT, Case.State.PUBLISHED):
        raise WrongState
    if reviewer is not None:
        require(reviewer, "teaching.review_cases", locked.library)
        if reviewer.pk == actor.pk:
            raise Invalid(fields={"reviewer": [_("A second person reviews a case.")]})
    Review.objects.filter(case=locked, verdict=Review.Verdict.WAITING).delete()
    review = Review.objects.create(
        organisation_id=locked.organisation_id,
        case=locked,
        revision=locked.revision,
        requested_by=actor,
        requested_at=timezone.now(),
        reviewer=reviewer,
        note=note,
    )
    if locked.state == Case.State.DRAFT:
        locked.state = Case.State.IN_REVIEW
        locked.save(update_fields=["state", "updated_at"])
    _tell(action="case.review_requested", case=locked, actor=actor, request=request)
    notices.review_asked(case=locked, review=review, actor=actor)
    case.refresh_from_db()
    return review


@transaction.atomic
def decide_review(
    *, actor: Any, case: Case, approved: bool, revision: int | None, note: str = "", request: Any = None
) -> Review:
    """Approve the case as the reviewer saw it, or ask for changes. The reviewer is never the one who asked, and approves
    no text of their own.

    :param revision: the revision the reviewer saw. An approval of another one than the case has now is refused
        (`CaseChanged`).
    """
    locked = _lock(case)
    require(actor, "teaching.review_cases", locked.library)
    review = Review.objects.select_for_update().filter(case=locked, verdict=Review.Verdict.WAITING).first()
    if review is None:
        raise WrongState(_("Nobody waits for a review of this case."))
    if review.requested_by_id == actor.pk:
        raise Invalid(_("You asked for this review: a second person decides it."))
    if approved:
        if revision != locked.revision:
            raise CaseChanged
        since = CaseRevision.objects.filter(case=locked, number__gt=review.revision)
        if since.filter(actor=actor).exists():
            raise Invalid(_("You changed this case after the review was asked for: somebody else approves it."))
    if not approved and not note.strip():
        raise Invalid(fields={"note": [_("Say what should be changed.")]})
    review.verdict = Review.Verdict.APPROVED if approved else Review.Verdict.CHANGES
    review.reviewer, review.note, review.decided_at = actor, note.strip(), timezone.now()
    review.revision = locked.revision
    review.save()
    if locked.state == Case.State.IN_REVIEW:
        locked.state = Case.State.DRAFT
        locked.save(update_fields=["state", "updated_at"])
    _tell(action="case.reviewed", case=locked, actor=actor, request=request, detail={"verdict": review.verdict})
    notices.reviewed(case=locked, review=review, approved=approved, actor=actor)
    case.refresh_from_db()
    return review


@transaction.atomic
def publish_case(
    *, actor: Any, case: Case, revision: int | None = None, editor: str = "", note: str = "", request: Any = None
) -> CaseVersion:
    """Freeze the working copy as the next version and show it to learners.

    :param revision: the revision the caller saw: an edit since then, other than of the page `editor`, is refused.

    :raises NotReady: with the failed lines of the checklist. ReviewNeeded: in a library that wants one.
    """
    locked = _lock(case)
    require(actor, "teaching.publish_cases", locked.library)
    is_stale = revision is not None and revision != locked.revision
    if is_stale and (not editor or changed_elsewhere(case=locked, actor=actor, editor=editor, since=revision or 0)):
        raise CaseChanged
    if not locked.is_publishable:
        raise WrongState
    content = content_of(locked)
    missing = checklist.blocking(queries.checklist_of(case=locked, content=content))
    if missing:
        raise NotReady([queries.check_sentence(check) for check in missing])
    if locked.library.requires_review and not queries.is_approved(case=locked):
        raise ReviewNeeded
    version = _freeze(case=locked, actor=actor, content=content, note=note)
    Review.objects.filter(case=locked, verdict=Review.Verdict.WAITING).delete()
    locked.state = Case.State.PUBLISHED
    locked.current_version = version
    locked.published_revision = locked.revision
    locked.added_images = []
    locked.retired_at, locked.retired_reason, locked.is_withdrawn = None, "", False
    locked.save()
    _tell(action="case.published", case=locked, actor=actor, request=request, detail={"version": version.number})
    notices.published(case=locked, actor=actor)
    case.refresh_from_db()
    return version


def _freeze(*, case: Case, actor: Any, content: documents.Content, note: str) -> CaseVersion:
    last = CaseVersion.objects.filter(case=case).order_by("-number").first()
    open_text = documents.learner_view(content, revealed=False, today=timezone.localdate())
    searchable = " ".join(
        [open_text["alternative_title"], open_text["alternative_abstract"], *(s["body"] for s in open_text["sections"])]
    )
    version: CaseVersion = CaseVersion.objects.create(
        organisation_id=case.organisation_id,
        case=case,
        number=last.number + 1 if last else 1,
        content=content,
        digest=documents.digest(content),
        note=note.strip()[:300],
        published_by=actor,
        published_at=timezone.now(),
        alternative_title=content["alternative_title"],
        diagnosis_group=documents.grouping(content, fallback=case.public_id),
        is_normal=documents.is_normal(content),
    )
    CaseVersion.objects.filter(pk=version.pk).update(
        learner_search=SearchVector(Value(content["alternative_title"]), weight="A", config="english")
        + SearchVector(Value(searchable), weight="B", config="english")
    )
    VersionStudy.objects.bulk_create(
        VersionStudy(
            organisation_id=case.organisation_id,
            version=version,
            study=row.study,
            position=row.position,
            is_prior=row.is_prior,
        )
        for row in case.case_studies.select_related("study")
    )
    _pin_images(case=case, version=version)
    return version


def _pin_images(*, case: Case, version: CaseVersion) -> None:
    """What the version shows is what is here now, and stays so whatever comes into its studies."""
    found: dict[int, list[int]] = {}
    for series, image in pinned.images_to_publish(case).order_by("series_id", "pk").values_list("series_id", "pk"):
        found.setdefault(series, []).append(image)
    VersionSeries.objects.bulk_create(
        VersionSeries(
            organisation_id=case.organisation_id,
            version=version,
            series_id=series,
            images=images,
            pinned_at=version.published_at,
        )
        for series, images in found.items()
    )


@transaction.atomic
def retire_case(*, actor: Any, case: Case, reason: str, withdraw: bool = False, request: Any = None) -> Case:
    """Take a case off every list. With `withdraw` nobody sees its images any more, readers of the past included."""
    locked = _lock(case)
    require(actor, "teaching.publish_cases", locked.library)
    if not locked.is_retirable:
        raise WrongState
    if not reason.strip():
        raise Invalid(fields={"reason": [_("Say why: readers of the past are shown it.")]})
    locked.state = Case.State.RETIRED
    locked.retired_at, locked.retired_reason, locked.is_withdrawn = timezone.now(), reason.strip()[:300], withdraw
    locked.save()
    _tell(action="case.retired", case=locked, actor=actor, request=request, detail={"withdrawn": withdraw})
    notices.unavailable(case=locked)
    case.refresh_from_db()
    return case


def _lock(case: Case) -> Case:
    locked: Case = Case.objects.select_for_update(of=("self",)).select_related("library").get(pk=case.pk)
    return locked


def _tell(*, action: str, case: Case, actor: Any, request: Any, detail: dict[str, Any] | None = None) -> None:
    record(
        action=action,
        organisation=case.organisation,
        actor=actor,
        target=case,
        detail={"revision": case.revision, **(detail or {})},
        request=request,
    )


def short_diagnosis(content: documents.Content) -> str:
    """One line for lists that editors, and readers after their answer, see."""
    return markup.first_line(documents.diagnosis_text(content))
