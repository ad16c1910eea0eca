"""Runs, what became of their instances, and the comparison before and after."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from access import rights
from access.models import Organisation, User
from access.queries import containers_with, get_visible, ready_for_plain, require, visible_to
from archive import decoding
from archive.domain.thumbnails import NoPicture, render_thumbnail
from archive.errors import DecodersBusy
from archive.models import Archive, Instance, Study
from archive.storage import storage
from core.errors import NotFound
from deid.domain import files, pipeline
from deid.domain.changes import Change
from deid.domain.findings import RELEASABLE, Reason, Verdict
from deid.models import DeidentificationRun, DeidentifiedInstance
from deid.reasons import Explanation, explain
from deid.services import execution, runs
from deid.services.runs import settings_of

VIEW, ADD, MANAGE = "archive.view_archive", "archive.add_images", "archive.manage_archive"
NUMBERS_SHOWN = 12
PICTURE_SIDE = 1024


def runs_for(*, user: User, organisation: Organisation) -> QuerySet[DeidentificationRun]:
    """Runs into archives that the person may see, newest first."""
    rows = DeidentificationRun.objects.filter(organisation=organisation).select_related(
        "organisation",
        "source_archive",
        "target_archive",
        "requested_by",
        "decided_by",
        "pseudonym",
        "job",
        "source_study",
    )
    return visible_to(user, rows, VIEW)


def run_for(*, user: User, organisation: Organisation, public_id: str) -> DeidentificationRun:
    """One run, authorised. Raises `NotFound` or `Forbidden`."""
    rows = DeidentificationRun.objects.filter(organisation=organisation).select_related(
        "organisation",
        "source_archive",
        "target_archive",
        "requested_by",
        "decided_by",
        "pseudonym",
        "domain",
        "job",
        "source_study__patient",
    )
    return get_visible(user, rows, VIEW, public_id=public_id)


def target_study(run: DeidentificationRun) -> Study | None:
    """The copy in the target archive, once it is there."""
    found: Study | None = Study.objects.filter(
        archive=run.target_archive, study_instance_uid=run.target_study_instance_uid
    ).first()
    return found


def run_of_study(study: Study) -> DeidentificationRun | None:
    """The run that a study of a de-identified archive came from."""
    found: DeidentificationRun | None = (
        DeidentificationRun.objects.filter(
            target_archive=study.archive,
            target_study_instance_uid=study.study_instance_uid,
            stored__gt=0,
        )
        .order_by("-finished_at")
        .first()
    )
    return found


@dataclass(frozen=True, slots=True)
class HeldGroup:
    """Instances of a run with the same reason."""

    reason: str
    explanation: Explanation
    instances: list[DeidentifiedInstance]

    @property
    def count(self) -> int:
        return len(self.instances)

    @property
    def undecided(self) -> int:
        """Those that nobody has decided on, or that are held back again after a release."""
        return sum(not row.decision or (row.is_held_back and not row.is_left_out) for row in self.instances)


def held_back(run: DeidentificationRun) -> list[HeldGroup]:
    """What was held back, by the reason that weighs most, largest group first."""
    return _grouped(DeidentifiedInstance.objects.filter(run=run, verdict=DeidentifiedInstance.Verdict.HELD_BACK))


def warnings(run: DeidentificationRun) -> list[HeldGroup]:
    return _grouped(DeidentifiedInstance.objects.filter(run=run, verdict=DeidentifiedInstance.Verdict.WARNING))


def _grouped(rows: QuerySet[DeidentifiedInstance]) -> list[HeldGroup]:
    groups: dict[str, list[DeidentifiedInstance]] = {}
    for row in rows:
        # The archive's refusal comes last but is what stopped it; a residue likewise.
        codes = row.reasons or [""]
        decisive = next((code for code in (Reason.NOT_STORED, Reason.RESIDUE) if code in codes), codes[0])
        groups.setdefault(str(decisive), []).append(row)
    return [
        HeldGroup(reason=code, explanation=explain(code), instances=found)
        for code, found in sorted(groups.items(), key=lambda group: -len(group[1]))
    ]


def open_holds(run: DeidentificationRun) -> list[DeidentifiedInstance]:
    """Held images that a person may look at and release or drop, in order."""
    rows = DeidentifiedInstance.objects.filter(
        run=run, verdict=DeidentifiedInstance.Verdict.HELD_BACK, decision="", source_instance__isnull=False
    ).select_related("source_instance", "run")
    return [row for row in rows if row.is_open_hold]


@dataclass(frozen=True, slots=True)
class HoldDecision:
    """Images of a run that one person released or left out in one go."""

    run: DeidentificationRun
    images: list[DeidentifiedInstance]

    @property
    def first(self) -> DeidentifiedInstance:
        return self.images[0]

    @property
    def count(self) -> int:
        return len(self.images)

    @property
    def held_for(self) -> list[Explanation]:
        """Why they had been held back."""
        codes = [code for row in self.images for code in (row.released_reasons or row.reasons)]
        return [explain(code) for code in dict.fromkeys(codes)]

    @property
    def frames(self) -> int | None:
        """Frames of these images; None where nobody counted which were shown, or a source is gone."""
        known = all(row.frames_shown is not None and row.source_instance_id is not None for row in self.images)
        return sum(row.frames for row in self.images) if known else None

    @property
    def frames_shown(self) -> int:
        return sum(row.frames_shown or 0 for row in self.images)

    @property
    def numbers(self) -> str:
        shown = [
            "–" if row.instance_number is None else str(row.instance_number) for row in self.images[:NUMBERS_SHOWN]
        ]
        return ", ".join(shown) + (" …" if self.count > NUMBERS_SHOWN else "")

    @property
    def is_in_archive(self) -> bool:
        """Whether any of these images is in the target archive."""
        return any(row.is_stored for row in self.images)

    def is_release_by(self, user: User) -> bool:
        return self.first.decision == DeidentifiedInstance.Decision.RELEASED and self.first.decided_by_id == user.pk

    @property
    def undoable(self) -> list[DeidentifiedInstance]:
        """Those whose decision can still be taken back."""
        return [row for row in self.images if row.can_be_taken_back(run=self.run)]


def hold_decisions(run: DeidentificationRun) -> list[HoldDecision]:
    """What was decided on held images, the newest decision first."""
    rows = DeidentifiedInstance.objects.filter(run=run).exclude(decision="")
    groups: dict[tuple[Any, ...], list[DeidentifiedInstance]] = {}
    for row in rows.select_related("decided_by", "source_instance").order_by("-decided_at", "instance_number", "pk"):
        groups.setdefault((row.decided_at, row.decided_by_id, row.decision), []).append(row)
    return [HoldDecision(run=run, images=images) for images in groups.values()]


def approvals_of(*, user: User, organisation: Organisation) -> QuerySet[DeidentificationRun]:
    """Copies that wait for this person as the second one: who sees the source, adds to the target, and neither asked
    for the copy nor released an image of it."""
    rows = runs_for(user=user, organisation=organisation).filter(state=DeidentificationRun.State.AWAITING_APPROVAL)
    released = DeidentifiedInstance.objects.filter(decision=DeidentifiedInstance.Decision.RELEASED, decided_by=user)
    return (
        rows.filter(target_archive__in=_archives(user, ADD), source_archive__in=_archives(user, VIEW))
        .exclude(requested_by=user)
        .exclude(pk__in=released.order_by().values("run"))
    )


def reviews_of(*, user: User, organisation: Organisation) -> QuerySet[DeidentificationRun]:
    """Runs with held images that this person may release or leave out, and that nobody has decided on."""
    rows = runs_for(user=user, organisation=organisation).filter(state__in=DeidentificationRun.REVIEWABLE_STATES)
    waiting = DeidentifiedInstance.objects.filter(_OPEN_HOLD, run=OuterRef("pk"))
    return rows.filter(
        Exists(waiting.order_by()),
        target_archive__in=_archives(user, MANAGE),
        source_archive__in=_archives(user, VIEW),
    )


def _archives(user: User, permission: str) -> QuerySet[Any]:
    return containers_with(user=user, permission=permission, container=Archive).order_by().values("pk")


#: `DeidentifiedInstance.is_open_hold` for the database.
_OPEN_HOLD = Q(
    verdict=DeidentifiedInstance.Verdict.HELD_BACK,
    decision="",
    source_instance__isnull=False,
    reasons__contained_by=sorted(reason.value for reason in RELEASABLE),
) & ~Q(reasons=[])


def was_held(*, run: DeidentificationRun, instance_id: int) -> bool:
    """Whether an image is held back, or was until somebody released it."""
    held = Q(verdict=DeidentifiedInstance.Verdict.HELD_BACK) | ~Q(released_reasons=[])
    return bool(DeidentifiedInstance.objects.filter(held, run=run, pk=instance_id).exists())


def picture(
    *, user: User, run: DeidentificationRun, instance_id: int, side: str, frame: int, full_range: bool = False
) -> bytes:
    """One frame of an instance as WebP, "before" from the source, "after" from what is or will be stored.

    Raises `NotFound` when there is no such frame, or nothing after, and `NoPicture` when it cannot be shown.
    """
    require(user, VIEW, run.source_archive)
    row = (
        DeidentifiedInstance.objects.filter(run=run, pk=instance_id)
        .select_related("source_instance", "run__domain", "run__pseudonym", "run__source_study__patient")
        .first()
    )
    source = row.source_instance if row is not None else None
    if row is None or source is None or not 1 <= frame <= source.number_of_frames or side not in ("before", "after"):
        raise NotFound
    if source.is_damaged:
        raise NoPicture("damaged")
    try:
        with storage().open(source.storage_key) as file:
            if side == "before":
                return render_thumbnail(file, frame=frame, side=PICTURE_SIDE, full_range=full_range)
            if row.is_held_back:
                raise NotFound
            if row.is_stored and (copy := _stored_copy(row)) is not None:
                with storage().open(copy.storage_key) as stored:
                    return render_thumbnail(stored, frame=frame, side=PICTURE_SIDE, full_range=full_range)
            with runs.temporary() as target:
                outcome = execution.made_again(row=row, source=file, target=target)
                if outcome.verdict is Verdict.HELD_BACK:
                    raise NotFound
                target.seek(0)
                return render_thumbnail(target, frame=frame, side=PICTURE_SIDE, full_range=full_range)
    except OSError as error:
        raise NoPicture("the file cannot be read") from error
    except decoding.Busy as error:
        raise DecodersBusy from error


def _stored_copy(row: DeidentifiedInstance) -> Instance | None:
    """What the run stored, if it is still there and still that."""
    found: Instance | None = Instance.objects.filter(
        archive_id=row.run.target_archive_id, sop_instance_uid=row.target_sop_instance_uid
    ).first()
    return found if found is not None and bytes(found.digest) == bytes(row.target_digest) else None


def action_counts(run: DeidentificationRun) -> Counter[str]:
    counts: Counter[str] = Counter()
    for actions in DeidentifiedInstance.objects.filter(run=run).values_list("actions", flat=True):
        counts.update(actions)
    return counts


def comparison(*, user: User, run: DeidentificationRun, instance_id: int) -> tuple[DeidentifiedInstance, list[Change]]:
    """What the profile does to one instance, value by value. Made anew from the source; nothing of it is kept.

    The values before identify the patient: only who may see the source archive gets them.
    """
    require(user, VIEW, run.source_archive)
    row: DeidentifiedInstance | None = (
        DeidentifiedInstance.objects.filter(run=run, pk=instance_id)
        .select_related("source_instance", "decided_by")
        .first()
    )
    if row is None or row.source_instance is None:
        raise NotFound
    try:
        with storage().open(row.source_instance.storage_key) as source:
            return row, pipeline.differences(source=source, settings=settings_of(run))
    except (files.Unreadable, OSError):
        return row, []


def targets_for(*, user: User, organisation: Organisation) -> QuerySet[Archive]:
    """Archives that the person may put de-identified copies into."""
    rows = Archive.objects.filter(organisation=organisation).exclude(purpose=Archive.Purpose.CLINICAL)
    return visible_to(user, rows, "archive.add_images")


def is_concerned(request: Any) -> bool:
    """Whether the list of runs has a place in the person's navigation."""
    if not rights.holds_anywhere(request, "archive.add_images"):
        return False
    return bool(_targets(request.user))


@ready_for_plain
def _targets(user: Any, *, at: datetime) -> QuerySet[Archive]:
    """Whether there are any. Only roles let anybody add images: no other reason to see an archive gives that."""
    rows = containers_with(user=user, permission="archive.add_images", container=Archive, at=at)
    return rows.exclude(purpose=Archive.Purpose.CLINICAL).only("pk")[:1]


def before_and_after(changes: list[Change], *, shows: str) -> list[Change]:
    """Changes for the page: all, or only what was changed."""
    return changes if shows == "all" else [change for change in changes if not change.is_kept]


def progress(run: DeidentificationRun) -> dict[str, Any]:
    done = DeidentifiedInstance.objects.filter(run=run).count()
    return {"done": done, "total": run.total, "percent": done * 100 // run.total if run.total else 0}
