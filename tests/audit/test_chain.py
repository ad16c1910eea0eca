from __future__ import annotations

import threading
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from access.models import Organisation
from audit import sealing, services
from audit.domain import chain
from audit.models import ChainLink, Event
from audit.tasks import seal_chains
from audit.verify import verify_chain
from core.tenancy import all_tenants
from tests import superuser
from tests.access.factories import make_member, make_organisation

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), json_values, max_size=5))
def test_canonical_json_does_not_depend_on_the_order_of_keys(event: dict[str, Any]) -> None:
    assert chain.canonical_json(event) == chain.canonical_json(dict(reversed(event.items())))


@given(st.dictionaries(st.text(), json_values, max_size=5), st.dictionaries(st.text(), json_values, max_size=5))
def test_digest_changes_with_the_event_and_with_what_went_before(first: dict[str, Any], second: dict[str, Any]) -> None:
    one = chain.link_digest(previous=chain.GENESIS, event=first)
    assert (one == chain.link_digest(previous=chain.GENESIS, event=second)) == (
        chain.canonical_json(first) == chain.canonical_json(second)
    )
    assert chain.link_digest(previous=one, event=first) != one


def write_events(organisation: Organisation, count: int) -> list[Event]:
    return [
        services.record(
            action="organisation.changed", organisation=organisation, detail={"step": n, "name": "Ülo 山田"}
        )
        for n in range(count)
    ]


def force(sql: Any, *parameters: Any) -> None:
    """What somebody with the database's own password could do."""
    with superuser.connect() as master, master.transaction():
        master.execute("SET LOCAL session_replication_role = replica")
        master.execute(sql, parameters)


@pytest.mark.django_db
def test_untouched_chain_holds_and_new_events_wait_for_their_seal() -> None:
    organisation = make_organisation()
    make_member(organisation)
    seal_chains()
    write_events(organisation, 3)
    verdict = verify_chain(organisation_id=organisation.pk)
    assert verdict.holds
    assert verdict.unsealed == 3
    seal_chains()
    seal_chains()
    after = verify_chain(organisation_id=organisation.pk)
    assert (after.holds, after.unsealed, after.intact) == (True, 0, verdict.intact + 3)


@pytest.mark.django_db
def test_events_cannot_be_changed_or_removed_by_the_application() -> None:
    (event,) = write_events(make_organisation(), 1)
    with all_tenants():
        with pytest.raises(DatabaseError), transaction.atomic():
            Event.objects.filter(pk=event.pk).update(outcome="failed")
        with pytest.raises(DatabaseError), transaction.atomic():
            Event.objects.filter(pk=event.pk).delete()


@pytest.mark.django_db(transaction=True)
def test_altered_event_is_named() -> None:
    organisation, other = make_organisation(), make_organisation()
    events = write_events(organisation, 5)
    write_events(other, 2)
    seal_chains()
    force("UPDATE audit_event SET actor_label = 'somebody else' WHERE id = %s", events[2].pk)
    verdict = verify_chain(organisation_id=organisation.pk)
    assert not verdict.holds
    assert verdict.broken_event == events[2].pk
    assert verify_chain(organisation_id=other.pk).holds
    with pytest.raises(CommandError):
        call_command("verify_audit")
    call_command("verify_audit", "--organisation", other.slug)


@pytest.mark.django_db(transaction=True)
def test_removed_event_is_named() -> None:
    organisation = make_organisation()
    events = write_events(organisation, 5)
    seal_chains()
    force("DELETE FROM audit_chainlink WHERE event_id = %s", events[1].pk)
    force("DELETE FROM audit_event WHERE id = %s", events[1].pk)
    verdict = verify_chain(organisation_id=organisation.pk)
    assert not verdict.holds
    assert (verdict.code, verdict.broken_event) == ("removed", events[1].pk)


@pytest.mark.django_db(transaction=True)
def test_event_moved_to_another_organisation_is_named() -> None:
    ours, theirs = make_organisation(), make_organisation()
    events = write_events(ours, 2)
    seal_chains()
    force("UPDATE audit_event SET organisation_id = %s WHERE id = %s", theirs.pk, events[1].pk)
    assert not verify_chain(organisation_id=ours.pk).holds


@pytest.mark.django_db
def test_undeclared_action_is_a_programming_error() -> None:
    with pytest.raises(LookupError):
        services.record(action="world.conquered", organisation=make_organisation())


@pytest.mark.django_db(transaction=True)
def test_sealers_at_the_same_time_make_one_chain() -> None:
    organisation = make_organisation()
    write_events(organisation, 50)
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        try:
            for _turn in range(5):
                sealing.seal(organisation_id=organisation.pk, limit=7)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seal_chains()
    verdict = verify_chain(organisation_id=organisation.pk)
    assert verdict.holds
    assert verdict.unsealed == 0
    with all_tenants():
        assert (
            ChainLink.objects.filter(organisation=organisation).count()
            == Event.objects.filter(organisation=organisation).count()
        )
