"""Write events, and chain what was written."""

from __future__ import annotations

from typing import Any

import structlog
from django.db import transaction
from django.db.models import Model
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from access import hooks
from access.queries import require
from audit import actions, describe, heads, queries, reasons
from audit.domain import stamps
from audit.errors import ChainBroken
from audit.models import ChainLink, Event, as_written
from audit.permissions import VIEW_AUDIT
from audit.verify import file_finding, take_snapshot, verify_chain, words
from core import jobs
from core.cache import is_first
from core.callers import client_address
from core.models import Job
from core.tenancy import all_tenants, tenant

READING_STRETCH_SECONDS = 15 * 60


def record(
    *,
    action: str,
    organisation: Any,
    actor: Any = None,
    target: Model | None = None,
    target_label: str = "",
    detail: dict[str, Any] | None = None,
    outcome: str = Event.Outcome.SUCCESS,
    request: Any = None,
    door: str = "",
    address: str | None = None,
    explained_by: str = "",
    within: Model | None = None,
) -> Event:
    """Add one event, in the caller's transaction: the act and its trace are kept or lost together.

    `detail` and `target_label` hold no identifying values of patients: name things by their public ids. `organisation`
    is None for acts on the installation itself. `explained_by` says what made this act the actor's business, e.g.
    "assignment 4k2m…"; without it the actor's role where it happened does. `within` is what shows where that is when the
    target does not hang on a container.
    """
    declared = actions.get(action)
    guest = getattr(actor or getattr(request, "user", None), "guest", None)
    if actor is not None and not getattr(actor, "is_authenticated", False):
        actor = None
    place = _place(request=request, door=door, address=address)
    if actor is None and place["user"] is not None:
        actor = place["user"]
    viewer = getattr(actor, "seen_by", None)
    if viewer is not None and actor is not None:
        # Somebody looks at the organisation as a member sees it: it is their act, not the member's.
        explained_by = f"looking as {actor.username}"
        actor = viewer
    if guest is not None:
        explained_by = guest.audit_label
    detail = detail or {}
    with all_tenants() if organisation is None else tenant(organisation):
        container = describe.container_of(target if within is None else within, detail=detail)
        reason = (
            explained_by
            or hooks.explain(actor=actor, organisation=organisation, target=target, request=request)
            or reasons.why(
                actor=actor,
                container=container,
                organisation=organisation,
                target=target,
                door=place["door"],
                detail=detail,
            )
        )
        event = Event(
            organisation=organisation,
            action=declared.code,
            event_type=declared.event_type,
            outcome=outcome,
            actor=actor,
            actor_label=reasons.who(
                actor=actor,
                guest=guest,
                action=action,
                target=target,
                detail=detail,
                address=place["address"],
            )[:150],
            target_kind=target._meta.label_lower if target is not None else "",
            target_id=str(getattr(target, "public_id", None) or target.pk) if target is not None else "",
            target_label=(target_label or (_label(target) if target is not None else ""))[:150],
            detail=detail,
            explained_by=reason[:150],
            address=place["address"],
            door=place["door"],
            agent=place["agent"],
            request_id=place["request_id"],
            studies=describe.studies_of(target, detail=detail),
            place=describe.name_of(container, organisation=organisation)[:150],
        )
        event.search = queries.search_text(event)
        event.stamp = stamps.make(as_written(event), key=heads.key())
        event.save(force_insert=True)
    return event


def note_reading(*, actor: Any, organisation: Any, request: Any) -> None:
    """Officers are in the trail too: one event for each stretch of reading, not one for each page."""
    key = f"audit-read:{organisation.pk}:{actor.pk}:{request.META.get('REMOTE_ADDR', '')}"
    if is_first(key, seconds=READING_STRETCH_SECONDS):
        record(
            action="audit.viewed",
            organisation=organisation,
            actor=actor,
            target=organisation,
            request=request,
        )


@transaction.atomic
def start_verification(*, actor: Any, organisation: Any, request: Any = None) -> Job:
    """Begin a check of the whole chain as a job of the officer. Raises `Forbidden` or `NotFound`."""
    from audit.tasks import verify_organisation

    require(actor, VIEW_AUDIT, organisation)
    job = jobs.start(
        organisation=organisation,
        owner=actor,
        kind=queries.CHECK,
        title=_("Check the audit chain"),
        needs=[(VIEW_AUDIT, organisation)],
    )
    record(
        action="audit.checked",
        organisation=organisation,
        actor=actor,
        target=organisation,
        request=request,
    )
    verify_organisation.enqueue(organisation_id=organisation.pk, job_id=str(job.pk))
    return job


def verify_as_job(*, organisation_id: int, job_id: str) -> None:
    """Walk the chain and keep the verdict: as the job's result and as an event. A chain that does not hold fails the job."""
    with jobs.running(job_id=job_id) as handle:
        if handle is None:
            return
        total = ChainLink.objects.filter(organisation_id=organisation_id).count()

        def report(done: int) -> None:
            handle.progress(done=done, total=max(total, done))

        report(0)
        snapshot = take_snapshot()
        verdict = verify_chain(organisation_id=organisation_id, progress=report, snapshot=snapshot)
        finding = file_finding(snapshot) if verdict.holds else None
        result = {
            "intact": verdict.intact,
            "total": verdict.total,
            "unsealed": verdict.unsealed,
            "head": verdict.head,
            "code": verdict.code or (finding.code if finding else ""),
            "event": verdict.broken_event,
            "reason": verdict.reason or (words(finding) if finding else ""),
            "public_key": heads.key().public.hex(),
            "keys": [
                {"name": one.name, "public_key": one.public.hex(), "since": one.since}
                for one in (snapshot.record.keys if snapshot.record is not None else ())
            ],
        }
        slug = handle.job.organisation.slug
        there = reverse("audit:check", kwargs={"organisation": slug, "check": handle.job.pk})
        said = ngettext("%(count)s of %(total)s event intact", "%(count)s of %(total)s events intact", verdict.total)
        message = said % {"count": verdict.intact, "total": verdict.total}
        with transaction.atomic():
            handle.finish(result=result, result_url=there, message=message)
            record(
                action="audit.check_ended",
                organisation=handle.job.organisation,
                actor=handle.job.owner,
                target=handle.job.organisation,
                detail={name: value for name, value in result.items() if name != "keys"} | {"job": str(handle.job.pk)},
                outcome="failed" if result["code"] else "success",
                door="task",
            )
        if result["code"]:
            raise ChainBroken(_broken_words(result))


def _broken_words(result: dict[str, Any]) -> str:
    if result["event"] is None:
        return _("The audit trail failed the check: %(reason)s.") % {"reason": result["reason"]}
    return _("The audit trail fails at event %(event)s: %(reason)s.") % {
        "event": result["event"],
        "reason": result["reason"],
    }


def _label(target: Model) -> str:
    # A model names itself in the trail only when it says so: str() of a patient or study would identify somebody.
    label = getattr(target, "audit_label", "")
    return str(label)


def _place(*, request: Any, door: str, address: str | None) -> dict[str, Any]:
    context = structlog.contextvars.get_contextvars()
    if request is None:
        return {
            "user": None,
            "address": address,
            "door": door,
            "agent": "",
            "request_id": str(context.get("request_id", ""))[:64],
        }
    user = getattr(request, "user", None)
    token = getattr(request, "api_token", None)
    return {
        "user": user if user is not None and user.is_authenticated else None,
        "address": address or client_address(request) or None,
        "door": door or ("token" if token is not None else "web"),
        "agent": request.META.get("HTTP_USER_AGENT", "")[:200],
        "request_id": str(context.get("request_id", ""))[:64],
    }
