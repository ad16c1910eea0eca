"""A stored file into its elements (PS3.5 7). What the archive's own walk accepted, this reads."""

from __future__ import annotations

import io
import struct
import zlib
from typing import BinaryIO, Final

from archive.domain.elements.model import Element, Elements, Source
from archive.domain.part10 import UNDEFINED, Truncated, Unreadable, inflate, read_meta
from archive.domain.part10.encodings import DEFLATED, JPIP_DEFLATED, KNOWN_VRS, LONG_VRS, SHORT_VRS, encoding_of

PREAMBLE_BYTES: Final = 132
META_BYTES: Final = 1 << 17
MAX_DEPTH: Final = 64
#: Of a deflated file that nobody has measured.
MOST_PACKED: Final = 1 << 24
MOST_INFLATED: Final = 1 << 24
PIXEL_DATA: Final = 0x7FE00010
ITEM: Final = 0xFFFEE000
ITEM_END: Final = 0xFFFEE00D
SEQUENCE_END: Final = 0xFFFEE0DD


def read_elements(file: BinaryIO, *, pixels_end: int = 0) -> tuple[dict[int, bytes], Elements]:
    """(file meta information, data set) of a Part 10 file, which must stay open. Raises `Unreadable`.

    `pixels_end`: where the last known frame of encapsulated pixels ends, so that a thousand fragments need not be walked.
    """
    head = _head(file)
    meta, offset = read_meta(head, len(head), PREAMBLE_BYTES)
    uid = _transfer_syntax(meta)
    if uid == DEFLATED or uid in JPIP_DEFLATED:
        file.seek(0)
        whole = file.read()
        file, offset = io.BytesIO(inflate(whole, len(whole), offset)), 0
        pixels_end = 0
    implicit, big = encoding_of(uid)
    source = Source(file)
    if implicit != _looks_implicit(source, offset):
        # Only a private transfer syntax may be stored in another encoding than its UID says (see `part10.reading`).
        implicit = not implicit
    reader = _Reader(source, pixels_end=pixels_end)
    found, _end = reader.elements(offset, source.size, implicit=implicit, big=big, depth=0, delimited=False)
    return meta, found


def transfer_syntax_of(file: BinaryIO) -> str:
    """Raises `Unreadable`."""
    head = _head(file)
    return _transfer_syntax(read_meta(head, len(head), PREAMBLE_BYTES)[0])


def _transfer_syntax(meta: dict[int, bytes]) -> str:
    return meta.get(0x00020010, b"").rstrip(b"\0 ").lstrip(b" ").decode("ascii", "replace")


def _head(file: BinaryIO) -> bytes:
    file.seek(0)
    head = file.read(META_BYTES)
    if head[128:132] != b"DICM":
        raise Unreadable("not-dicom", "The file is not a DICOM file.")
    return head


def _looks_implicit(source: Source, offset: int) -> bool:
    return source.read(offset + 4, 2) not in KNOWN_VRS


def read_leading(file: BinaryIO, *, most: int) -> tuple[dict[int, bytes], Elements, Unreadable | None]:
    """(file meta information, data set, fault) of any bytes: as far as they can be read, and why no further.

    For files that the archive's own walk refused. At most `most` elements, items and fragments are read, and of a deflated
    file at most `MOST_INFLATED` bytes. Raises nothing of the file's.
    """
    meta: dict[int, bytes] = {}
    found = Elements()
    try:
        head = _head(file)
        _meta, offset = read_meta(head, len(head), PREAMBLE_BYTES, into=meta)
        uid = _transfer_syntax(meta)
        if uid == DEFLATED or uid in JPIP_DEFLATED:
            file.seek(offset)
            inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(file.read(MOST_PACKED), MOST_INFLATED)
            file, offset = io.BytesIO(inflated), 0
        implicit, big = encoding_of(uid)
        source = Source(file)
        if implicit != _looks_implicit(source, offset):
            implicit = not implicit
        reader = _Reader(source, pixels_end=0, most=most)
        reader.elements(offset, source.size, implicit=implicit, big=big, depth=0, delimited=False, into=found)
    except Unreadable as fault:
        return meta, found, fault
    except (struct.error, zlib.error):
        return meta, found, Unreadable("malformed", "The data set is damaged.")
    return meta, found, None


class _Reader:
    """`most`: how many elements, items and fragments are read; None where a walk has counted them before."""

    def __init__(self, source: Source, *, pixels_end: int, most: int | None = None) -> None:
        self._source = source
        self._pixels_end = pixels_end
        self._left = most

    def _count(self) -> None:
        if self._left is not None:
            if self._left <= 0:
                raise Unreadable("too-many-elements", "The data set has more elements than are shown.")
            self._left -= 1

    def _header(self, position: int, *, implicit: bool, big: bool) -> tuple[int, str, int, int]:
        """(tag, VR as written, offset of the value, length)."""
        buffer, index = self._source.window(position, 12)
        if len(buffer) - index < 8:
            raise Truncated("a data element")
        order = ">" if big else "<"
        group, element, length = struct.unpack_from(order + "HHI", buffer, index)
        tag = group << 16 | element
        if implicit or group == 0xFFFE:
            return tag, "", position + 8, length
        vr = buffer[index + 4 : index + 6]
        if vr in SHORT_VRS:
            (length,) = struct.unpack_from(order + "H", buffer, index + 6)
            return tag, vr.decode("ascii"), position + 8, length
        if vr in LONG_VRS or (vr.isalpha() and vr.isupper()):
            if len(buffer) - index < 12:
                raise Truncated("a data element")
            (length,) = struct.unpack_from(order + "I", buffer, index + 8)
            return tag, vr.decode("ascii"), position + 12, length
        return tag, "", position + 8, length

    def elements(
        self,
        position: int,
        end: int,
        *,
        implicit: bool,
        big: bool,
        depth: int,
        delimited: bool,
        into: Elements | None = None,
    ) -> tuple[Elements, int]:
        """The elements of [position, end), or up to the item's delimiter; and where they end. `into` has what came before
        a fault."""
        found = Elements() if into is None else into
        while end - position >= 8:
            self._count()
            tag, vr, at, length = self._header(position, implicit=implicit, big=big)
            if tag == ITEM_END and delimited:
                return found, at
            if tag >> 16 == 0xFFFE:
                position = at
                continue
            if tag == 0 and length == 0 and depth == 0:
                # Padding behind the last element.
                position = at
                continue
            element = Element(tag, vr, at, length, big, self._source)
            if length == UNDEFINED:
                element.is_undefined = True
                if tag == PIXEL_DATA and depth == 0:
                    element.length = self._fragments_end(at, big=big) - at
                else:
                    is_unknown = vr == "UN"
                    element.items, stop = self._items(
                        at,
                        end,
                        implicit=implicit or is_unknown,
                        big=big and not is_unknown,
                        depth=depth + 1,
                        open_=True,
                    )
                    element.length = stop - at
            elif length > end - at:
                raise Truncated("a data element")
            elif vr == "SQ" or (vr in ("", "UN") and self._is_sequence(tag, at, length, big=big and vr != "UN")):
                self._read_sequence(element, implicit=implicit, big=big, depth=depth)
            found.by_tag[tag] = element
            position = at + element.length
        return found, position

    def _read_sequence(self, element: Element, *, implicit: bool, big: bool, depth: int) -> None:
        """Items of defined length. UN holds implicit little endian (PS3.5 6.2.2); what is no sequence stays bytes."""
        is_unknown = element.vr == "UN"
        try:
            element.items, _stop = self._items(
                element.offset,
                element.offset + element.length,
                implicit=implicit or is_unknown,
                big=big and not is_unknown,
                depth=depth + 1,
                open_=False,
            )
        except Unreadable:
            if element.vr == "SQ":
                raise
            element.items = None

    def _is_sequence(self, tag: int, at: int, length: int, *, big: bool) -> bool:
        from archive.domain.elements.representation import dictionary_vr

        if tag >> 16 & 1 or dictionary_vr(tag) != "SQ":
            return False
        return length == 0 or self._source.read(at, 4) == (b"\xff\xfe\xe0\x00" if big else b"\xfe\xff\x00\xe0")

    def _items(
        self, position: int, end: int, *, implicit: bool, big: bool, depth: int, open_: bool
    ) -> tuple[list[Elements], int]:
        if depth > MAX_DEPTH:
            raise Unreadable("nested-too-deep", f"Sequences are nested more than {MAX_DEPTH} deep.")
        items: list[Elements] = []
        while end - position >= 8:
            self._count()
            tag, _vr, at, length = self._header(position, implicit=implicit, big=big)
            if tag == SEQUENCE_END:
                return items, at
            if tag != ITEM:
                raise Unreadable("malformed", "A sequence in the data set is damaged.")
            is_open = length == UNDEFINED
            if not is_open and length > end - at:
                raise Truncated("a sequence")
            stop = end if is_open else at + length
            item, position = self.elements(at, stop, implicit=implicit, big=big, depth=depth, delimited=is_open)
            if not is_open:
                position = stop
            items.append(item)
        if open_:
            raise Truncated("a sequence")
        return items, position

    def _fragments_end(self, position: int, *, big: bool) -> int:
        """Behind the sequence delimiter of encapsulated pixel data; at the end of the file where there is none."""
        plain = struct.Struct((">" if big else "<") + "HHI").unpack
        if position < self._pixels_end <= self._source.size:
            position = self._pixels_end
        while self._source.size - position >= 8:
            self._count()
            group, element, length = plain(self._source.peek(position, 8))
            if group != 0xFFFE or element not in (0xE000, 0xE0DD):
                return position
            position += 8
            if element == 0xE0DD:
                return position
            position += length
        return self._source.size
