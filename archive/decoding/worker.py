"""The decoder process: `python -m archive.decoding.worker`. Frames come on standard input, pixels leave on standard output.

It knows no database, no settings and no secret (its environment is empty). Before each frame it limits its own memory
and processor time to what that frame may need; past that it fails or is killed, and the pool starts another one.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from archive.decoding import codecs, messages
from archive.decoding.errors import DecodeError, Why


def main() -> None:
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # What a codec prints must not get between the answers.
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while True:
        head = requests.read(messages.HEAD.size)
        if len(head) < messages.HEAD.size:
            return
        text_bytes, payload_bytes = messages.HEAD.unpack(head)
        fields = messages.unpack(requests.read(text_bytes))
        payload = requests.read(payload_bytes)
        _answer(fields, payload, answers)


def _answer(fields: dict[str, Any], payload: bytes, answers: BinaryIO) -> None:
    _limit(memory_bytes=fields["memory_bytes"], seconds=fields["seconds"])
    try:
        pixels, photometric_interpretation = _decode(fields, payload)
        pixels = np.ascontiguousarray(pixels)
    except MemoryError:
        _say(answers, {"error": Why.TOO_MUCH_MEMORY.value})
        return
    except DecodeError as error:
        _say(answers, {"error": error.why.value})
        return
    said = {
        "shape": pixels.shape,
        "dtype": pixels.dtype.str,
        "photometric_interpretation": photometric_interpretation,
    }
    _say(answers, said, pixels.data.cast("B"))


def _decode(fields: dict[str, Any], payload: bytes) -> tuple[np.ndarray[Any, Any], str]:
    if fields["kind"] == "file":
        return codecs.decode_in_file(content=payload, number=fields["number"])
    return codecs.decode_frame(
        frame=payload,
        transfer_syntax=fields["transfer_syntax"],
        options=fields["options"],
        pixel_keyword=fields["pixel_keyword"],
    )


def _limit(*, memory_bytes: int, seconds: int) -> None:
    present = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (present + memory_bytes, resource.RLIM_INFINITY))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(usage.ru_utime + usage.ru_stime) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (spent + seconds, resource.RLIM_INFINITY))


def _say(answers: BinaryIO, fields: dict[str, Any], payload: memoryview | bytes = b"") -> None:
    answers.write(messages.pack(fields, payload_bytes=len(payload)))
    answers.write(payload)
    answers.flush()


if __name__ == "__main__":
    main()
