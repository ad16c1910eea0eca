"""Ask for a de-identified copy of a study."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from access.models import User
from access.queries import require
from archive.models import Archive, Instance, Study
from audit import services as audit
from core import jobs
from core.errors import NotFound
from deid.domain.profile import Option, Profile, load_table
from deid.domain.uids import UidMapper
from deid.errors import EmptyStudy, OptionNotOffered, OtherOptions, SameArchive, TargetNotDeidentified
from deid.models import OPTION_LABELS, DeidentificationRun
from deid.services.domains import domain_of, key_of, pseudonym_for

OFFERED_OPTIONS: frozenset[str] = frozenset(str(option) for option in OPTION_LABELS)
DEFAULT_OPTIONS: frozenset[str] = frozenset({str(Option.RETAIN_MODIFIED_DATES), str(Option.CLEAN_DESCRIPTORS)})


def deidentify_study(
    *,
    actor: User,
    study: Study,
    target_archive: Archive,
    options: Iterable[str] | None = None,
    request: Any = None,
    explained_by: str = "",
) -> DeidentificationRun:
    """Start a de-identified copy of `study` into `target_archive`; the work goes on in the background.

    Needs `archive.view_archive` on the study's archive and `archive.add_images` on the target, both of one
    organisation. `options` are values of `deid.domain.profile.Option` (default: shifted dates, cleaned descriptors).
    Asking again while the same copy is under way gives back the run that is. When the run ends,
    `deid.hooks.run_completed` tells; the copy then stands under `run.target_study_instance_uid`.
    """
    source_archive = study.archive
    require(actor, "archive.view_archive", source_archive)
    require(actor, "archive.add_images", target_archive)
    if source_archive.organisation_id != target_archive.organisation_id:
        raise NotFound
    if source_archive.pk == target_archive.pk:
        raise SameArchive
    if target_archive.purpose == Archive.Purpose.CLINICAL:
        raise TargetNotDeidentified
    chosen = sorted(set(DEFAULT_OPTIONS if options is None else (str(option) for option in options)))
    if not OFFERED_OPTIONS.issuperset(chosen):
        raise OptionNotOffered
    profile = Profile(table=load_table(), options=[Option(name) for name in chosen])
    organisation = target_archive.organisation
    with transaction.atomic():
        # One request at a time for a study and a target: a double click gives one run.
        Study.objects.select_for_update(of=("self",), no_key=True).get(pk=study.pk)
        under_way: DeidentificationRun | None = DeidentificationRun.objects.filter(
            source_study=study,
            target_archive=target_archive,
            options=chosen,
            state__in=DeidentificationRun.CANCELLABLE_STATES,
        ).first()
        if under_way is not None:
            return under_way
        _refuse_other_options(study=study, target_archive=target_archive, chosen=chosen)
        total = Instance.objects.filter(study=study).count()
        if not total:
            raise EmptyStudy
        domain = domain_of(target_archive)
        pseudonym = pseudonym_for(domain=domain, study=study)
        job = start_job(owner=actor, source=source_archive, archive=target_archive, total=total)
        run: DeidentificationRun = DeidentificationRun.objects.create(
            organisation=organisation,
            source_study=study,
            source_archive=source_archive,
            target_archive=target_archive,
            domain=domain,
            pseudonym=pseudonym,
            target_study_instance_uid=UidMapper(key=key_of(domain)).new_uid(study.study_instance_uid),
            options=chosen,
            edition=profile.table.edition,
            table_sha256=profile.table.sha256,
            requested_by=actor,
            total=total,
            job=job,
        )
        point_job_at(run)
        audit.record(
            action="deidentification.requested",
            organisation=organisation,
            actor=actor,
            target=run,
            detail={
                "study": study.public_id,
                "source": source_archive.slug,
                "archive": target_archive.slug,
                "options": chosen,
                "instances": total,
            },
            request=request,
            explained_by=explained_by,
        )
        enqueue(run)
    return run


def _refuse_other_options(*, study: Study, target_archive: Archive, chosen: list[str]) -> None:
    """Other options give other content under the same UIDs, which the target would refuse image by image."""
    earlier: DeidentificationRun | None = (
        DeidentificationRun.objects.filter(source_study=study, target_archive=target_archive, stored__gt=0)
        .exclude(options=chosen)
        .first()
    )
    if (
        earlier is not None
        and Study.objects.filter(archive=target_archive, study_instance_uid=earlier.target_study_instance_uid).exists()
    ):
        raise OtherOptions


def start_job(*, owner: User, source: Archive, archive: Archive, total: int) -> Any:
    return jobs.start(
        organisation=archive.organisation,
        owner=owner,
        kind="deid.study",
        title=_("De-identified copy into %(archive)s") % {"archive": archive.name},
        total=total,
        needs=[("archive.view_archive", source), ("archive.add_images", archive)],
    )


def point_job_at(run: DeidentificationRun) -> None:
    """Let the jobs tray lead to the run from the beginning."""
    address = address_of(run)
    if run.job is not None and address:
        type(run.job).objects.filter(pk=run.job.pk).update(result_url=address)


def address_of(run: DeidentificationRun) -> str:
    try:
        return reverse("deid:run", kwargs={"organisation": run.organisation.slug, "run": run.public_id})
    except NoReverseMatch:
        return ""


def enqueue(run: DeidentificationRun) -> None:
    from deid import tasks

    tasks.execute_run.enqueue(organisation_id=run.organisation_id, run_id=run.pk, job_id=str(run.job_id))
