"""One small image of every way to say what a stored value looks like, with the picture the standard makes of it.

Each image is 64 × 64 pixels in sixteen plain fields, so that a picture of any size and quality can be compared field by
field. What is expected is worked out here from PS3.3 C.7.6.3.1.2, C.11.1, C.11.2 and C.11.6, and from nothing of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import imagecodecs
import numpy as np
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.utils import pack_bits
from pydicom.sequence import Sequence
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless, SecondaryCaptureImageStorage

from tests.viewer import images

Values = np.ndarray[Any, Any]
STUDY = "display zoo"
SIDE, FIELD = 64, 16


@dataclass(slots=True)
class Specimen:
    """`expected` is what frame 1 shows: 4 × 4 grey levels, or 4 × 4 × 3; `frames` what each of several shows."""

    name: str
    dataset: Dataset
    expected: Values
    frames: list[Values] = field(default_factory=list)
    #: Lossy codecs may be one step off by themselves, and a step becomes more in colour.
    tolerance: float = 2


ZOO: dict[str, Specimen] = {}


def fields(values: Values) -> Values:
    """4 × 4 values as an image."""
    return np.repeat(np.repeat(values, FIELD, axis=0), FIELD, axis=1)


def spread(low: float, high: float, kind: str = "<u2") -> Values:
    """Sixteen values from `low` to `high`, not in order, so that a turned or mirrored picture shows."""
    steps = np.linspace(low, high, 16).reshape(4, 4)
    return steps[[2, 0, 3, 1]][:, [1, 3, 0, 2]].astype(kind)


# — the standard —


def grey(part: Values) -> Values:
    return np.clip(np.asarray(part, dtype=np.float64), 0, 1) * 255


def linear(x: Values, center: float, width: float) -> Values:
    """C.11.2.1.2.1."""
    x = np.asarray(x, dtype=np.float64)
    if width == 1:
        return np.where(x <= center - 0.5, 0.0, 255.0)
    return grey((x - (center - 0.5)) / (width - 1) + 0.5)


def linear_exact(x: Values, center: float, width: float) -> Values:
    """C.11.2.1.3.2."""
    return grey((np.asarray(x, dtype=np.float64) - center) / width + 0.5)


def sigmoid(x: Values, center: float, width: float) -> Values:
    """C.11.2.1.3.1."""
    return 255 / (1 + np.exp(-4 * (np.asarray(x, dtype=np.float64) - center) / width))


def whole_range(x: Values, without: Values | None = None) -> Values:
    """No window: from the lowest to the highest value."""
    x = np.asarray(x, dtype=np.float64)
    kept = x if without is None else x[~without]
    return grey((x - kept.min()) / (kept.max() - kept.min()))


def looked_up(x: Values, first: int, table: Values) -> Values:
    """C.11.1.1, C.11.2.1.1: what lies before the first value takes the first entry, what lies behind the last the last."""
    return np.asarray(table)[np.clip(np.asarray(x, dtype=np.int64) - first, 0, len(table) - 1)]


def rgb_of(ycc: Values) -> Values:
    """YBR_FULL as RGB (C.7.6.3.1.2)."""
    y, b, r = (ycc[..., n].astype(np.float64) - (0, 128, 128)[n] for n in range(3))
    return np.clip(np.stack([y + 1.402 * r, y - 0.344136 * b - 0.714136 * r, y + 1.772 * b], axis=-1), 0, 255)


# — making them —


def add(name: str, dataset: Dataset, expected: Values, **more: Any) -> None:
    ZOO[name] = Specimen(name, dataset, np.asarray(expected, dtype=np.float64), **more)


def wide_image(name: str, values: Values, **more: Any) -> Dataset:
    """32 bits, which the library does not write by itself."""
    dataset = grey_image(name, TWELVE, **more)
    dataset.BitsAllocated = dataset.BitsStored = 32
    dataset.HighBit, dataset.PixelRepresentation = 31, int(values.dtype.kind == "i")
    dataset.PixelData = fields(values).tobytes()
    return dataset


def grey_image(name: str, values: Values, *, prepare: Callable[[Dataset], None] | None = None, **more: Any) -> Dataset:
    dataset = images.image(
        fields(values),
        sop_class=SecondaryCaptureImageStorage,
        series=name,
        study=STUDY,
        description=name,
        series_number=len(ZOO) + 1,
        **{"spacing": None, "modality": "OT", **more},
    )
    if prepare:
        prepare(dataset)
    return dataset


def written(keyword: str, vr: str, text: str) -> Callable[[Dataset], None]:
    """An element with a text that pydicom would not write by itself."""

    def prepare(dataset: Dataset) -> None:
        from pydicom.datadict import tag_for_keyword

        dataset[keyword] = DataElement(tag_for_keyword(keyword) or 0, "LO", text)
        dataset[keyword].VR = vr

    return prepare


def windows(center: Any, width: Any, function: str = "") -> dict[str, Any]:
    known = {"WindowCenter": center, "WindowWidth": width}
    return {**known, "VOILUTFunction": function} if function else known


def table_item(first: int, entries: Values, bits: int, *, is_packed: bool = False, vr: str = "US") -> Sequence:
    item = Dataset()
    item.add(DataElement(0x00283002, vr, [len(entries) & 0xFFFF, first, bits]))
    kind = np.uint8 if is_packed else "<u2"
    item.add(DataElement(0x00283006, "OW", np.asarray(entries).astype(kind).tobytes()))
    item.ModalityLUTType = "US"
    return Sequence([item])


TWELVE, SIGNED = spread(0, 4095), spread(-2000, 2047, "<i2")


def depths() -> None:
    bits = (spread(0, 15, "u1") % 2).astype(np.uint8)
    single = grey_image("1 bit", bits)
    single.BitsAllocated, single.BitsStored, single.HighBit = 1, 1, 0
    single.PixelData = pack_bits(fields(bits))
    add("1 bit", single, bits * 255.0)
    eight = spread(3, 250, "u1")
    add("8 bits", grey_image("8 bits", eight), eight)
    signed = spread(-120, 127, "i1")
    add("8 bits signed", grey_image("8 bits signed", signed), whole_range(signed))
    add("12 bits", grey_image("12 bits", TWELVE, bits_stored=12), whole_range(TWELVE))
    add("12 bits signed", grey_image("12 bits signed", SIGNED, bits_stored=12), whole_range(SIGNED))
    for name, low, high, kind in (
        ("16 bits", 100, 65000, "<u2"),
        ("16 bits signed", -32000, 32500, "<i2"),
        ("32 bits", 5, 3_000_000_000, "<u4"),
        ("32 bits signed", -2_000_000_000, 1_000_000, "<i4"),
    ):
        values = spread(low, high, kind)
        make_image = wide_image if values.dtype.itemsize == 4 else grey_image
        add(name, make_image(name, values), whole_range(values))
    dose = spread(0, 4_000_000_000, "<u4")
    scaled = {"RescaleSlope": "0.00000001", "RescaleIntercept": "0", **windows(20, 30)}
    add("32 bits with a window", wide_image("32 bits with a window", dose, **scaled), linear(dose * 1e-8, 20, 30))
    spare = grey_image("rubbish above the stored bits", TWELVE, bits_stored=12)
    spare.PixelData = (fields(TWELVE) | (fields(TWELVE) << 12)).astype("<u2").tobytes()
    add("rubbish above the stored bits", spare, whole_range(TWELVE))
    for name, keyword, kind in (("float", "FloatPixelData", "<f4"), ("double float", "DoubleFloatPixelData", "<f8")):
        values = spread(0, 1, kind)
        dataset = grey_image(name, TWELVE, **windows(0.5, 0.8, "LINEAR_EXACT"))
        for gone in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
            del dataset[gone]
        dataset.BitsAllocated = values.dtype.itemsize * 8
        setattr(dataset, keyword, fields(values).tobytes())
        add(name, dataset, linear_exact(values, 0.5, 0.8))


def window_forms() -> None:
    for name, more, expected in (
        ("LINEAR", windows(2048, 1024, "LINEAR"), linear(TWELVE, 2048, 1024)),
        ("LINEAR_EXACT", windows(2048, 1024, "LINEAR_EXACT"), linear_exact(TWELVE, 2048, 1024)),
        ("SIGMOID", windows(2048, 1024, "SIGMOID"), sigmoid(TWELVE, 2048, 1024)),
        ("SIGMOID, wide", windows(2048, 4096, "SIGMOID"), sigmoid(TWELVE, 2048, 4096)),
        ("window of 1", windows(2048, 1), linear(TWELVE, 2048, 1)),
        ("window of 2", windows(2048, 2), linear(TWELVE, 2048, 2)),
        ("width 0", windows(2048, 0), whole_range(TWELVE)),
        ("width 0, then a usable one", windows([9, 2048], [0, 1024]), linear(TWELVE, 2048, 1024)),
        ("negative width", windows(2048, -1024), whole_range(TWELVE)),
        ("more centres than widths", windows([2048, 50, 60], [1024, 500]), linear(TWELVE, 2048, 1024)),
    ):
        add(name, grey_image(name, TWELVE, bits_stored=12, **more), expected)
    lower = grey_image("sigmoid, lower case", TWELVE, bits_stored=12, **windows(2048, 1024))
    written("VOILUTFunction", "CS", "sigmoid")(lower)
    add("sigmoid, lower case", lower, sigmoid(TWELVE, 2048, 1024))
    comma = grey_image("comma", TWELVE, bits_stored=12)
    written("WindowCenter", "DS", "2048,0")(comma)
    written("WindowWidth", "DS", "1024,0")(comma)
    add("comma", comma, whole_range(TWELVE))
    second = grey_image("second empty", TWELVE, bits_stored=12)
    written("WindowCenter", "DS", "2048\\")(second)
    written("WindowWidth", "DS", "1024\\")(second)
    add("second empty", second, linear(TWELVE, 2048, 1024))
    rescaled = {"slope": 2, "intercept": -1000}
    add(
        "rescaled",
        grey_image("rescaled", TWELVE, bits_stored=12, **rescaled, **windows(3000, 5000)),
        linear(TWELVE * 2.0 - 1000, 3000, 5000),
    )
    fine = {"RescaleSlope": "0.0001", "RescaleIntercept": "0"}
    add(
        "width below 1",
        grey_image("width below 1", TWELVE, bits_stored=12, **fine, **windows(0.2, 0.3)),
        linear_exact(TWELVE * 0.0001, 0.2, 0.3),
    )
    add(
        "slope 0",
        grey_image("slope 0", TWELVE, bits_stored=12, slope=0, intercept=0, **windows(2048, 1024)),
        linear(TWELVE, 2048, 1024),
    )


def tables() -> None:
    curve = np.rint(65535 * (np.arange(4096) / 4095) ** 0.5)
    steps = np.where(np.arange(4096) // 128 % 2, 255, 0)
    # Edges between fields of equal grey would hide a table that is read one entry off; values lie beside the steps.
    for name, first, entries, bits, more in (
        ("VOI LUT", 0, curve, 16, {}),
        ("VOI LUT of 8 bits", 0, curve // 257, 8, {}),
        ("VOI LUT of 8 bits, two in a word", 0, curve // 257, 8, {"is_packed": True}),
        ("VOI LUT in steps", 0, steps, 8, {}),
        ("VOI LUT that begins late", 1000, curve[::4] // 16, 12, {}),
    ):
        dataset = grey_image(name, TWELVE, bits_stored=12, VOILUTSequence=table_item(first, entries, bits, **more))
        add(name, dataset, looked_up(TWELVE, first, entries) / (2**bits - 1) * 255)
    signed = grey_image("VOI LUT below 0", SIGNED, bits_stored=12)
    signed.VOILUTSequence = table_item(-2048, curve, 16, vr="SS")
    add("VOI LUT below 0", signed, looked_up(SIGNED, -2048, curve) / 65535 * 255)
    turned = grey_image(
        "VOI LUT, MONOCHROME1",
        TWELVE,
        bits_stored=12,
        photometric="MONOCHROME1",
        VOILUTSequence=table_item(0, curve, 16),
    )
    add("VOI LUT, MONOCHROME1", turned, 255 - looked_up(TWELVE, 0, curve) / 65535 * 255)
    modality = np.rint(3000 - np.arange(4096) * 0.5)
    name = "Modality LUT"
    dataset = grey_image(
        name, TWELVE, bits_stored=12, ModalityLUTSequence=table_item(0, modality, 12), **windows(2000, 2000)
    )
    add(name, dataset, linear(looked_up(TWELVE, 0, modality), 2000, 2000))
    both = grey_image(
        "both LUTs",
        TWELVE,
        bits_stored=12,
        ModalityLUTSequence=table_item(0, modality, 12),
        VOILUTSequence=table_item(0, curve, 16),
    )
    add("both LUTs", both, looked_up(looked_up(TWELVE, 0, modality), 0, curve) / 65535 * 255)


def polarity() -> None:
    eight = spread(3, 250, "u1")
    for name, photometric, shape, is_turned in (
        ("MONOCHROME1", "MONOCHROME1", "", True),
        ("MONOCHROME2, INVERSE", "MONOCHROME2", "INVERSE", True),
        ("MONOCHROME1, INVERSE", "MONOCHROME1", "INVERSE", True),
        ("MONOCHROME2, IDENTITY", "MONOCHROME2", "IDENTITY", False),
    ):
        more = {**windows(100, 150), **({"PresentationLUTShape": shape} if shape else {})}
        shown = linear(eight, 100, 150)
        add(name, grey_image(name, eight, photometric=photometric, **more), 255 - shown if is_turned else shown)
    add(
        "MONOCHROME1 without a window",
        grey_image("MONOCHROME1 without a window", eight, photometric="MONOCHROME1"),
        255.0 - eight,
    )
    padded = SIGNED.copy()
    padded[0, 0] = padded[3, 1] = -2048
    for name, more in (("padding", {}), ("padding, rescaled", {"slope": 1, "intercept": -24})):
        dataset = grey_image(name, padded, bits_stored=12, **more)
        dataset.add(DataElement(0x00280120, "SS", -2048))
        add(name, dataset, whole_range(padded, padded == -2048))


def functional_groups() -> None:
    frames = [TWELVE, TWELVE[::-1]]
    dataset = images.image(
        np.stack([fields(frame) for frame in frames]),
        series="frames with windows of their own",
        study=STUDY,
        series_number=len(ZOO) + 1,
        description="frames with windows of their own",
        bits_stored=12,
        spacing=None,
    )

    def group(center: float, width: float, slope: float) -> Dataset:
        found, voi, transform = Dataset(), Dataset(), Dataset()
        voi.WindowCenter, voi.WindowWidth = center, width
        transform.RescaleSlope, transform.RescaleIntercept, transform.RescaleType = slope, -100, "US"
        found.FrameVOILUTSequence = Sequence([voi])
        found.PixelValueTransformationSequence = Sequence([transform])
        return found

    dataset.PerFrameFunctionalGroupsSequence = Sequence([group(2000, 3000, 1), group(300, 500, 0.5)])
    dataset.SharedFunctionalGroupsSequence = Sequence([Dataset()])
    shown = [linear(frames[0] - 100.0, 2000, 3000), linear(frames[1] * 0.5 - 100, 300, 500)]
    add("frames with windows of their own", dataset, shown[0], frames=shown)


def overlay_planes() -> None:
    cover = np.zeros((4, 4), dtype=bool)
    cover[1, 2] = cover[3, 0] = True
    for name, photometric, origin in (
        ("overlay", "MONOCHROME2", (1, 1)),
        ("overlay, MONOCHROME1", "MONOCHROME1", (1, 1)),
        ("overlay that begins outside", "MONOCHROME2", (-15, 17)),
    ):
        dataset = grey_image(name, TWELVE, bits_stored=12, photometric=photometric)
        plane = fields(cover).astype(np.uint8)
        for element, vr, value in (
            (0x0010, "US", SIDE), (0x0011, "US", SIDE), (0x0040, "CS", "G"), (0x0050, "SS", list(origin)),
            (0x0100, "US", 1), (0x0102, "US", 0), (0x3000, "OW", pack_bits(plane)),
        ):  # fmt: skip
            dataset.add(DataElement(0x60000000 | element, vr, value))
        shown = whole_range(TWELVE)
        shown = 255 - shown if photometric == "MONOCHROME1" else shown
        down, right = (origin[0] - 1) // FIELD, (origin[1] - 1) // FIELD
        for row, column in zip(*np.nonzero(cover), strict=True):
            if 0 <= row + down < 4 and 0 <= column + right < 4:
                shown[row + down, column + right] = 255
        add(name, dataset, shown)


COLOURS = np.stack([spread(0, 255, "u1"), spread(250, 10, "u1").T, spread(20, 230, "u1")[::-1]], axis=-1)


def colours() -> None:
    def colour(name: str, photometric: str, pixels: Values | None = None, **more: Any) -> Dataset:
        found = COLOURS if pixels is None else pixels
        return grey_image(name, found, photometric=photometric, **more)

    add("RGB", colour("RGB", "RGB"), COLOURS)
    planar = colour("RGB by plane", "RGB")
    planar.PlanarConfiguration, planar.PixelData = 1, np.moveaxis(fields(COLOURS), 2, 0).tobytes()
    add("RGB by plane", planar, COLOURS)
    add("YBR_FULL", colour("YBR_FULL", "YBR_FULL"), rgb_of(COLOURS))
    planar = colour("YBR_FULL by plane", "YBR_FULL")
    planar.PlanarConfiguration, planar.PixelData = 1, np.moveaxis(fields(COLOURS), 2, 0).tobytes()
    add("YBR_FULL by plane", planar, rgb_of(COLOURS))
    # Two luminances, then the chrominances that both share (C.7.6.3.1.2).
    whole = fields(COLOURS)
    halved = np.stack([whole[:, 0::2, 0], whole[:, 1::2, 0], whole[:, 0::2, 1], whole[:, 0::2, 2]], axis=-1)
    subsampled = colour("YBR_FULL_422", "YBR_FULL")
    subsampled.PhotometricInterpretation, subsampled.PixelData = "YBR_FULL_422", halved.tobytes()
    add("YBR_FULL_422", subsampled, rgb_of(COLOURS))
    claimed = colour("YBR_FULL_422 that is not", "YBR_FULL")
    claimed.PhotometricInterpretation = "YBR_FULL_422"
    add("YBR_FULL_422 that is not", claimed, rgb_of(COLOURS))
    for bits in (10, 12, 16):
        deep = (COLOURS.astype(np.uint32) * (2**bits - 1) // 255).astype("<u2")
        add(
            f"RGB of {bits} bits",
            colour(f"RGB of {bits} bits", "RGB", deep, bits_stored=bits),
            deep / (2**bits - 1) * 255,
        )
    add("RGB, RLE", images.compressed(colour("RGB, RLE", "RGB"), RLELossless), COLOURS)
    add("YBR_FULL, RLE", images.compressed(colour("YBR_FULL, RLE", "YBR_FULL"), RLELossless), rgb_of(COLOURS))
    for name, space, says in (
        ("JPEG with YCbCr", "YCBCR", "YBR_FULL"),
        ("JPEG with YCbCr that says RGB", "YCBCR", "RGB"),
        ("JPEG with RGB", "RGB", "RGB"),
    ):
        dataset = colour(name, says)
        coded = imagecodecs.jpeg8_encode(whole, level=99, colorspace="RGB", outcolorspace=space, subsampling="444")
        dataset.PixelData = encapsulate([without_jfif(coded) if says == "RGB" and space == "YCBCR" else coded])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
        add(name, dataset, COLOURS, tolerance=5)
    indexes = spread(0, 255, "u1")
    reds, greens, blues = (np.random.default_rng(seed).permutation(256) for seed in (1, 2, 3))
    expected = np.stack([table[indexes] for table in (reds, greens, blues)], axis=-1)
    for name, bits, first in (("palette", 16, 0), ("palette of 8 bits", 8, 0), ("palette that begins late", 16, 17)):
        dataset = grey_image(name, indexes)
        dataset.PhotometricInterpretation = "PALETTE COLOR"
        for colour_name, table in (("Red", reds), ("Green", greens), ("Blue", blues)):
            setattr(dataset, f"{colour_name}PaletteColorLookupTableDescriptor", [256, first, bits])
            data = (table * 257).astype("<u2") if bits == 16 else table.astype("u1")
            setattr(dataset, f"{colour_name}PaletteColorLookupTableData", data.tobytes())
        late = np.stack([looked_up(indexes, first, table) for table in (reds, greens, blues)], axis=-1)
        add(name, dataset, late if first else expected)


def without_jfif(coded: bytes) -> bytes:
    """The same JPEG without the marker that says what its colours are."""
    assert coded[2:4] == b"\xff\xe0"
    return coded[:2] + coded[4 + int.from_bytes(coded[4:6], "big") :]


def codecs() -> None:
    for name, syntax, values, bits in (
        ("JPEG 2000", JPEG2000Lossless, TWELVE, 12),
        ("JPEG 2000, signed", JPEG2000Lossless, SIGNED, 16),
        ("JPEG-LS", JPEGLSLossless, TWELVE, 12),
        ("RLE", RLELossless, TWELVE, 12),
    ):
        dataset = images.compressed(grey_image(name, values, bits_stored=bits, **windows(1000, 3000)), syntax)
        add(name, dataset, linear(values, 1000, 3000))


for make in (depths, window_forms, tables, polarity, functional_groups, overlay_planes, colours, codecs):
    make()


def read_fields(picture: Values) -> Values:
    """The sixteen fields of a picture of any size, each from its middle."""
    height, width = picture.shape[:2]
    found = np.zeros((4, 4, *picture.shape[2:]))
    for row in range(4):
        for column in range(4):
            top, left = int((row + 0.375) * height / 4), int((column + 0.375) * width / 4)
            middle = picture[top : top + max(1, height // 16), left : left + max(1, width // 16)]
            found[row, column] = np.median(middle.reshape(-1, *picture.shape[2:]), axis=0)
    return found


def difference(picture: Values, expected: Values) -> float:
    """The most that a field differs; a grey picture may come as RGB and the other way round."""
    found = read_fields(picture)
    if found.ndim == 2 and expected.ndim == 3:
        found = np.repeat(found[..., None], 3, axis=2)
    if found.ndim == 3 and expected.ndim == 2:
        expected = np.repeat(expected[..., None], 3, axis=2)
    return float(np.abs(found - expected).max())
