"""An event that the application did not write gets no seal, whatever number it takes, and the check names it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from access.models import Organisation
from audit import services
from audit.models import ChainLink, Event
from audit.tasks import seal_chains
from audit.verify import verify_chain
from core.tenancy import all_tenants
from tests import superuser
from tests.access.factories import make_organisation
from tests.audit.sealing import as_of_old

pytestmark = pytest.mark.django_db(transaction=True)
COLUMNS = (
    "organisation_id, occurred_at, action, event_type, outcome, actor_label, target_kind, target_id, target_label, detail, "
    "explained_by, door, agent, request_id, studies, place, search"
)
VALUES = "%s, now(), 'organisation.changed', '', 'success', '', '', '', '', '{}', '', '', '', '', '{}', '', ''"
WITHOUT = f"INSERT INTO audit_event ({COLUMNS}) VALUES ({VALUES}) RETURNING id"  # noqa: S608
WITH_ITS_NUMBER = f"INSERT INTO audit_event (id, {COLUMNS}) VALUES (%s, {VALUES}) RETURNING id"  # noqa: S608


def record(organisation: Organisation, *, count: int) -> list[int]:
    return [services.record(action="organisation.changed", organisation=organisation).pk for _step in range(count)]


def forged_as_the_application(organisation: Organisation) -> int:
    with all_tenants(), connection.cursor() as cursor:
        cursor.execute(WITHOUT, [organisation.pk])
        return int(cursor.fetchone()[0])


def forged(organisation: Organisation, *, number: int) -> int:
    """As a superuser who silences every trigger."""
    with superuser.connect() as master, master.transaction():
        master.execute("SET LOCAL session_replication_role = replica")
        master.execute(WITH_ITS_NUMBER, [number, organisation.pk])
    return number


@pytest.mark.parametrize("overriding", ["", "OVERRIDING SYSTEM VALUE"])
@pytest.mark.parametrize("place", ["below", "gap", "above"])
def test_the_application_cannot_choose_the_number_of_an_event(place: str, overriding: str) -> None:
    organisation = make_organisation()
    [event] = record(organisation, count=1)
    number = {"below": -1, "gap": event - 100_000, "above": event + 100_000}[place]
    statement = WITH_ITS_NUMBER.replace(" VALUES", f" {overriding} VALUES", 1)
    refused = pytest.raises(DatabaseError, match="the number of an event is given by the database")
    with refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, [number, organisation.pk])
    with pytest.raises(DatabaseError, match="permission"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT setval('audit_event_id_seq', 1)")
    assert min(record(organisation, count=2)) > event


@pytest.mark.parametrize("stamp", [None, bytes(32)], ids=["none", "wrong"])
def test_an_event_without_a_stamp_that_holds_is_not_sealed_and_others_are(
    stamp: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = make_organisation(), make_organisation()
    seal_chains()
    monkeypatch.setattr("audit.sealing.SEAL_BATCH", 2)
    events = [forged_as_the_application(ours) for _step in range(3)]
    for organisation in (ours, theirs):
        record(organisation, count=5)
    if stamp is not None:
        with superuser.connect() as master, master.transaction():
            master.execute("SET LOCAL session_replication_role = replica")
            master.execute("UPDATE audit_event SET stamp = %s WHERE id = ANY(%s)", [stamp, events])
    told: list[dict[str, Any]] = []
    monkeypatch.setattr("audit.sealing.logger.error", lambda _event, **values: told.append(values))
    seal_chains()
    with all_tenants():
        assert list(Event.objects.filter(link=None).order_by("pk").values_list("pk", flat=True)) == events
    assert told[0]["organisation"] == ours.pk
    assert told[0]["first"][0] == events[0]
    verdict = verify_chain(organisation_id=ours.pk)
    assert (verdict.code, verdict.broken_event, verdict.intact) == ("forged", events[0], 6)
    assert verify_chain(organisation_id=theirs.pk).holds


@pytest.mark.parametrize("is_upgraded", [False, True])
def test_no_number_lets_an_event_pass_for_an_old_one(is_upgraded: bool, heads_file: Path) -> None:
    ours, theirs = make_organisation(), make_organisation()
    number = -7
    seal_chains()
    if is_upgraded:
        first = min(record(theirs, count=3))
        seal_chains()
        as_of_old()
        heads_file.unlink()
        number = first - 50_000
    record(ours, count=1)
    seal_chains()
    assert verify_chain(organisation_id=ours.pk).holds
    forged(ours, number=number)
    record(ours, count=1)
    seal_chains()
    verdict = verify_chain(organisation_id=ours.pk)
    assert (verdict.code, verdict.broken_event) == ("forged", number)
    assert verify_chain(organisation_id=theirs.pk).holds


def test_what_an_older_release_left_waiting_is_adopted(heads_file: Path) -> None:
    ours, theirs = make_organisation(), make_organisation()
    seal_chains()
    for organisation in (ours, theirs):
        record(organisation, count=2)
    as_of_old()
    heads_file.unlink()
    assert verify_chain(organisation_id=ours.pk).holds
    record(ours, count=1)
    seal_chains()
    kinds = [json.loads(line)["kind"] for line in heads_file.read_bytes().splitlines()]
    assert kinds == ["begin", "adopt", "adopt", "adopted", "seal"]
    for organisation, count in ((ours, 4), (theirs, 3)):
        verdict = verify_chain(organisation_id=organisation.pk)
        assert (verdict.reason, verdict.intact, verdict.unsealed) == ("", count, 0)
    with all_tenants():
        assert ChainLink.objects.filter(form=1).count() == 6
