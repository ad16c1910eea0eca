"""Note refused callers, so that somebody who can help sees them; bounded, whatever a stranger tries."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from access.models import User
from access.queries import require
from archive import services as archive_services
from archive.intake.sources import add_source
from archive.permissions import CHANGE
from audit import services as audit
from core.callers import plain_address
from core.errors import Conflict
from core.tenancy import all_tenants, tenant
from dimse.directory import Destination
from dimse.models import RefusedCaller

KEPT_DAYS = 90
LOCK_NAMESPACE = 0x0CA11
#: Rows of one organisation, and of what belongs to none.
MOST_ROWS = 1000
#: Different callers from one address in one organisation; beyond, they are counted in one row without a title.
MOST_PER_ADDRESS = 50


def note(
    *, destination: Destination | None, called: str, calling: str, address: str, reason: str, times: int = 1
) -> None:
    """Count a refusal in its row. Called on a thread of its own, never while a caller waits."""
    archive = destination.archive if destination is not None else None
    organisation_id = archive.organisation_id if archive is not None else None
    now = timezone.now()
    key: dict[str, Any] = {
        "organisation_id": organisation_id,
        "archive_id": archive.pk if archive is not None else None,
        "called_ae_title": called[:16],
        "calling_ae_title": calling[:16],
        "address": plain_address(address) or None,
        "reason": reason,
    }
    with all_tenants(), transaction.atomic():
        # One at a time: two that count beside each other would both find room.
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_NAMESPACE, organisation_id or 0])
        row = RefusedCaller.objects.filter(**_lookup(key)).first()
        if row is None:
            beside = RefusedCaller.objects.filter(organisation_id=organisation_id)
            if beside.filter(address=key["address"]).count() >= MOST_PER_ADDRESS:
                key |= {"calling_ae_title": "", "called_ae_title": called[:16] if archive is not None else ""}
                row = RefusedCaller.objects.filter(**_lookup(key)).first()
        if row is not None:
            row.count, row.last_at = min(row.count + times, 2_000_000_000), now
            row.save(update_fields=["count", "last_at"])
            return
        RefusedCaller.objects.create(**key, count=times, first_at=now, last_at=now)
        _make_room(organisation_id)


def _lookup(key: dict[str, Any]) -> dict[str, Any]:
    return {
        name if value is not None else f"{name}__isnull": value if value is not None else True
        for name, value in key.items()
    }


def _make_room(organisation_id: int | None) -> None:
    rows = RefusedCaller.objects.filter(organisation_id=organisation_id)
    surplus = rows.order_by("-last_at", "-pk").values_list("pk", flat=True)[MOST_ROWS:]
    doomed = list(surplus)
    if doomed:
        RefusedCaller.objects.filter(pk__in=doomed).delete()


def sweep() -> int:
    """Forget what was not tried again for `KEPT_DAYS`. The caller lifts the scope."""
    old = RefusedCaller.objects.filter(last_at__lt=timezone.now() - timedelta(days=KEPT_DAYS))
    count, _rows = old.delete()
    return int(count)


def allow(*, actor: User, caller: RefusedCaller, request: Any = None) -> None:
    """Let a refused caller in: as a calling AE title of the archive, or, where images are de-identified, as a source from
    the address it called from. The row goes. Raises `Forbidden`, `Conflict` where that would not mend it.
    """
    archive = caller.archive
    if archive is None or not caller.is_curable:
        raise Conflict(caller.why_not_curable or _("Allowing the calling AE title would not change this."))
    require(actor, CHANGE, archive)
    title = caller.calling_ae_title
    with tenant(archive.organisation), transaction.atomic():
        if archive.is_gated:
            # Known, or the caller would not be curable.
            network = caller.address or ""
            add_source(
                actor=actor, archive=archive, kind="ae", calling_ae_title=title, network=network, request=request
            )
        elif title not in archive.calling_ae_titles:
            archive_services.change_archive(
                actor=actor,
                archive=archive,
                changes={"calling_ae_titles": [*archive.calling_ae_titles, title]},
                request=request,
            )
        gone = RefusedCaller.objects.filter(archive=archive, calling_ae_title=title)
        if archive.is_gated:
            gone = gone.filter(address=caller.address)
        gone.delete()
        audit.record(
            action="archive.caller_allowed",
            organisation=archive.organisation,
            actor=actor,
            target=archive,
            detail={"archive": archive.slug, "calling_ae_title": title, "address": caller.address or ""},
            request=request,
        )


def forget(*, actor: User, caller: RefusedCaller, request: Any = None) -> None:
    """Take a row off the list; the caller appears again when it tries again."""
    if caller.archive is None:
        raise Conflict
    require(actor, CHANGE, caller.archive)
    RefusedCaller.objects.filter(pk=caller.pk).delete()
