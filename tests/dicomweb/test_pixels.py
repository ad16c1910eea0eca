"""Every transfer syntax comes out with the right pixels, by every way that leads to them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from django.utils.functional import Promise
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels.utils import pack_bits

from archive import decoding
from archive import queries as archive_queries
from archive.domain import display
from archive.domain.grey import apply_window
from archive.models import Instance
from core.tenancy import tenant
from dicomweb import frames, reasons
from dicomweb.domain import rendering
from dicomweb.errors import NotAcceptable
from tests.archive.factories import deliver, make_archive, to_bytes
from tests.dicomweb import zoo
from tests.dicomweb.factories import Door, content, make_reader, parts, paths
from tests.dicomweb.zoo import EXPLICIT, ZOO, Specimen, coded, grey, j2k

pytestmark = pytest.mark.django_db

AS_STORED = "multipart/related; type=application/octet-stream; transfer-syntax=*"
DECODED = 'multipart/related; type="application/octet-stream"'


def as_array(data: bytes, like: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.frombuffer(data, dtype=like.dtype.newbyteorder("<")).reshape(like.shape)


def assert_same(found: np.ndarray[Any, Any], expected: np.ndarray[Any, Any], tolerance: int) -> None:
    assert found.shape == expected.shape
    assert np.max(np.abs(found.astype(np.float64) - expected.astype(np.float64))) <= tolerance


def frames_are_decoded_for_whoever_asks_for_nothing_special(specimen: Specimen, door: Door, path: str) -> None:
    for number, expected in enumerate(specimen.frames, start=1):
        (part,) = parts(door.get(f"{path}/frames/{number}", accept=DECODED))
        assert part.headers["Content-Type"] == f"application/octet-stream; transfer-syntax={EXPLICIT}"
        if expected.size == 25:
            found = np.unpackbits(np.frombuffer(part.content, np.uint8), bitorder="little")[:25].reshape(5, 5)
        elif expected.ndim == 3 and len(part.content) == expected.nbytes and _is_by_plane(door, path):
            found = as_array(part.content, expected.transpose(2, 0, 1)).transpose(1, 2, 0)
        else:
            found = as_array(part.content, expected)
        assert_same(found, expected, specimen.tolerance)


def _is_by_plane(door: Door, path: str) -> bool:
    model = door.json(f"{path}/metadata")[0]
    return model.get("00280006", {}).get("Value") == [1]


def frames_go_as_stored_unless_browsers_would_show_them_wrongly(specimen: Specimen, door: Door, path: str) -> None:
    for number in range(1, len(specimen.frames) + 1):
        (part,) = parts(door.get(f"{path}/frames/{number}", accept=AS_STORED))
        syntax = part.headers["Content-Type"].partition("transfer-syntax=")[2]
        if not specimen.sent_as_stored:
            assert syntax == EXPLICIT
        elif specimen.coded:
            assert syntax == specimen.transfer_syntax
            assert part.content.rstrip(b"\0") == specimen.coded[number - 1].rstrip(b"\0")


def a_whole_instance_comes_in_explicit_little_endian(specimen: Specimen, door: Door, path: str) -> None:
    (part,) = parts(door.get(path, accept='multipart/related; type="application/dicom"'))
    assert part.headers["Content-Type"] == f"application/dicom; transfer-syntax={EXPLICIT}"
    dataset = dcmread(io.BytesIO(part.content))
    assert dataset.file_meta.TransferSyntaxUID == EXPLICIT
    original = dcmread(io.BytesIO(specimen.content), stop_before_pixels=True)
    assert dataset.SOPInstanceUID == original.SOPInstanceUID
    assert dataset.PatientName == original.PatientName
    from pydicom.pixels import pixel_array

    found = pixel_array(dataset)
    found = found[np.newaxis] if len(specimen.frames) == 1 else found
    for one, expected in zip(found, specimen.frames, strict=True):
        assert_same(one, expected, specimen.tolerance)


def a_whole_instance_as_stored_is_the_stored_file(specimen: Specimen, door: Door, path: str) -> None:
    (part,) = parts(door.get(path, accept='multipart/related; type="application/dicom"; transfer-syntax=*'))
    never = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")
    if specimen.transfer_syntax in never:
        assert part.headers["Content-Type"].endswith(EXPLICIT)
    else:
        assert part.headers["Content-Type"].endswith(specimen.transfer_syntax)
        assert part.content == specimen.content


def it_can_be_rendered(specimen: Specimen, door: Door, path: str) -> None:
    for address in (f"{path}/rendered", f"{path}/frames/{len(specimen.frames)}/rendered", f"{path}/thumbnail"):
        response = door.get(address, accept="image/png")
        assert response.status_code == 200, content(response)
        picture = Image.open(io.BytesIO(content(response)))
        picture.load()
        assert picture.mode == "RGB" if specimen.frames[0].ndim == 3 else picture.mode in ("L", "RGB")


def metadata_describes_the_frames_as_they_are_sent(specimen: Specimen, door: Door, path: str) -> None:
    model = door.json(f"{path}/metadata")[0]
    (part,) = parts(door.get(f"{path}/frames/1", accept=AS_STORED))
    if part.headers["Content-Type"].endswith(EXPLICIT):
        samples = model["00280002"]["Value"][0]
        bits = model["00280100"]["Value"][0]
        pixels = model["00280010"]["Value"][0] * model["00280011"]["Value"][0]
        assert len(part.content) == -(-pixels * samples * bits // 8)


@pytest.mark.parametrize("name", ZOO)
def test_every_way_to_the_pixels_gives_the_same_picture(name: str) -> None:
    specimen = ZOO[name]()
    archive = make_archive()
    _delivery, outcomes = deliver(archive, [specimen.content])
    assert [outcome.status for outcome in outcomes] == ["stored"], outcomes
    dataset = dcmread(io.BytesIO(specimen.content), stop_before_pixels=True)
    door, path = Door(archive, user=make_reader(archive)), paths(dataset)[2]
    frames_are_decoded_for_whoever_asks_for_nothing_special(specimen, door, path)
    frames_go_as_stored_unless_browsers_would_show_them_wrongly(specimen, door, path)
    a_whole_instance_comes_in_explicit_little_endian(specimen, door, path)
    a_whole_instance_as_stored_is_the_stored_file(specimen, door, path)
    it_can_be_rendered(specimen, door, path)
    metadata_describes_the_frames_as_they_are_sent(specimen, door, path)


def test_a_video_goes_as_it_is_stored_and_nobody_pretends_to_decode_it() -> None:
    archive = make_archive()
    video = coded([grey()], [b"\x00\x00\x01\xb3 not really a video"], "1.2.840.10008.1.2.4.102")
    deliver(archive, [video.content])
    door = Door(archive, user=make_reader(archive))
    path = paths(dcmread(io.BytesIO(video.content), stop_before_pixels=True))[2]
    (part,) = parts(door.get(f"{path}/frames/1", accept=AS_STORED))
    assert part.headers["Content-Type"].endswith("1.2.840.10008.1.2.4.102")
    assert door.get(f"{path}/frames/1", accept=DECODED).status_code == 406
    assert door.get(path, accept='multipart/related; type="application/dicom"').status_code == 406
    assert parts(door.get(path))[0].content == video.content
    assert door.get(f"{path}/rendered").status_code == 406


def test_pixel_data_that_is_damaged_is_refused_and_not_a_server_error() -> None:
    archive = make_archive()
    same = {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.4", "PatientID": "P", "PatientName": "P"}
    broken = coded([grey()], [b"\xff\x4f\xff\x51" + bytes(200)], "1.2.840.10008.1.2.4.90", **same)
    whole = coded([grey()], [j2k(grey())], "1.2.840.10008.1.2.4.90", InstanceNumber=2, **same)
    deliver(archive, [broken.content, whole.content])
    door = Door(archive, user=make_reader(archive))
    path = paths(dcmread(io.BytesIO(broken.content), stop_before_pixels=True))[2]
    for address, accept in (
        (f"{path}/frames/1", DECODED),
        (f"{path}/rendered", "image/jpeg"),
        (path, 'multipart/related; type="application/dicom"'),
    ):
        assert door.get(address, accept=accept).status_code == 406, address
    series = path.rpartition("/instances/")[0]
    first, second = parts(door.get(series, accept='multipart/related; type="application/dicom"'))
    assert first.headers["Content-Type"].endswith("1.2.840.10008.1.2.4.90") and first.content == broken.content
    assert second.headers["Content-Type"].endswith(EXPLICIT)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, np.int16])
def test_a_window_by_table_gives_what_a_window_by_pixel_gives(kind: type[Any], function: str) -> None:
    generator = np.random.default_rng(5)
    known = np.iinfo(kind)
    for low, high, rescale in (
        (known.min, known.max, (1.0, -1024.0)),
        (3, 90, (2.5, 7.25)),
        (5, 6, None),
        (4, 5, None),
    ):
        pixels = generator.integers(low, high, (300, 500), endpoint=low != 4).astype(kind)
        header = Dataset()
        if rescale:
            header.RescaleSlope, header.RescaleIntercept = rescale
        for window in (
            rendering.Window(40, 400, function),
            rendering.Window(5, 1, function),
            rendering.Window(-9, 30, function),
        ):
            transform = display.Transform.of(header, number=1, window=window)
            found = transform._by_table(pixels)
            assert found is not None
            assert found.dtype == np.uint8
            assert np.array_equal(found, apply_window(transform.values(pixels), window).astype(np.uint8))
    few = generator.integers(0, 65535, (4, 4)).astype(np.uint16)
    assert display.Transform.of(Dataset(), number=1, window=rendering.Window(40, 400))._by_table(few) is None


class Watched:
    """A file that notes how much each reading takes."""

    def __init__(self, file: Any, taken: list[int]) -> None:
        self._file, self._taken = file, taken

    def read(self, *arguments: Any) -> bytes:
        data = bytes(self._file.read(*arguments))
        self._taken.append(len(data))
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *unused: object) -> None:
        self._file.close()


def readings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes each reading of a stored file takes, from now on."""
    taken: list[int] = []
    opened = archive_queries.open_instance
    monkeypatch.setattr(archive_queries, "open_instance", lambda instance: Watched(opened(instance), taken))
    return taken


def many_big_endian_frames() -> zoo.Specimen:
    images = [zoo.grey(64, 64, shift=number) for number in range(160)]
    dataset = zoo.describe(images[0], frames=len(images))
    dataset.PixelData = b"".join(image.astype(">i2").tobytes() for image in images)
    dataset["PixelData"].VR = "OW"
    return zoo.Specimen(to_bytes(dataset, transfer_syntax_uid=zoo.BIG), zoo.BIG, images)


def many_packed_frames() -> zoo.Specimen:
    images = [np.random.default_rng(number).integers(0, 2, (101, 101), dtype=np.uint8) for number in range(900)]
    dataset = zoo.describe(images[0], frames=len(images), BitsAllocated=1, BitsStored=1, HighBit=0)
    dataset.PixelData = pack_bits(np.concatenate([image.ravel() for image in images]))
    dataset["PixelData"].VR = "OB"
    return zoo.Specimen(to_bytes(dataset), zoo.EXPLICIT, images)


def one_odd_big_endian_frame_of_three() -> zoo.Specimen:
    """Frames of nine bytes in words of two: the first byte of the second stands before the last of the first."""
    images = [(np.arange(9, dtype=np.uint8) + 20 * number).reshape(3, 3) for number in range(3)]
    dataset = zoo.describe(images[0], frames=3)
    raw = np.concatenate([image.ravel() for image in images] + [np.zeros(1, np.uint8)])
    dataset.PixelData = raw.reshape(-1, 2)[:, ::-1].tobytes()
    dataset["PixelData"].VR = "OW"
    return zoo.Specimen(to_bytes(dataset, transfer_syntax_uid=zoo.BIG), zoo.BIG, images)


@pytest.mark.parametrize("make", [many_big_endian_frames, many_packed_frames, one_odd_big_endian_frame_of_three])
def test_one_frame_of_a_big_file_is_read_without_the_rest(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    specimen = make()
    archive, other = make_archive(), make_archive()
    for place in (archive, other):
        deliver(place, [specimen.content])
    with tenant(archive.organisation):
        instance = Instance.objects.get(archive=archive)
        taken = readings(monkeypatch)
        for number in sorted({1, 2, 3, len(specimen.frames) // 2, len(specimen.frames)} - {0}):
            assert (frames.decode(instance, number).pixels == specimen.frames[number - 1]).all(), number
    if len(specimen.frames) > 3:
        assert max(taken) < len(specimen.content) // 4, "no reading takes the file as a whole"
    path = paths(dcmread(io.BytesIO(specimen.content), stop_before_pixels=True))[2]
    assert Door(other, user=make_reader(archive)).get(f"{path}/frames/1").status_code == 404


@pytest.mark.parametrize("kind", ["deflated", "odd big endian", "fragments"])
def test_what_has_to_be_read_whole_has_one_limit_asked_before_reading(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, image = make_archive(), zoo.grey(64, 64)
    specimen = {
        "deflated": lambda: zoo.native([image], zoo.DEFLATED),
        "odd big endian": one_odd_big_endian_frame_of_three,
        "fragments": lambda: zoo.coded([image], [zoo.j2k(image)], f"{zoo.JPEG}90"),
    }[kind]()
    deliver(archive, [specimen.content])
    with tenant(archive.organisation):
        instance = Instance.objects.get(archive=archive)
        # Nothing of it may be read: a file of this size exists only for who asks how long it is.
        instance.size_bytes = decoding.MAXIMUM_FILE_BYTES + 1
        monkeypatch.setattr(archive_queries, "open_instance", lambda _instance: Endless())
        instance.frame_table = b""
        read = frames._fragments_by_reading if kind == "fragments" else frames.decoded_bytes
        with pytest.raises(NotAcceptable) as refusal:
            read(instance, 1)
    assert "larger than this server reads as a whole" in str(refusal.value.message)
    assert refusal.value.code == "not-decodable"


class Endless(io.BytesIO):
    """A file that is too long by one byte, and must not be read."""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return decoding.MAXIMUM_FILE_BYTES + 1 if whence == io.SEEK_END else offset

    def read(self, size: int | None = -1) -> bytes:
        raise AssertionError("read although it is too large")


def test_every_reason_has_a_sentence_that_can_be_translated() -> None:
    assert set(reasons.SENTENCES) == set(decoding.Why)
    assert all(isinstance(sentence, Promise) for sentence in reasons.SENTENCES.values())
    for why in decoding.Why:
        error = decoding.DecodeError(why, "for the log")
        assert "for the log" not in str(reasons.sentence(error))
