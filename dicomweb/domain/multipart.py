"""multipart/related (RFC 2387, RFC 2046) in both directions, with flat memory."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

MAXIMUM_HEADERS: Final = 16 * 1024
MAXIMUM_BOUNDARY: Final = 70
READ_SIZE: Final = 256 * 1024


class MultipartError(ValueError):
    """A payload that is not the multipart it says it is; the text is a sentence for the client."""


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def new_boundary() -> str:
    """128 random bits: that they occur in image data is less likely than a fault of the disk."""
    return f"pacsweb-{secrets.token_hex(16)}"


def part_head(*, boundary: str, content_type: str, location: str = "", is_first: bool) -> bytes:
    """Everything from the delimiter to the empty line before a part's payload."""
    lines = [f"--{boundary}", f"Content-Type: {content_type}"]
    if location:
        lines.append(f"Content-Location: {location}")
    head = "\r\n".join(lines) + "\r\n\r\n"
    return (head if is_first else "\r\n" + head).encode("ascii")


def tail(*, boundary: str) -> bytes:
    return f"\r\n--{boundary}--\r\n".encode("ascii")


@dataclass(frozen=True, slots=True)
class PartBegin:
    """A part starts; header names are lower case."""

    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class PartData:
    data: memoryview


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The part is whole: its closing delimiter was read."""


Event = PartBegin | PartData | PartEnd


def read_parts(source: Readable, *, boundary: str, read_size: int = READ_SIZE) -> Iterator[Event]:
    """Walk a multipart payload: `PartBegin`, any number of `PartData`, `PartEnd`, for each part.

    Holds at most two reads in memory. The data of a `PartData` is valid until the next step. Raises
    `MultipartError` when the payload ends before the closing delimiter or does not begin with one.
    """
    if not 0 < len(boundary) <= MAXIMUM_BOUNDARY:
        raise MultipartError("The boundary must have 1 to 70 characters.")
    try:
        delimiter = b"\r\n--" + boundary.encode("ascii")
    except UnicodeEncodeError as error:
        raise MultipartError("The boundary must be ASCII.") from error
    reader = _Reader(source=source, delimiter=delimiter, read_size=read_size)
    # The first delimiter may stand at the very beginning, without the line break that otherwise belongs to it.
    reader.prepend(b"\r\n")
    for _unused in reader.until_delimiter():
        continue
    while not reader.at_close():
        yield PartBegin(headers=reader.headers())
        for data in reader.until_delimiter():
            yield PartData(data=data)
        yield PartEnd()


class _Reader:
    def __init__(self, *, source: Readable, delimiter: bytes, read_size: int) -> None:
        self._source = source
        self._delimiter = delimiter
        self._read_size = read_size
        self._buffer = b""

    def prepend(self, data: bytes) -> None:
        self._buffer = data + self._buffer

    def _fill(self, problem: str) -> None:
        more = self._source.read(self._read_size)
        if not more:
            raise MultipartError(problem)
        self._buffer = self._buffer + more if self._buffer else more

    def until_delimiter(self) -> Iterator[memoryview]:
        keep = len(self._delimiter) - 1
        while True:
            found = self._buffer.find(self._delimiter)
            if found >= 0:
                if found:
                    yield memoryview(self._buffer)[:found]
                self._buffer = self._buffer[found + len(self._delimiter) :]
                return
            if len(self._buffer) > keep:
                ready = memoryview(self._buffer)[: len(self._buffer) - keep]
                self._buffer = self._buffer[len(self._buffer) - keep :]
                yield ready
            self._fill("The payload ends before its closing boundary.")

    def at_close(self) -> bool:
        """After a delimiter: `--` closes the payload, a line break begins a part."""
        while len(self._buffer) < 2:
            self._fill("The payload ends before its closing boundary.")
        if self._buffer.startswith(b"--"):
            return True
        # RFC 2046 allows spaces and tabs between the boundary and its line break.
        while True:
            stripped = self._buffer.lstrip(b" \t")
            if stripped.startswith(b"\r\n"):
                self._buffer = stripped[2:]
                return False
            if len(stripped) >= 2 or len(self._buffer) > MAXIMUM_HEADERS:
                raise MultipartError("A boundary is followed by something other than a line break.")
            self._fill("The payload ends before its closing boundary.")

    def headers(self) -> dict[str, str]:
        # A part without headers starts with the empty line itself.
        self._buffer = b"\r\n" + self._buffer
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > MAXIMUM_HEADERS:
                raise MultipartError("The headers of a part are too long.")
            self._fill("The payload ends inside the headers of a part.")
        if end > MAXIMUM_HEADERS:
            raise MultipartError("The headers of a part are too long.")
        block = self._buffer[:end]
        self._buffer = self._buffer[end + 4 :]
        return _parse_headers(block)


def _parse_headers(block: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    name = ""
    for line in block.decode("latin-1").split("\r\n"):
        if not line:
            continue
        if line[0] in " \t" and name:
            headers[name] += " " + line.strip()
            continue
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if not colon or not name:
            raise MultipartError("A header of a part is not “Name: value”.")
        headers[name] = value.strip()
    return headers


class PartStream:
    """One part as a readable stream over the events of `read_parts`; `finish` skips what was not read."""

    def __init__(self, events: Iterator[Event]) -> None:
        self._events = events
        self.is_complete = False

    def __iter__(self) -> Iterator[memoryview]:
        for event in self._events:
            if isinstance(event, PartData):
                yield event.data
            elif isinstance(event, PartEnd):
                self.is_complete = True
                return

    def finish(self) -> None:
        if not self.is_complete:
            for _unused in self:
                continue


def parts(events: Iterable[Event]) -> Iterator[tuple[dict[str, str], PartStream]]:
    """Each part's headers with a stream of its payload; a payload is consumed before the next part is asked for."""
    iterator = iter(events)
    for event in iterator:
        if isinstance(event, PartBegin):
            stream = PartStream(iterator)
            yield event.headers, stream
            stream.finish()
