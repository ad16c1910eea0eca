"""The check on arrival looks at the whole file that would be stored, not at a view of it."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from archive.domain import jpeg
from deid import arrivals
from deid.domain import arrival, arrival_file, files
from deid.domain.findings import Reason
from dimse.domain import part10
from tests.archive import bombs
from tests.deid.builders import make_dataset, process, to_bytes
from tests.deid.test_kept import COMMON, HEADERS
from tests.deid.test_kept import OPTIONS as KEPT_OPTIONS
from tests.deid.test_pixel_holds import CODERS, coded, even, grey, items, rle, segment

jpeg.register()

NAME = b"TANAKA^HANAKO 19630412"
CLEAN: dict[str, Any] = {
    "PatientIdentityRemoved": "YES", "PatientName": "S-01-001", "PatientID": "S-01-001", "PatientBirthDate": "",
    "AccessionNumber": "", "StudyID": "",
}  # fmt: skip


def plain(**elements: Any) -> bytes:
    return to_bytes(make_dataset(**{**CLEAN, **elements}))


def found(content: bytes) -> set[str]:
    return {one.kind for one in arrival_file.examine(io.BytesIO(content))}


def places(content: bytes) -> list[str]:
    return [path for one in arrival_file.examine(io.BytesIO(content)) for path in one.paths]


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    value = even(value)
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
    if vr in (b"OB", b"OW", b"UN", b"SQ", b"UT"):
        return head + struct.pack("<HI", 0, len(value)) + value
    return head + struct.pack("<H", len(value)) + value


# -- whole regions of the file -------------------------------------------------------------------------------------------


def with_meta(**elements: Any) -> bytes:
    dataset = make_dataset(**CLEAN)
    content = to_bytes(dataset)
    for keyword, value in elements.items():
        setattr(dataset.file_meta, keyword, value)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    assert buffer.getvalue() != content
    return buffer.getvalue()


def in_data_set(content: bytes, *, before: bytes, put: bytes) -> bytes:
    at = content.index(before)
    return content[:at] + put + content[at:]


def deflated(behind: bytes = b"") -> bytes:
    return to_bytes(make_dataset(**CLEAN), transfer_syntax_uid=DeflatedExplicitVRLittleEndian) + behind


def deflated_with(put: bytes) -> bytes:
    """With elements behind the pixels, inside the deflated stream."""
    content = deflated()
    start = content.index(b"1.2.840.10008.1.2.1.99") + 22
    while content[start : start + 2] == b"\2\0":
        start += 8 + struct.unpack("<H", content[start + 6 : start + 8])[0]
    told = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content[start:]) + put
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return content[:start] + even(deflater.compress(told) + deflater.flush())


PATIENT_ID = b"\x10\0\x20\0LO"
REGIONS: dict[str, Callable[[], bytes]] = {
    "preamble": lambda: NAME.ljust(128, b"\0") + plain()[128:],
    "source AE title": lambda: with_meta(SourceApplicationEntityTitle="TANAKA_HANAKO"),
    "sending AE title": lambda: with_meta(SendingApplicationEntityTitle="ST_MARYS_CT2"),
    "receiving AE title": lambda: with_meta(ReceivingApplicationEntityTitle="HANAKO"),
    "implementation version name": lambda: with_meta(ImplementationVersionName="TANAKA_HANAKO"),
    "implementation and number": lambda: with_meta(ImplementationVersionName="DCM_19630412_12"),
    "implementation class": lambda: with_meta(ImplementationClassUID="TANAKA^HANAKO"),
    "private information": lambda: with_meta(
        PrivateInformationCreatorUID="1.2.3", PrivateInformation=b"TANAKA^HANAKO "
    ),
    "presentation address": lambda: with_meta(SourcePresentationAddress="dicom://tanaka.example"),
    "element behind the pixels": lambda: plain() + element(0x7FE10011, b"LO", NAME),
    "name behind the pixels": lambda: plain() + element(0x7FE11011, b"PN", NAME),
    "trailing padding": lambda: plain() + element(0xFFFCFFFC, b"OB", NAME),
    "behind trailing padding": lambda: plain() + element(0xFFFCFFFC, b"OB", bytes(8)) + NAME,
    "bytes behind the pixels": lambda: plain() + NAME,
    "bytes behind zeros": lambda: plain() + bytes(64) + NAME,
    "bytes behind a deflated stream": lambda: deflated(NAME),
    "element behind deflated pixels": lambda: deflated_with(element(0x7FE10011, b"LO", NAME)),
    "group 0000": lambda: in_data_set(plain(), before=b"\x08\0\x05\0CS", put=struct.pack("<HHI", 0, 0x1000, 22) + NAME),
    "duplicate, the name first": lambda: in_data_set(
        plain(), before=b"\x10\0\x10\0PN", put=element(0x00100010, b"PN", NAME)
    ),
    "duplicate, the name last": lambda: in_data_set(plain(), before=PATIENT_ID, put=element(0x00100010, b"PN", NAME)),
    "out of order": lambda: in_data_set(plain(), before=PATIENT_ID, put=element(0x00081030, b"LO", b"Knee")),
    "duplicate in an item": lambda: in_data_set(
        plain(),
        before=PATIENT_ID,
        put=element(
            0x00101002,
            b"SQ",
            items(element(0x00100020, b"LO", NAME) + element(0x00100020, b"LO", b"S-01-001")),
        ),
    ),
    "duplicate in a sequence": lambda: in_data_set(
        plain(),
        before=b"\x10\0\x10\0PN",
        put=element(
            0x00082112,
            b"SQ",
            items(element(0x00081150, b"UI", NAME) + element(0x00081150, b"UI", b"1.2.840.10008.5.1.4.1.1.4")),
        ),
    ),
    "duplicate in a sequence as UN": lambda: in_data_set(
        plain(),
        before=b"\x10\0\x10\0PN",
        put=element(
            0x00082112,
            b"UN",
            items(2 * (struct.pack("<HHI", 8, 0x1150, 22) + NAME)),
        ),
    ),
    "length of a delimiter": lambda: in_data_set(
        plain(),
        before=b"\x10\0\x10\0PN",
        put=struct.pack("<HH2sHI", 8, 0x2112, b"SQ", 0, 0xFFFFFFFF) + struct.pack("<HH4s", 0xFFFE, 0xE0DD, b"HANA"),
    ),
    "reserved bytes": lambda: plain().replace(b"\xe0\x7f\x10\0OW\0\0", b"\xe0\x7f\x10\0OWHT"),
}


@pytest.mark.parametrize("name", REGIONS)
def test_no_region_of_a_file_is_left_out(name: str) -> None:
    assert found(REGIONS[name]()) & {arrival.IDENTITY, arrival.UNREADABLE, arrival.UNPROCESSED}, name
    assert not any("TANAKA" in place or "HANA" in place for place in places(REGIONS[name]())), "places, never values"


# -- beside compressed pixels --------------------------------------------------------------------------------------------


def compressed(name: str, *, change: Callable[[bytes], bytes] = lambda frame: frame, **more: Any) -> bytes:
    syntax, encode = CODERS[name]
    return coded([even(change(bytes(encode(grey()))))], syntax=syntax, **{**CLEAN, **more})


def raw_of(name: str, make: Callable[[bytes], bytes], **more: Any) -> bytes:
    frame = even(bytes(CODERS[name][1](grey())))
    return coded([frame], syntax=CODERS[name][0], raw=make(frame), **{**CLEAN, **more})


def after_start(marker: int, content: bytes = NAME) -> Callable[[bytes], bytes]:
    return lambda frame: frame[:2] + segment(marker, content) + frame[2:]


def before_tables(content: bytes) -> Callable[[bytes], bytes]:
    return lambda frame: frame.replace(b"\xff\x52", segment(0x64, content) + b"\xff\x52", 1)


def in_header(frame: bytes) -> bytes:
    return frame[:40] + NAME + frame[62:]


BESIDE: dict[str, Callable[[], bytes]] = {
    **{
        f"end of {name}": lambda name=name: compressed(name, change=lambda frame: even(frame) + NAME) for name in CODERS
    },
    **{
        f"offset table of {name}": lambda name=name: raw_of(name, lambda frame: items(even(NAME + b".."), frame))
        for name in CODERS
    },
    **{
        f"fragment behind {name}": lambda name=name: raw_of(name, lambda frame: items(b"", frame, even(NAME)))
        for name in CODERS
    },
    **{
        f"segment {marker:02X} of {name}": lambda name=name, marker=marker: compressed(name, change=after_start(marker))
        for name in ("JPEG", "JPEG lossless", "JPEG-LS")
        for marker in (0xFE, 0xE1, 0xE8, 0xED, 0xEE)
    },
    **{
        f"comment of {name}": lambda name=name: compressed(name, change=before_tables(b"\0\1" + NAME))
        for name in ("JPEG 2000", "HTJ2K")
    },
    "comment that begins like an encoder": lambda: compressed(
        "JPEG 2000", change=before_tables(b"\0\1Created by OpenJPEG version 2.5.0 " + NAME)
    ),
    "header of RLE": lambda: compressed("RLE", change=in_header),
    "extended offsets": lambda: compressed(
        "JPEG", ExtendedOffsetTable=b"TANAKA^H", ExtendedOffsetTableLengths=b"ANAKO 19"
    ),
    "length of the end": lambda: _with_end(compressed("JPEG")),
}


def _with_end(content: bytes) -> bytes:
    assert content.endswith(b"\xfe\xff\xdd\xe0\0\0\0\0")
    return content[:-4] + b"HANA"


@pytest.mark.parametrize("name", BESIDE)
def test_what_stands_beside_compressed_pixels_is_held(name: str) -> None:
    kinds = found(BESIDE[name]())
    assert kinds & {Reason.COMPRESSED_COMMENT.value, Reason.DAMAGED_PIXELS.value, arrival.UNREADABLE}, kinds


def two_fragments(frame: bytes) -> bytes:
    return items(b"", frame[:20], frame[20:])


def open_ended() -> bytes:
    """Sequences and items of undefined length, as most senders write them."""
    inner, outer = Dataset(), Dataset()
    inner.ReferencedSOPClassUID, inner.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", "1.2.3.4"
    inner.is_undefined_length_sequence_item = True
    outer.ReferencedInstanceSequence = [inner]
    outer.ReferencedSOPClassUID, outer.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", "1.2.3.5"
    outer.is_undefined_length_sequence_item = True
    dataset = make_dataset(**CLEAN, ReferencedImageSequence=[outer])
    dataset["ReferencedImageSequence"].is_undefined_length = True
    return to_bytes(dataset)


FINE: dict[str, Callable[[], bytes]] = {
    **{name: lambda name=name: compressed(name) for name in CODERS},
    **{f"table of {name}": lambda name=name: raw_of(name, lambda frame: items(bytes(4), frame)) for name in CODERS},
    **{
        f"fragments of {name}": lambda name=name: raw_of(name, two_fragments)
        for name in ("JPEG", "JPEG-LS", "JPEG 2000")
    },
    "zeros behind": lambda: compressed("JPEG", change=lambda frame: frame + bytes(6)),
    "fill bytes": lambda: compressed("JPEG", change=lambda frame: even(frame)[:-2].rstrip(b"\xff") + b"\xff\xff\xff\xd9"),
    "encoder": lambda: compressed("JPEG 2000", change=before_tables(b"\0\1Created by OpenJPEG version 2.5.0")),
    "two of RLE": lambda: coded(
        [even(rle(grey())), even(rle(grey(2)))], syntax=bombs.RLE, **CLEAN
    ),
    "native": plain,
    "big endian": lambda: to_bytes(make_dataset(**CLEAN), transfer_syntax_uid=ExplicitVRBigEndian),
    "implicit": lambda: to_bytes(make_dataset(**CLEAN), transfer_syntax_uid=ImplicitVRLittleEndian),
    "deflated": deflated,
    "deflated and padded": lambda: deflated(b"\0"),
    "zeros behind the pixels": lambda: plain() + bytes(32),
    "zero padding": lambda: plain() + element(0xFFFCFFFC, b"OB", bytes(32)),
    "of DCMTK": lambda: with_meta(ImplementationVersionName="OFFIS_DCMTK_367", SourceApplicationEntityTitle="STORESCU"),
    "of dcm4che": lambda: with_meta(ImplementationVersionName="dcm4che-1.4.35"),
    "of the demo": lambda: with_meta(ImplementationVersionName="PACSWEB_DEMO_1"),
    "of pydicom": lambda: with_meta(ImplementationVersionName="PYDICOM 3.0.1"),
    "of GDCM": lambda: with_meta(ImplementationVersionName="GDCM 3.0.8"),
    "of Merge": lambda: with_meta(ImplementationVersionName="MERGECOM3_395"),
    "undefined lengths": open_ended,
}  # fmt: skip


@pytest.mark.parametrize("name", FINE)
def test_what_sound_senders_write_is_not_held(name: str) -> None:
    assert arrival_file.examine(io.BytesIO(FINE[name]())) == []


@pytest.mark.parametrize("name", CODERS)
def test_what_de_identification_writes_of_compressed_images_passes(name: str) -> None:
    syntax, encode = CODERS[name]
    outcome, output = process(coded([even(bytes(encode(grey())))] * 2, syntax=syntax))
    assert outcome.digest
    assert arrival_file.examine(io.BytesIO(output)) == []


@pytest.mark.parametrize("name", HEADERS)
def test_what_de_identification_writes_of_each_kind_of_image_passes(name: str) -> None:
    outcome, output = process(make_dataset(**{**COMMON, **HEADERS[name]}), options=KEPT_OPTIONS)
    assert not outcome.digest or arrival_file.examine(io.BytesIO(output)) == []


# -- what elements say ---------------------------------------------------------------------------------------------------

SAID: dict[str, list[str]] = {
    "PatientName": ["王^伟", "王 伟", "김^희^중"],
    "ReferringPhysicianName": ["王^伟", "김^희^중"],
    "OperatorsName": ["김^희^중", "Ж^Я"],
    "InstitutionName": ["北 大"],
    "PatientBirthDate": ["1963"],
    "PatientTelephoneNumbers": ["06-1234-5678"],
    "OtherPatientIDs": ["7654-3210"],
    "AccessionNumber": ["1234-5678"],
    "FrameOfReferenceUID": ["TANAKA^HANAKO", "1.2.3 TANAKA", "1.2.3\0TANAKA"],
    "SynchronizationFrameOfReferenceUID": ["TANAKA.19630412"],
    "DeidentificationMethod": ["Tanaka Hanako", "PACSWeb, PS3.15 Basic Profile of Hanako"],
    "LongitudinalTemporalInformationModified": ["TANAKA HANAKO"],
    "Manufacturer": ["Tanaka Hanako born 12 April 1963", "Tanaka Hanako"],
    "ManufacturerModelName": ["Tanaka Hanako", "Hanako 1963-04-12"],
    "SoftwareVersions": ["Tanaka Hanako", "TANAKA 2.0"],
    "ProcessingFunction": ["Tanaka Hanako"],
    "StationName": ["TANAKA HANAKO", "HANAKO"],
    "DeviceSerialNumber": ["TANAKA HANAKO", "19630412"],
    "GantryID": ["TANAKA HANAKO"],
    "DetectorID": ["TANAKA"],
    "PlateID": ["TANAKA"],
    "CassetteID": ["TANAKA"],
    "GeneratorID": ["TANAKA"],
    "DeviceDescription": ["TANAKA HANAKO"],
    "LensMake": ["TANAKA"],
    "UniqueDeviceIdentifier": ["TANAKA HANAKO"],
    "EthnicGroup": ["TANAKA HANAKO"],
    "SmokingStatus": ["TANAKA"],
    "PatientSex": ["TANAKA HANAKO"],
    "PatientAge": ["095Y"],
    "PatientID": ["TANAKA_HANAKO_1", "TANAKA_HANAKO_1963"],
    "ClinicalTrialSubjectID": ["TANAKA_HANAKO_1"],
}


@pytest.mark.parametrize(("keyword", "value"), [(keyword, value) for keyword in SAID for value in SAID[keyword]])
def test_no_element_says_who_the_patient_is(keyword: str, value: str) -> None:
    assert keyword in places(plain(**{keyword: value}))


def test_a_private_creator_alone_is_looked_at() -> None:
    dataset = make_dataset(**CLEAN)
    dataset.add_new(0x00110010, "LO", "TANAKA HANAKO")
    assert places(to_bytes(dataset)) == ["00110010"]


SAYS_NOTHING: dict[str, list[str]] = {
    "Manufacturer": ["SIEMENS", "GE MEDICAL SYSTEMS", "PACSWeb Phantom Works", "Agfa", "Acme"],
    "ManufacturerModelName": [
        "SOMATOM Definition Flash",
        "LightSpeed VCT",
        "Achieva dStream",
        "Rotor 128",
        "Larmor 3T",
    ],
    "SoftwareVersions": ["syngo CT 2012B", "07MW18.4", "5.3.1", "VA44A", "syngo MR E11"],
    "ProcessingFunction": ["ABD_GEN"],
    "StationName": ["CT01", "AWP45012", "ACHIEVA", "MR01"],
    "DeviceSerialNumber": ["12345", "30117", "CT-0042"],
    "DetectorID": ["DET-7"],
    "PatientSex": ["M", "F", "O"],
    "EthnicGroup": ["Asian", "White", "Hispanic"],
    "SmokingStatus": ["YES", "NO", "UNKNOWN"],
    "PatientAge": ["054Y", "090Y"],
    "DeidentificationMethod": [
        "PACSWeb, PS3.15 2025a Basic Profile",
        "Basic Application Confidentiality Profile",
        "Per DICOM PS 3.15 AnnexE. Details in 0012,0064",
        "CTP Default",
        "Phantom: never a person",
    ],
    "FrameOfReferenceUID": ["2.25.329800735698586629295641978511506172918", "1.2.840.113619.2.55.3"],
    "ReferringPhysicianName": ["anonymous", "X"],
}


@pytest.mark.parametrize(
    ("keyword", "value"), [(keyword, value) for keyword in SAYS_NOTHING for value in SAYS_NOTHING[keyword]]
)
def test_machines_and_statements_speak_for_themselves(keyword: str, value: str) -> None:
    assert places(plain(**{keyword: value})) == []


# -- binary elements -----------------------------------------------------------------------------------------------------

TEXT = b"Tanaka Hanako, born 12 April 1963, "
BINARY: dict[str, dict[str, Any]] = {
    "palette": {"RedPaletteColorLookupTableDescriptor": [len(TEXT), 0, 8], "RedPaletteColorLookupTableData": even(TEXT)},
    "palette as words": {"RedPaletteColorLookupTableData": np.frombuffer(TEXT, "<u1").astype("<u2").tobytes()},
    "numbers": {"LUTData": list(np.frombuffer(even(TEXT), "<u2"))},
    "tags": {"FrameIncrementPointer": list(map(int, np.frombuffer(b"Tanaka Hanako 63", "<u4")))},
    "one tag": {"FrameIncrementPointer": int.from_bytes(b"HANA", "little")},
}  # fmt: skip


@pytest.mark.parametrize("name", BINARY)
def test_tables_and_tags_that_spell_are_held(name: str) -> None:
    dataset = make_dataset(**CLEAN)
    for keyword, value in BINARY[name].items():
        vr = "US" if keyword == "LUTData" else "OW" if keyword.endswith("Data") else None
        if vr is None:
            setattr(dataset, keyword, value)
        else:
            dataset.add_new(keyword, vr, value)
    assert Reason.TEXT_IN_BINARY.value in found(to_bytes(dataset))


def test_speech_and_drawings_are_held() -> None:
    item = Dataset()
    item.WaveformSampleInterpretation = "MB"
    item.SamplingFrequency = "8000"
    assert Reason.SOUND.value in found(plain(WaveformSequence=[item]))
    assert Reason.SURFACE.value in found(plain(SurfaceSequence=[Dataset()]))


# -- the door ------------------------------------------------------------------------------------------------------------


def test_the_gate_asks_this_check(tmp_path: Any) -> None:
    path = tmp_path / "one.dcm"
    path.write_bytes(plain())
    assert arrivals.screen(path=path) is None
    path.write_bytes(NAME.ljust(128, b"\0") + plain()[128:])
    finding = arrivals.screen(path=path)
    assert finding is not None and "preamble" in finding.reason and "TANAKA" not in finding.reason


def test_the_acceptor_writes_nothing_that_is_held() -> None:
    content = plain()
    with io.BytesIO(content) as stream:
        opened = files.open_source(stream)
        meta = opened.dataset.file_meta
        start = 132 + 12 + meta.FileMetaInformationGroupLength
    head = part10.file_meta(
        sop_class_uid=str(meta.MediaStorageSOPClassUID), sop_instance_uid=str(meta.MediaStorageSOPInstanceUID),
        transfer_syntax_uid=str(meta.TransferSyntaxUID), implementation_class="2.25.1",
        implementation_version="PACSWEB_1", source_ae_title="", receiving_ae_title="",
    )  # fmt: skip
    assert arrival_file.examine(io.BytesIO(head + content[start:])) == []
