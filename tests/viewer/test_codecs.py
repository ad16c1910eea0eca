"""Pixels in the browser equal pixels in the file, value by value, for each way of storing them."""

from __future__ import annotations

from typing import Any

import imagecodecs
import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from tests.viewer import images, site
from tests.viewer.conftest import Viewer

pytestmark = pytest.mark.e2e

ROWS, COLUMNS = 48, 64


def noise(*shape: int, bits: int, signed: bool = False) -> images.Pixels:
    """Values over the whole range, the ends included; smooth parts and noise."""
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    found = np.random.default_rng(bits).integers(low, high, size=shape, endpoint=True)
    found.flat[0], found.flat[-1] = low, high
    kind = {(8, False): "u1", (8, True): "i1"}.get((8 if bits <= 8 else 16, signed), "i2" if signed else "u2")
    return found.astype(kind)


GREY12 = noise(ROWS, COLUMNS, bits=12)
GREY16 = noise(ROWS, COLUMNS, bits=16)
SIGNED = noise(ROWS, COLUMNS, bits=16, signed=True)
GREY8 = noise(ROWS, COLUMNS, bits=8)
COLOUR = noise(ROWS, COLUMNS, 3, bits=8)


def grey(name: str, pixels: images.Pixels, **options: Any) -> Dataset:
    return images.capture(pixels, series=name, description=name, **options)


def encapsulated(dataset: Dataset, frame: bytes, transfer_syntax: UID) -> Dataset:
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = transfer_syntax
    return dataset


def planar(name: str) -> Dataset:
    dataset = grey(name, COLOUR, photometric="RGB")
    dataset.PlanarConfiguration = 1
    dataset.PixelData = np.moveaxis(COLOUR, 2, 0).tobytes()
    return dataset


TABLE = [np.random.default_rng(n).integers(0, 65536, 256).astype(np.uint16) for n in (1, 2, 3)]


def palette(name: str) -> Dataset:
    dataset = grey(name, GREY8, photometric="MONOCHROME2")
    dataset.PhotometricInterpretation = "PALETTE COLOR"
    for colour, table in zip(("Red", "Green", "Blue"), TABLE, strict=True):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(dataset, f"{colour}PaletteColorLookupTableData", table.tobytes())
    return dataset


CASES: dict[str, tuple[Dataset, images.Pixels]] = {
    "raw 8": (grey("raw 8", GREY8), GREY8),
    "raw 12": (grey("raw 12", GREY12, bits_stored=12), GREY12),
    "raw 16": (grey("raw 16", GREY16), GREY16),
    "raw signed": (grey("raw signed", SIGNED), SIGNED),
    "rescaled": (
        grey("rescaled", GREY12, bits_stored=12, slope=2, intercept=-1000),
        GREY12.astype(np.int32) * 2 - 1000,
    ),
    "monochrome 1": (grey("monochrome 1", GREY12, bits_stored=12, photometric="MONOCHROME1"), GREY12),
    "rgb": (grey("rgb", COLOUR, photometric="RGB"), COLOUR),
    "rgb planar": (planar("rgb planar"), COLOUR),
    "palette": (palette("palette"), np.stack([table[GREY8] >> 8 for table in TABLE], axis=2)),
    "rle": (images.compressed(grey("rle", GREY16), RLELossless), GREY16),
    "rle rgb": (images.compressed(grey("rle rgb", COLOUR, photometric="RGB"), RLELossless), COLOUR),
    "jpeg-ls": (images.compressed(grey("jpeg-ls", GREY12, bits_stored=12), JPEGLSLossless), GREY12),
    "jpeg 2000": (images.compressed(grey("jpeg 2000", GREY16), JPEG2000Lossless), GREY16),
    "jpeg 2000 signed": (images.compressed(grey("jpeg 2000 signed", SIGNED), JPEG2000Lossless), SIGNED),
    "htj2k": (
        encapsulated(grey("htj2k", GREY16), imagecodecs.htj2k_encode(GREY16, reversible=True), HTJ2KLossless),
        GREY16,
    ),
    "jpeg lossless": (
        encapsulated(
            grey("jpeg lossless", GREY12, bits_stored=12),
            imagecodecs.ljpeg_encode(GREY12, bitspersample=12),
            JPEGLosslessSV1,
        ),
        GREY12,
    ),
}


def test_every_stored_value_arrives_in_the_browser(viewer: Viewer) -> None:
    site.page(
        "codecs", *(site.entry([dataset], number=n) for n, (dataset, _e) in enumerate(CASES.values())), study="codecs"
    )
    viewer.open("codecs")
    wrong = {}
    for name, (dataset, expected) in CASES.items():
        series = str(dataset.SeriesInstanceUID)
        viewer.page.click(f'.rail-item[data-series="{series}"]')
        viewer.wait(
            lambda series=series: (
                viewer.pane()["series"] == series  # type: ignore[misc]
                and (viewer.pane()["drawn"] == 0 or viewer.page.locator(".pane-status.is-error").is_visible())
            )
        )
        found = viewer.get("pixels(0)")
        if found is None:
            wrong[name] = viewer.page.inner_text(".pane-status")
        elif found["values"] != expected.flatten().tolist():
            wrong[name] = (
                f"{found['type']} × {found['length']}: {found['values'][:6]}, not {expected.flatten()[:6].tolist()}"
            )
    assert wrong == {}


def test_monochrome_1_is_shown_inverted(viewer: Viewer) -> None:
    dataset, _expected = CASES["monochrome 1"]
    site.page("inverted", site.entry([dataset]), study="codecs")
    viewer.open("inverted")
    assert viewer.pane()["inverted"]
