"""Refused callers: who sees them, what is kept of them, and how one is let in."""

from __future__ import annotations

import html
import ipaddress
import socket
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone
from hypothesis import example, given, settings
from hypothesis import strategies as st

from access.models import Organisation, User
from access.services import grant_role
from archive.forms import ArchiveForm
from archive.intake.sources import add_source
from archive.models import Archive, IntakeSource
from audit.models import Event
from core.errors import Conflict, Forbidden, Invalid
from core.tenancy import all_tenants, tenant
from dimse import directory, handshake, refusals
from dimse.directory import Destination
from dimse.domain import callers, pdu
from dimse.limits import Limits
from dimse.models import RefusedCaller
from dimse.summary import Summary
from dimse.trail import Trail
from pacsweb.launcher import readiness
from tests.access.factories import make_member, make_organisation
from tests.archive.factories import make_archive
from tests.dimse.factories import Peer, associate_request, running_listener
from tests.dimse.test_gate import rejection

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass
class House:
    organisation: Organisation
    archive: Archive
    manager: User
    reader: User

    @property
    def base(self) -> str:
        return f"/o/{self.organisation.slug}/archive/{self.archive.slug}/callers/"

    @property
    def api(self) -> str:
        return f"/api/v1/o/{self.organisation.slug}/archives/{self.archive.slug}/refused-callers/"


def make_house(ae_title: str = "HERE", **fields: Any) -> House:
    organisation = make_organisation()
    archive = make_archive(organisation, ae_title=ae_title, is_open_to_any_caller=False, **fields)
    manager, reader = make_member(organisation), make_member(organisation)
    grant_role(actor=None, container=archive, role="manager", user=manager)
    grant_role(actor=None, container=archive, role="reader", user=reader)
    return House(organisation, archive, manager, reader)


def rows(count: int) -> list[RefusedCaller]:
    """The rows, once there are so many: they are written after the peer has its answer."""
    for _try in range(100):
        with all_tenants():
            found = list(RefusedCaller.objects.select_related("archive__organisation").order_by("pk"))
        if len(found) >= count:
            break
        time.sleep(0.05)
    assert len(found) == count, found
    return found


def test_each_refusal_is_kept_for_those_it_concerns_with_its_reason() -> None:
    make_house("HERE")
    make_house("OFF", is_open_to_dimse=False)
    make_house("COPIES", purpose="trial")
    house = make_house("GONE")
    Organisation.objects.filter(pk=house.organisation.pk).update(suspended_at=timezone.now())
    with running_listener() as port:
        for called in ("HERE", "OFF", "COPIES", "GONE", "NOWHERE"):
            assert rejection(port, called=called, calling="CT1") is not None
        found = {row.called_ae_title: row for row in rows(5)}
    assert {title: row.reason for title, row in found.items()} == {
        "HERE": "unknown-calling",
        "OFF": "closed",
        "COPIES": "unknown-calling",
        "GONE": "suspended",
        "NOWHERE": "unknown-called",
    }
    assert found["NOWHERE"].organisation_id is None
    assert found["HERE"].archive.ae_title == "HERE"
    for row in found.values():
        assert (row.calling_ae_title, row.address, row.count) == ("CT1", "127.0.0.1", 1)


def test_a_known_title_from_a_wrong_address_says_so() -> None:
    house = make_house(purpose="teaching")
    add_source(actor=None, archive=house.archive, kind="ae", calling_ae_title="CT1", network="10.0.0.0/8")
    with running_listener() as port:
        assert rejection(port, called="HERE", calling="CT1") == (1, 3)
        (row,) = rows(1)
    assert row.reason == "wrong-address"


def test_a_failed_handshake_is_the_installations() -> None:
    Trail(limits=Limits()).tell_of_handshake(address="10.9.8.7")
    (row,) = rows(1)
    assert (row.organisation_id, row.reason, row.address, row.called_ae_title) == (None, "tls", "10.9.8.7", "")


@pytest.mark.parametrize("seconds", [0.0, 0.4])
def test_a_caller_in_a_loop_is_one_row_with_its_number(seconds: float) -> None:
    """Also when its last calls came within the time in which they are held back, and no other follows."""
    make_house()
    with running_listener(refusals_noted_seconds=seconds) as port:
        for _time in range(5):
            rejection(port, called="HERE", calling="CT1")
        for _try in range(100):
            (row,) = rows(1)
            if row.count == 5:
                break
            time.sleep(0.05)
    assert row.count == 5
    assert row.first_at < row.last_at


def _destination(house: House) -> Destination:
    return Destination(archive=house.archive, ae_title=house.archive.ae_title, calling_ae_titles=frozenset())


def note(house: House | None, *, calling: str, address: str, called: str = "HERE") -> None:
    refusals.note(
        destination=_destination(house) if house is not None else None,
        called=called,
        calling=calling,
        address=address,
        reason="unknown-calling" if house is not None else "unknown-called",
    )


def test_whatever_a_stranger_tries_the_list_stays_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "MOST_PER_ADDRESS", 3)
    monkeypatch.setattr(refusals, "MOST_ROWS", 6)
    house = make_house()
    for number in range(10):
        note(house, calling=f"CT{number}", address="10.0.0.1")
        note(None, calling="X", called=f"T{number}", address="10.0.0.1")
    with all_tenants():
        own = RefusedCaller.objects.filter(archive=house.archive)
        assert own.count() == 4
        assert own.get(calling_ae_title="").count == 7
        assert RefusedCaller.objects.filter(organisation=None).count() == 4
    for number in range(10):
        note(house, calling="CT", address=f"10.0.1.{number}")
    with all_tenants():
        assert RefusedCaller.objects.filter(archive=house.archive).count() == 6
        RefusedCaller.objects.update(last_at=timezone.now() - timedelta(days=refusals.KEPT_DAYS + 1))
        assert refusals.sweep() > 0
        assert not RefusedCaller.objects.exists()


def test_the_manager_sees_what_their_archive_refused_and_nobody_elses(client: Client) -> None:
    house, other = make_house("HERE"), make_house("THERE")
    note(house, calling="CT1", address="10.0.0.1")
    note(other, calling="CT2", called="THERE", address="10.0.0.2")
    note(None, calling="CT3", called="NOWHERE", address="10.0.0.3")
    client.force_login(house.manager)
    shown = client.get(house.base).content.decode()
    assert "CT1" in shown
    assert "10.0.0.1" in shown
    for foreign in ("CT2", "CT3", "THERE", "NOWHERE", "10.0.0.2", "10.0.0.3"):
        assert foreign not in shown
    listed = client.get(house.api).json()["results"]
    assert [(row["calling_ae_title"], row["address"], row["reason"], row["is_curable"]) for row in listed] == [
        ("CT1", "10.0.0.1", "unknown-calling", True)
    ]
    assert client.get(other.base).status_code == 404
    with all_tenants():
        foreign_row = RefusedCaller.objects.get(archive=other.archive)
    assert client.post(f"{house.base}{foreign_row.public_id}/allow/").status_code == 404
    client.force_login(house.reader)
    assert client.get(house.base).status_code == 403
    assert client.get(house.api).status_code == 403


def test_an_empty_list_says_what_will_stand_there(client: Client) -> None:
    house = make_house()
    client.force_login(house.manager)
    assert "No caller was refused" in client.get(house.base).content.decode()


def test_callers_of_nobody_are_for_the_administrator_of_the_installation(client: Client) -> None:
    house = make_house()
    note(None, calling="CT3", called="NOWHERE", address="10.0.0.3")
    note(house, calling="CT1", address="10.0.0.1")
    client.force_login(house.manager)
    assert client.get("/installation/callers/").status_code in (403, 404)
    User.objects.filter(pk=house.manager.pk).update(is_installation_administrator=True)
    shown = client.get("/installation/callers/").content.decode()
    assert "NOWHERE" in shown
    assert "10.0.0.1" not in shown


def test_allowing_a_caller_lets_it_in_and_is_recorded(client: Client) -> None:
    house = make_house(calling_ae_titles=["MR1"])
    with running_listener(directory_seconds=60.0) as port:
        assert rejection(port, called="HERE", calling="CT1") == (1, 3)
        (row,) = rows(1)
        with pytest.raises(Forbidden):
            refusals.allow(actor=house.reader, caller=row)
        client.force_login(house.manager)
        assert client.post(f"{house.base}{row.public_id}/allow/").status_code == 302
        assert rejection(port, called="HERE", calling="CT1") is None
        assert rejection(port, called="HERE", calling="CT2") == (1, 3)
    with tenant(house.organisation):
        assert Archive.objects.get(pk=house.archive.pk).calling_ae_titles == ["MR1", "CT1"]
        assert not RefusedCaller.objects.filter(calling_ae_title="CT1").exists()
        event = Event.objects.get(action="archive.caller_allowed")
    assert event.detail["calling_ae_title"] == "CT1"


def test_allowing_a_caller_of_a_de_identified_archive_names_it_with_its_address(client: Client) -> None:
    house = make_house(purpose="trial")
    with running_listener() as port:
        rejection(port, called="HERE", calling="CT1")
        (row,) = rows(1)
        client.force_login(house.manager)
        assert client.post(f"{house.api}{row.public_id}/allow/").status_code == 204
        assert rejection(port, called="HERE", calling="CT1") is None
    with tenant(house.organisation):
        source = IntakeSource.objects.get(archive=house.archive)
        assert Archive.objects.get(pk=house.archive.pk).calling_ae_titles == []
    assert (source.calling_ae_title, source.network) == ("CT1", "127.0.0.1/32")


@pytest.mark.parametrize("reason", ["closed", "suspended", "unknown-called", "tls", "protocol", "unsound-title"])
def test_what_allowing_would_not_mend_is_not_allowed(reason: str) -> None:
    house = make_house()
    refusals.note(destination=_destination(house), called="HERE", calling="CT1", address="10.0.0.1", reason=reason)
    (row,) = rows(1)
    with pytest.raises(Conflict):
        refusals.allow(actor=house.manager, caller=row)


@pytest.mark.parametrize("calling", ["<b>&\\", "GR?SSE\u00d6", ""])
def test_a_title_that_is_none_is_shown_without_a_button_and_never_allowed(client: Client, calling: str) -> None:
    house = make_house()
    note(house, calling=calling, address="10.0.0.1")
    (row,) = rows(1)
    with pytest.raises(Conflict) as refused:
        refusals.allow(actor=house.manager, caller=row)
    client.force_login(house.manager)
    page = client.get(house.base).content.decode()
    assert "/allow/" not in page
    assert str(refused.value.message) in html.unescape(page)


def test_a_sender_without_a_known_address_has_no_button_in_a_de_identified_archive(client: Client) -> None:
    house = make_house(purpose="trial")
    note(house, calling="CT1", address="")
    client.force_login(house.manager)
    page = client.get(house.base).content.decode()
    assert "/allow/" not in page
    assert "The address is not known" in page


#: PS3.5 6.2: the default repertoire without backslash and control characters; not all of it spaces.
LEGAL = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="\\"), min_size=1, max_size=16
).filter(lambda title: title.strip(" ") != "")


@pytest.mark.parametrize("purpose", ["clinical", "trial"])
def test_whatever_may_call_by_the_standard_can_be_allowed(purpose: str) -> None:
    """From the bytes of its request to the answer to its next one, and through the form of the settings."""
    house = make_house(purpose=purpose)

    @settings(max_examples=60, deadline=None)
    @example("CT 1").via("a space inside")
    @example(" CT,  1 ").via("padded, with a comma and two spaces")
    @example("(none)").via("reads like our word for a title of spaces")
    @example("CT?")
    @given(LEGAL)
    def check(title: str) -> None:
        request = pdu.parse_associate_request(associate_request(called="HERE", calling=title)[6:])
        assert handshake.fault_of(request) is None
        calling = request.calling_ae_title
        destination = directory._load("HERE")
        assert destination is not None
        if destination.may_store(calling_ae_title=calling, address="10.0.0.1"):
            return
        note(house, calling=calling, address="10.0.0.1")
        with all_tenants():
            row = RefusedCaller.objects.select_related("archive__organisation").get(archive=house.archive)
        assert row.is_curable and row.why_not_curable == ""
        refusals.allow(actor=house.manager, caller=row)
        allowed = directory._load("HERE")
        assert allowed is not None
        assert allowed.may_call(calling_ae_title=calling, address="10.0.0.1")
        assert allowed.may_store(calling_ae_title=calling, address="10.0.0.1")
        kept = allowed.archive.calling_ae_titles
        field = ArchiveForm.base_fields["calling_ae_titles"]
        assert field.clean(field.prepare_value(kept)) == kept

    check()


@pytest.mark.parametrize("raw", [b"A\\B", b"A\tB", b"GR\xd6SSE", b"\x7f", b"A\0B", b""])
def test_whatever_may_not_call_by_the_standard_cannot_be_typed_in_either(raw: bytes) -> None:
    house = make_house(purpose="trial")
    title = raw.decode("latin-1")
    request = pdu.parse_associate_request(associate_request(called="HERE", calling=title)[6:])
    assert handshake.fault_of(request) is pdu.CALLING_AE_NOT_RECOGNISED
    with pytest.raises(Invalid):
        add_source(actor=None, archive=house.archive, kind="ae", calling_ae_title=title, network="10.0.0.0/8")
    if title:
        with pytest.raises(ValidationError):
            ArchiveForm.base_fields["calling_ae_titles"].clean(title)


def test_a_caller_is_allowed_by_its_ipv4_address_also_where_the_socket_serves_both_families() -> None:
    house = make_house(purpose="trial")
    note(house, calling="CT1", address="::ffff:10.0.0.1")
    (row,) = rows(1)
    refusals.allow(actor=house.manager, caller=row)
    allowed = directory._load("HERE")
    assert allowed is not None
    for address in ("::ffff:10.0.0.1", "10.0.0.1"):
        assert allowed.may_store(calling_ae_title="CT1", address=address)


@pytest.mark.parametrize("address", ["fe80::1%eth0", "FE80:0::1%25", "fe80::1"])
def test_a_caller_on_the_same_wire_is_listed_and_can_be_allowed(client: Client, address: str) -> None:
    """A link-local address may come with a zone (RFC 4007 11), which the database refuses."""
    house = make_house(purpose="trial")
    for _try in range(2):
        note(house, calling="CT1", address=address)
    (row,) = rows(1)
    assert (row.address, row.count) == ("fe80::1", 2)
    client.force_login(house.manager)
    assert "fe80::1" in client.get(house.base).content.decode()
    assert client.post(f"{house.api}{row.public_id}/allow/").status_code == 204
    allowed = directory._load("HERE")
    assert allowed is not None
    assert allowed.may_store(calling_ae_title="CT1", address=address.casefold())
    assert not allowed.may_store(calling_ae_title="CT1", address="fe80::2")


def test_a_real_connection_from_a_link_local_address_is_noted() -> None:
    found = _link_local()
    if found is None:
        pytest.skip("this machine has no link-local address (RFC 4291 2.5.6)")
    make_house()
    address, index = found
    with running_listener(bind="::") as port:
        with socket.socket(socket.AF_INET6) as connection:
            connection.connect((address, port, 0, index))
            connection.sendall(associate_request(called="HERE", calling="CT1"))
            connection.recv(1)
        (row,) = rows(1)
    assert row.address == address


def _link_local() -> tuple[str, int] | None:
    """(address, interface) of this machine's own."""
    known = Path("/proc/net/if_inet6")
    for line in known.read_text(encoding="ascii").splitlines() if known.exists() else ():
        digits, index, _prefix, scope, *_rest = line.split()
        if scope == "20":
            return str(ipaddress.IPv6Address(int(digits, 16))), int(index, 16)
    return None


def test_a_sound_title_is_not_blamed_for_another_fault() -> None:
    house = make_house()
    refusals.note(destination=_destination(house), called="HERE", calling="CT?", address="10.0.0.1", reason="protocol")
    (row,) = rows(1)
    assert "AE title" not in row.why_not_curable and row.why_not_curable


def test_a_row_can_be_taken_off_and_comes_again_with_the_next_try(client: Client) -> None:
    house = make_house()
    note(house, calling="CT1", address="10.0.0.1")
    (row,) = rows(1)
    client.force_login(house.manager)
    assert client.post(f"{house.base}{row.public_id}/forget/").status_code == 302
    assert rows(0) == []
    note(house, calling="CT1", address="10.0.0.1")
    rows(1)


def test_a_stranger_on_the_raw_line_leaves_nothing_unprintable() -> None:
    make_house()
    with running_listener() as port:
        with Peer(port) as peer:
            peer.associate(called="HERE", calling="\x01\x02")
        (row,) = rows(1)
    assert row.reason == "unsound-title"
    assert row.calling_ae_title.isprintable()


@pytest.mark.parametrize(
    ("calling", "shown", "why"),
    [
        ("", "(none)", "names no calling AE title"),
        ("GR\u00d6SSE", "GR?SSE", "characters that DICOM does not allow"),
        ("A\\B", "A\\B", "characters that DICOM does not allow"),
    ],
)
def test_a_caller_without_a_sound_title_is_listed_for_the_archive_it_called(
    client: Client, calling: str, shown: str, why: str
) -> None:
    house, other = make_house(), make_house("THERE")
    with running_listener() as port:
        with Peer(port) as peer:
            kind, body = peer.associate(called="HERE", calling=calling)
        assert (kind, body[2], body[3]) == (pdu.ASSOCIATE_RJ, 1, 3)
        (row,) = rows(1)
    assert (row.archive_id, row.organisation_id) == (house.archive.pk, house.organisation.pk)
    assert (row.reason, row.calling_ae_title, row.is_curable) == ("unsound-title", shown, False)
    client.force_login(house.manager)
    page = client.get(house.base).content.decode()
    assert shown in page and why in page
    assert "/allow/" not in page
    assert client.get(house.api).json()["results"][0]["calling_ae_title"] == shown
    client.force_login(other.manager)
    page = client.get(other.base).content.decode()
    assert shown not in page and why not in page
    with tenant(house.organisation):
        assert Event.objects.get(action="association.refused").organisation_id == house.organisation.pk


def test_the_probe_of_the_launcher_is_no_refused_caller() -> None:
    house = make_house()
    with running_listener() as port:
        assert readiness.dicom_answers(host="127.0.0.1", port=port)
        assert rejection(port, called="HERE", calling="PACSWEB_PROBE") == (1, 3)
        assert rejection(port, called="PACSWEB", calling="CT1") is not None
        found = rows(2)
    assert {(row.called_ae_title, row.calling_ae_title) for row in found} == {
        ("HERE", "PACSWEB_PROBE"),
        ("PACSWEB", "CT1"),
    }
    assert {row.archive_id for row in found} == {house.archive.pk, None}


@pytest.mark.parametrize(("address", "own", "count"), [("10.1.2.3", "10.1.2.9", 1), ("10.1.2.9", "10.1.2.9", 0)])
def test_a_stranger_who_borrows_the_titles_of_the_probe_is_listed(address: str, own: str, count: int) -> None:
    summary = Summary(
        called_ae_title=callers.PROBE_CALLED,
        calling_ae_title=callers.PROBE_CALLING,
        address=address,
        own_address=own,
        reason=callers.UNKNOWN_CALLED,
    )
    Trail(limits=Limits()).tell(summary)
    assert len(rows(count)) == count
