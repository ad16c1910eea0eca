"""Events that waited: sealing stood still for hours, and more came than one seal takes in."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.utils import timezone, translation

from access.models import Organisation
from audit import heads, sealing, services, verify
from audit.checks import check_key
from audit.domain import stamps
from audit.domain.heads import Head
from audit.models import Event, as_written
from audit.tasks import seal_chains
from audit.verify import verify_chain
from core.tenancy import all_tenants
from tests import superuser
from tests.access.factories import make_organisation

pytestmark = pytest.mark.django_db(transaction=True)


def record(organisation: Organisation, *, count: int) -> list[int]:
    return [services.record(action="organisation.changed", organisation=organisation).pk for _step in range(count)]


def seal_by_twos(organisation: Organisation) -> None:
    while sealing.seal(organisation_id=organisation.pk, limit=2):
        pass


def hours_go_by(monkeypatch: pytest.MonkeyPatch, *, hours: int) -> None:
    monkeypatch.setattr(sealing, "_now", lambda: timezone.now() + timedelta(hours=hours))


def recorded(event: int, *, ago: str) -> None:
    """Say another time for an event and its record, with a stamp that holds: an attacker with the key and every right."""
    with all_tenants():
        row = Event.objects.get(pk=event)
    with superuser.connect() as master, master.transaction():
        master.execute("SET LOCAL session_replication_role = replica")
        found = master.execute(
            "UPDATE audit_event SET recorded_at = recorded_at - %s::interval, occurred_at = occurred_at - %s::interval "
            "WHERE id = %s RETURNING occurred_at",
            [ago, ago, event],
        ).fetchone()
        assert found is not None
        row.occurred_at = found[0]
        master.execute(
            "UPDATE audit_event SET stamp = %s WHERE id = %s", [stamps.make(as_written(row), key=heads.key()), event]
        )


def test_events_that_waited_for_hours_behind_others_are_not_called_back_dated(
    monkeypatch: pytest.MonkeyPatch, heads_file: Path
) -> None:
    ours, theirs = make_organisation(), make_organisation()
    seal_chains()
    for organisation in (ours, theirs):
        record(organisation, count=5)
    hours_go_by(monkeypatch, hours=5)
    for organisation in (ours, theirs):
        seal_by_twos(organisation)
        verdict = verify_chain(organisation_id=organisation.pk)
        assert (verdict.reason, verdict.intact, verdict.unsealed) == ("", 6, 0)
    lines = [json.loads(line) for line in heads_file.read_bytes().splitlines()]
    assert [line["more"] for line in lines if line.get("organisation") == ours.pk] == [False, True, True, False]


@pytest.mark.parametrize("place", [0, 1, 3, 4])
def test_a_back_dated_event_is_found_in_every_seal_of_a_backlog(monkeypatch: pytest.MonkeyPatch, place: int) -> None:
    ours = make_organisation()
    seal_chains()
    events = record(ours, count=5)
    recorded(events[place], ago="2 days")
    hours_go_by(monkeypatch, hours=5)
    seal_by_twos(ours)
    verdict = verify_chain(organisation_id=ours.pk)
    assert (verdict.code, verdict.broken_event) == ("back-dated", events[place])


def test_a_back_dated_event_is_found_after_a_backlog_too(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = make_organisation()
    record(ours, count=5)
    hours_go_by(monkeypatch, hours=5)
    seal_by_twos(ours)
    [event] = record(ours, count=1)
    seal_by_twos(ours)
    verdict = verify_chain(organisation_id=ours.pk)
    assert (verdict.code, verdict.broken_event) == ("back-dated", event)


@pytest.mark.parametrize(("count", "left_none"), [(1999, True), (2000, False)])
def test_a_full_seal_from_before_heads_told_may_have_left_events(count: int, left_none: bool) -> None:
    head = Head(kind="seal", time="", previous="", sequence=count, events=tuple(range(count)))
    assert head.left_none is left_none
    assert "more" not in head.content()


def forged(organisation: Organisation) -> int:
    with superuser.connect() as master:
        row = master.execute(
            "INSERT INTO audit_event (organisation_id, occurred_at, action, event_type, outcome, actor_label, target_kind, "
            "target_id, target_label, detail, explained_by, door, agent, request_id, studies, place, search) "
            "VALUES (%s, now(), 'organisation.changed', '', 'success', '', '', '', '', '{}', '', '', '', '', '{}', '', '') "
            "RETURNING id",
            [organisation.pk],
        ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("hours", [0, 5])
def test_a_forged_event_is_seen_behind_any_number_that_wait(monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    ours, theirs = make_organisation(), make_organisation()
    seal_chains()
    monkeypatch.setattr(verify, "CHUNK", 2)
    for organisation in (ours, theirs):
        record(organisation, count=5)
    event = forged(ours)
    record(ours, count=1)
    now = timezone.now() + timedelta(hours=hours)
    monkeypatch.setattr("audit.verify.timezone.now", lambda: now)
    verdict = verify_chain(organisation_id=ours.pk)
    assert (verdict.code, verdict.broken_event, verdict.unsealed) == ("forged", event, 7)
    assert verify_chain(organisation_id=theirs.pk).code == ("unsealed" if hours else "")


def test_a_copied_event_is_seen_while_it_waits() -> None:
    ours = make_organisation()
    [event] = record(ours, count=1)
    seal_chains()
    columns = (
        "organisation_id, occurred_at, action, event_type, outcome, actor_id, actor_label, target_kind, target_id, "
        "target_label, detail, explained_by, address, door, agent, request_id, studies, place, search, stamp"
    )
    with superuser.connect() as master:
        row = master.execute(
            f"INSERT INTO audit_event ({columns}) SELECT {columns} FROM audit_event WHERE id = %s RETURNING id",  # noqa: S608
            [event],
        ).fetchone()
    assert row is not None
    verdict = verify_chain(organisation_id=ours.pk)
    assert (verdict.code, verdict.broken_event) == ("forged", row[0])


# Another key ----------------------------------------------------------------------------------------------------------


def test_a_file_of_heads_is_not_gone_on_with_under_another_key(settings: Any, heads_file: Path) -> None:
    ours = make_organisation()
    seal_chains()
    before, key, old = heads_file.read_bytes(), settings.AUDIT_KEY, heads.key().name
    record(ours, count=1)
    settings.AUDIT_KEY = "A" * 43
    seal_chains()
    assert cache.get(sealing.STOPPED) == "audit-key-changed"
    assert heads_file.read_bytes() == before
    assert [one.id for one in check_key()] == ["pacsweb.audit.key"]
    finding = verify.file_finding(verify.take_snapshot())
    assert finding is not None
    told = verify.words(finding)
    assert f"signed with the key {old}, not with the audit key ({heads.key().name})" in told
    settings.AUDIT_KEY = key
    assert check_key() == []
    seal_chains()
    assert verify_chain(organisation_id=ours.pk).holds
    call_command("verify_audit", verbosity=0)


def test_what_was_found_is_told_in_the_language_of_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = make_organisation()
    seal_chains()
    event = forged(ours)
    monkeypatch.setattr(verify, "_", lambda text: f"«{text}»")
    with translation.override("en"):
        verdict = verify_chain(organisation_id=ours.pk)
    assert (verdict.broken_event, verdict.reason[0], verdict.reason[-1]) == (event, "«", "»")
