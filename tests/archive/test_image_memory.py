"""All images that are decoded and drawn at the same time share one budget of memory."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import pytest

from archive.decoding import Busy, DecodeError, Why, budget, to_decode, to_draw
from archive.decoding import pool as pools
from archive.decoding.budget import Budget
from archive.domain.codestreams import Description, Family

MIB = 1 << 20


def test_what_does_not_fit_waits_until_it_does() -> None:
    shared = Budget(total=100, wait_seconds=10)
    order: list[str] = []

    def second() -> None:
        with shared.share(60):
            order.append("second")

    with shared.share(60):
        waiting = threading.Thread(target=second)
        waiting.start()
        time.sleep(0.1)
        order.append("first")
    waiting.join(5)
    assert (order, shared.taken) == (["first", "second"], 0)


def test_who_waits_too_long_is_told_and_a_small_image_passes_a_large_one() -> None:
    shared = Budget(total=100, wait_seconds=0.3)
    told: list[Any] = []

    def large() -> None:
        try:
            with shared.share(90):
                told.append("drawn")
        except Busy:
            told.append("busy")

    with shared.share(60):
        waiting = threading.Thread(target=large)
        waiting.start()
        time.sleep(0.05)

        def small() -> None:
            with shared.share(30):
                told.append("small")

        passing = threading.Thread(target=small)
        passing.start()
        passing.join(5)
        waiting.join(5)
    assert (told, shared.taken) == (["small", "busy"], 0)


def test_an_image_larger_than_the_budget_is_refused_at_once_and_not_as_busy() -> None:
    shared = Budget(total=100, wait_seconds=60)
    started = time.monotonic()
    with pytest.raises(DecodeError) as refusal, shared.share(101):
        pass
    assert (refusal.value.why, shared.taken) == (Why.OVER_BUDGET, 0)
    with pytest.raises(DecodeError), shared.share(90), shared.share(101):
        pass
    assert shared.taken == 0
    assert time.monotonic() - started < 5


def test_a_thread_takes_only_what_it_does_not_hold_yet() -> None:
    shared = Budget(total=100, wait_seconds=0)
    with shared.share(80):
        with shared.share(80):
            assert shared.taken == 80
        with shared.share(95):
            assert shared.taken == 95
        assert shared.taken == 80
    assert shared.taken == 0


def test_a_forked_worker_has_a_budget_of_its_own() -> None:
    with budget().share(MIB):
        child = os.fork()
        if child == 0:
            os._exit(0 if pools.budget().taken == 0 else 1)
        _pid, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_budget_is_set_for_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "_budgets", [pools.budget()])
    pools.limit_memory(5 * MIB)
    assert pools.budget().total == 5 * MIB
    pools.limit_memory(0)
    assert pools.budget().total >= 2 << 30


@pytest.mark.parametrize("family", [None, *Family])
def test_a_share_grows_with_the_image_and_is_never_less_than_its_pixels(family: Family | None) -> None:
    def described(side: int, *, samples: int = 1, bits: int = 16, kind: str = "MONOCHROME2") -> Description:
        return Description(
            rows=side, columns=side, samples=samples, bits_allocated=bits, photometric_interpretation=kind
        )

    small, large = (to_decode(described(side), family=family, coded=10) for side in (100, 1000))
    assert 2 * 100 * 100 <= small < large
    assert to_decode(described(100), family=family, coded=10_000) > small
    for description in (described(100), described(100, samples=3, bits=8), described(100, kind="PALETTE COLOR")):
        assert to_draw(description, side=0) >= 8 * 100 * 100
        assert to_draw(description, side=8192) >= 4 * 8192 * 8192
