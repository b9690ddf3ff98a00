"""How long the oracle's own work keeps a card busy, without the card."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import pytest
from without_gpu import needs

needs("cuda.bindings")

from avogit.bench.gpu import driver, work  # noqa: E402

SMS = 132


class Card:
    """It does what is launched at once, in the time that it takes at its clock."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.hz = 1.8e9
        self.launched: list[tuple[int, int, float]] = []  # blocks, threads, seconds

    def call(self, function: Callable[..., Any], *arguments: Any) -> int:
        if function is driver.driver.cuLaunchKernel:
            addresses = ctypes.cast(arguments[9], ctypes.POINTER(ctypes.c_void_p))
            cycles = ctypes.cast(addresses[0], ctypes.POINTER(ctypes.c_uint64))[0]
            self.launched.append((arguments[1], arguments[4], cycles / self.hz))
            self.now_s += cycles / self.hz
        return SMS


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    made = Card()
    monkeypatch.setattr(driver, "call", made.call)
    monkeypatch.setattr(work.time, "perf_counter", lambda: made.now_s)
    return made


@pytest.mark.parametrize("hz", [1.4e9, 1.8e9, 2.04e9])  # at the power limit, and far from it
@pytest.mark.parametrize("seconds", [0.001, 0.01, 0.2, 3.0])
def test_it_works_for_the_time_in_short_kernels(card: Card, seconds: float, hz: float) -> None:
    card.hz = hz
    work.OwnWork().run(seconds)
    each_s = [s for _, _, s in card.launched]
    assert max(each_s) < 0.015  # of one that may run where a screen is drawn
    assert sum(each_s) == pytest.approx(seconds, rel=0.3, abs=0.0)
    assert abs(sum(each_s) - seconds) < 0.008
    assert {(blocks, threads) for blocks, threads, _ in card.launched} == {(2 * SMS, 256)}


def test_a_card_is_woken_by_one_kernel(card: Card) -> None:
    work.OwnWork().run(0.001)
    assert len(card.launched) == 1
