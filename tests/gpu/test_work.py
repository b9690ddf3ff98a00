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


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, int]]:
    """(blocks, threads, cycles) of each launch; the driver is not called."""
    found: list[tuple[int, int, int]] = []

    def call(function: Callable[..., Any], *arguments: Any) -> int:
        if function is driver.driver.cuLaunchKernel:
            addresses = ctypes.cast(arguments[9], ctypes.POINTER(ctypes.c_void_p))
            cycles = ctypes.cast(addresses[0], ctypes.POINTER(ctypes.c_uint64))[0]
            found.append((arguments[1], arguments[4], cycles))
        return SMS

    for module in (driver, work):
        monkeypatch.setattr(module, "call", call)
    return found


@pytest.mark.parametrize("seconds", [0.001, 0.01, 0.2, 3.0])
def test_it_works_for_the_time_in_short_kernels(
    launched: list[tuple[int, int, int]], seconds: float
) -> None:
    work.OwnWork().run(seconds)
    cycles = [each for _, _, each in launched]
    assert sum(cycles) == pytest.approx(seconds * 1.8e9, rel=0.01)
    assert max(cycles) <= 0.0101 * 1.8e9  # of one that may run where a screen is drawn
    assert {(blocks, threads) for blocks, threads, _ in launched} == {(2 * SMS, 256)}
