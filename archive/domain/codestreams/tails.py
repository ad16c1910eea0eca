"""Whether the last bytes of coded data are image: altered copies of a frame that must decode to other pixels.

Decoders stop at the last sample and pass over what follows it up to the next marker. Altering the bytes there changes
the picture only if they are part of it. Works on frames as `stripped` writes them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from archive.domain.codestreams import jpeg2000_image, jpeg_image
from archive.domain.codestreams.jpeg_image import Image
from archive.domain.codestreams.marker_segments import SOF_JPEG_LS
from archive.domain.codestreams.source import of_bytes
from archive.domain.codestreams.stream import Unsure
from archive.domain.codestreams.syntaxes import Family, family_of

# How many bytes are altered: the last few may be an encoder's flush, of which no bit counts.
JPEG_TAIL: Final = 4
JPEG_2000_TAIL: Final = 8
# Tried one after the other: a single change can vanish in clipping or rounding.
PATTERNS: Final = (0x80, 0x40, 0x65, 0x1A)
MAXIMUM_CHECKS: Final = 64
_BLANK_ENDS: Final = frozenset([b"", *(bytes([(1 << ones) - 1]) for ones in range(8))])
_RESTART: Final = re.compile(rb"\xff[\xd0-\xd7]")

Pixels = np.ndarray[Any, Any]
Run = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Check:
    """`altered(pattern, only)` makes the frame with one of its `places` altered, or all where `only` is None.

    `touched` takes where pixels differ, booleans (rows, columns), and says for each place whether it changed anything.
    """

    places: int
    altered: Callable[[int, int | None], bytes]
    touched: Callable[[Pixels], Pixels]


def checks(frame: bytes, *, transfer_syntax: str) -> Iterator[Check]:
    """Every altered frame must differ at all its places for some pattern. Raises `Damaged`, `Unsure`."""
    family = family_of(transfer_syntax)
    if family is Family.JPEG_2000:
        yield from _jpeg_2000(frame)
    elif family in (Family.JPEG, Family.JPEG_LS):
        yield from _jpeg(frame)


def _anywhere(difference: Pixels) -> Pixels:
    return np.array([bool(difference.any())])


def _is_blank(data: bytes) -> bool:
    """Zeros, then perhaps the ones that fill up the last byte (T.81 F.1.2.3): an even image. Such data tells nothing."""
    return not data[:-1].strip(b"\0") and data[-1:] in _BLANK_ENDS


# -- JPEG and JPEG-LS ------------------------------------------------------------------------------------------------------


def _jpeg(frame: bytes) -> Iterator[Check]:
    image = jpeg_image.taken_apart(of_bytes(frame))
    is_jpeg_ls = image.frame == SOF_JPEG_LS
    alter = _stuffed_bits if is_jpeg_ls else _stuffed_bytes
    number = 0
    for start, stop, interval in image.scans:
        runs = list(_runs(frame, start, stop))
        if any(begin >= end for begin, end in runs):
            raise Unsure("a part of the coded data is empty")
        if not is_jpeg_ls and any(b"\xff" in frame[begin:end].replace(b"\xff\0", b"") for begin, end in runs):
            raise Unsure("fill bytes are within the coded data")
        groups: list[tuple[list[Run], Callable[[Pixels], Pixels]]]
        if len(runs) == 1 and _is_blank(frame[runs[0][0] : runs[0][1]]):
            continue
        if len(runs) == 1:
            groups = [(runs, _anywhere)]
        elif not interval or is_jpeg_ls:
            raise Unsure("the coded data holds restart markers that its header does not announce")
        else:
            groups = _by_interval(image, runs, interval=interval)
        number += len(groups)
        if number > MAXIMUM_CHECKS:
            raise Unsure("the coded data is in more parts than can be checked")
        for places, touched in groups:
            yield Check(
                places=len(places), altered=_alterer(frame, places, alter=alter, count=JPEG_TAIL), touched=touched
            )


def _runs(frame: bytes, start: int, stop: int) -> Iterator[Run]:
    """The coded data between restart markers, which count from 0 to 7 and over again (T.81 B.1.1.3)."""
    for number, found in enumerate(_RESTART.finditer(frame, start, stop)):
        if frame[found.start() + 1] != 0xD0 + number % 8:
            raise Unsure("restart markers of the coded data are out of order")
        yield start, found.start()
        start = found.end()
    yield start, stop


def _by_interval(image: Image, runs: list[Run], *, interval: int) -> list[tuple[list[Run], Callable[[Pixels], Pixels]]]:
    samplings = {sampling for _identifier, sampling, _table in image.components}
    if len(image.scans) > 1 or len(samplings) > 1:
        # Interpolated colour spills over into neighbours, so that one is altered at a time.
        return [([run], _anywhere) for run in runs]
    sampling = 0x11 if len(image.components) == 1 else samplings.pop()
    unit = 1 if image.frame == jpeg_image.LOSSLESS else 8
    wide, high = unit * max(1, sampling >> 4), unit * max(1, sampling & 15)
    across, down = -(-image.columns // wide), -(-image.lines // high)
    if len(runs) != -(-across * down // interval):
        raise Unsure("the coded data is in more parts than the image has")

    def touched(difference: Pixels) -> Pixels:
        padded = np.zeros((down * high, across * wide), bool)
        padded[: difference.shape[0], : difference.shape[1]] = difference
        units = padded.reshape(down, high, across, wide).any(axis=(1, 3)).ravel()
        return np.logical_or.reduceat(units, np.arange(0, units.size, interval))

    return [(runs, touched)]


# -- JPEG 2000 -------------------------------------------------------------------------------------------------------------


def _jpeg_2000(frame: bytes) -> Iterator[Check]:
    layout = jpeg2000_image.taken_apart(of_bytes(frame))
    x0, y0, x, y = layout.area
    wide, high, left, top = layout.tiles
    if not layout.parts:
        raise Unsure("there is no coded data")
    rounds: list[list[jpeg2000_image.TilePart]] = []
    counts: dict[int, int] = {}
    for part in layout.parts:
        if not _is_blank(frame[part.start : part.end]):
            turn = counts.get(part.tile, 0)
            counts[part.tile] = turn + 1
            if turn == len(rounds):
                rounds.append([])
            rounds[turn].append(part)
    if len(rounds) > MAXIMUM_CHECKS:
        raise Unsure("the coded data is in more parts than can be checked")
    for parts in rounds:
        # A tile is coded for itself (T.800 B.3): one change in each does not reach the others.
        areas = []
        for part in parts:
            across, down = part.tile % layout.across, part.tile // layout.across
            columns = slice(max(left + across * wide, x0) - x0, min(left + (across + 1) * wide, x) - x0)
            rows = slice(max(top + down * high, y0) - y0, min(top + (down + 1) * high, y) - y0)
            areas.append((rows, columns))

        def touched(difference: Pixels, areas: list[tuple[slice, slice]] = areas) -> Pixels:
            return np.array([bool(difference[area].any()) for area in areas])

        places = [(part.start, part.end) for part in parts]
        yield Check(
            places=len(places),
            altered=_alterer(frame, places, alter=_stuffed_bits, count=JPEG_2000_TAIL),
            touched=touched,
        )


# -- altered bytes ---------------------------------------------------------------------------------------------------------


def _alterer(
    frame: bytes, places: list[Run], *, alter: Callable[[bytes, int, int], bytes], count: int
) -> Callable[[int, int | None], bytes]:
    def altered(pattern: int, only: int | None) -> bytes:
        made: list[bytes] = []
        at = 0
        for start, end in places if only is None else [places[only]]:
            # Twice as many and one: of a stuffed tail half the bytes are stuffing.
            tail = max(start, end - 2 * count - 1)
            made += [frame[at:tail], alter(frame[tail:end], pattern, count)]
            at = end
        return b"".join([*made, frame[at:]])

    return altered


def _stuffed_bytes(tail: bytes, pattern: int, count: int) -> bytes:
    """T.81 B.1.1.5: FF in coded data is followed by 00."""
    head = b""
    if tail[:1] == b"\0":
        # May belong to an FF before it.
        head, tail = tail[:1], tail[1:]
    plain = tail.replace(b"\xff\0", b"\xff")
    kept = max(0, len(plain) - count)
    changed = plain[:kept] + bytes(byte ^ pattern for byte in plain[kept:])
    return head + changed.replace(b"\xff", b"\xff\0")


def _stuffed_bits(tail: bytes, pattern: int, count: int) -> bytes:
    """T.87 A.1, T.800 B.10.1: a byte after FF stays below 80; no new FF."""
    changed = bytearray(tail)
    for at in range(max(0, len(tail) - count), len(tail)):
        value = tail[at] ^ pattern
        if value == 0xFF:
            value ^= 0x01
        if at and changed[at - 1] == 0xFF and value >= 0x80:
            value &= 0x7F
            if value == tail[at]:
                value ^= 0x01
        changed[at] = value
    return bytes(changed)


__all__ = ["PATTERNS", "Check", "checks"]
