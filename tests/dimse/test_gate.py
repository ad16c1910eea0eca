"""Who may open an association, and what archives of de-identified images take over it."""

from __future__ import annotations

from typing import Any

import pytest
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from access.services import grant_role
from archive.intake.sources import add_source, remove_source
from archive.models import Archive, Delivery, QuarantinedFile
from core.tenancy import tenant
from dimse import storage
from dimse.domain import pdu
from tests.access.factories import make_member, make_organisation
from tests.archive.factories import make_archive
from tests.archive.test_intake import CLEAN
from tests.dimse.factories import MR, Peer, index_all, running_listener, send, stored_uids
from tests.dimse.test_storing import prepared

pytestmark = pytest.mark.django_db(transaction=True)

NOT_AUTHORIZED = 0x0124


def rejection(port: int, *, called: str, calling: str = "SENDER", contexts: Any = None) -> tuple[int, int] | None:
    """(source, reason) of the rejection; None: accepted."""
    with Peer(port) as peer:
        kind, body = peer.associate(called=called, calling=calling, contexts=contexts)
    return (body[2], body[3]) if kind == pdu.ASSOCIATE_RJ else None


def test_a_new_archive_is_closed_until_callers_are_named() -> None:
    make_archive(ae_title="CLOSED", is_open_to_any_caller=False)
    make_archive(ae_title="NAMED", calling_ae_titles=["CT1"])
    make_archive(ae_title="OPEN", is_open_to_any_caller=True)
    with running_listener() as port:
        assert rejection(port, called="CLOSED") == (1, 3)
        assert rejection(port, called="NAMED") == (1, 3)
        assert rejection(port, called="NAMED", calling="CT1") is None
        assert rejection(port, called="OPEN") is None


@pytest.mark.parametrize("purpose", [Archive.Purpose.TEACHING, Archive.Purpose.TRIAL])
def test_an_archive_of_de_identified_images_takes_a_named_sender_from_its_addresses(purpose: str) -> None:
    archive = make_archive(ae_title="COPIES", purpose=purpose)
    elsewhere = make_archive(ae_title="OTHERS", purpose=purpose)
    source = add_source(actor=None, archive=archive, kind="ae", calling_ae_title="CT1", network="127.0.0.0/8")
    add_source(actor=None, archive=elsewhere, kind="ae", calling_ae_title="CT1", network="10.0.0.0/8")
    clean, clear = prepared(**CLEAN), prepared(**{**CLEAN, "PatientName": "Schmidt^Anna"})
    with running_listener() as port:
        assert send(port, [clean, clear], called="COPIES", calling="CT1") == [0, NOT_AUTHORIZED]
        assert rejection(port, called="COPIES", calling="CT2") == (1, 3)
        assert rejection(port, called="OTHERS", calling="CT1") == (1, 3)
    index_all()
    assert stored_uids(archive) == [clean.SOPInstanceUID]
    with tenant(archive.organisation):
        kept = QuarantinedFile.objects.get(archive=archive)
    assert (kept.code, kept.sop_instance_uid) == ("identity-found", clear.SOPInstanceUID)
    assert "PatientName" in kept.reason
    assert source.kind == "ae"


def test_the_comment_says_where_identity_was_found_and_not_whose() -> None:
    archive = make_archive(ae_title="COPIES", purpose="trial")
    add_source(actor=None, archive=archive, kind="ae", calling_ae_title="CT1", network="127.0.0.1")
    ae = AE(ae_title="CT1")
    ae.add_requested_context(MR, "1.2.840.10008.1.2.1")
    with running_listener() as port:
        association = ae.associate("127.0.0.1", port, ae_title="COPIES")
        status = association.send_c_store(prepared(**{**CLEAN, "PatientName": "Schmidt^Anna"}))
        association.release()
    assert status.Status == NOT_AUTHORIZED
    assert "PatientName" in status.ErrorComment
    assert "Schmidt" not in status.ErrorComment
    assert len(status.ErrorComment) <= 64


def test_a_caller_that_may_only_look_is_told_so_when_it_comes_to_store() -> None:
    archive = make_archive(ae_title="COPIES", purpose="teaching", is_open_to_any_caller=True)
    ae = AE(ae_title="ANYBODY")
    ae.add_requested_context(Verification)
    ae.add_requested_context(MR, "1.2.840.10008.1.2.1")
    with running_listener() as port:
        # Nothing but storage: told at once.
        assert rejection(port, called="COPIES") == (1, 3)
        association = ae.associate("127.0.0.1", port, ae_title="COPIES")
        assert association.is_established
        assert association.send_c_echo().Status == 0
        assert association.send_c_store(prepared(**CLEAN)).Status == NOT_AUTHORIZED
        association.release()
    index_all()
    assert stored_uids(archive) == []
    with tenant(archive.organisation):
        assert not QuarantinedFile.objects.filter(archive=archive).exists()


def test_a_source_taken_out_of_the_policy_is_out_with_the_next_association() -> None:
    organisation = make_organisation()
    manager = make_member(organisation)
    archive = make_archive(organisation, ae_title="COPIES", purpose="trial", actor=None)
    grant_role(actor=None, container=archive, role="manager", user=manager)
    source = add_source(actor=manager, archive=archive, kind="ae", calling_ae_title="CT1", network="127.0.0.1")
    with running_listener(directory_seconds=60.0) as port:
        assert send(port, [prepared(**CLEAN)], called="COPIES", calling="CT1") == [0]
        remove_source(actor=manager, source=source)
        assert rejection(port, called="COPIES", calling="CT1") == (1, 3)


def test_a_source_taken_out_of_the_policy_sends_nothing_more_over_an_open_association() -> None:
    organisation = make_organisation()
    manager = make_member(organisation)
    archive = make_archive(organisation, ae_title="COPIES", purpose="trial", actor=None)
    other = make_archive(ae_title="OTHERS", purpose="trial")
    grant_role(actor=None, container=archive, role="manager", user=manager)
    named = {"kind": "ae", "calling_ae_title": "CT1", "network": "127.0.0.1"}
    source = add_source(actor=manager, archive=archive, **named)
    add_source(actor=None, archive=other, **named)
    first, second, third, elsewhere = (prepared(**CLEAN) for _one in range(4))
    ae = AE(ae_title="CT1")
    ae.add_requested_context(MR, "1.2.840.10008.1.2.1")
    with running_listener(directory_seconds=60.0) as port:
        association = ae.associate("127.0.0.1", port, ae_title="COPIES")
        same = ae.associate("127.0.0.1", port, ae_title="OTHERS")
        assert association.send_c_store(first).Status == 0
        remove_source(actor=manager, source=source)
        with tenant(organisation):
            assert not Delivery.objects.filter(archive=archive, state=Delivery.State.OPEN).exists()
        assert association.send_c_store(second).Status == NOT_AUTHORIZED
        assert same.send_c_store(elsewhere).Status == 0
        # Named again it is another source: what it sends from now on is a delivery of its own.
        again = add_source(actor=manager, archive=archive, **named)
        assert association.send_c_store(third).Status == 0
        association.release()
        same.release()
    index_all()
    assert stored_uids(archive) == sorted([first.SOPInstanceUID, third.SOPInstanceUID])
    assert stored_uids(other) == [elsewhere.SOPInstanceUID]
    with tenant(organisation):
        sources = list(
            Delivery.objects.filter(archive=archive).order_by("opened_at").values_list("intake_source", "state")
        )
    assert sources == [(source.pk, "indexed"), (again.pk, "indexed")]


def test_a_caller_taken_off_the_list_of_a_clinical_archive_soon_sends_nothing_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(storage, "SPACE_CHECK_SECONDS", 0.0)
    archive = make_archive(ae_title="NAMED", calling_ae_titles=["CT1"])
    first, second = prepared(), prepared()
    ae = AE(ae_title="CT1")
    ae.add_requested_context(MR, "1.2.840.10008.1.2.1")
    with running_listener(directory_seconds=60.0) as port:
        association = ae.associate("127.0.0.1", port, ae_title="NAMED")
        assert association.send_c_store(first).Status == 0
        with tenant(archive.organisation):
            archive.calling_ae_titles = []
            archive.save()
        assert association.send_c_store(second).Status == NOT_AUTHORIZED
        association.release()
    index_all()
    assert stored_uids(archive) == [first.SOPInstanceUID]
