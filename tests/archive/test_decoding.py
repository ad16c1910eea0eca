"""Frames are decoded in processes that may die: what happens to them and what it costs this one."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from archive import decoding
from archive.decoding import DecodeError, frames
from archive.decoding import pool as pools
from archive.domain import codestreams
from tests.archive import bombs

SYNTAX = bombs.SYNTAX


@pytest.fixture
def own_pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[pools.Pool]:
    """One decoder, this test's alone."""
    pool = pools.Pool(size=1)
    monkeypatch.setattr(frames, "pool", lambda: pool)
    yield pool
    pool.close()


def options(side: int = 64, *, bits: int = 16) -> dict[str, Any]:
    return {
        "rows": side,
        "columns": side,
        "samples_per_pixel": 1,
        "bits_allocated": bits,
        "bits_stored": bits,
        "pixel_representation": 0,
        "photometric_interpretation": "MONOCHROME2",
    }


def jpeg_ls(side: int = 64) -> bytes:
    return bytes(imagecodecs.jpegls_encode(bombs.picture(side)))


def decode(frame: bytes, *, side: int = 64, syntax: str = f"{SYNTAX}80", bits: int = 16) -> Any:
    return decoding.decode_frame(frame=frame, transfer_syntax=syntax, options=options(side, bits=bits)).pixels


def peak_bytes_of(action: Any) -> int:
    """By how much the resident memory of this process rose at most."""

    def status(key: str) -> int:
        text = Path("/proc/self/status").read_text(encoding="ascii")
        return int(text.split(f"{key}:")[1].split()[0]) * 1024

    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = status("VmRSS")
    action()
    return status("VmHWM") - before


@pytest.mark.parametrize("name", bombs.FRAMES)
def test_a_small_file_that_asks_for_gigabytes_costs_this_process_nothing(name: str) -> None:
    syntax, make, bits = bombs.FRAMES[name]
    bomb = make(30_000)

    def attack() -> None:
        for side in (64, 16_000, 30_000):
            with pytest.raises(DecodeError):
                decode(bomb, side=side, syntax=syntax, bits=bits)

    started = time.monotonic()
    assert peak_bytes_of(attack) < 16 << 20
    assert time.monotonic() - started < 5


def test_a_deflated_bomb_is_not_unpacked_here(own_pool: pools.Pool) -> None:
    from tests.archive.factories import make_file

    plain = make_file(PixelData=None)
    bomb = plain[:128] + b"DICM" + bombs.deflated(300 << 20)

    def attack() -> None:
        with pytest.raises(DecodeError):
            decoding.decode_in_file(file=io.BytesIO(bomb), options=options(), number=1, number_of_frames=1)

    assert peak_bytes_of(attack) < 16 << 20


def test_the_decoder_has_only_the_memory_that_the_image_may_need(
    own_pool: pools.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode(jpeg_ls())
    monkeypatch.setattr(frames, "BASE_MEMORY_BYTES", 1 << 20)
    monkeypatch.setattr(frames, "memory_of_sample", lambda _family: 0)
    with pytest.raises(DecodeError):
        decode(jpeg_ls(2048), side=2048)
    monkeypatch.undo()
    assert decode(jpeg_ls()).shape == (64, 64), "and the next one is served"


def test_a_decoder_that_takes_too_long_is_given_up(own_pool: pools.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    decode(jpeg_ls())
    (pid,) = own_pool.pids()
    os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr(frames, "BASE_SECONDS", 1)
    with pytest.raises(DecodeError, match="too-slow"):
        decode(jpeg_ls())
    assert not Path(f"/proc/{pid}").exists()
    assert decode(jpeg_ls()).shape == (64, 64)


def test_a_decoder_killed_at_work_gives_a_clear_error_and_is_replaced(own_pool: pools.Pool) -> None:
    decode(jpeg_ls())
    (pid,) = own_pool.pids()
    os.kill(pid, signal.SIGSTOP)
    threading.Timer(0.3, os.kill, (pid, signal.SIGKILL)).start()
    with pytest.raises(DecodeError, match="decoder-died"):
        decode(jpeg_ls())
    assert decode(jpeg_ls()).shape == (64, 64)
    assert own_pool.pids() != [pid]


def test_a_decoder_killed_while_idle_is_replaced_without_a_word(own_pool: pools.Pool) -> None:
    decode(jpeg_ls())
    (pid,) = own_pool.pids()
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert decode(jpeg_ls()).shape == (64, 64)


def test_the_decoder_sees_no_secret_of_its_parent(own_pool: pools.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACSWEB_SECRET_KEY", "not-for-codecs")
    decode(jpeg_ls())
    (pid,) = own_pool.pids()
    assert b"not-for-codecs" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_a_warm_pool_has_its_decoder_before_the_first_frame(own_pool: pools.Pool) -> None:
    own_pool.warm()
    pids = own_pool.pids()
    assert len(pids) == 1
    assert decode(jpeg_ls()).shape == (64, 64)
    assert own_pool.pids() == pids


def test_many_threads_share_few_decoders() -> None:
    found: list[bool] = []
    image, frame = bombs.picture(256), jpeg_ls(256)

    def work() -> None:
        found.extend(bool((decode(frame, side=256) == image).all()) for _unused in range(5))

    threads = [threading.Thread(target=work) for _unused in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 40
    assert len(pools.pool().pids()) <= pools.MAXIMUM_DECODERS


FORKING = """
import os, sys
from tests.archive.test_decoding import decode, jpeg_ls
from archive.decoding.pool import pool
decode(jpeg_ls())
mine = pool().pids()
child = os.fork()
if child == 0:
    decode(jpeg_ls())
    os._exit(0 if pool().pids() != mine else 3)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
decode(jpeg_ls())
assert pool().pids() == mine
"""


def test_a_forked_worker_has_decoders_of_its_own_and_none_outlives_its_parent() -> None:
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", FORKING + "\nprint(*mine)"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    pid = int(done.stdout.split()[0])
    for _unused in range(50):
        if not Path(f"/proc/{pid}").exists() or "zombie" in Path(f"/proc/{pid}/status").read_text():
            return
        time.sleep(0.1)
    pytest.fail("the decoder is still there")


def test_an_uncompressed_frame_that_is_too_short_is_refused_before_it_is_read() -> None:
    description = codestreams.Description(rows=60_000, columns=60_000, samples=1, bits_allocated=16)
    with pytest.raises(codestreams.Damaged):
        codestreams.check_native(length=512, description=description)
    with pytest.raises(DecodeError):
        decode(bytes(100), syntax="1.2.840.10008.1.2.1")


def is_over(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_who_finds_all_decoders_busy_is_told_soon(own_pool: pools.Pool) -> None:
    decode(jpeg_ls())
    (pid,) = own_pool.pids()
    own_pool.wait_seconds = 0.2
    os.kill(pid, signal.SIGSTOP)
    answers: list[Any] = []
    slow = threading.Thread(target=lambda: answers.append(decode(jpeg_ls())))
    slow.start()
    while own_pool.pids():
        time.sleep(0.01)
    started = time.monotonic()
    with pytest.raises(decoding.Busy):
        decode(jpeg_ls())
    assert time.monotonic() - started < 2
    os.kill(pid, signal.SIGCONT)
    slow.join()
    assert answers[0].shape == (64, 64), "who came first is served"
    assert decode(jpeg_ls()).shape == (64, 64), "and the place is free again"


def test_idle_decoders_end_without_another_frame_and_the_last_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "IDLE_SECONDS", 0.3)
    pool = pools.Pool(size=3)
    taken = [pool._take() for _unused in range(3)]
    pids = [one.pid for one in taken]
    for one in taken:
        pool._put(one)
    until = time.monotonic() + 10
    while time.monotonic() < until and not all(is_over(pid) for pid in pids[:2]):
        time.sleep(0.05)
    assert [is_over(pid) for pid in pids] == [True, True, False]
    assert pool.pids() == [pids[2]]
    pool.close()


def test_the_decoder_has_only_the_processor_time_that_the_image_may_need(own_pool: pools.Pool) -> None:
    """Memory, time and no core dump, as the kernel has them: a clock in the parent does not stop a decoder it lost."""
    decode(jpeg_ls())
    (pid,) = own_pool.pids()
    limits = dict.fromkeys(("Max cpu time", "Max address space", "Max core file size"), "")
    for line in Path(f"/proc/{pid}/limits").read_text(encoding="ascii").splitlines():
        for name in limits:
            if line.startswith(name):
                limits[name] = line[len(name) :].split()[0]
    assert frames.BASE_SECONDS < int(limits["Max cpu time"]) <= 2 * frames.BASE_SECONDS
    assert int(limits["Max address space"]) < 8 << 30
    assert limits["Max core file size"] == "0"


def noise(bits: int, *, side: int = 128) -> np.ndarray[Any, Any]:
    values = np.random.default_rng(7).integers(0, 1 << bits, (side, side))
    return values.astype("u1" if bits <= 8 else "<u2")


def jpeg_of(image: np.ndarray[Any, Any], **how: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", **how)
    return buffer.getvalue()


def lossless_of(image: np.ndarray[Any, Any]) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(image, lossless=True, bitspersample=12))


CUT: dict[str, tuple[Any, str, int]] = {
    "JPEG": (jpeg_of, f"{SYNTAX}50", 8),
    "JPEG with restart markers": (lambda image: jpeg_of(image, restart_marker_blocks=16), f"{SYNTAX}50", 8),
    "JPEG lossless": (lossless_of, f"{SYNTAX}70", 12),
    "JPEG-LS": (lambda image: bytes(imagecodecs.jpegls_encode(image)), f"{SYNTAX}80", 12),
}


@pytest.mark.parametrize("name", CUT)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_coded_data_that_ends_before_the_image_is_not_filled_up_with_grey(name: str, share: float) -> None:
    make, syntax, bits = CUT[name]
    frame = make(noise(bits))
    allocated = 8 if bits == 8 else 16
    assert decode(frame, side=128, syntax=syntax, bits=allocated).shape == (128, 128)
    start = frame.rindex(b"\xff\xda")
    cut = frame[: start + int((len(frame) - start) * share)].rstrip(b"\xff") + b"\xff\xd9"
    with pytest.raises(DecodeError):
        decode(cut, side=128, syntax=syntax, bits=allocated)


@pytest.mark.parametrize("name", CUT)
@pytest.mark.parametrize("tail", [b"\xff\xd9", b"\xff\xff\xff\xd9", b"\x55\x2a\xff\xd9", b"\xff\xd9 junk \xff\xd9"])
def test_an_image_that_ends_even_is_whole_and_so_is_one_with_something_behind_it(name: str, tail: bytes) -> None:
    make, syntax, bits = CUT[name]
    allocated = 8 if bits == 8 else 16
    image = noise(bits)
    image[64:] = image[0, 0]
    for picture in (image, np.full_like(image, 7), np.zeros_like(image)):
        frame = make(picture)[:-2] + (b"\xff\xd9" if name == "JPEG-LS" else tail)
        pixels = decode(frame, side=128, syntax=syntax, bits=allocated)
        assert np.abs(pixels[-8:].astype(int) - picture[-8:].astype(int)).max() <= 8


def test_a_colour_jpeg_that_ends_even_is_whole_and_one_that_was_cut_is_not() -> None:
    image = np.random.default_rng(3).integers(0, 256, (96, 96, 3)).astype("u1")
    image[48:] = 200
    described = {
        **options(96, bits=8), "samples_per_pixel": 3, "photometric_interpretation": "YBR_FULL_422", "planar_configuration": 0,
    }  # fmt: skip
    frame = jpeg_of(image)
    for coded, is_whole in ((frame, True), (frame[: len(frame) * 2 // 3].rstrip(b"\xff") + b"\xff\xd9", False)):
        try:
            decoding.decode_frame(frame=coded, transfer_syntax=f"{SYNTAX}50", options=described)
            assert is_whole
        except DecodeError:
            assert not is_whole
