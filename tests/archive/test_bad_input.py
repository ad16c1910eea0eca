"""Everything that may come through a door instead of a good file: a clear answer, the rest goes in, nothing half-stored."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pydicom.data
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian, generate_uid

from archive import queries, services, spool
from archive.domain import frames, part10
from archive.domain.header import read_header
from archive.inspection import file_meta, inspect
from archive.models import Archive, Delivery, Instance, Patient, QuarantinedFile, Series, Study
from archive.storage import storage
from core.tenancy import tenant
from tests.archive.factories import deliver, make_archive, make_dataset, make_file, to_bytes

EXPLICIT = "1.2.840.10008.1.2.1"
SMALL = make_file(PixelData=bytes(512))


def look_at(content: bytes, tmp_path: Path) -> tuple[str, str]:
    path = tmp_path / "file.dcm"
    path.write_bytes(content)
    found = inspect(path=path, name="file")
    assert bool(found.header) != bool(found.code)
    return found.code, found.reason


def patched_transfer_syntax(content: bytes, uid: str) -> bytes:
    """The file with another transfer syntax in its meta information and the same data set."""
    layout = part10.read_layout(content, len(content))
    header = read_header(layout)
    header.transfer_syntax_uid = uid
    return file_meta(header=header) + content[layout.dataset_offset :]


BAD = {
    "text": (b"Dear archive,\nplease find attached.\n" * 20, "not-dicom"),
    "empty": (b"", "empty"),
    "one byte": (b"\x08", "not-dicom"),
    "zeros": (bytes(4096), "not-dicom"),
    # Looking at all that follows at each of these zeros takes minutes, and hours in a larger file.
    "zeros that are no padding": (SMALL + bytes(1 << 20) + b"\x01", "truncated"),
    "jpeg": (b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(3000), "not-dicom"),
    "preamble only": (bytes(128) + b"DICM", "truncated"),
    "meta only": (SMALL[: part10.read_meta(SMALL, len(SMALL), 132)[1]], "truncated"),
    "no study uid": (make_file(StudyInstanceUID=None), "uid-missing"),
    "empty series uid": (make_file(SeriesInstanceUID=""), "uid-missing"),
    "no sop uid": (make_file(SOPInstanceUID=None), "uid-missing"),
    "no sop class": (make_file(SOPClassUID=None), "sop-class-missing"),
    "letters in uid": (make_file().replace(b"1.2.826.", b"1.2.82x."), "uid-invalid"),
    "image without pixels": (make_file(PixelData=None), "pixel-data-missing"),
    "said implicit, is explicit": (patched_transfer_syntax(SMALL, ImplicitVRLittleEndian), "transfer-syntax-mismatch"),
    "said big endian, is little": (patched_transfer_syntax(SMALL, ExplicitVRBigEndian), "transfer-syntax-mismatch"),
    "said explicit, is implicit": (
        patched_transfer_syntax(to_bytes(make_dataset(), transfer_syntax_uid=ImplicitVRLittleEndian), EXPLICIT),
        "transfer-syntax-mismatch",
    ),
    "said jpeg, is native": (patched_transfer_syntax(SMALL, "1.2.840.10008.1.2.4.50"), "transfer-syntax-mismatch"),
    "said deflated, is not": (patched_transfer_syntax(SMALL, DeflatedExplicitVRLittleEndian), "malformed"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_named_for_what_it_is(name: str, tmp_path: Path) -> None:
    content, code = BAD[name]
    assert look_at(content, tmp_path)[0] == code


def test_a_file_cut_at_any_byte_is_refused(tmp_path: Path) -> None:
    for length in range(len(SMALL)):
        code, reason = look_at(SMALL[:length], tmp_path)
        assert code in ("truncated", "not-dicom", "empty", "pixel-data-missing", "uid-missing", "sop-class-missing"), (
            length
        )
        assert reason
    assert look_at(SMALL, tmp_path) == ("", "")


@pytest.mark.parametrize("uid", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_a_file_of_another_encoding_cut_at_any_byte_is_refused(uid: str, tmp_path: Path) -> None:
    content = to_bytes(make_dataset(PixelData=bytes(512)), transfer_syntax_uid=uid)
    assert look_at(content, tmp_path) == ("", "")
    padding = 1 if uid == DeflatedExplicitVRLittleEndian else 0
    for length in range(132, len(content) - padding):
        assert look_at(content[:length], tmp_path)[0], length


def test_a_compressed_file_cut_at_any_byte_is_refused(tmp_path: Path) -> None:
    content = Path(pydicom.data.get_testdata_file("MR_small_RLE.dcm")).read_bytes()
    trailing = dcmread(io.BytesIO(content))
    assert look_at(content, tmp_path) == ("", "")
    layout = part10.read_layout(content, len(content))
    pixels = layout.elements[part10.PIXEL_DATA]
    delimiter = pixels.offset + pixels.length - 8
    for length in range(0, pixels.offset + pixels.length, 7):
        # All frames are whole in front of the delimiter: without it the file is stored, with a note.
        refused = bool(look_at(content[:length], tmp_path)[0])
        assert refused == (length != delimiter), (length, trailing.file_meta.TransferSyntaxUID)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, len(SMALL) - 1), junk=st.binary(min_size=1, max_size=12))
def test_overwritten_bytes_never_break_the_reader(place: int, junk: bytes, tmp_path: Path) -> None:
    look_at(SMALL[:place] + junk + SMALL[place + len(junk) :], tmp_path)


NESTED = Path(pydicom.data.get_testdata_file("test-SR.dcm")).read_bytes()
ENCODED = Path(pydicom.data.get_testdata_file("SC_rgb_rle_2frame.dcm")).read_bytes()


@settings(max_examples=300, deadline=None)
@given(
    source=st.sampled_from([NESTED, ENCODED, SMALL]),
    place=st.integers(128, 4000),
    junk=st.binary(max_size=30),
    cut=st.integers(0, 200),
)
def test_any_bytes_give_a_layout_or_a_reason(source: bytes, place: int, junk: bytes, cut: int) -> None:
    content = source[:place] + junk + source[place + cut :]
    fault: part10.Unreadable | None = None
    try:
        read_header(part10.read_layout(content, len(content)))
    except part10.Unreadable as found:
        fault = found
    assert fault is None or (fault.code and fault.reason)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=600))
def test_random_bytes_behind_a_preamble_give_a_reason(junk: bytes) -> None:
    with pytest.raises(part10.Unreadable):
        read_header(part10.read_layout(bytes(128) + b"DICM" + junk, 132 + len(junk)))


def test_sequences_nested_without_end_are_refused(tmp_path: Path) -> None:
    head = SMALL[: part10.read_layout(SMALL, len(SMALL)).dataset_offset]
    nested = struct.pack("<HH2sHI", 0x0008, 0x1115, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    assert look_at(head + nested * 5000, tmp_path)[0] == "nested-too-deep"


def test_a_deflate_bomb_is_refused(tmp_path: Path) -> None:
    head = to_bytes(make_dataset(), transfer_syntax_uid=DeflatedExplicitVRLittleEndian)
    head = head[: part10.read_meta(head, len(head), 132)[1]]
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = b"".join(deflater.compress(bytes(1 << 20)) for _index in range(200)) + deflater.flush()
    assert look_at(head + bomb, tmp_path)[0] in ("inflates-too-far", "malformed", "truncated", "uid-missing")


# Stored or kept aside ---------------------------------------------------------------------------------------------------


@pytest.fixture
def archive(db: None) -> Archive:
    return make_archive()


def rows(archive: Archive) -> tuple[int, int, int, int]:
    with tenant(archive.organisation):
        return Patient.objects.count(), Study.objects.count(), Series.objects.count(), Instance.objects.count()


def quarantined(archive: Archive) -> list[QuarantinedFile]:
    with tenant(archive.organisation):
        return list(QuarantinedFile.objects.filter(archive=archive).order_by("pk"))


def test_bad_files_go_to_quarantine_with_the_reason_and_the_good_one_is_stored(archive: Archive) -> None:
    contents = [content for content, _code in BAD.values()]
    delivery, outcomes = deliver(archive, [*contents, make_file()])
    assert [outcome.code for outcome in outcomes] == [*(code for _content, code in BAD.values()), ""]
    assert rows(archive) == (1, 1, 1, 1)
    kept = quarantined(archive)
    assert [file.code for file in kept] == [code for _content, code in BAD.values()]
    assert all(file.reason and file.original_name.startswith("file") for file in kept)
    for file, content in zip(kept, contents, strict=True):
        with storage().open(file.storage_key) as stored:
            assert stored.read() == content
    assert (delivery.stored, delivery.refused, delivery.received) == (1, len(BAD), len(BAD) + 1)
    assert not spool.folder_of(delivery.pk).exists()
    assert all(0xA700 <= outcome.dicom_status <= 0xCFFF for outcome in outcomes[:-1])


def test_a_dicomdir_is_left_out_without_blame(archive: Archive) -> None:
    content = Path(pydicom.data.get_testdata_file("DICOMDIR")).read_bytes()
    delivery, outcomes = deliver(archive, [content])
    assert [(outcome.status, outcome.code) for outcome in outcomes] == [("skipped", "dicomdir")]
    assert (delivery.refused, delivery.skipped) == (0, 1)
    assert quarantined(archive) == []


def test_other_content_under_a_known_uid_is_kept_aside(archive: Archive) -> None:
    dataset = make_dataset()
    first = to_bytes(dataset)
    dataset.PixelData = bytes(512)
    second = to_bytes(dataset)
    deliver(archive, [first])
    _delivery, outcomes = deliver(archive, [second])
    assert [(outcome.status, outcome.code) for outcome in outcomes] == [("refused", "other-content")]
    with tenant(archive.organisation), queries.open_instance(Instance.objects.get()) as file:
        assert file.read() == first
    assert len(quarantined(archive)) == 1


@pytest.mark.django_db
def test_an_archive_that_takes_the_newest_replaces_the_content() -> None:
    archive = make_archive(overwrite=Archive.Overwrite.ALWAYS)
    dataset = make_dataset()
    first = to_bytes(dataset)
    dataset.PixelData = bytes(512)
    dataset.ImageComments = "second version"
    second = to_bytes(dataset)
    deliver(archive, [first])
    with tenant(archive.organisation):
        old_key = Instance.objects.get().storage_key
    delivery, outcomes = deliver(archive, [second])
    assert [outcome.status for outcome in outcomes] == ["replaced"]
    assert delivery.replaced == 1
    with tenant(archive.organisation):
        with queries.open_instance(Instance.objects.get()) as file:
            assert file.read() == second
        assert Study.objects.get().size_bytes == len(second) == Series.objects.get().size_bytes
        assert Study.objects.get().instance_count == 1
    assert not storage().exists(old_key)


@pytest.mark.django_db
def test_only_the_same_source_may_replace_where_the_archive_says_so() -> None:
    archive = make_archive(overwrite=Archive.Overwrite.SAME_SOURCE)
    dataset = make_dataset()
    files = []
    for value in range(3):
        dataset.PixelData = bytes([value]) * 512
        files.append(to_bytes(dataset))
    statuses = [
        deliver(archive, [content], source=Delivery.Source.DIMSE, calling_ae_title=title)[1][0].status
        for content, title in zip(files, ["SCANNER", "OTHER", "SCANNER"], strict=True)
    ]
    assert statuses == ["stored", "refused", "replaced"]


def test_an_instance_of_another_study_or_series_is_kept_aside(archive: Archive) -> None:
    dataset = make_dataset()
    deliver(archive, [to_bytes(dataset)])
    dataset.SeriesInstanceUID = generate_uid()
    _delivery, outcomes = deliver(archive, [to_bytes(dataset)])
    assert outcomes[0].code == "instance-elsewhere"
    dataset.SOPInstanceUID, dataset.StudyInstanceUID = generate_uid(), generate_uid()
    deliver(archive, [to_bytes(dataset)])
    dataset.SOPInstanceUID, dataset.StudyInstanceUID = generate_uid(), generate_uid()
    _delivery, outcomes = deliver(archive, [to_bytes(dataset)])
    assert outcomes[0].code == "series-elsewhere"


def test_a_study_under_another_patient_is_kept_aside(archive: Archive) -> None:
    study = generate_uid()
    deliver(archive, [make_file(StudyInstanceUID=study, PatientID="A")])
    _delivery, outcomes = deliver(archive, [make_file(StudyInstanceUID=study, PatientID="B")])
    assert outcomes[0].code == "patient-mismatch"
    assert rows(archive) == (1, 1, 1, 1)


def test_nameless_patients_are_never_one_and_a_later_id_names_them(archive: Archive) -> None:
    study = generate_uid()
    deliver(archive, [make_file(PatientID=None, StudyInstanceUID=study), make_file(PatientID="")])
    assert rows(archive)[:2] == (2, 2)
    deliver(archive, [make_file(PatientID="P77", StudyInstanceUID=study)])
    with tenant(archive.organisation):
        assert Study.objects.get(study_instance_uid=study).patient.patient_id == "P77"
        assert Patient.objects.count() == 2


def test_the_same_id_of_two_issuers_is_two_patients(archive: Archive) -> None:
    deliver(archive, [
        make_file(PatientID="7", IssuerOfPatientID="NORTH"), make_file(PatientID="7", IssuerOfPatientID="SOUTH"),
    ])  # fmt: skip
    assert rows(archive)[0] == 2


@pytest.mark.django_db
def test_the_same_uids_stand_in_two_tenants_with_other_content() -> None:
    ours, theirs = make_archive(), make_archive()
    dataset = make_dataset(PatientName="Ours^One")
    deliver(ours, [to_bytes(dataset)])
    dataset.PatientName, dataset.PixelData = "Theirs^Two", bytes(512)
    _delivery, outcomes = deliver(theirs, [to_bytes(dataset)])
    assert outcomes[0].status == "stored"
    for archive, name in ((ours, "Ours^One"), (theirs, "Theirs^Two")):
        with tenant(archive.organisation):
            assert Patient.objects.get().patient_name == name
            with queries.open_instance(Instance.objects.get()) as file:
                assert dcmread(file).PatientName == name


def test_the_name_in_the_command_must_be_the_data_sets_own(archive: Archive) -> None:
    dataset = make_dataset()
    content = to_bytes(dataset)
    uid = str(dataset.SOPInstanceUID).encode()
    first = content.index(uid)
    other = generate_uid().encode()[: len(uid)].ljust(len(uid), b"1")
    renamed = content[:first] + other + content[first + len(uid) :]
    _delivery, outcomes = deliver(archive, [renamed], source=Delivery.Source.DIMSE, calling_ae_title="MR1")
    assert (outcomes[0].code, outcomes[0].dicom_status) == ("identity-mismatch", 0xA900)
    _delivery, outcomes = deliver(archive, [renamed])
    assert outcomes[0].status == "stored"


def test_a_data_set_without_preamble_is_stored_as_a_whole_file(archive: Archive) -> None:
    dataset = make_dataset()
    content = to_bytes(dataset)
    bare = content[part10.read_layout(content, len(content)).dataset_offset :]
    _delivery, outcomes = deliver(archive, [bare])
    assert outcomes[0].status == "stored"
    with tenant(archive.organisation), queries.open_instance(Instance.objects.get()) as file:
        stored = dcmread(file)
    assert stored.SOPInstanceUID == dataset.SOPInstanceUID
    assert stored.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
    _delivery, outcomes = deliver(archive, [content])
    assert outcomes[0].status == "duplicate"


@pytest.mark.parametrize(("charset", "name", "query"), [
    ("ISO_IR 192", "Müller^Jörg", "MULLER JORG"),
    (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう", "山田 太郎"),
    (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동", "홍 길동"),
    ("GB18030", "Wang^XiaoDong=王^小东", "王 小东"),
    ("GBK", "Zhang^San=张^三", "张 三"),
    ("ISO_IR 127", "قباني^لنزار", "قباني لنزار"),
    ("ISO_IR 144", "Люкceмбypг", "ЛЮКCEМБYPГ"),
    ("ISO_IR 126", "Διονυσιος", "ΔΙΟΝΥΣΙΟΣ"),
])  # fmt: skip
def test_a_name_in_any_script_is_kept_and_found(archive: Archive, charset: object, name: str, query: str) -> None:
    deliver(archive, [make_file(SpecificCharacterSet=charset, PatientName=name)])
    with tenant(archive.organisation):
        patient = Patient.objects.get()
        assert patient.patient_name == name
        assert query in patient.search_name
        attributes = Study.objects.get().attributes
    assert attributes["00100010"]["Value"][0]["Alphabetic"] == name.split("=", maxsplit=1)[0]


def test_bytes_that_no_database_takes_are_cleaned(archive: Archive) -> None:
    content = make_file(PatientName="Nul^Byte", StudyDescription="Line one xx", SpecificCharacterSet="ISO_IR 192")
    content = content.replace(b"Nul^Byte", b"N\x00l\xed\xa0\x80te").replace(
        b"Line one xx", b"Line\x00\x1b\x07  \xff\xfe"
    )
    _delivery, outcomes = deliver(archive, [content])
    assert outcomes[0].status == "stored"
    with tenant(archive.organisation):
        assert "\x00" not in Patient.objects.get().patient_name


def test_a_private_transfer_syntax_is_stored_untouched(archive: Archive) -> None:
    content = patched_transfer_syntax(make_file(), "1.3.6.1.4.1.9.9.9")
    _delivery, outcomes = deliver(archive, [content])
    assert outcomes[0].status == "stored"
    with tenant(archive.organisation):
        instance = Instance.objects.get()
        assert instance.transfer_syntax_uid == "1.3.6.1.4.1.9.9.9"
        with queries.open_instance(instance) as file:
            assert file.read() == content


def test_the_same_task_twice_changes_nothing(archive: Archive) -> None:
    from archive import tasks

    delivery, _outcomes = deliver(archive, [make_file(), make_file(), b"junk" * 100])
    before = rows(archive)
    for _time in range(2):
        tasks.index_delivery(organisation_id=archive.organisation_id, delivery_id=str(delivery.pk))
    assert rows(archive) == before
    with tenant(archive.organisation):
        delivery.refresh_from_db()
    assert (delivery.received, delivery.stored, delivery.refused) == (3, 2, 1)


def test_a_closed_delivery_takes_no_more_files(archive: Archive) -> None:
    delivery, _outcomes = deliver(archive, [make_file()])
    with pytest.raises(services.deliveries.DeliveryClosed):
        services.receive(delivery=delivery, chunks=[make_file()])
    assert spool.whole_files(delivery.pk) == []


def test_a_full_disk_is_said_and_nothing_stays(archive: Archive, settings: object) -> None:
    from archive.errors import OutOfSpace

    settings.ARCHIVE_LIMITS = {"free_bytes": 1 << 60}  # type: ignore[attr-defined]
    delivery = services.open_delivery(archive=archive, source=Delivery.Source.UPLOAD)
    with pytest.raises(OutOfSpace):
        services.receive(delivery=delivery, chunks=[make_file()])
    assert [entry.name for entry in spool.folder_of(delivery.pk).iterdir()] == [spool.LOCK]


# Frames -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [
    "MR_small.dcm", "MR_small_RLE.dcm", "MR_small_bigendian.dcm", "rtdose.dcm", "rtdose_rle.dcm", "SC_rgb_rle_2frame.dcm",
    "examples_ybr_color.dcm", "MR_small_jp2klossless.dcm", "JPEG2000-embedded-sequence-delimiter.dcm",
    "SC_ybr_full_422_uncompressed.dcm",
])  # fmt: skip
def test_every_frame_is_read_by_its_offset(name: str, archive: Archive) -> None:
    from pydicom.encaps import generate_frames

    path = Path(pydicom.data.get_testdata_file(name))
    dataset = dcmread(path)
    _delivery, outcomes = deliver(archive, [path.read_bytes()])
    assert outcomes[0].status == "stored", outcomes
    with tenant(archive.organisation):
        instance = Instance.objects.get()
    number = instance.number_of_frames
    assert frames.count(bytes(instance.frame_table)) == number
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        expected = list(generate_frames(dataset.PixelData, number_of_frames=number))
    else:
        size = len(dataset.PixelData) // number
        expected = [dataset.PixelData[index * size : (index + 1) * size] for index in range(number)]
    assert [queries.read_frame(instance, index + 1) for index in range(number)] == expected


def test_frames_of_many_fragments_are_found_by_the_offset_table(archive: Archive) -> None:
    from pydicom.encaps import encapsulate

    coded = [bytes([index]) * 1000 for index in range(3)]
    dataset = make_dataset(
        NumberOfFrames=3,
        PixelData=encapsulate(coded, fragments_per_frame=4, has_bot=True),
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
    )
    dataset["PixelData"].is_undefined_length = True
    _delivery, outcomes = deliver(archive, [to_bytes(dataset, transfer_syntax_uid="1.2.840.10008.1.2.5")])
    assert outcomes[0].status == "stored", outcomes
    with tenant(archive.organisation):
        instance = Instance.objects.get()
    assert [queries.read_frame(instance, number) for number in (1, 2, 3)] == coded
    assert len(queries.frame_extents(instance, 2)) == 4
