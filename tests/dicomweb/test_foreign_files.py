"""What other makers' devices write: kept whole, found by what it says, given on as it came."""

from __future__ import annotations

import base64
import io
import struct
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread

from archive.attributes import list_attributes
from archive.domain import text
from archive.models import Instance
from archive.storage import storage
from core.tenancy import tenant
from tests.archive.factories import deliver, make_archive
from tests.dicomweb.factories import Door, content, make_reader, parts, paths, settle
from tests.dicomweb.raw import BIG_ENDIAN, EXPLICIT, IMPLICIT, UNDEFINED, Written, element, item, number

pytestmark = pytest.mark.django_db

ALONE = "application/dicom; transfer-syntax="


def open_door(*files: Written) -> Door:
    """A reader before an archive with the files; another tenant holds others of the same name."""
    archive = make_archive()
    deliver(archive, [one.content() for one in files])
    deliver(make_archive(), [one.content() for one in files])
    return Door(archive, user=make_reader(archive))


def tail(syntax: str) -> dict[int, bytes]:
    signature = item(number(0x04000005, 1, syntax=syntax), syntax=syntax)
    return {
        0x7FE10010: element(0x7FE10010, "LO", b"A MAKER", syntax=syntax),
        0x7FE11001: element(0x7FE11001, "LO", b"IMPORTANT", syntax=syntax),
        0x7FE11002: element(0x7FE11002, "OB", bytes(range(256)) * 2, syntax=syntax),
        0xFFFAFFFA: element(0xFFFAFFFA, "SQ", signature, syntax=syntax),
        0xFFFCFFFC: element(0xFFFCFFFC, "OB", b"\0\0\0\0", syntax=syntax),
    }


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN])
def test_elements_behind_the_pixels_are_in_metadata_instance_and_bulk_data(syntax: str) -> None:
    written = Written(syntax=syntax, pixels=bytes(range(16)), extra=tail(syntax))
    door = open_door(written)
    path = paths(written)[2]
    (model,) = door.json(f"{path}/metadata")
    assert list(model) == sorted(model)
    assert model["7FE10010"]["Value"] == ["A MAKER"]
    assert model["FFFAFFFA"]["Value"] == [{"04000005": {"vr": "US", "Value": [1]}}]
    bulk = door.get(f"{path}/bulkdata/7FE11002")
    assert content(bulk) == bytes(range(256)) * 2
    for wish in ("1.2.840.10008.1.2.1", "*"):
        given = dcmread(io.BytesIO(content(door.get(path, accept=ALONE + wish))))
        assert list(given.keys()) == sorted(given.keys())
        assert bytes(given[0x7FE11001].value if syntax == IMPLICIT else given[0x7FE11001].value.encode()) in (
            b"IMPORTANT ",
            b"IMPORTANT",
        )
        assert given[0xFFFAFFFA].value[0][0x04000005].value == 1
        assert bytes(given.PixelData) == bytes(range(16))


def test_elements_out_of_order_are_given_on_in_order() -> None:
    written = Written(syntax=IMPLICIT)
    late = written.elements.pop(0x00080060)
    shuffled = written.content() + late
    archive = make_archive()
    deliver(archive, [shuffled])
    given = content(Door(archive, user=make_reader(archive)).get(paths(written)[2], accept=ALONE + "*"))
    tags = [int(tag) for tag in dcmread(io.BytesIO(given))._dict]
    assert tags == sorted(tags) and 0x00080060 in tags


def test_a_curve_of_an_implicit_file_is_written_as_words() -> None:
    curve = element(0x50003000, "OW", b"\1\0\2\0\3\0\4\0", syntax=IMPLICIT)
    written = Written(syntax=IMPLICIT, extra={0x50003000: curve})
    response = open_door(written).get(paths(written)[2], accept=ALONE + "*")
    assert response.status_code == 200
    found = dcmread(io.BytesIO(content(response)))[0x50003000]
    assert (found.VR, found.value) == ("OW", b"\1\0\2\0\3\0\4\0")


CHARACTER_SETS = [
    (b"\\ISO 2022 IR 58", b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=", "张*", "张^小东"),
    # The designation written once for both components, as many devices do.
    (b"\\ISO 2022 IR 58", b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\xd0\xa1\xb6\xab=", "张*", "张^小东"),
    (b"ISO_IR 58", "Zhang=张^小东".encode("gb2312"), "张*", "张^小东"),
    (b"GB2312", "Zhang=张^小东".encode("gb2312"), "张*", "张^小东"),
    (b"gbk", "Wang=王^小東".encode("gbk"), "王*", "王^小東"),
    (b"ISO_IR192", "Wang=王^小东".encode(), "王*", "王^小东"),
    (b"iso_ir_192", "Wang=王^小东".encode(), "王*", "王^小东"),
    (b"ISO-IR 192", "Wang=王^小东".encode(), "王*", "王^小东"),
    (b"UTF-8", "Wang=王^小东".encode(), "王*", "王^小东"),
    (b"ISO_IR_149", "Hong=김희중".encode("euc_kr"), "김*", "김희중"),
    (b"ISO IR 149", "Hong=김희중".encode("euc_kr"), "김*", "김희중"),
    (b"ISO_IR 149", "Hong=김희중".encode("euc_kr"), "김*", "김희중"),
    (b"\\ISO 2022 IR 149", b"Hong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7", "洪*", "洪^吉洞"),
    (b"\\ISO_IR 87", b"Yamada=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", "山田*", "山田^太郎"),
    (b"ISO_IR 13\\ISO_IR 87", b"\xd4\xcf\xc0\xde=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J", "山田*", "山田^太郎"),
]


@pytest.mark.parametrize(("charset", "name", "wish", "ideographic"), CHARACTER_SETS)
def test_a_name_is_found_and_shown_in_its_script(charset: bytes, name: bytes, wish: str, ideographic: str) -> None:
    written = Written(charset=charset, name=name)
    door = open_door(written)
    (row,) = door.json(f"/studies?PatientName={quote(wish)}")
    assert row["00100010"]["Value"][0]["Ideographic"] == ideographic
    (model,) = door.json(f"{paths(written)[2]}/metadata")
    assert model["00100010"]["Value"][0]["Ideographic"] == ideographic


def test_latin_cyrillic_and_greek_are_designated_within_one_name() -> None:
    encodings = text.encodings_of(b"ISO 2022 IR 100\\ISO 2022 IR 144\\ISO 2022 IR 126")
    assert text.decode(b"J\xe9r\xf4me=\x1b-L\xbb\xee\xda^\xe9=\x1b-F\xc4", encodings, is_name=True) == "Jérôme=Люк^é=Δ"


def test_an_items_own_character_set_counts() -> None:
    inner = [
        element(0x00080005, "CS", b"ISO_IR 144"),
        element(0x00400007, "LO", "Череп".encode("iso8859_5")),
    ]
    second = item(element(0x00400007, "LO", "Schädel".encode("latin_1")))
    written = Written(charset=b"ISO_IR 100", extra={0x00400275: element(0x00400275, "SQ", item(*inner) + second)})
    door = open_door(written)
    for wish in ("Череп", "Schädel"):
        key = "RequestAttributesSequence.ScheduledProcedureStepDescription"
        assert len(door.json(f"/series?{key}={quote(wish)}")) == 1
    (model,) = door.json(f"{paths(written)[2]}/metadata")
    described = [one["00400007"]["Value"] for one in model["00400275"]["Value"]]
    assert described == [["Череп"], ["Schädel"]]
    assert model["00400275"]["Value"][0]["00080005"]["Value"] == ["ISO_IR 192"]


def test_unknown_of_undefined_length_is_implicit_little_endian_in_a_big_endian_file() -> None:
    reference = item(element(0x00081155, "UI", b"1.2.3.4", syntax=IMPLICIT), syntax=IMPLICIT)
    end = element(0xFFFEE0DD, "", b"", syntax=IMPLICIT)
    unknown = element(0x00081140, "UN", reference + end, syntax=BIG_ENDIAN, length=UNDEFINED)
    written = Written(syntax=BIG_ENDIAN, pixels=bytes(range(16)), extra={0x00081140: unknown})
    door = open_door(written)
    path = paths(written)[2]
    (model,) = door.json(f"{path}/metadata")
    assert model["00081140"]["Value"] == [{"00081155": {"vr": "UI", "Value": ["1.2.3.4"]}}]
    given = dcmread(io.BytesIO(content(door.get(path, accept=ALONE + "*"))))
    assert given[0x00081140].value[0].ReferencedSOPInstanceUID == "1.2.3.4"
    assert bytes(given.PixelData) == bytes(range(16))
    assert content(door.get(f"{path}/frames/1", accept="application/octet-stream")) == bytes(range(16))
    assert door.get(f"{path}/rendered").status_code == 200


def palette(syntax: str) -> dict[int, bytes]:
    order = ">" if syntax == BIG_ENDIAN else "<"
    extra = {}
    for channel in range(3):
        words = (np.arange(16) * (1000 + 900 * channel)).astype(f"{order}u2")
        extra[0x00281101 + channel] = element(
            0x00281101 + channel, "US", struct.pack(order + "3H", 16, 0, 16), syntax=syntax
        )
        extra[0x00281201 + channel] = element(0x00281201 + channel, "OW", words.tobytes(), syntax=syntax)
    return extra


def test_a_big_endian_palette_looks_and_reads_like_its_little_endian_twin() -> None:
    found = []
    for syntax in (EXPLICIT, BIG_ENDIAN):
        written = Written(syntax=syntax, pixels=bytes(range(16)), photometric=b"PALETTE COLOR", extra=palette(syntax))
        door = open_door(written)
        path = paths(written)[2]
        (model,) = door.json(f"{path}/metadata")
        picture = np.asarray(Image.open(io.BytesIO(content(door.get(f"{path}/rendered", accept="image/png")))))
        found.append((base64.b64decode(model["00281201"]["InlineBinary"]), picture.tolist()))
        assert content(door.get(f"{path}/bulkdata/00281202")) == (np.arange(16, dtype="<u2") * 1900).tobytes()
    assert found[0] == found[1]
    assert found[0][0] == (np.arange(16, dtype="<u2") * 1000).tobytes()


def test_an_empty_part_of_a_value_is_null_in_its_place() -> None:
    written = Written(
        extra={
            0x00200100: element(0x00200100, "IS", b"1\\\\3"),
            0x00281050: element(0x00281050, "DS", b"40\\ "),
            0x00281051: element(0x00281051, "DS", b"\\400"),
            0x00720066: element(0x00720066, "LO", b"A\\\\C"),
            0x00081070: element(0x00081070, "PN", b"One^A\\\\Two^B"),
            0x00181150: element(0x00181150, "IS", b"12.5"),
            0x00189073: element(0x00189073, "FD", struct.pack("<2d", float("nan"), 1.5)),
            0x00720083: element(0x00720083, "UV", struct.pack("<Q", 2**64 - 1)),
            0x00080090: element(0x00080090, "PN", b""),
        }
    )
    door = open_door(written)
    (model,) = door.json(f"{paths(written)[2]}/metadata")
    assert model["00200100"]["Value"] == [1, None, 3]
    assert model["00281050"]["Value"] == [40, None]
    assert model["00281051"]["Value"] == [None, 400]
    assert model["00720066"]["Value"] == ["A", None, "C"]
    assert model["00081070"]["Value"] == [{"Alphabetic": "One^A"}, None, {"Alphabetic": "Two^B"}]
    # A whole number that is none stays what was written; so does one that JSON's readers could not hold exactly.
    assert model["00181150"]["Value"] == ["12.5"]
    assert model["00189073"]["Value"] == [None, 1.5]
    assert model["00720083"]["Value"] == [str(2**64 - 1)]
    assert model["00080090"] == {"vr": "PN"}
    (row,) = door.json("/series?includefield=OperatorsName")
    assert row["00081070"]["Value"] == [{"Alphabetic": "One^A"}, None, {"Alphabetic": "Two^B"}]


def test_text_that_its_character_set_cannot_hold_is_given_on_byte_by_byte() -> None:
    name = b"\x83\x65\x83\x58\x83\x67^A"  # Shift JIS beyond JIS X 0201, which ISO_IR 13 states
    written = Written(syntax=IMPLICIT, charset=b"ISO_IR 13", name=name)
    given = content(open_door(written).get(paths(written)[2], accept=ALONE + "*"))
    assert name in given


def test_the_prepared_document_holds_the_same() -> None:
    written = Written(charset=b"\\ISO 2022 IR 58", name=b"Zhang=\x1b$)A\xd5\xc5", extra=tail(EXPLICIT))
    archive = make_archive()
    deliver(archive, [written.content()])
    door = Door(archive, user=make_reader(archive))
    before = door.json(f"{paths(written)[1]}/metadata")
    settle(archive)
    assert door.json(f"{paths(written)[1]}/metadata") == before
    assert before[0]["00100010"]["Value"][0]["Ideographic"] == "张"
    xml = parts(door.get(f"{paths(written)[1]}/metadata", accept='multipart/related; type="application/dicom+xml"'))
    assert "张" in xml[0].content.decode()


def stamp(written: Written) -> np.ndarray:
    """The thumbnail that is kept when the study settles."""
    archive = make_archive()
    deliver(archive, [written.content()])
    settle(archive)
    door = Door(archive, user=make_reader(archive))
    response = door.get(f"{paths(written)[1]}/thumbnail", accept="image/webp")
    assert response["Content-Type"] == "image/webp"
    return np.asarray(Image.open(io.BytesIO(content(response))).convert("L"))


def ramp(side: int, *, top: int) -> bytes:
    return np.linspace(0, top, side * side).astype("<u2").tobytes()


@pytest.mark.parametrize("window", [None, (b"0.5", b"1"), (b"0.5", b"0.8")])
def test_a_thumbnail_of_values_below_one_shows_them(window: tuple[bytes, bytes] | None) -> None:
    extra = {
        0x00281052: element(0x00281052, "DS", b"0"),
        0x00281053: element(0x00281053, "DS", b"0.000244"),
    }
    if window is not None:
        extra |= {
            0x00281050: element(0x00281050, "DS", window[0]),
            0x00281051: element(0x00281051, "DS", window[1]),
            0x00281056: element(0x00281056, "CS", b"LINEAR_EXACT" if window[1] == b"1" else b"LINEAR"),
        }
    picture = stamp(Written(bits=16, side=64, pixels=ramp(64, top=4095), extra=extra))
    assert picture[0, 0] < 40 and picture[-1, -1] > 215
    assert 90 < int(picture[128, 128]) < 165
    assert len(np.unique(picture)) > 60


def test_a_thumbnail_of_a_few_bright_spots_shows_them() -> None:
    pixels = np.zeros((256, 256), dtype="<u2")
    pixels[100:120, 100:120] = 900
    # One that is far brighter must not hide the others.
    pixels[30, 30] = 65535
    picture = stamp(Written(bits=16, side=256, pixels=pixels.tobytes()))
    assert picture[110, 110] > 200 and picture[0, 0] < 40


@pytest.mark.parametrize(
    ("photometric", "shape"), [(b"MONOCHROME2", b"INVERSE"), (b"MONOCHROME1", b""), (b"MONOCHROME2", b"IDENTITY")]
)
def test_a_thumbnail_has_the_polarity_of_the_rendered_image(photometric: bytes, shape: bytes) -> None:
    extra = {0x20500020: element(0x20500020, "CS", shape)} if shape else {}
    written = Written(
        side=64, pixels=np.linspace(0, 255, 4096).astype("u1").tobytes(), photometric=photometric, extra=extra
    )
    door = open_door(written)
    rendered = np.asarray(
        Image.open(io.BytesIO(content(door.get(f"{paths(written)[2]}/rendered", accept="image/png"))))
    )
    picture = stamp(written)
    assert (rendered[0, 0] > rendered[-1, -1]) == (picture[0, 0] > picture[-1, -1])
    assert bool(picture[0, 0] > picture[-1, -1]) == (shape != b"IDENTITY")


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG_ENDIAN])
@pytest.mark.parametrize("bits", [(8, 8), (16, 10), (16, 12), (16, 16), (32, 32), (32, 24)])
def test_colour_is_shown_over_the_bits_that_are_stored(bits: tuple[int, int], syntax: str) -> None:
    allocated, stored = bits
    top = 2**stored - 1
    triples = np.array([[0, top // 2, top]] * 16, dtype=f"{'>' if syntax == BIG_ENDIAN else '<'}u{allocated // 8}")
    written = Written(
        syntax=syntax, bits=allocated, stored=stored, samples=3, photometric=b"RGB", pixels=triples.tobytes()
    )
    response = open_door(written).get(f"{paths(written)[2]}/rendered", accept="image/png")
    assert response.status_code == 200
    assert np.asarray(Image.open(io.BytesIO(content(response))))[0, 0].tolist() in ([0, 127, 255], [0, 128, 255])
    archive = make_archive()
    deliver(archive, [written.content()])
    settle(archive)
    small = Door(archive, user=make_reader(archive)).get(f"{paths(written)[1]}/thumbnail", accept="image/webp")
    red, green, blue = np.asarray(Image.open(io.BytesIO(content(small))).convert("RGB"))[100, 100].tolist()
    assert red < 25 and 110 < green < 145 and blue > 230


def damaged_frames() -> Written:
    """Two frames of RLE: the first is whole, the second says what it should and then breaks off."""
    header = struct.pack("<16I", 1, 64, *[0] * 14)
    good = header + bytes([15]) + bytes(range(16)) + b"\0"
    bad = header + bytes([1]) + b"ab" + b"\x80" * 15
    fragments = b"".join(item(one) for one in (b"", good, bad)) + element(0xFFFEE0DD, "", b"")
    pixels = element(0x7FE00010, "OB", fragments, length=UNDEFINED)
    return Written(
        syntax="1.2.840.10008.1.2.5",
        extra={0x7FE00010: pixels, 0x00280008: element(0x00280008, "IS", b"2")},
    )


@pytest.mark.parametrize("tail", ["/frames/1,2", "/frames/2,1", "/frames/2", "/frames", "/bulkdata/7FE00010", ""])
def test_frames_that_do_not_decode_are_refused_before_the_first_byte(tail: str) -> None:
    written = damaged_frames()
    door = open_door(written)
    wish = "multipart/related; type="
    kind = '"application/dicom"; transfer-syntax=' if not tail else '"application/octet-stream"; transfer-syntax='
    response = door.get(paths(written)[2] + tail, accept=wish + kind + EXPLICIT)
    assert response.status_code == 406
    assert response["Content-Type"] == "application/problem+json"
    assert len(parts(door.get(f"{paths(written)[2]}/frames/1", accept=wish + kind + EXPLICIT))) == 1 if tail else True


def test_rendered_frames_that_all_cannot_be_shown_are_refused() -> None:
    written = damaged_frames()
    door = open_door(written)
    accept = 'multipart/related; type="image/png"'
    assert door.get(f"{paths(written)[2]}/frames/2/rendered", accept=accept).status_code == 406
    assert len(parts(door.get(f"{paths(written)[2]}/frames/2,1/rendered", accept=accept))) == 1


def test_the_page_of_all_attributes_says_the_same() -> None:
    inner = item(element(0x00080005, "CS", b"ISO_IR 144"), element(0x00400007, "LO", "Череп".encode("iso8859_5")))
    written = Written(
        charset=b"\\ISO 2022 IR 58",
        name=b"Zhang=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1",
        extra={**tail(EXPLICIT), 0x00400275: element(0x00400275, "SQ", inner)},
    )
    archive = make_archive()
    deliver(archive, [written.content()])
    with tenant(archive.organisation):
        instance = Instance.objects.get(archive=archive)
    with storage().local(instance.storage_key) as path:
        rows = list_attributes(path).rows
        found = list_attributes(path, words="张^小").rows
    values = {row.tag: row.value for row in rows if row.tag}
    assert values["(0010,0010)"] == "Zhang=张^小"
    assert values["(0040,0007)"] == "Череп"
    assert values["(7FE1,1001)"] == "IMPORTANT"
    assert values["(0002,0010)"] == f"{EXPLICIT} · Explicit VR Little Endian"
    assert values["(0028,0010)"] == "4"
    assert values["(7FE1,1002)"] == "512 bytes"
    assert [row.tag for row in rows if row.depth == 0] == sorted(row.tag for row in rows if row.depth == 0)
    assert [row.tag for row in found] == ["(0010,0010)"]
