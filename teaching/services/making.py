"""From a study in any archive to a draft case: de-identify, then attach what came out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from access.queries import get_visible, require
from archive.models import Study
from audit.services import record
from deid import services as deid
from deid.models import DeidentificationRun, DeidentifiedInstance
from teaching.models import Case, Library
from teaching.services.cases import create_case, link_studies
from teaching.services.editing import keep_revision


@transaction.atomic
def make_case_from_study(
    *, actor: Any, study: Study, library: Library, title: str = "", request: Any = None, **options: Any
) -> Case:
    """A case in state *preparing*, and the de-identification run that will bring its images.

    `options` go to the run. The actor needs to read the study's archive, to send images to the library's archive and
    to write cases in the library.
    """
    require(actor, "teaching.edit_cases", library)
    rows = Study.objects.select_related("archive__organisation")
    source = get_visible(actor, rows, "archive.view_archive", pk=study.pk)
    case = create_case(actor=actor, library=library, title=title, state=Case.State.PREPARING, request=request)
    run = deid.deidentify_study(
        actor=actor,
        study=source,
        target_archive=library.archive,
        request=request,
        explained_by=f"case {case.public_id}",
        **options,
    )
    Case.objects.filter(pk=case.pk).update(deid_run_key=str(run.pk))
    case.refresh_from_db()
    return case


def run_completed(*, run: DeidentificationRun) -> None:
    """Hear of the end of a run (`deid.hooks.on_run_completed`), in its organisation's scope."""
    key = str(run.pk)
    if run.is_successful:
        studies = list(
            Study.objects.filter(archive=run.target_archive, study_instance_uid=run.target_study_instance_uid)
        )
        preparation_finished(run_key=key, studies=studies, held_back=held_back_of(run))
    elif run.state == run.State.HELD:
        preparation_finished(run_key=key, studies=[], held_back=held_back_of(run))
    else:
        reasons: dict[str, str] = {
            run.State.REJECTED: _("The second person did not approve the de-identified images."),
            run.State.CANCELLED: _("The de-identification was cancelled."),
        }
        preparation_failed(run_key=key, reason=run.error or reasons.get(run.state, _("De-identification failed.")))


def held_back_of(run: DeidentificationRun) -> list[dict[str, Any]]:
    """Images that were not copied, counted by their reasons (codes of `deid.domain.findings.Reason`); `open` counts
    those that nobody has released or left out on the page of the run, or that are held back again after a release."""
    dropped, released = DeidentifiedInstance.Decision.DROPPED, DeidentifiedInstance.Decision.RELEASED
    decided = {dropped, released} if run.is_working else {dropped}
    counts: dict[tuple[str, ...], list[int]] = {}
    rows = DeidentifiedInstance.objects.filter(run=run, verdict=DeidentifiedInstance.Verdict.HELD_BACK)
    for reasons, decision in rows.values_list("reasons", "decision"):
        key = tuple(sorted(str(reason) for reason in reasons)) or ("",)
        count = counts.setdefault(key, [0, 0])
        count[0] += 1
        count[1] += decision not in decided
    return [
        {"reasons": list(reasons), "count": count, "open": undecided}
        for reasons, (count, undecided) in sorted(counts.items())
    ]


@transaction.atomic
def holds_decided(*, run: DeidentificationRun) -> None:
    """Called after decisions on held images (`deid.hooks.on_holds_decided`): the run's cases count them as dealt with."""
    held_back = held_back_of(run)
    rows = Case.objects.select_for_update(of=("self",)).filter(deid_run_key=str(run.pk))
    for case in rows.exclude(state=Case.State.PREPARING):
        _note_holds(case, held_back=held_back)
        case.save(update_fields=_HOLDS)


_HOLDS = ("held_back", "held_back_resolved", "updated_at")


def _note_holds(case: Case, *, held_back: Sequence[dict[str, Any]]) -> None:
    """An editor's word that the case goes on without held-back images holds as long as no others join them."""
    before = case.held_back_open
    case.held_back = [dict(entry) for entry in held_back]
    after = case.held_back_open
    case.held_back_resolved = not after or (case.held_back_resolved and after <= before)


@transaction.atomic
def preparation_finished(*, run_key: str, studies: Sequence[Study], held_back: Sequence[dict[str, Any]]) -> list[Case]:
    """A run came to its end; its cases become drafts. Repeating it changes nothing. Empty: it was not for a case.

    A run ends again when somebody released held images: a draft takes them in; later on they are new images of the
    case's studies.
    """
    cases = list(
        Case.objects.select_for_update(of=("self",)).select_related("library", "owner").filter(deid_run_key=run_key)
    )
    received = []
    for case in cases:
        if case.state != Case.State.PREPARING and case.held_back == [dict(entry) for entry in held_back]:
            continue
        if case.state in (Case.State.PREPARING, Case.State.DRAFT):
            _receive_images(case=case, studies=studies, held_back=held_back)
            received.append(case)
        else:
            _note_holds(case, held_back=held_back)
            case.save(update_fields=_HOLDS)
    return received


def _receive_images(*, case: Case, studies: Sequence[Study], held_back: Sequence[dict[str, Any]]) -> None:
    link_studies(case=case, studies=studies)
    _note_holds(case, held_back=held_back)
    case.preparation_error = "" if studies else str(_("Every image was held back: none can be shown."))
    case.state = Case.State.DRAFT
    case.revision += 1
    case.save()
    keep_revision(case=case, actor=case.owner, summary=_("Images attached"))
    record(
        action="case.images_attached",
        organisation=case.organisation,
        actor=case.owner,
        target=case,
        detail={"studies": len(studies), "held_back": sum(int(e.get("count", 1)) for e in held_back)},
    )


@transaction.atomic
def preparation_failed(*, run_key: str, reason: str) -> list[Case]:
    """A run ended without images; its cases stay and say why, to be deleted."""
    cases = list(
        Case.objects.select_for_update(of=("self",))
        .select_related("library")
        .filter(deid_run_key=run_key, state=Case.State.PREPARING)
    )
    for case in cases:
        case.preparation_error = reason[:500]
        case.save(update_fields=["preparation_error", "updated_at"])
        record(
            action="case.preparation_failed",
            organisation=case.organisation,
            actor=case.owner,
            target=case,
            outcome="failed",
        )
    return cases
