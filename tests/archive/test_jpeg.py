"""JPEG as scanners send it: every kind decodes, lossless bit by bit."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom.data
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import get_decoder
from pydicom.uid import UID, JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1

from archive.domain import jpeg

jpeg.register()

# What the reference implementation of JPEG (ISO/IEC 10918) makes of these files.
LOSSLESS = {
    "JPEG-LL.dcm": "a6e9d32143339d3f",
    "JPGLosslessP14SV1_1s_1f_8b.dcm": "36e27e4f1e87a7d5",
    "bad_sequence.dcm": "ef7120ddfc77c166",
    "SC_rgb_jpeg_gdcm.dcm": "169e619557b12114",
}
LOSSY = [
    "JPEG-lossy.dcm", "JPGExtended.dcm", "SC_jpeg_no_color_transform.dcm", "SC_rgb_dcmtk_+eb+cr.dcm",
    "SC_rgb_dcmtk_+eb+cy+n1.dcm", "SC_rgb_dcmtk_+eb+cy+np.dcm", "SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_small_odd_jpeg.dcm",
    "examples_ybr_color.dcm", "color3d_jpeg_baseline.dcm",
]  # fmt: skip


def decoded(dataset: Any, *, raw: bool = True) -> np.ndarray[Any, Any]:
    decoder = get_decoder(dataset.file_meta.TransferSyntaxUID)
    pixels: np.ndarray[Any, Any] = decoder.as_array(dataset, index=0, raw=raw, decoding_plugin=jpeg.NAME)[0]
    return pixels


@pytest.mark.parametrize("name", LOSSLESS)
def test_a_lossless_file_comes_out_bit_by_bit(name: str) -> None:
    dataset = dcmread(pydicom.data.get_testdata_file(name))
    pixels = decoded(dataset)
    assert hashlib.sha256(pixels.tobytes()).hexdigest()[:16] == LOSSLESS[name]
    assert pixels.dtype.kind == "ui"[dataset.PixelRepresentation]


@pytest.mark.peer
@pytest.mark.parametrize("name", [*LOSSLESS, *LOSSY])
def test_dcmtk_sees_the_same_picture(name: str, tmp_path: Path) -> None:
    if shutil.which("dcmdjpeg") is None:
        pytest.skip("dcmtk is not installed")
    source = pydicom.data.get_testdata_file(name)
    raw = tmp_path / "raw.dcm"
    # +cn: colours as they were coded, as here.
    done = subprocess.run(["dcmdjpeg", "+cn", "+px", source, raw], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"dcmdjpeg does not take it: {done.stderr.strip()[-100:]}")
    other = dcmread(raw)
    theirs = get_decoder(other.file_meta.TransferSyntaxUID)
    if other.file_meta.TransferSyntaxUID.is_encapsulated:
        pytest.fail("dcmdjpeg left it compressed")
    expected = other.pixel_array if theirs is None else theirs.as_array(other, index=0, raw=True)[0]
    difference = np.abs(decoded(dcmread(source)).astype(int) - expected.astype(int))
    allowed = 0 if name in LOSSLESS else 3
    assert difference.max() <= allowed
    assert difference.mean() < 0.1


def frame_of(pixels: np.ndarray[Any, Any], *, syntax: str, **options: Any) -> np.ndarray[Any, Any]:
    """Code with one library call, decode through pydicom as a server does."""
    coded = imagecodecs.jpeg8_encode(pixels, **options)
    samples = 1 if pixels.ndim == 2 else pixels.shape[2]
    description: dict[str, Any] = {
        "rows": pixels.shape[0], "columns": pixels.shape[1], "samples_per_pixel": samples, "number_of_frames": 1,
        "bits_allocated": pixels.dtype.itemsize * 8, "bits_stored": options.get("bitspersample", 8),
        "pixel_representation": 0, "photometric_interpretation": "MONOCHROME2" if samples == 1 else "RGB",
        "pixel_keyword": "PixelData",
    }  # fmt: skip
    if samples > 1:
        description["planar_configuration"] = 0
    found: np.ndarray[Any, Any] = get_decoder(UID(syntax)).as_array(
        encapsulate([coded]), index=0, raw=True, decoding_plugin=jpeg.NAME, **description
    )[0]
    return found


@given(
    rows=st.integers(1, 40), columns=st.integers(1, 40), bits=st.integers(2, 16), predictor=st.integers(1, 7),
    seed=st.integers(0, 2**32 - 1), syntax=st.sampled_from([JPEGLossless, JPEGLosslessSV1]),
)  # fmt: skip
def test_any_depth_and_predictor_survives_lossless_coding(
    rows: int, columns: int, bits: int, predictor: int, seed: int, syntax: str
) -> None:
    kind = np.uint8 if bits <= 8 else np.uint16
    pixels = np.random.default_rng(seed).integers(0, 2**bits, (rows, columns)).astype(kind)
    found = frame_of(pixels, syntax=syntax, lossless=True, predictor=predictor, bitspersample=bits)
    assert np.array_equal(found, pixels)


def test_twelve_bits_keep_their_range() -> None:
    ramp = np.tile(np.linspace(0, 4095, 256).astype(np.uint16), (64, 1))
    found = frame_of(ramp, syntax=JPEGExtended12Bit, level=100, bitspersample=12)
    assert found.dtype == np.uint16
    assert np.abs(found.astype(int) - ramp).max() <= 4


@pytest.mark.parametrize("cut", [2, 20, 200, 1000, -2])
@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEGLosslessSV1])
def test_a_damaged_frame_is_an_error_and_no_picture(cut: int, syntax: str) -> None:
    dataset = dcmread(pydicom.data.get_testdata_file("SC_rgb_jpeg_gdcm.dcm"))
    (frame,) = generate_frames(dataset.PixelData, number_of_frames=1)
    dataset.PixelData = encapsulate([frame.rstrip(b"\0")[:cut]])
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    with pytest.raises(RuntimeError, match="decode"):
        decoded(dataset)


def test_a_frame_of_another_size_than_the_header_says_is_refused() -> None:
    dataset = dcmread(pydicom.data.get_testdata_file("SC_rgb_jpeg_gdcm.dcm"))
    dataset.Rows, dataset.Columns = 50, 200
    with pytest.raises(RuntimeError, match="header says"):
        decoded(dataset)
