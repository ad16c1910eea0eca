"""Screening of the pixel data element: its length, its bits, and what is beside a compressed image."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pydicom.dataset import Dataset

from deid.domain import coded, files, native
from deid.domain.elements import has_pixels, term_of
from deid.domain.findings import Finding, Reason, Severity

_BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"
# Pixel data (here of deflated files only) and spectroscopy data.
_IMAGE_VALUES: Final = (0x7FE00008, 0x7FE00009, 0x7FE00010, 0x56000020)


def screen(source: files.Source) -> list[Finding]:
    """Findings that need the pixel data element; takes encapsulated pixel data apart on the way (`Source.coded`).

    Raises `archive.decoding.Busy`.
    """
    pixels = source.pixels
    if pixels is None:
        is_whole = not has_pixels(source.dataset) or any(tag in source.dataset for tag in _IMAGE_VALUES)
        return [] if is_whole else [Finding(reason=Reason.PIXEL_LENGTH, severity=Severity.HOLD_BACK)]
    if pixels.is_encapsulated:
        try:
            source.coded = coded.read(
                source.stream,
                dataset=source.dataset,
                transfer_syntax=source.transfer_syntax,
                fragments=pixels.fragments,
                offsets=pixels.offsets,
            )
        except coded.Damaged:
            return [Finding(reason=Reason.DAMAGED_PIXELS, severity=Severity.HOLD_BACK)]
        except coded.Unsure:
            return [Finding(reason=Reason.COMPRESSED_COMMENT, severity=Severity.HOLD_BACK)]
        unchecked = [] if source.coded.is_checked else [Finding(reason=Reason.NOT_CHECKED, severity=Severity.HOLD_BACK)]
        # What is written has a table of its own; these two are not taken over, whatever they hold.
        for tag in coded.EXTENDED_TABLES:
            if tag in source.dataset:
                del source.dataset[tag]
        return unchecked
    expected = _native_length(source.dataset)
    if expected is None or pixels.value_length < expected:
        return [Finding(reason=Reason.PIXEL_LENGTH, severity=Severity.HOLD_BACK)]
    if pixels.value_length > expected + 1:
        # Zeros that a sender filled up with say nothing, and are not taken over; whatever else stands there may.
        if not files.is_zero(source.stream, start=pixels.value_start + expected, end=pixels.end):
            return [Finding(reason=Reason.PIXEL_LENGTH, severity=Severity.HOLD_BACK)]
        source.pixels = replace(pixels, end=pixels.value_start + expected + expected % 2)
    if pixels.is_float:
        return []
    try:
        source.cells = native.cells_of(
            source.dataset, length=expected, is_big_endian=source.transfer_syntax == _BIG_ENDIAN
        )
    except native.Undefined:
        return [Finding(reason=Reason.PIXEL_LENGTH, severity=Severity.HOLD_BACK)]
    return []


def _native_length(dataset: Dataset) -> int | None:
    """Bytes that the image description calls for; None when it does not say."""
    try:
        rows, columns = int(dataset["Rows"].value), int(dataset["Columns"].value)
        samples = int(dataset["SamplesPerPixel"].value) if "SamplesPerPixel" in dataset else 1
        frames = int(dataset["NumberOfFrames"].value or 1) if "NumberOfFrames" in dataset else 1
        bits = int(dataset["BitsAllocated"].value)
    except (KeyError, TypeError, ValueError):
        return None
    pixels = rows * columns * frames
    if "PhotometricInterpretation" in dataset and term_of(dataset, "PhotometricInterpretation") == "YBR_FULL_422":
        return pixels * 2 * bits // 8
    return (pixels * samples * bits + 7) // 8
