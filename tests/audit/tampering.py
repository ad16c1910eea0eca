"""A trail of two organisations, and what a superuser of the database does to it."""

from __future__ import annotations

from typing import Any

from access.models import Organisation
from audit import services
from audit.domain import chain
from audit.models import ChainLink, Event, as_sealed
from audit.tasks import seal_chains
from core.tenancy import all_tenants
from tests import superuser
from tests.access.factories import make_organisation

COLUMNS = (
    "organisation_id, occurred_at, recorded_at, action, event_type, outcome, actor_id, actor_label, target_kind, target_id, "
    "target_label, detail, explained_by, address, door, agent, request_id, studies, place, search, stamp"
)


class Trail:
    """Two organisations with five events each, the fourth and fifth sealed later than the others."""

    def __init__(self) -> None:
        self.ours, self.theirs = make_organisation(), make_organisation()
        self.events: list[int] = []
        for count in (3, 2):
            for organisation in (self.ours, self.theirs):
                for step in range(count):
                    event = services.record(
                        action="organisation.changed", organisation=organisation, detail={"step": step, "of": 1e5}
                    )
                    if organisation is self.ours:
                        self.events.append(event.pk)
            seal_chains()
        with all_tenants():
            self.events = list(
                ChainLink.objects.filter(organisation=self.ours).order_by("sequence").values_list("event", flat=True)
            )


def force(*statements: str, **values: Any) -> None:
    """As a superuser who silences every trigger."""
    with superuser.connect() as master, master.transaction():
        master.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            master.execute(statement, values)


def reseal(organisation: Organisation) -> None:
    """Compute the whole chain of an organisation anew from its events as they are, in the order of their numbers."""
    with all_tenants():
        events = list(Event.objects.filter(organisation=organisation).order_by("pk"))
        times = dict(ChainLink.objects.filter(organisation=organisation).values_list("event", "sealed_at"))
    previous = chain.GENESIS
    with superuser.connect() as master, master.transaction():
        master.execute("SET LOCAL session_replication_role = replica")
        master.execute("DELETE FROM audit_chainlink WHERE organisation_id = %s", [organisation.pk])
        for sequence, event in enumerate(events, start=1):
            digest = chain.link_digest(previous=previous, event=as_sealed(event, form=2))
            sealed_at = times.get(event.pk, max(times.values()))
            master.execute(
                "INSERT INTO audit_chainlink (organisation_id, sequence, event_id, previous, digest, sealed_at, form) "
                "VALUES (%s, %s, %s, %s, %s, %s, 2)",
                [organisation.pk, sequence, event.pk, previous, digest, sealed_at],
            )
            previous = digest


def copy_of(event: int, **changes: str) -> str:
    """A statement that inserts a copy of an event, some columns said otherwise."""
    selected = ", ".join(changes.get(name, name) for name in COLUMNS.split(", "))
    return f"INSERT INTO audit_event ({COLUMNS}) SELECT {selected} FROM audit_event WHERE id = {event}"  # noqa: S608


def newest() -> int:
    with superuser.connect() as master:
        row = master.execute("SELECT max(id) FROM audit_event").fetchone()
    assert row is not None
    return int(row[0])


def removed_at_the_end(trail: Trail) -> tuple[str, int]:
    force(
        "DELETE FROM audit_chainlink WHERE event_id = ANY(%(events)s)",
        "DELETE FROM audit_event WHERE id = ANY(%(events)s)",
        events=trail.events[-2:],
    )
    return "removed", trail.events[-2]
