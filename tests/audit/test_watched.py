"""Sealing that stands still is told within a minute; a file of heads that is gone, cut or no such file always is."""

from __future__ import annotations

import io
from datetime import datetime
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from access.models import Organisation
from audit import heads, queries, services
from audit.domain import chain
from audit.models import ChainLink, Event, as_sealed
from audit.tasks import seal_chains
from audit.verify import verify_chain
from core.tenancy import all_tenants
from tests import superuser
from tests.access.factories import make_member, make_organisation
from tests.audit.tampering import COLUMNS, force
from tests.audit.test_desk import address, signed_in

pytestmark = pytest.mark.django_db(transaction=True)


def record(organisation: Organisation) -> int:
    return services.record(
        action="organisation.changed", organisation=organisation, detail={"job": "Größe Žižka", "n": 1e20}
    ).pk


def late_since(organisation: Organisation) -> datetime | None:
    with all_tenants():
        return queries.seal_state(organisation=organisation).late_since


def told() -> str:
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("verify_audit", stdout=out)
    return out.getvalue()


def test_events_that_wait_for_over_a_minute_are_told() -> None:
    ours, theirs = make_organisation(), make_organisation()
    seal_chains()
    event = record(ours)
    answer = Client().get("/healthz").json()
    assert (answer["audit"]["state"], late_since(ours)) == ("ok", None)
    force("UPDATE audit_event SET recorded_at = recorded_at - interval '61 s' WHERE id = %(event)s", event=event)
    with superuser.connect() as other:
        other.execute("SELECT pg_advisory_lock(%s, 0)", [0x5EA1])
        seal_chains()
        answer = Client().get("/healthz").json()
        assert (answer["status"], answer["audit"]["state"]) == ("degraded", "unsealed")
        assert answer["audit"]["waiting_seconds"] >= 61
        assert late_since(ours) is not None
        assert late_since(theirs) is None
        desks = [
            signed_in(make_member(one, roles=("officer",))).get(address("event-list", one)).content.decode()
            for one in (ours, theirs)
        ]
        assert ["waiting too long to be sealed" in desk for desk in desks] == [True, False]
    seal_chains()
    assert Client().get("/healthz").json()["audit"] == {"state": "ok", "waiting_seconds": 0}


def made_to_look_old() -> None:
    previous: dict[int | None, bytes] = {}
    force("UPDATE audit_event SET stamp = NULL")
    with all_tenants():
        for link in ChainLink.objects.order_by("sequence").select_related("event"):
            before = previous.get(link.organisation_id, chain.GENESIS)
            digest = chain.link_digest(previous=before, event=as_sealed(link.event, form=1))
            force(
                "UPDATE audit_chainlink SET form = 1, previous = %(before)s, digest = %(digest)s WHERE id = %(pk)s",
                before=before, digest=digest, pk=link.pk,
            )  # fmt: skip
            previous[link.organisation_id] = digest


@pytest.mark.parametrize("file", [None, b"", b"garbage\n" * 70])
@pytest.mark.parametrize("is_emptied", [False, True])
def test_no_trail_that_was_made_to_look_old_passes_without_its_heads(
    file: bytes | None, is_emptied: bool, heads_file: Path
) -> None:
    ours, theirs = make_organisation(), make_organisation()
    for organisation in (ours, theirs):
        record(organisation)
    seal_chains()
    if is_emptied:
        force("TRUNCATE audit_chainlink, audit_event")
    else:
        made_to_look_old()
    heads_file.unlink() if file is None else heads_file.write_bytes(file)
    assert "signed heads: BROKEN" in told()
    assert heads.marker().exists()
    record(ours)
    seal_chains()
    assert "signed heads: BROKEN" in told()


def test_a_cut_last_line_of_the_heads_is_told(heads_file: Path) -> None:
    organisation = make_organisation()
    seal_chains()
    record(organisation)
    seal_chains()
    heads_file.write_bytes(heads_file.read_bytes()[:-40])
    assert "is cut off" in told()


def test_of_a_copy_with_a_smaller_number_both_are_named() -> None:
    ours, theirs = make_organisation(), make_organisation()
    event = record(ours)
    record(theirs)
    seal_chains()
    selected = f"INSERT INTO audit_event (id, {COLUMNS}) SELECT -3, {COLUMNS} FROM audit_event WHERE id = {event}"  # noqa: S608
    force(selected)
    for _step in range(2):
        verdict = verify_chain(organisation_id=ours.pk)
        assert (verdict.code, verdict.broken_event) == ("forged", -3)
        assert f"event {event}" in verdict.reason
        seal_chains()
    assert verify_chain(organisation_id=theirs.pk).holds


@pytest.mark.parametrize(
    "search", ["''", "replace(search, 'zizka', '')", "replace(search, 'organisation.changed', 'x')"]
)
def test_a_changed_search_text_is_named(search: str) -> None:
    ours, theirs = make_organisation(), make_organisation()
    for organisation in (ours, theirs):
        event = record(organisation)
    seal_chains()
    assert verify_chain(organisation_id=theirs.pk).holds
    force(f"UPDATE audit_event SET search = {search} WHERE id = %(event)s", event=event)  # noqa: S608
    verdict = verify_chain(organisation_id=theirs.pk)
    assert (verdict.code, verdict.broken_event) == ("changed", event)
    assert "searches" in verdict.reason
    with all_tenants():
        assert Event.objects.filter(pk=event).exists()
    assert verify_chain(organisation_id=ours.pk).holds
