"""Answers made of pieces: bytes in memory, slices of stored files, parts made on the way. Ranges and ETags for all.

Nothing here touches the database: a streamed answer is sent after the request's scope has closed.
"""

from __future__ import annotations

import hashlib
import re
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified, StreamingHttpResponse

from archive import decoding
from archive.errors import DecodersBusy
from archive.storage import storage
from core.caching import as_picture
from dicomweb.errors import RangeNotSatisfiable

READ_BYTES = 1 << 20
# Up to this an answer is read at once: one write to the socket, and a missing file is still a 404.
WHOLE_BYTES = 8 << 20

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})\Z")


@dataclass(frozen=True, slots=True)
class FileSlice:
    """`length` bytes of a stored file from `offset`."""

    key: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Lazy:
    """Bytes made when they are needed; their number is not known before."""

    make: Callable[[], Iterable[bytes]]


Piece = bytes | FileSlice | Lazy


def known_length(pieces: Sequence[Piece]) -> int | None:
    """How many bytes the pieces are together; None when one is made on the way."""
    total = 0
    for piece in pieces:
        if isinstance(piece, Lazy):
            return None
        total += len(piece) if isinstance(piece, bytes) else piece.length
    return total


def cut(pieces: Sequence[Piece], *, start: int, end: int) -> list[Piece]:
    """The part [start, end) of pieces of known length."""
    found: list[Piece] = []
    position = 0
    for piece in pieces:
        if isinstance(piece, Lazy):
            raise TypeError("pieces of unknown length cannot be cut")
        length = len(piece) if isinstance(piece, bytes) else piece.length
        low, high = max(start - position, 0), min(end - position, length)
        if low < high:
            if isinstance(piece, bytes):
                found.append(piece[low:high])
            else:
                found.append(FileSlice(piece.key, piece.offset + low, high - low))
        position += length
    return found


def stream(pieces: Iterable[Piece]) -> Iterator[bytes]:
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
        elif isinstance(piece, FileSlice):
            yield from _read(piece)
        else:
            yield from piece.make()


def _read(piece: FileSlice) -> Iterator[bytes]:
    with storage().open(piece.key) as file:
        file.seek(piece.offset)
        remaining = piece.length
        while remaining:
            data = file.read(min(READ_BYTES, remaining))
            if not data:
                raise EOFError("a stored file is shorter than the index says")
            remaining -= len(data)
            yield data


def etag(*parts: object) -> str:
    """A strong ETag of what the answer is made from."""
    return '"' + hashlib.sha256("\0".join(str(part) for part in parts).encode()).hexdigest()[:32] + '"'


def boundary_for(tag: str) -> str:
    """A boundary that stays the same for the same content, so that ranges of a multipart fit together.

    It is a hash of hashes of the data: that it occurs in the data itself is as unlikely as with a random one.
    """
    return "pacsweb-" + hashlib.sha256(b"boundary" + tag.encode()).hexdigest()[:32]


def _common(*, tag: str, max_age: int) -> dict[str, str]:
    return {
        "Cache-Control": f"private, max-age={max_age}" if max_age else "private, no-cache",
        "Vary": "Accept, Authorization, Cookie",
        **({"ETag": tag} if tag else {}),
    }


def unchanged(request: HttpRequest, *, tag: str, max_age: int = 0) -> HttpResponse | None:
    """304 when the client has it already: asked before anything is decoded or drawn."""
    if not tag or not _matches(request.headers.get("If-None-Match", ""), tag):
        return None
    response = HttpResponseNotModified()
    _set(response, _common(tag=tag, max_age=max_age))
    return as_picture(response) if max_age else response


def answer(
    request: HttpRequest,
    *,
    pieces: Sequence[Piece],
    content_type: str,
    tag: str = "",
    max_age: int = 0,
    headers: dict[str, str] | None = None,
) -> HttpResponse | StreamingHttpResponse:
    """The response: 304 when the client has it, 206 for a range, else 200. Raises `RangeNotSatisfiable`.

    `max_age` (seconds) is for pixels alone: nothing else may be kept (`core.caching`).
    """
    common = {**_common(tag=tag, max_age=max_age), **(headers or {})}
    response = _answer(request, pieces=pieces, content_type=content_type, tag=tag, common=common)
    return as_picture(response) if max_age else response


def _answer(
    request: HttpRequest, *, pieces: Sequence[Piece], content_type: str, tag: str, common: dict[str, str]
) -> HttpResponse | StreamingHttpResponse:
    response: Any = None
    if tag and _matches(request.headers.get("If-None-Match", ""), tag):
        response = HttpResponseNotModified()
        _set(response, common)
        return response
    length = known_length(pieces)
    if length is None:
        response = StreamingHttpResponse(stream(pieces), content_type=content_type)
        _set(response, common)
        return response
    common["Accept-Ranges"] = "bytes"
    wanted = _range(request, tag=tag, length=length)
    status = 200
    if wanted is not None:
        start, end = wanted
        common["Content-Range"] = f"bytes {start}-{end - 1}/{length}"
        pieces, length, status = cut(pieces, start=start, end=end), end - start, 206
    if request.method == "HEAD":
        response = HttpResponse(status=status, content_type=content_type)
    elif length <= WHOLE_BYTES:
        response = HttpResponse(b"".join(stream(pieces)), status=status, content_type=content_type)
    else:
        response = StreamingHttpResponse(stream(pieces), status=status, content_type=content_type)
        _hold(response, pieces=pieces)
    common["Content-Length"] = str(length)
    _set(response, common)
    return response


def _hold(response: Any, *, pieces: Sequence[Piece]) -> None:
    """Large decoded bytes count in the budget of images until the client has them. Raises `DecodersBusy`."""
    count = sum(len(piece) for piece in pieces if isinstance(piece, bytes))
    if count <= WHOLE_BYTES:
        return
    budget = decoding.budget()
    try:
        budget.take(count)
    except (decoding.Busy, decoding.DecodeError) as error:
        raise DecodersBusy from error
    # Django closes what it has sent; what it gave up is collected.
    response._resource_closers.append(weakref.finalize(response, budget.give_back, count))


def _set(response: Any, headers: dict[str, str]) -> None:
    for name, value in headers.items():
        response[name] = value


def _matches(header: str, tag: str) -> bool:
    if header.strip() == "*":
        return True
    return any(candidate.strip().removeprefix("W/") == tag for candidate in header.split(","))


def _range(request: HttpRequest, *, tag: str, length: int) -> tuple[int, int] | None:
    """[start, end) of a single range; None: send all. Several ranges are answered with all (RFC 9110 14.2)."""
    header = request.headers.get("Range", "")
    found = _RANGE.match(header.strip()) if header else None
    if found is None or (not found[1] and not found[2]):
        return None
    condition = request.headers.get("If-Range")
    if condition is not None and condition.strip() != tag:
        return None
    if found[1]:
        start = int(found[1])
        end = min(int(found[2]) + 1, length) if found[2] else length
        if found[2] and int(found[2]) < start:
            return None
    else:
        start, end = max(0, length - int(found[2])), length
    if start >= length or start >= end:
        raise RangeNotSatisfiable
    return start, end
