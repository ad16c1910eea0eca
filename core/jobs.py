"""Start, run, watch and cancel jobs. The task that does the work wraps it in `running(job_id)`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import structlog
from django.db import transaction
from django.db.models import F, Model
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from core import notifications
from core.errors import Conflict, Forbidden, PacswebError, RetriableError
from core.models import Job

if TYPE_CHECKING:
    from access.models import Organisation, User

logger = structlog.get_logger(__name__)

PROGRESS_INTERVAL_SECONDS = 0.5
#: Work that was over sooner was watched to its end; the tray said so.
LONG_SECONDS = 20.0


class JobCancelled(Exception):
    """Raised inside the work when its owner asked to stop; `running` turns it into the state."""


class JobHandle:
    """What the work holds: reports progress, at most twice a second, and learns of a cancel."""

    def __init__(self, *, job: Job) -> None:
        self.job = job
        self._written_at = 0.0

    def progress(self, *, done: int, total: int | None = None, message: str = "") -> None:
        """Report `done` of `total` steps and raise `JobCancelled` when the owner asked to stop."""
        changes: dict[str, Any] = {"done": done}
        if total is not None:
            changes["total"] = total
        if message:
            changes["message"] = message[:300]
        last = total is not None and done >= total
        if not last and time.monotonic() - self._written_at < PROGRESS_INTERVAL_SECONDS:
            return
        self._written_at = time.monotonic()
        Job.objects.filter(pk=self.job.pk).update(**changes)
        self.raise_if_cancelled()
        if not is_still_allowed(self.job):
            raise RightEnded

    def raise_if_cancelled(self) -> None:
        if Job.objects.filter(pk=self.job.pk, cancel_requested=True).exists():
            raise JobCancelled

    def finish(self, *, result: dict[str, Any] | None = None, result_url: str = "", message: str = "") -> None:
        """Keep what came of the work; the state follows when the block ends."""
        self.job.result = result or {}
        self.job.result_url = result_url
        Job.objects.filter(pk=self.job.pk).update(result=self.job.result, result_url=result_url, message=message[:300])


def start(
    *,
    organisation: Organisation,
    owner: User,
    kind: str,
    title: str,
    total: int = 0,
    needs: Iterable[tuple[str, Model]] = (),
) -> Job:
    """Make a job row; the caller enqueues its task in the same transaction. `title` holds no identifying data.

    `needs` are the rights (permission, container) that the owner holds it by. They are asked again when it begins, while
    it runs and when its result is fetched; it ends with any of them. Without any it ends by itself only: what was
    taken in while somebody had the right to send it is kept.
    """
    held = [
        {"permission": permission, "container": f"{container._meta.label_lower}:{container.pk}"}
        for permission, container in needs
    ]
    job: Job = Job.objects.create(
        organisation=organisation, owner=owner, kind=kind, title=title[:200], total=total, needs=held
    )
    return job


# Rights ----------------------------------------------------------------------------------------------------------------


class RightEnded(Forbidden):
    """The owner of a job may no longer do what it does."""

    code = "right-ended"
    default_message = _lazy("The right to do this has ended, so it was stopped. Nothing of it was kept.")


_guards: list[Callable[[Job], bool]] = []
_forgetting: dict[str, Callable[[Job], None]] = {}


def register_guard(guard: Callable[[Job], bool]) -> None:
    """Say whether the owner of a job still holds what it needs; the floor that knows rights registers itself here."""
    if guard not in _guards:
        _guards.append(guard)


def register_forgetting(*, kind: str, forget: Callable[[Job], None]) -> None:
    """Say how the result of a kind of job is removed when the right to it ends. Called after the commit; safe to repeat."""
    _forgetting[kind] = forget


def is_still_allowed(job: Job) -> bool:
    """Whether the owner still holds every right that the job needs. What nobody can judge is not allowed."""
    return not job.needs or (bool(_guards) and all(guard(job) for guard in _guards))


def has_guard() -> bool:
    """Whether anybody judges the needs of jobs; without, none that needs a right runs (`core.checks`)."""
    return bool(_guards)


def end_without_right(*, organisation: Organisation, user: User) -> int:
    """End what runs, and remove the results, of somebody's jobs that they could not start now. In a transaction.

    Returns how many. For whoever hears that somebody has lost a right.
    """
    rows = Job.objects.filter(organisation=organisation, owner=user).exclude(needs=[])
    kept = rows.filter(state__in=Job.ACTIVE_STATES) | rows.filter(
        state=Job.State.SUCCEEDED, kind__in=list(_forgetting)
    ).exclude(result_url="")
    ended = 0
    for job in kept.select_related("organisation", "owner"):
        if not is_still_allowed(job):
            _end_without_right(job)
            ended += 1
    return ended


def _end_without_right(job: Job) -> None:
    now = timezone.now()
    words = str(RightEnded.default_message)
    Job.objects.filter(pk=job.pk, state=Job.State.QUEUED).update(
        state=Job.State.FAILED, error=words, finished_at=now, cancel_requested=True
    )
    Job.objects.filter(pk=job.pk, state=Job.State.RUNNING).update(cancel_requested=True)
    Job.objects.filter(pk=job.pk, state=Job.State.SUCCEEDED).update(
        result_url="", message=_("The right to this ended, and it was removed.")[:300]
    )
    for kind in ("job.succeeded", "job.failed"):
        notifications.withdraw(kind=kind, organisation=job.organisation, subject=str(job.pk))
    forget = _forgetting.get(job.kind)
    if forget is not None:
        transaction.on_commit(lambda: forget(job))


@contextmanager
def running(*, job_id: Any) -> Iterator[JobHandle | None]:
    """Claim the job and keep its state true whatever happens inside.

    Yields None when there is nothing to do: the job was cancelled before it began or already ended. A job found
    *running* was left by a worker that died, or is a repeated delivery: the work is idempotent, so it goes on.
    """
    now = timezone.now()
    claimed = Job.objects.filter(pk=job_id, state__in=Job.ACTIVE_STATES, cancel_requested=False).update(
        state=Job.State.RUNNING, started_at=now
    )
    if not claimed:
        Job.objects.filter(pk=job_id, state__in=Job.ACTIVE_STATES).update(state=Job.State.CANCELLED, finished_at=now)
        yield None
        return
    job = Job.objects.select_related("organisation", "owner").get(pk=job_id)
    if not is_still_allowed(job):
        _end(job_id=job_id, state=Job.State.FAILED, error=str(RightEnded.default_message))
        yield None
        return
    try:
        yield JobHandle(job=job)
    except JobCancelled:
        _end(job_id=job_id, state=Job.State.CANCELLED)
    except RetriableError:
        Job.objects.filter(pk=job_id).update(message=_("Waiting to try again"))
        raise
    except PacswebError as error:
        _end(job_id=job_id, state=Job.State.FAILED, error=str(error.message))
    except Exception:
        _end(job_id=job_id, state=Job.State.FAILED, error=_("An unexpected error stopped this work. It was logged."))
        raise
    else:
        _end(job_id=job_id, state=Job.State.SUCCEEDED)


def _end(*, job_id: Any, state: str, error: str = "") -> None:
    changes: dict[str, Any] = {"state": state, "error": error, "finished_at": timezone.now()}
    if state == Job.State.SUCCEEDED:
        changes["done"] = F("total")
    if Job.objects.filter(pk=job_id, state=Job.State.RUNNING).update(**changes):
        _tell_owner(Job.objects.select_related("organisation", "owner").get(pk=job_id))


def _tell_owner(job: Job) -> None:
    """Let the owner know of work that failed, or that took too long to wait for."""
    took = (timezone.now() - (job.started_at or job.created_at)).total_seconds()
    if job.state == Job.State.FAILED:
        kind = "job.failed"
    elif job.state == Job.State.SUCCEEDED and took >= LONG_SECONDS:
        kind = "job.succeeded"
    else:
        return
    notifications.send(
        kind=kind,
        organisation=job.organisation,
        persons=[job.owner],
        subject=str(job.pk),
        url=job.result_url or reverse("core:jobs", kwargs={"organisation": job.organisation.slug}),
        detail={"title": job.title},
    )


def fail(*, job_id: Any, error: str) -> None:
    """End a job whose retries are used up."""
    if Job.objects.filter(pk=job_id, state__in=Job.ACTIVE_STATES).update(
        state=Job.State.FAILED, error=error, finished_at=timezone.now()
    ):
        _tell_owner(Job.objects.select_related("organisation", "owner").get(pk=job_id))


def cancel(*, actor: User, job: Job) -> None:
    """Ask a job to stop; one that has not begun ends at once. Raises `Conflict` when it already ended."""
    if job.owner_id != actor.pk:
        raise Conflict(_("Only the person who started this work can stop it."))
    now = timezone.now()
    if Job.objects.filter(pk=job.pk, state=Job.State.QUEUED).update(
        state=Job.State.CANCELLED, cancel_requested=True, finished_at=now
    ):
        return
    if not Job.objects.filter(pk=job.pk, state=Job.State.RUNNING).update(cancel_requested=True):
        raise Conflict(_("This work has already ended."))
