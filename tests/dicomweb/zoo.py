"""One picture in many encodings, each with the pixels that must come out of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import imagecodecs
import numpy as np
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.utils import pack_bits

from archive.domain import jpeg
from tests.archive.factories import make_dataset, to_bytes

jpeg.register()

EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
JPEG = "1.2.840.10008.1.2.4."
RLE = "1.2.840.10008.1.2.5"


@dataclass(slots=True)
class Specimen:
    """`content` is the file; `frames` what each frame decodes to, RGB where colour. `tolerance` for lossy ones."""

    content: bytes
    transfer_syntax: str
    frames: list[np.ndarray[Any, Any]]
    sent_as_stored: bool = True
    tolerance: int = 0
    coded: list[bytes] = field(default_factory=list)


def grey(rows: int = 32, columns: int = 40, *, signed: bool = True, shift: int = 0) -> np.ndarray[Any, Any]:
    y, x = np.mgrid[0:rows, 0:columns]
    image = ((x * 37 + y * 91 + shift * 53) % 4096) - (1024 if signed else 0)
    return image.astype("<i2" if signed else "<u2")


def colour(rows: int = 32, columns: int = 40, shift: int = 0) -> np.ndarray[Any, Any]:
    y, x = np.mgrid[0:rows, 0:columns]
    return np.stack([(x * 6 + shift) % 256, (y * 8) % 256, (x + y) * 3 % 256], -1).astype(np.uint8)


def describe(image: np.ndarray[Any, Any], *, frames: int = 1, stored: int = 0, **elements: Any) -> Dataset:
    bits = image.dtype.itemsize * 8
    return make_dataset(**{
        "Rows": image.shape[0],
        "Columns": image.shape[1],
        "SamplesPerPixel": 3 if image.ndim == 3 else 1,
        "PhotometricInterpretation": "RGB" if image.ndim == 3 else "MONOCHROME2",
        "PlanarConfiguration": 0 if image.ndim == 3 else None,
        "BitsAllocated": bits,
        "BitsStored": stored or bits,
        "HighBit": (stored or bits) - 1,
        "PixelRepresentation": int(image.dtype.kind == "i"),
        "NumberOfFrames": frames if frames > 1 else None,
        "PixelData": None,
        **elements,
    })  # fmt: skip


def native(images: list[np.ndarray[Any, Any]], syntax: str, **elements: Any) -> Specimen:
    dataset = describe(images[0], frames=len(images), **elements)
    data = b"".join(image.tobytes() for image in images)
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OW" if images[0].dtype.itemsize > 1 else "OB"
    return Specimen(to_bytes(dataset, transfer_syntax_uid=syntax), syntax, images)


def coded(
    images: list[np.ndarray[Any, Any]],
    frames: list[bytes],
    syntax: str,
    *,
    fragments: int = 1,
    tolerance: int = 0,
    has_offsets: bool = True,
    **elements: Any,
) -> Specimen:
    dataset = describe(images[0], frames=len(images), **elements)
    dataset.PixelData = encapsulate(frames, fragments_per_frame=fragments, has_bot=has_offsets)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    content = to_bytes(dataset, transfer_syntax_uid=syntax)
    return Specimen(content, syntax, images, tolerance=tolerance, coded=frames)


def j2k(image: np.ndarray[Any, Any], **options: Any) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(image, level=0, reversible=True, codecformat="j2k", **options))


def rle(image: np.ndarray[Any, Any]) -> bytes:
    from pydicom.uid import RLELossless

    dataset = describe(image)
    dataset.PixelData = image.tobytes()
    dataset["PixelData"].VR = "OW"
    to_bytes(dataset)
    dataset.compress(RLELossless)
    from pydicom.encaps import get_frame

    return bytes(get_frame(dataset.PixelData, 0, number_of_frames=1))


def big_endian(image: np.ndarray[Any, Any]) -> Specimen:
    dataset = describe(image)
    dataset.PixelData = image.astype(image.dtype.newbyteorder(">")).tobytes()
    dataset["PixelData"].VR = "OW"
    return Specimen(to_bytes(dataset, transfer_syntax_uid=BIG), BIG, [image], sent_as_stored=False)


def big_endian_bytes_in_words() -> Specimen:
    image = (grey(signed=False) % 251).astype(np.uint8)
    dataset = describe(image)
    dataset.PixelData = image.reshape(-1, 2)[:, ::-1].tobytes()
    dataset["PixelData"].VR = "OW"
    return Specimen(to_bytes(dataset, transfer_syntax_uid=BIG), BIG, [image], sent_as_stored=False)


def subsampled() -> Specimen:
    """Uncompressed YBR_FULL_422 of a picture whose colours change every second column only."""
    from pydicom.pixels.processing import convert_color_space

    rgb = np.repeat(colour(32, 20), 2, axis=1)
    ybr = convert_color_space(rgb, "RGB", "YBR_FULL")
    pairs = ybr.reshape(32, 20, 2, 3)
    data = np.stack([pairs[:, :, 0, 0], pairs[:, :, 1, 0], pairs[:, :, 0, 1], pairs[:, :, 0, 2]], -1)
    dataset = describe(rgb, PhotometricInterpretation="YBR_FULL_422")
    dataset.PixelData = data.astype(np.uint8).tobytes()
    dataset["PixelData"].VR = "OB"
    return Specimen(to_bytes(dataset), EXPLICIT, [rgb], sent_as_stored=False, tolerance=3)


def wrong_sign() -> Specimen:
    """A signed image whose codestream says unsigned."""
    image = grey()
    frame = j2k(image.view("<u2"))
    specimen = coded([image], [frame], f"{JPEG}90")
    specimen.sent_as_stored = False
    return specimen


def bits_that_do_not_begin_on_bytes() -> Specimen:
    generator = np.random.default_rng(7)
    images = [generator.integers(0, 2, (5, 5), dtype=np.uint8) for _unused in range(3)]
    dataset = describe(images[0], frames=3, BitsAllocated=1, BitsStored=1, HighBit=0)
    dataset.PixelData = pack_bits(np.concatenate([image.ravel() for image in images]))
    dataset["PixelData"].VR = "OB"
    return Specimen(to_bytes(dataset), EXPLICIT, images)


def twelve_bit_jpeg() -> Specimen:
    dataset = dcmread(get_testdata_file("JPGExtended.dcm"))
    from pydicom.uid import generate_uid

    for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(dataset, name, generate_uid())
    image = dataset.pixel_array
    content = to_bytes(dataset, transfer_syntax_uid=f"{JPEG}51")
    return Specimen(content, f"{JPEG}51", [image], sent_as_stored=False)


def palette() -> Specimen:
    image = (grey(signed=False) % 256).astype(np.uint8)
    table = np.arange(256, dtype="<u2") * 257
    specimen_elements = {
        "PhotometricInterpretation": "PALETTE COLOR",
        **{f"{name}PaletteColorLookupTableDescriptor": [256, 0, 16] for name in ("Red", "Green", "Blue")},
        "RedPaletteColorLookupTableData": table.tobytes(),
        "GreenPaletteColorLookupTableData": table[::-1].tobytes(),
        "BluePaletteColorLookupTableData": bytes(512),
    }
    return native([image], EXPLICIT, **specimen_elements)


def _jpeg_lossless() -> Specimen:
    image = grey(signed=False)
    return coded([image], [bytes(imagecodecs.ljpeg_encode(image, bitspersample=12))], f"{JPEG}70", stored=12)


def _baseline() -> Specimen:
    image = np.clip(grey(signed=False) // 16, 0, 255).astype(np.uint8)
    return coded([image], [bytes(imagecodecs.jpeg8_encode(image, level=100))], f"{JPEG}50", tolerance=6)


def _baseline_colour() -> Specimen:
    y, x = np.mgrid[0:32, 0:40]
    image = np.stack([x * 3 + 40, y * 4 + 30, 200 - x - y], -1).astype(np.uint8)
    frame = bytes(imagecodecs.jpeg8_encode(image, level=98, subsampling="444"))
    return coded([image], [frame], f"{JPEG}50", tolerance=10, PhotometricInterpretation="YBR_FULL")


def _rct() -> Specimen:
    image = colour()
    return coded([image], [j2k(image)], f"{JPEG}90", PhotometricInterpretation="YBR_RCT")


def _htj2k() -> Specimen:
    image = grey()
    return coded([image], [bytes(imagecodecs.htj2k_encode(image, reversible=True))], f"{JPEG}201")


def _jpeg_ls() -> Specimen:
    image = grey(signed=False)
    return coded([image], [bytes(imagecodecs.jpegls_encode(image))], f"{JPEG}80")


def _jpeg_xl() -> Specimen:
    image = grey(signed=False)
    specimen = coded([image], [bytes(imagecodecs.jpegxl_encode(image, lossless=True))], f"{JPEG}201")
    # pydicom does not write this transfer syntax yet: the UID is put in by hand, it has the same length.
    specimen.content = specimen.content.replace(f"{JPEG}201".encode(), f"{JPEG}110".encode())
    specimen.transfer_syntax = f"{JPEG}110"
    return specimen


def _frames(count: int) -> list[np.ndarray[Any, Any]]:
    return [grey(shift=number) for number in range(count)]


def _planar() -> Specimen:
    image = colour()
    specimen = native([image], EXPLICIT, PlanarConfiguration=1)
    dataset = describe(image, PlanarConfiguration=1)
    dataset.PixelData = np.ascontiguousarray(image.transpose(2, 0, 1)).tobytes()
    dataset["PixelData"].VR = "OB"
    specimen.content = to_bytes(dataset)
    return specimen


def _float() -> Specimen:
    image = (grey() / 7).astype("<f4")
    dataset = describe(image, BitsStored=None, HighBit=None, PixelRepresentation=None)
    dataset.FloatPixelData = image.tobytes()
    return Specimen(to_bytes(dataset), EXPLICIT, [image])


ZOO: dict[str, Callable[[], Specimen]] = {
    "explicit": lambda: native([grey()], EXPLICIT),
    "implicit": lambda: native([grey()], IMPLICIT),
    "implicit multi-frame": lambda: native(_frames(3), IMPLICIT),
    "implicit odd bytes": lambda: native([(grey(5, 7, signed=False) % 255).astype(np.uint8)], IMPLICIT),
    "multi-frame": lambda: native(_frames(5), EXPLICIT),
    "odd frames": lambda: native(
        [(grey(5, 7, signed=False, shift=n) % 255).astype(np.uint8) for n in range(3)], EXPLICIT
    ),
    "deflated": lambda: _not_as_stored(native([grey()], DEFLATED)),
    "big endian": lambda: big_endian(grey()),
    "big endian, bytes in words": big_endian_bytes_in_words,
    "rgb": lambda: native([colour()], EXPLICIT),
    "rgb by plane": _planar,
    "ybr 4:2:2 uncompressed": subsampled,
    "palette": palette,
    "bits": bits_that_do_not_begin_on_bytes,
    "float": _float,
    "rle": lambda: coded([grey()], [rle(grey())], RLE),
    "rle multi-frame": lambda: coded(_frames(3), [rle(image) for image in _frames(3)], RLE),
    "jpeg baseline": _baseline,
    "jpeg baseline colour": _baseline_colour,
    "jpeg extended": twelve_bit_jpeg,
    "jpeg lossless": _jpeg_lossless,
    "jpeg-ls": _jpeg_ls,
    "jpeg 2000": lambda: coded([grey()], [j2k(grey())], f"{JPEG}90"),
    "jpeg 2000 colour": _rct,
    "jpeg 2000 in fragments": lambda: coded(_frames(3), [j2k(image) for image in _frames(3)], f"{JPEG}90", fragments=3),
    "jpeg 2000 in fragments without offsets": lambda: coded(
        _frames(3), [j2k(image) for image in _frames(3)], f"{JPEG}90", fragments=3, has_offsets=False
    ),
    "jpeg 2000, wrong sign": wrong_sign,
    "htj2k": _htj2k,
    "jpeg xl": _jpeg_xl,
}


def _not_as_stored(specimen: Specimen) -> Specimen:
    specimen.sent_as_stored = False
    return specimen
