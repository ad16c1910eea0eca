"""Whatever a superuser of the database does to the trail, the check finds it and names the first event."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command

from audit import services
from audit.domain import chain
from audit.models import ChainLink, Event, as_sealed
from audit.tasks import seal_chains
from audit.verify import verify_chain
from core.tenancy import all_tenants
from tests import superuser
from tests.audit.tampering import Trail, copy_of, force, newest, removed_at_the_end, reseal

pytestmark = pytest.mark.django_db(transaction=True)


def changed(trail: Trail) -> tuple[str, int]:
    force("UPDATE audit_event SET outcome = 'refused' WHERE id = %(event)s", event=trail.events[1])
    return "changed", trail.events[1]


def changed_in_a_new_column(trail: Trail) -> tuple[str, int]:
    force("UPDATE audit_event SET place = 'elsewhere' WHERE id = %(event)s", event=trail.events[2])
    return "changed", trail.events[2]


def link_changed(trail: Trail) -> tuple[str, int]:
    force("UPDATE audit_chainlink SET digest = previous WHERE event_id = %(event)s", event=trail.events[3])
    return "changed", trail.events[3]


def moved_to_another_organisation(trail: Trail) -> tuple[str, int]:
    force(
        "UPDATE audit_event SET organisation_id = %(theirs)s WHERE id = %(event)s",
        theirs=trail.theirs.pk,
        event=trail.events[2],
    )
    return "changed", trail.events[2]


def changed_and_resealed(trail: Trail) -> tuple[str, int]:
    force("UPDATE audit_event SET outcome = 'refused' WHERE id = %(event)s", event=trail.events[1])
    reseal(trail.ours)
    return "resealed", trail.events[1]


def removed_in_the_middle(trail: Trail) -> tuple[str, int]:
    force(
        "DELETE FROM audit_chainlink WHERE event_id = %(event)s",
        "DELETE FROM audit_event WHERE id = %(event)s",
        event=trail.events[1],
    )
    return "removed", trail.events[1]


def event_removed_and_its_link_left(trail: Trail) -> tuple[str, int]:
    force("DELETE FROM audit_event WHERE id = %(event)s", event=trail.events[2])
    return "removed", trail.events[2]


def removed_in_the_middle_and_resealed(trail: Trail) -> tuple[str, int]:
    force("DELETE FROM audit_event WHERE id = %(event)s", event=trail.events[1])
    reseal(trail.ours)
    return "removed", trail.events[1]


def removed_at_the_end_and_others_come(trail: Trail) -> tuple[str, int]:
    removed_at_the_end(trail)
    for _step in range(3):
        services.record(action="organisation.changed", organisation=trail.ours)
    seal_chains()
    return "removed", trail.events[-2]


def all_of_an_organisation_removed(trail: Trail) -> tuple[str, int]:
    force(
        "DELETE FROM audit_chainlink WHERE organisation_id = %(ours)s",
        "DELETE FROM audit_event WHERE organisation_id = %(ours)s",
        ours=trail.ours.pk,
    )
    return "removed", trail.events[0]


def everything_truncated(trail: Trail) -> tuple[str, int]:
    force("TRUNCATE audit_chainlink, audit_event")
    return "removed", trail.events[0]


def everything_truncated_and_life_goes_on(trail: Trail) -> tuple[str, int]:
    force("TRUNCATE audit_chainlink, audit_event")
    services.record(action="organisation.changed", organisation=trail.ours)
    seal_chains()
    return "removed", trail.events[0]


def link_removed_so_that_it_is_sealed_again(trail: Trail) -> tuple[str, int]:
    force("DELETE FROM audit_chainlink WHERE event_id = %(event)s", event=trail.events[-1])
    return "removed", trail.events[-1]


def inserted_by_sql(trail: Trail) -> tuple[str, int]:
    force(copy_of(trail.events[0], stamp="NULL", recorded_at="now()", occurred_at="now()"))
    return "forged", newest()


def inserted_by_sql_and_sealed_by_us(trail: Trail) -> tuple[str, int]:
    force(copy_of(trail.events[0], outcome="'refused'", recorded_at="now()"))
    seal_chains()
    return "forged", newest()


def copied(trail: Trail) -> tuple[str, int]:
    force(copy_of(trail.events[-1]))
    seal_chains()
    return "forged", newest()


def inserted_with_a_link_of_its_own(trail: Trail) -> tuple[str, int]:
    force(copy_of(trail.events[0], stamp="NULL"))
    with all_tenants():
        event = Event.objects.get(pk=newest())
        last = ChainLink.objects.filter(organisation=trail.ours).order_by("-sequence")[0]
    digest = chain.link_digest(previous=bytes(last.digest), event=as_sealed(event, form=2))
    with superuser.connect() as master:
        master.execute(
            "INSERT INTO audit_chainlink (organisation_id, sequence, event_id, previous, digest, sealed_at, form) "
            "VALUES (%s, %s, %s, %s, %s, %s, 2)",
            [trail.ours.pk, last.sequence + 1, event.pk, last.digest, digest, last.sealed_at],
        )
    return "forged", event.pk


def inserted_with_a_link_of_the_first_form(trail: Trail) -> tuple[str, int]:
    """Events from before there were heads need none: no new event passes for one of these."""
    _code, event = inserted_with_a_link_of_its_own(trail)
    with all_tenants():
        row = Event.objects.get(pk=event)
        link = ChainLink.objects.get(event=event)
    digest = chain.link_digest(previous=bytes(link.previous), event=as_sealed(row, form=1))
    force("UPDATE audit_chainlink SET form = 1, digest = %(digest)s WHERE id = %(id)s", digest=digest, id=link.pk)
    return "forged", event


def inserted_in_the_middle_and_resealed(trail: Trail) -> tuple[str, int]:
    # A number that another organisation's event left free between two of ours.
    force(
        "UPDATE audit_chainlink SET event_id = event_id",
        copy_of(trail.events[0], stamp="NULL").replace("(organisation_id", "(id, organisation_id").replace(
            "SELECT organisation_id", f"SELECT {trail.events[0] - 1000000}, organisation_id"
        ),
    )  # fmt: skip
    reseal(trail.ours)
    return "inserted", trail.events[0] - 1000000


def back_dated(trail: Trail) -> tuple[str, int]:
    force(
        "UPDATE audit_event SET occurred_at = occurred_at - interval '2 days' WHERE id = %(event)s",
        event=trail.events[4],
    )
    return "changed", trail.events[4]


def inserted_back_dated_where_the_clock_is_ours(trail: Trail) -> tuple[str, int]:
    """With the triggers on: the database's own time is written, whatever the statement says."""
    event = Event(
        organisation=trail.ours, action="organisation.changed", event_type="110113", occurred_at=past(), detail={}
    )
    stamped(event)
    return "back-dated", event.pk


def inserted_back_dated_by_a_superuser(trail: Trail) -> tuple[str, int]:
    event = Event(
        organisation=trail.ours, action="organisation.changed", event_type="110113", occurred_at=past(), detail={}
    )
    stamped(event)
    force("UPDATE audit_event SET recorded_at = occurred_at WHERE id = %(event)s", event=event.pk)
    seal_chains()
    return "back-dated", event.pk


def seals_back_dated(trail: Trail) -> tuple[str, int]:
    force(
        "UPDATE audit_chainlink SET sealed_at = sealed_at - interval '1 hour' WHERE event_id = %(event)s",
        event=trail.events[4],
    )
    return "back-dated", trail.events[4]


def past() -> Any:
    from datetime import timedelta

    from django.utils import timezone

    return timezone.now() - timedelta(days=2)


def stamped(event: Event) -> None:
    """As somebody would who has the audit key, but not the database's clock."""
    from audit import heads
    from audit.domain import stamps
    from audit.models import as_written

    event.stamp = stamps.make(as_written(event), key=heads.key())
    with all_tenants():
        event.save()


ATTACKS: list[Callable[[Trail], tuple[str, int]]] = [
    changed,
    changed_in_a_new_column,
    link_changed,
    moved_to_another_organisation,
    changed_and_resealed,
    removed_in_the_middle,
    event_removed_and_its_link_left,
    removed_in_the_middle_and_resealed,
    removed_at_the_end,
    removed_at_the_end_and_others_come,
    all_of_an_organisation_removed,
    everything_truncated,
    everything_truncated_and_life_goes_on,
    link_removed_so_that_it_is_sealed_again,
    inserted_by_sql,
    inserted_by_sql_and_sealed_by_us,
    copied,
    inserted_with_a_link_of_its_own,
    inserted_with_a_link_of_the_first_form,
    inserted_in_the_middle_and_resealed,
    back_dated,
    inserted_back_dated_where_the_clock_is_ours,
    inserted_back_dated_by_a_superuser,
    seals_back_dated,
]


@pytest.mark.parametrize("attack", ATTACKS, ids=[one.__name__ for one in ATTACKS])
def test_what_was_done_to_the_trail_is_found_and_the_first_event_named(
    trail: Trail, attack: Callable[[Trail], tuple[str, int]]
) -> None:
    for organisation in (trail.ours, trail.theirs):
        before = verify_chain(organisation_id=organisation.pk)
        assert (before.reason, before.intact, before.total) == ("", 6, 6)
    code, event = attack(trail)
    verdict = verify_chain(organisation_id=trail.ours.pk)
    assert (verdict.code, verdict.broken_event) == (code, event)
    told = io.StringIO()
    with pytest.raises(CommandError):
        call_command("verify_audit", "--organisation", trail.ours.slug, stdout=told)
    assert f"BROKEN at event {event} ({code})" in told.getvalue()
    with pytest.raises(CommandError):
        call_command("verify_audit", stdout=io.StringIO())
    if "truncated" not in attack.__name__ and "moved" not in attack.__name__:
        assert verify_chain(organisation_id=trail.theirs.pk).holds


def test_an_organisation_that_was_removed_with_its_events_is_named(trail: Trail) -> None:
    all_of_an_organisation_removed(trail)
    force("DELETE FROM access_organisation WHERE id = %(ours)s", ours=trail.ours.pk)
    told = io.StringIO()
    with pytest.raises(CommandError):
        call_command("verify_audit", stdout=told)
    assert f"organisation {trail.ours.pk} (removed): BROKEN at event {trail.events[0]}" in told.getvalue()


def test_the_triggers_keep_the_time_of_the_database(trail: Trail) -> None:
    with superuser.connect() as master:
        master.execute(copy_of(trail.events[0], recorded_at="'2020-01-01'"))
        row = master.execute(
            "SELECT now() - recorded_at < interval '1 minute' FROM audit_event WHERE id = %s", [newest()]
        )
        assert row.fetchone() == (True,)
        with pytest.raises(psycopg.errors.RaiseException):
            master.execute("UPDATE audit_event SET recorded_at = now()")
