"""Who gets an association, who is refused why, and that no peer can hurt the listener."""

from __future__ import annotations

import os
import random
import struct
import time
from typing import Any

import pytest
from django.db import OperationalError
from pynetdicom import AE, build_role
from pynetdicom.pdu_primitives import UserIdentityNegotiation

from audit.models import Event
from core.tenancy import all_tenants, tenant
from dimse import services
from dimse.domain import command as commands
from dimse.domain.command import encode, padded, us
from dimse.domain.negotiation import VERIFICATION
from tests.archive.factories import make_archive, make_dataset, to_bytes
from tests.dimse.factories import (
    EXPLICIT,
    MR,
    Peer,
    associate_request,
    index_all,
    item,
    p_data,
    running_listener,
    send,
    spooled_files,
    stored_uids,
)

pytestmark = pytest.mark.django_db(transaction=True)

IMPLICIT = "1.2.840.10008.1.2"
ECHO = {1: (VERIFICATION, [IMPLICIT])}


def rejection(answer: tuple[int, bytes]) -> tuple[int, int, int]:
    kind, body = answer
    assert kind == 3, f"expected a rejection, got PDU {kind}"
    return body[1], body[2], body[3]


def accepted_contexts(body: bytes) -> dict[int, tuple[int, str]]:
    found = {}
    position = 68
    while position < len(body):
        kind, _reserved, length = struct.unpack_from(">BBH", body, position)
        value = body[position + 4 : position + 4 + length]
        if kind == 0x21:
            found[value[0]] = (value[2], value[8:].decode())
        position += 4 + length
    return found


def test_an_unknown_called_ae_title_is_rejected_with_reason_seven() -> None:
    make_archive(ae_title="HERE")
    with running_listener() as port, Peer(port) as peer:
        assert rejection(peer.associate(called="ELSEWHERE")) == (1, 1, 7)


def test_an_archive_closed_to_associations_looks_unknown() -> None:
    make_archive(ae_title="HERE", is_open_to_dimse=False)
    with running_listener() as port, Peer(port) as peer:
        assert rejection(peer.associate(called="HERE")) == (1, 1, 7)


def test_a_calling_ae_title_that_is_not_on_the_list_is_rejected_with_reason_three() -> None:
    make_archive(ae_title="HERE", calling_ae_titles=["SCANNER_7"])
    with running_listener() as port:
        with Peer(port) as peer:
            assert rejection(peer.associate(called="HERE", calling="STRANGER")) == (1, 1, 3)
        with Peer(port) as peer:
            assert peer.associate(called="HERE", calling="SCANNER_7")[0] == 2


def test_a_changed_archive_is_known_to_the_listener_at_once() -> None:
    archive = make_archive(ae_title="HERE")
    with running_listener(directory_seconds=600) as port:
        with Peer(port) as peer:
            assert peer.associate(called="HERE")[0] == 2
        with tenant(archive.organisation):
            archive.ae_title = "MOVED"
            archive.save()
        with Peer(port) as peer:
            assert rejection(peer.associate(called="HERE")) == (1, 1, 7)
        with Peer(port) as peer:
            assert peer.associate(called="MOVED")[0] == 2


def test_a_full_listener_rejects_transiently_and_recovers() -> None:
    make_archive(ae_title="HERE")
    with running_listener(associations=2) as port:
        with Peer(port) as first, Peer(port) as second:
            assert first.associate(called="HERE")[0] == second.associate(called="HERE")[0] == 2
            with Peer(port) as third:
                assert rejection(third.associate(called="HERE")) == (2, 3, 2)
        time.sleep(0.3)
        with Peer(port) as fourth:
            assert fourth.associate(called="HERE")[0] == 2


def test_a_peer_that_asks_too_often_is_slowed_down() -> None:
    make_archive(ae_title="HERE")
    with running_listener(association_burst=3, associations_per_second=0.01) as port:
        answers = []
        for _unused in range(5):
            with Peer(port) as peer:
                answers.append(peer.associate(called="HERE")[0])
    assert answers == [2, 2, 2, 3, 3]


def test_without_a_database_the_answer_is_to_try_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    make_archive(ae_title="HERE")

    def away(_title: str) -> Any:
        raise OperationalError("the database is gone")

    monkeypatch.setattr("dimse.directory._load", away)
    with running_listener() as port, Peer(port) as peer:
        assert rejection(peer.associate(called="HERE")) == (2, 3, 1)


def test_wrong_application_context_and_protocol_version_are_rejected() -> None:
    make_archive(ae_title="HERE")
    with running_listener() as port:
        good = associate_request(called="HERE")
        with Peer(port) as peer:
            peer.say(good.replace(b"1.2.840.10008.3.1.1.1", b"1.2.840.10008.3.1.1.9"))
            assert rejection(peer.hear()) == (1, 1, 2)
        with Peer(port) as peer:
            peer.say(good[:6] + b"\x00\x02" + good[8:])
            assert rejection(peer.hear()) == (1, 2, 2)


def test_every_archive_answers_a_verification_and_a_transfer_syntax_is_chosen_by_rule() -> None:
    make_archive(ae_title="HERE")
    j2k, jpeg, mpeg, jpip = (f"1.2.840.10008.1.2.4.{n}" for n in (90, 50, 102, 94))
    contexts = {
        1: (VERIFICATION, [IMPLICIT]),
        3: (MR, [IMPLICIT, EXPLICIT, j2k]),
        5: (MR, [jpeg, IMPLICIT, EXPLICIT]),
        7: (MR, [jpeg]),
        9: (MR, [mpeg]),
        11: (MR, [jpip]),
        13: ("1.2.840.10008.5.1.4.1.2.2.1", [IMPLICIT]),
        15: ("1.3.46.670589.5.0.1", ["1.2.3.4.5"]),
        17: ("1.2.840.10008.5.1.4.1.1.999.1", [EXPLICIT]),
        19: (MR, ["1.2.840.10008.1.2.2"]),
    }
    with running_listener() as port, Peer(port) as peer:
        kind, body = peer.associate(called="HERE", contexts=contexts)
    assert kind == 2
    found = accepted_contexts(body)
    assert found[1] == (0, IMPLICIT)
    assert found[3] == (0, j2k)
    assert found[5] == (0, EXPLICIT)
    assert found[7] == (0, jpeg)
    assert found[9] == (0, mpeg)
    assert found[11][0] == 4
    assert found[13][0] == 3
    assert found[15] == (0, "1.2.3.4.5")
    assert found[17] == (0, EXPLICIT)
    assert found[19] == (0, "1.2.840.10008.1.2.2")


def test_an_echo_is_answered_also_with_identity_and_asynchronous_operations_proposed() -> None:
    make_archive(ae_title="HERE")
    ae = AE(ae_title="SENDER")
    ae.add_requested_context(VERIFICATION)
    identity = UserIdentityNegotiation()
    identity.user_identity_type = 2
    identity.primary_field = b"somebody"
    identity.secondary_field = b"secret"
    with running_listener() as port:
        association = ae.associate("127.0.0.1", port, ae_title="HERE", ext_neg=[identity])
        assert association.is_established
        assert association.send_c_echo().Status == 0
        association.release()
        with Peer(port) as peer:
            window = item(0x53, struct.pack(">HH", 8, 8))
            peer.say(associate_request(called="HERE", contexts=ECHO, extra_user_items=window))
            kind, body = peer.hear()
            assert kind == 2 and b"\x53\x00\x00\x04" not in body


def test_the_requestor_stays_user_of_storage_whatever_role_it_proposes() -> None:
    make_archive(ae_title="HERE")
    ae = AE(ae_title="SENDER")
    ae.add_requested_context(MR)
    with running_listener() as port:
        association = ae.associate(
            "127.0.0.1", port, ae_title="HERE", ext_neg=[build_role(MR, scu_role=True, scp_role=True)]
        )
        assert association.is_established
        context = association.accepted_contexts[0]
        assert context.as_scu and not context.as_scp
        association.release()


def test_a_service_that_is_registered_is_offered_and_its_replies_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    make_archive(ae_title="HERE")
    seen = []

    def handler(*, request: services.Request) -> Any:
        seen.append((request.destination.ae_title, request.data_set, request.transfer_syntax))
        yield services.Reply(status=0xFF00, data_set=b"\x08\x00\x52\x00CS\x06\x00STUDY ")
        yield services.Reply(status=0x0000)

    monkeypatch.setattr(services, "_services", dict(services._services))
    find = "1.2.840.10008.5.1.4.1.2.2.1"
    services.register(abstract_syntax=find, handler=handler, operations=(commands.C_FIND_RQ,))
    request = encode(
        {
            commands.AFFECTED_SOP_CLASS_UID: padded(find),
            commands.COMMAND_FIELD: us(commands.C_FIND_RQ),
            commands.MESSAGE_ID: us(7),
            commands.PRIORITY: us(0),
            commands.DATA_SET_TYPE: us(1),
        }
    )
    with running_listener() as port, Peer(port) as peer:
        kind, _body = peer.associate(called="HERE", contexts={1: (find, [EXPLICIT])})
        assert kind == 2
        peer.say(p_data(1, request, control=3) + p_data(1, b"identifier", control=2))
        statuses = []
        while len(statuses) < 2:
            _kind, body = peer.hear()
            if body[5] & 1:
                statuses.append(commands.decode(body[6:]).number(commands.STATUS))
    assert statuses == [0xFF00, 0x0000]
    assert seen == [("HERE", b"identifier", EXPLICIT)]


def test_refusals_are_in_the_trail_once_a_minute_with_their_number() -> None:
    archive = make_archive(ae_title="HERE", calling_ae_titles=["SCANNER_7"])
    with running_listener() as port:
        for _unused in range(3):
            with Peer(port) as peer:
                peer.associate(called="HERE", calling="STRANGER")
            with Peer(port) as peer:
                peer.associate(called="NOWHERE")
        time.sleep(0.3)
    with tenant(archive.organisation):
        event = Event.objects.get(action="association.refused")
        assert (event.outcome, event.detail["reason"]) == ("refused", "calling-ae-not-recognised")
    with all_tenants():
        assert Event.objects.filter(action="association.refused", organisation=None).count() == 1


BAD_FIRST_WORDS = {
    "nothing that is DICOM": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "an unknown PDU": struct.pack(">BBI", 9, 0, 4) + bytes(4),
    "a release before an association": struct.pack(">BBII", 5, 0, 4, 0),
    "data before an association": p_data(1, b"x", control=3),
    "a request that claims four gigabytes": struct.pack(">BBI", 1, 0, 0xFFFFFFFF),
    "a request that is too short": struct.pack(">BBI", 1, 0, 10) + bytes(10),
    "an item longer than the request": associate_request(called="HERE")[:-40] + b"\x50\x00\xff\xff" + bytes(36),
    "an even context identifier": associate_request(called="HERE", contexts={2: (MR, [EXPLICIT])}),
    "no context at all": associate_request(called="HERE", contexts={}),
    "a context without transfer syntax": associate_request(called="HERE", contexts={1: (MR, [])}),
    "a UID that is none": associate_request(called="HERE", contexts={1: ("MR image", [EXPLICIT])}),
    "a maximum length nothing fits in": associate_request(called="HERE", maximum=3),
    "a role that is neither yes nor no": associate_request(
        called="HERE", extra_user_items=item(0x54, struct.pack(">H", 5) + b"1.2.3" + b"\x07\x00")
    ),
}


@pytest.mark.parametrize("name", BAD_FIRST_WORDS)
def test_bad_first_words_are_answered_with_an_abort(name: str) -> None:
    make_archive(ae_title="HERE")
    with running_listener() as port:
        with Peer(port) as peer:
            peer.say(BAD_FIRST_WORDS[name])
            kind, body = peer.hear()
            assert kind == 7 and body[2] == 2
        with Peer(port) as peer:
            assert peer.associate(called="HERE")[0] == 2


BAD_DATA = {
    "an empty data PDU": struct.pack(">BBI", 4, 0, 0),
    "a value longer than its PDU": struct.pack(">BBIIBB", 4, 0, 6, 500, 1, 3),
    "a value with no room for its header": struct.pack(">BBIIBB", 4, 0, 6, 1, 1, 3),
    "a header that is cut off": struct.pack(">BBI", 4, 0, 3) + bytes(3),
    "a PDU longer than agreed": struct.pack(">BBI", 4, 0, 1 << 24),
    "a context that was not accepted": p_data(
        99, encode({commands.COMMAND_FIELD: us(0x30), commands.DATA_SET_TYPE: us(0x101)}), control=3
    ),
    "a data set without a command": p_data(1, b"abcdef", control=2),
    "a command set that is garbage": p_data(1, os.urandom(64), control=3),
    "a command set without a command": p_data(1, encode({commands.MESSAGE_ID: us(1)}), control=3),
    "a response to nothing": p_data(
        1,
        encode({commands.COMMAND_FIELD: us(0x8001), commands.DATA_SET_TYPE: us(0x101), commands.STATUS: us(0)}),
        control=3,
    ),
    "a second association request": associate_request(called="HERE"),
    "an accept": struct.pack(">BBI", 2, 0, 4) + bytes(4),
}


@pytest.mark.parametrize("name", BAD_DATA)
def test_bad_data_on_an_association_is_answered_with_an_abort(name: str) -> None:
    make_archive(ae_title="HERE")
    with running_listener() as port, Peer(port) as peer:
        assert peer.associate(called="HERE")[0] == 2
        peer.say(BAD_DATA[name])
        kind, body = peer.hear()
        assert kind == 7 and body[2] == 2
    assert spooled_files() == []


def test_an_endless_command_set_is_cut_off() -> None:
    make_archive(ae_title="HERE")
    with running_listener() as port, Peer(port) as peer:
        peer.associate(called="HERE")
        kind = 0
        try:
            for _unused in range(40):
                peer.say(p_data(1, bytes(8000), control=1))
            kind = peer.hear()[0]
        except (BrokenPipeError, ConnectionResetError):
            kind = 7
        assert kind in (0, 7)


def test_a_peer_that_says_nothing_is_let_go() -> None:
    make_archive(ae_title="HERE")
    with running_listener(artim_seconds=0.5, idle_seconds=0.5) as port:
        with Peer(port) as peer:
            assert peer.hear()[0] == 7
        with Peer(port) as peer:
            peer.associate(called="HERE")
            assert peer.hear()[0] == 7


def test_a_peer_that_trickles_bytes_cannot_hold_a_thread() -> None:
    make_archive(ae_title="HERE")
    request = associate_request(called="HERE")
    with running_listener(artim_seconds=1.0) as port, Peer(port) as peer:
        began = time.monotonic()
        ended = False
        for position in range(len(request)):
            try:
                peer.say(request[position : position + 1])
            except (BrokenPipeError, ConnectionResetError):
                ended = True
                break
            time.sleep(0.1)
            if time.monotonic() - began > 5:
                break
        assert ended and time.monotonic() - began < 4


def test_random_bytes_never_hurt_the_listener() -> None:
    archive = make_archive(ae_title="HERE")
    generator = random.Random(20240131)
    dataset = make_dataset()
    good = associate_request(called="HERE")
    with running_listener(artim_seconds=0.3, idle_seconds=0.3, pdu_seconds=0.3, association_burst=1000) as port:
        for round_number in range(60):
            with Peer(port) as peer:
                peer.socket.settimeout(3)
                data = bytearray(good) if round_number % 2 else bytearray(generator.randbytes(200))
                for _unused in range(generator.randrange(1, 6)):
                    data[generator.randrange(len(data))] = generator.randrange(256)
                try:
                    peer.say(bytes(data) + generator.randbytes(generator.randrange(50)))
                    peer.hear()
                except (TimeoutError, OSError):
                    continue
        to_bytes(dataset)
    with running_listener() as port:
        assert send(port, [dataset], called="HERE") == [0]
    index_all()
    assert stored_uids(archive) == [dataset.SOPInstanceUID]
