"""Objects that come in over the network are stored, and only what is safe is acknowledged."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE

from archive import spool
from archive.models import Archive, Delivery, Instance, QuarantinedFile
from archive.storage import storage
from audit.models import Event
from core.tenancy import tenant
from dimse.domain import command as commands
from dimse.domain import negotiation
from dimse.domain.command import encode, padded, us
from tests.archive.factories import make_archive, make_dataset, to_bytes
from tests.dimse.factories import (
    MR,
    Peer,
    index_all,
    p_data,
    running_listener,
    send,
    spooled_files,
    stored_uids,
)

pytestmark = pytest.mark.django_db(transaction=True)

CT = "1.2.840.10008.5.1.4.1.1.2"


def prepared(*, transfer_syntax_uid: str = "1.2.840.10008.1.2.1", **elements: Any) -> Dataset:
    dataset = make_dataset(**elements)
    to_bytes(dataset, transfer_syntax_uid=transfer_syntax_uid)
    return dataset


def explicit_bytes(dataset: Dataset) -> bytes:
    """The data set without preamble and meta information."""
    content = to_bytes(dataset)
    length = struct.unpack_from("<I", content, 140)[0]
    return content[144 + length :]


def store_request(sop_instance: str, *, sop_class: str = MR, message_id: int = 1) -> bytes:
    return encode(
        {
            commands.AFFECTED_SOP_CLASS_UID: padded(sop_class),
            commands.COMMAND_FIELD: us(commands.C_STORE_RQ),
            commands.MESSAGE_ID: us(message_id),
            commands.PRIORITY: us(0),
            commands.DATA_SET_TYPE: us(1),
            commands.AFFECTED_SOP_INSTANCE_UID: padded(sop_instance),
        }
    )


def status_of(body: bytes) -> int:
    return commands.decode(body[6:]).number(commands.STATUS) or 0


def raw_store(peer: Peer, *, sop_instance: str, data: bytes, sop_class: str = MR, context_id: int = 1) -> int:
    peer.say(p_data(context_id, store_request(sop_instance, sop_class=sop_class), control=3))
    for start in range(0, max(len(data), 1), 8000):
        last = start + 8000 >= len(data)
        peer.say(p_data(context_id, data[start : start + 8000], control=2 if last else 0))
    kind, body = peer.hear()
    assert kind == 4
    return status_of(body)


def test_objects_are_stored_in_the_archive_that_the_called_ae_title_names() -> None:
    archive, other = make_archive(ae_title="HERE"), make_archive(ae_title="THERE")
    datasets = [prepared() for _unused in range(5)]
    with running_listener() as port:
        assert send(port, datasets, called="HERE") == [0x0000] * 5
    index_all()
    assert stored_uids(archive) == sorted(dataset.SOPInstanceUID for dataset in datasets)
    assert stored_uids(other) == []


def test_the_same_uids_live_in_two_tenants_with_different_content() -> None:
    here, there = make_archive(ae_title="HERE"), make_archive(ae_title="THERE")
    uids = {name: generate_uid() for name in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")}
    with running_listener() as port:
        assert send(port, [prepared(PatientID="ONE", **uids)], called="HERE") == [0]
        assert send(port, [prepared(PatientID="TWO", **uids)], called="THERE") == [0]
    index_all()
    for archive, patient_id in ((here, "ONE"), (there, "TWO")):
        with tenant(archive.organisation):
            stored = Instance.objects.select_related("study__patient").get(archive=archive)
            assert stored.study.patient.patient_id == patient_id


def test_the_stored_file_says_who_sent_it_and_keeps_the_data_set_byte_for_byte() -> None:
    archive = make_archive(ae_title="HERE")
    dataset = prepared()
    data = explicit_bytes(dataset)
    with running_listener() as port, Peer(port) as peer:
        peer.associate(called="HERE", calling="SCANNER_7")
        assert raw_store(peer, sop_instance=dataset.SOPInstanceUID, data=data) == 0
        peer.say(struct.pack(">BBII", 5, 0, 4, 0))
        assert peer.hear()[0] == 6
    index_all()
    with tenant(archive.organisation):
        path = storage().path(Instance.objects.get().storage_key)
    meta = dcmread(path).file_meta
    assert meta.SourceApplicationEntityTitle == "SCANNER_7"
    assert meta.ReceivingApplicationEntityTitle == "HERE"
    assert meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
    assert path.read_bytes().endswith(data)


def test_a_private_sop_class_in_a_private_transfer_syntax_is_kept_untouched() -> None:
    archive = make_archive(ae_title="HERE")
    dataset = prepared(SOPClassUID="1.3.12.2.1107.5.9.1")
    data = explicit_bytes(dataset)
    contexts = {1: ("1.3.12.2.1107.5.9.1", ["1.2.3.4.5.99"])}
    with running_listener() as port, Peer(port) as peer:
        peer.associate(called="HERE", contexts=contexts)
        status = raw_store(peer, sop_instance=dataset.SOPInstanceUID, sop_class="1.3.12.2.1107.5.9.1", data=data)
        assert status == 0
    index_all()
    with tenant(archive.organisation):
        stored = Instance.objects.get(archive=archive)
        assert stored.transfer_syntax_uid == "1.2.3.4.5.99"
        assert storage().path(stored.storage_key).read_bytes().endswith(data)


@pytest.mark.parametrize(
    ("elements", "status", "code"),
    [
        ({"SOPInstanceUID": "1.2.3.999"}, 0xA900, "identity-mismatch"),
        ({"StudyInstanceUID": None}, 0xC000, "uid-missing"),
        ({"SeriesInstanceUID": ""}, 0xC000, "uid-missing"),
        ({"StudyInstanceUID": "not a uid"}, 0xC000, "uid-invalid"),
    ],
)
def test_an_object_that_contradicts_its_command_or_hides_who_it_is_is_refused_and_quarantined(
    elements: dict[str, Any], status: int, code: str
) -> None:
    archive = make_archive(ae_title="HERE")
    sop_instance = generate_uid()
    dataset = make_dataset(**{"SOPInstanceUID": sop_instance, **elements})
    with running_listener() as port, Peer(port) as peer:
        peer.associate(called="HERE")
        assert raw_store(peer, sop_instance=sop_instance, data=explicit_bytes(dataset)) == status
    index_all()
    assert stored_uids(archive) == []
    with tenant(archive.organisation):
        assert [kept.code for kept in QuarantinedFile.objects.all()] == [code]


def quarantined(archive: Archive) -> list[tuple[str, bytes]]:
    with tenant(archive.organisation):
        kept = QuarantinedFile.objects.filter(archive=archive).order_by("pk")
        return [(file.code, storage().path(file.storage_key).read_bytes()) for file in kept]


def test_another_sop_class_than_the_command_names_is_refused_and_kept_as_evidence() -> None:
    archive = make_archive(ae_title="HERE")
    dataset = prepared(SOPClassUID=CT)
    with running_listener() as port, Peer(port) as peer:
        peer.associate(called="HERE")
        assert raw_store(peer, sop_instance=dataset.SOPInstanceUID, data=explicit_bytes(dataset)) == 0xA900
        other = prepared()
        assert raw_store(peer, sop_instance=other.SOPInstanceUID, data=explicit_bytes(other)) == 0
    index_all()
    assert stored_uids(archive) == [other.SOPInstanceUID]
    ((code, content),) = quarantined(archive)
    assert code == "command-mismatch" and content.endswith(explicit_bytes(dataset))


def test_another_sop_class_than_the_context_is_for_is_refused_and_kept_as_evidence() -> None:
    archive = make_archive(ae_title="HERE")
    dataset = prepared(SOPClassUID=CT)
    with running_listener() as port, Peer(port) as peer:
        peer.associate(called="HERE")
        data = explicit_bytes(dataset)
        assert raw_store(peer, sop_instance=dataset.SOPInstanceUID, data=data, sop_class=CT) == 0xA900
    index_all()
    assert stored_uids(archive) == []
    ((code, content),) = quarantined(archive)
    assert code == "command-mismatch" and content.endswith(data)


def test_a_command_without_valid_uids_is_answered_and_the_association_goes_on() -> None:
    archive = make_archive(ae_title="HERE")
    dataset = prepared()
    with running_listener() as port, Peer(port) as peer:
        peer.associate(called="HERE")
        assert raw_store(peer, sop_instance="../../etc/passwd", data=explicit_bytes(dataset)) == 0xC000
        assert raw_store(peer, sop_instance=dataset.SOPInstanceUID, data=b"") == 0xC000
        assert raw_store(peer, sop_instance=dataset.SOPInstanceUID, data=explicit_bytes(dataset)) == 0
    index_all()
    assert stored_uids(archive) == [dataset.SOPInstanceUID]
    ((code, content),) = quarantined(archive)
    assert code == "command-invalid" and content.endswith(explicit_bytes(dataset))


def test_an_object_over_the_limit_is_drained_and_answered_with_out_of_resources(settings: Any) -> None:
    settings.ARCHIVE_LIMITS = {"file_bytes": 50_000}
    archive = make_archive(ae_title="HERE")
    big, small = prepared(Rows=200, Columns=200, PixelData=bytes(80_000)), prepared()
    with running_listener() as port:
        assert send(port, [big, small], called="HERE") == [0xA700, 0x0000]
    index_all()
    assert stored_uids(archive) == [small.SOPInstanceUID]
    assert spooled_files() == []


def test_a_disk_that_is_nearly_full_is_answered_with_out_of_resources(settings: Any) -> None:
    settings.ARCHIVE_LIMITS = {"free_bytes": 1 << 60}
    archive = make_archive(ae_title="HERE")
    with running_listener() as port:
        assert send(port, [prepared()], called="HERE") == [0xA700]
    assert stored_uids(archive) == []
    assert spooled_files() == []


def test_a_failing_disk_is_answered_with_out_of_resources_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_archive(ae_title="HERE")
    real = spool.SpoolWriter.commit
    calls = iter([True, False])

    def commit(self: spool.SpoolWriter) -> spool.SpooledFile:
        if next(calls):
            self.abort()
            raise OSError(28, "No space left on device")
        return real(self)

    monkeypatch.setattr(spool.SpoolWriter, "commit", commit)
    datasets = [prepared(), prepared()]
    with running_listener() as port:
        assert send(port, datasets, called="HERE") == [0xA700, 0x0000]
    index_all()
    assert stored_uids(archive) == [datasets[1].SOPInstanceUID]


def test_without_a_database_nothing_is_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    make_archive(ae_title="HERE")

    def away(**_unused: Any) -> Any:
        raise OperationalError("the database is gone")

    with running_listener() as port:
        monkeypatch.setattr("archive.services.open_delivery", away)
        assert send(port, [prepared()], called="HERE") == [0xA700]
    assert spooled_files() == []


def test_a_database_that_goes_away_later_does_not_lose_what_was_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_archive(ae_title="HERE")

    def away(**_unused: Any) -> Any:
        raise OperationalError("the database is gone")

    monkeypatch.setattr("archive.services.close_delivery", away)
    monkeypatch.setattr("archive.services.request_indexing", away)
    dataset = prepared()
    with running_listener(index_every_files=1) as port:
        assert send(port, [dataset], called="HERE") == [0]
    monkeypatch.undo()
    index_all()
    assert stored_uids(archive) == [dataset.SOPInstanceUID]


def test_an_abort_in_the_middle_of_an_object_leaves_nothing_of_it_and_keeps_the_ones_before() -> None:
    archive = make_archive(ae_title="HERE")
    whole, cut = prepared(), prepared()
    with running_listener() as port, Peer(port) as peer:
        peer.associate(called="HERE")
        assert raw_store(peer, sop_instance=whole.SOPInstanceUID, data=explicit_bytes(whole)) == 0
        peer.say(p_data(1, store_request(cut.SOPInstanceUID), control=3))
        peer.say(p_data(1, explicit_bytes(cut)[:300], control=0))
        peer.say(struct.pack(">BBIBBBB", 7, 0, 4, 0, 0, 0, 0))
        assert peer.hear()[0] == 0
    index_all()
    assert stored_uids(archive) == [whole.SOPInstanceUID]
    assert spooled_files() == []


def test_a_connection_that_breaks_in_the_middle_of_an_object_leaves_nothing_of_it() -> None:
    archive = make_archive(ae_title="HERE")
    dataset = prepared()
    with running_listener() as port, Peer(port) as peer:
        peer.associate(called="HERE")
        peer.say(p_data(1, store_request(dataset.SOPInstanceUID), control=3))
        peer.say(p_data(1, explicit_bytes(dataset)[:300], control=0))
    index_all()
    assert stored_uids(archive) == []
    with tenant(archive.organisation):
        assert Delivery.objects.get().state == Delivery.State.INDEXED


def test_one_association_is_one_delivery_and_one_event_in_the_trail_of_its_organisation() -> None:
    archive, other = make_archive(ae_title="HERE"), make_archive(ae_title="THERE")
    with running_listener() as port:
        send(port, [prepared() for _unused in range(3)], called="HERE", calling="SCANNER_7")
    with tenant(archive.organisation):
        delivery = Delivery.objects.get()
        assert (delivery.source, delivery.calling_ae_title, delivery.address) == ("dimse", "SCANNER_7", "127.0.0.1")
        event = Event.objects.get(action="association.ended")
        assert event.detail["stored"] == 3 and event.detail["ended"] == "released"
        assert event.detail["delivery"] == str(delivery.pk)
    with tenant(other.organisation):
        assert not Event.objects.filter(action="association.ended").exists()


def test_an_association_without_objects_opens_no_delivery() -> None:
    archive = make_archive(ae_title="HERE")
    ae = AE(ae_title="SENDER")
    ae.add_requested_context(MR)
    with running_listener() as port:
        association = ae.associate("127.0.0.1", port, ae_title="HERE")
        association.release()
    with tenant(archive.organisation):
        assert not Delivery.objects.exists()


@pytest.mark.peer
def test_dcmtk_sends_everything_it_is_given(tmp_path: Path) -> None:
    archive = make_archive(ae_title="HERE")
    datasets = [prepared() for _unused in range(20)]
    for number, dataset in enumerate(datasets):
        (tmp_path / f"{number}.dcm").write_bytes(to_bytes(dataset))
    with running_listener() as port:
        for command in (
            ["echoscu", "-aec", "HERE", "127.0.0.1", str(port)],
            ["storescu", "-aec", "HERE", "+sd", "127.0.0.1", str(port), str(tmp_path)],
            ["dcmsend", "-aec", "HERE", "+sd", "127.0.0.1", str(port), str(tmp_path)],
        ):
            done = subprocess.run(command, capture_output=True, timeout=60, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
    index_all()
    assert stored_uids(archive) == sorted(dataset.SOPInstanceUID for dataset in datasets)


def test_many_associations_at_once_lose_nothing() -> None:
    from concurrent.futures import ThreadPoolExecutor

    archive: Archive = make_archive(ae_title="HERE")
    groups = [[prepared() for _unused in range(5)] for _also in range(8)]
    with running_listener() as port, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda group: send(port, group, called="HERE"), groups))
    assert answers == [[0] * 5] * 8
    index_all()
    assert stored_uids(archive) == sorted(dataset.SOPInstanceUID for group in groups for dataset in group)


def late_identity() -> bytes:
    """No Study Instance UID, behind more than a look at the beginning sees."""
    dataset = make_dataset(StudyInstanceUID=None, SOPInstanceUID="1.2.3.4.5")
    dataset.AdditionalPatientHistory = "x" * 9000
    dataset.add_new(0x00091010, "LO", "A MAKER")
    dataset.add_new(0x00091001, "UN", bytes(200_000))
    return explicit_bytes(dataset)


@pytest.mark.parametrize(
    ("make", "status", "code"),
    [
        (lambda: explicit_bytes(make_dataset(SOPInstanceUID="1.2.3.4.5"))[:-100], 0xC000, "truncated"),
        (lambda: explicit_bytes(make_dataset(SOPInstanceUID="1.2.3.4.5"))[:-515], 0xC000, "truncated"),
        (lambda: explicit_bytes(make_dataset(SOPInstanceUID="1.2.3.4.5"))[:-522], 0xC000, "truncated"),
        (
            lambda: explicit_bytes(make_dataset(SOPInstanceUID="1.2.3.4.5", PixelData=None)),
            0xC000,
            "pixel-data-missing",
        ),
        (late_identity, 0xA900, "uid-missing"),
    ],
)
def test_what_will_be_quarantined_is_refused_while_its_sender_listens(make: Any, status: int, code: str) -> None:
    archive, stranger = make_archive(ae_title="HERE"), make_archive(ae_title="THERE")
    data, good = make(), prepared()
    with running_listener() as port, Peer(port) as peer:
        peer.associate(called="HERE")
        assert raw_store(peer, sop_instance="1.2.3.4.5", data=data) == status
        assert raw_store(peer, sop_instance=good.SOPInstanceUID, data=explicit_bytes(good)) == 0
    index_all()
    assert stored_uids(archive) == [good.SOPInstanceUID] and stored_uids(stranger) == []
    ((found, content),) = quarantined(archive)
    assert found == code and content.endswith(data)


@pytest.mark.parametrize("number", [110, 111, 112])
def test_jpeg_xl_is_taken_whether_the_dictionary_knows_it_or_not(number: int) -> None:
    syntax = f"1.2.840.10008.1.2.4.{number}"
    assert negotiation.choose_for_storage([syntax]) == syntax
    best = syntax if number == 110 else "1.2.840.10008.1.2.1"
    assert negotiation.choose_for_storage([syntax, "1.2.840.10008.1.2.1"]) == best
