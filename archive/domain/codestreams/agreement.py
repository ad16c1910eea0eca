"""Whether a coded frame is the image that the data set describes, and small enough to be decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from archive.domain.codestreams import deflate, jpeg2000, jpegxl, marker_segments, rle, wholeness
from archive.domain.codestreams.source import Source
from archive.domain.codestreams.stream import Codestream, Damaged, malformed
from archive.domain.codestreams.syntaxes import MANY_COMPONENTS, Family, family_of

# A frame of more than this is refused to every decoder. The largest digital radiographs have 60 MB.
MAXIMUM_FRAME_BYTES: Final = 1 << 29
# What any frame may unpack to, and by how much larger ones may grow: an empty image compresses without end, one that
# shows something does not.
SMALL_BYTES: Final = 1 << 25
PLAUSIBLE_RATIO: Final = 1000
SUBSAMPLED: Final = frozenset({"YBR_FULL_422", "YBR_PARTIAL_422"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """The image pixel module (PS3.3 C.7.6.3) as far as it says how many bytes a frame has."""

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    photometric_interpretation: str = ""


def frame_bytes(description: Description) -> int:
    """Bytes of a decoded frame, each sample in whole bytes."""
    cell = max(1, -(-description.bits_allocated // 8))
    return description.rows * description.columns * description.samples * cell


def read_header(source: Source, *, transfer_syntax: str) -> Codestream | None:
    """What the codestream says of itself; None for kinds that say nothing, or that nothing here decodes."""
    family = family_of(transfer_syntax)
    if family in (Family.JPEG, Family.JPEG_LS):
        return marker_segments.read_header(source)
    if family is Family.JPEG_2000:
        return jpeg2000.read_header(source)
    if family is Family.JPEG_XL:
        return jpegxl.read_header(source)
    return None


def check(source: Source, *, transfer_syntax: str, description: Description) -> None:
    """Raise `Damaged` unless the frame is the image described, of a size that may be decoded, and goes on to its end.

    Reads the header of the codestream, its markers (`wholeness`) and where its end should be. Precision may differ from
    Bits Stored (encoders pad, PS3.5 8.2.1), but not exceed Bits Allocated; subsampled colour is as large as the image
    (PS3.3 C.7.6.3.1.2).
    """
    family = family_of(transfer_syntax)
    if family is None or family is Family.VIDEO:
        return
    _check_size(description, coded=source.size)
    if family is Family.RLE:
        _check_rle(source, description=description)
        return
    if family is Family.DEFLATE:
        limit = frame_bytes(description)
        for _part in deflate.inflated((chunk for _at, chunk in source.chunks(0)), limit=limit + 1):
            pass
        return
    found = read_header(source, transfer_syntax=transfer_syntax)
    if found is None:
        raise malformed("its kind is not known")
    if (found.height, found.width) != (description.rows, description.columns):
        raise Damaged(
            "disagrees",
            f"The compressed image has {found.width} × {found.height} pixels, the header says "
            f"{description.columns} × {description.rows}.",
        )
    if transfer_syntax not in MANY_COMPONENTS and found.components not in (None, description.samples):
        raise Damaged(
            "disagrees",
            f"The compressed image has {found.components} samples a pixel, the header says {description.samples}.",
        )
    if not 1 <= found.precision <= max(8, description.bits_allocated):
        raise Damaged(
            "disagrees",
            f"The compressed image has {found.precision} bits a sample, the header allocates "
            f"{description.bits_allocated}.",
        )
    if family is not Family.JPEG_XL:
        start = 0 if family is Family.JPEG_2000 else marker_segments.coded_data(source)
        if not marker_segments.has_end(source, start=start):
            # No decoder here shows it, and nobody knows how much of it is missing.
            raise malformed("it has no end of image")
        wholeness.require_whole(source, family=family)


def check_native(*, length: int, description: Description, frames: int = 1) -> None:
    """The same for frames that are not compressed: their bytes must be there. Raises `Damaged`."""
    bits = frames * description.rows * description.columns * description.bits_allocated
    bits *= 2 if description.photometric_interpretation in SUBSAMPLED else description.samples
    # A frame that says it is subsampled and is not has three samples a pixel; both are read.
    if length < bits // 8:
        raise Damaged("disagrees", "The pixel data is shorter than the image it describes.")
    if frame_bytes(description) > MAXIMUM_FRAME_BYTES:
        raise _too_large()


def _check_size(description: Description, *, coded: int) -> None:
    if min(description.rows, description.columns, description.samples, description.bits_allocated) < 1:
        raise Damaged("disagrees", "The header does not say how large the image is.")
    decoded = frame_bytes(description)
    if decoded > MAXIMUM_FRAME_BYTES:
        raise _too_large()
    if decoded > max(SMALL_BYTES, PLAUSIBLE_RATIO * coded):
        raise Damaged("too-large", "The compressed image unpacks to more than is plausible for its size.")


def _too_large() -> Damaged:
    return Damaged("too-large", f"A frame of this image has more than {MAXIMUM_FRAME_BYTES >> 20} MB.")


def _check_rle(source: Source, *, description: Description) -> None:
    extents = rle.segment_extents(source)
    expected = description.samples * max(1, -(-description.bits_allocated // 8))
    if len(extents) != expected:
        raise Damaged(
            "disagrees",
            f"The compressed image has {len(extents)} segments, the header calls for {expected} (PS3.5 G.2).",
        )
    # Two bytes code 128 at most (PS3.5 G.3.1): a segment that is too short is known without unpacking it.
    pixels = description.rows * description.columns
    if any((end - start) * 64 < pixels for start, end in extents):
        raise Damaged("disagrees", "The compressed image is shorter than the image it describes.")
