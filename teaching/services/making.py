"""From a study in any archive to a draft case: de-identify, then attach what came out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from access.queries import get_visible, require
from archive.models import Study
from audit.services import record
from teaching.models import Case, Library
from teaching.services.cases import create_case, link_studies
from teaching.services.editing import keep_revision


@transaction.atomic
def make_case_from_study(
    *, actor: Any, study: Study, library: Library, title: str = "", request: Any = None, **options: Any
) -> Case:
    """A case in state *preparing*, and the de-identification run that will bring its images.

    `options` go to the run (which profile, which series). The study's archive has to allow copying to the actor.
    """
    from deid import services as deid

    require(actor, "teaching.edit_cases", library)
    source = get_visible(actor, Study.objects.select_related("archive"), "archive.view_archive", pk=study.pk)
    require(actor, "archive.export_images", source.archive)
    case = create_case(actor=actor, library=library, title=title, state=Case.State.PREPARING, request=request)
    run = deid.deidentify_study(actor=actor, study=source, target_archive=library.archive, request=request, **options)
    Case.objects.filter(pk=case.pk).update(deid_run_key=str(run.pk))
    case.refresh_from_db()
    return case


@transaction.atomic
def preparation_finished(*, run_key: str, studies: Sequence[Study], held_back: Sequence[dict[str, Any]]) -> Case | None:
    """A run came to its end with images. Repeating it changes nothing. None: the run was not for a case."""
    case = (
        Case.objects.select_for_update(of=("self",))
        .select_related("library", "owner")
        .filter(deid_run_key=run_key, state=Case.State.PREPARING)
        .first()
    )
    if case is None:
        return None
    link_studies(case=case, studies=studies)
    case.held_back = [dict(entry) for entry in held_back]
    case.held_back_resolved = not case.held_back
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
        explained_by=f"editor of library {case.library.slug}",
    )
    return case


@transaction.atomic
def preparation_failed(*, run_key: str, reason: str) -> Case | None:
    """A run ended without images; the case stays and says why, to be deleted or tried again."""
    case: Case | None = (
        Case.objects.select_for_update(of=("self",)).filter(deid_run_key=run_key, state=Case.State.PREPARING).first()
    )
    if case is None:
        return None
    case.preparation_error = reason[:500]
    case.save(update_fields=["preparation_error", "updated_at"])
    record(
        action="case.preparation_failed",
        organisation=case.organisation,
        actor=case.owner,
        target=case,
        outcome="failed",
        explained_by=f"editor of library {case.library.slug}",
    )
    return case
