"""How long windows without a pause are, and what of them counts."""

from __future__ import annotations

import pytest
from without_gpu import needs

needs("torch", "cuda.bindings", "pynvml")

from avogit.bench.gpu.windows import RING, Windows, settled  # noqa: E402
from avogit.bench.protocol import ArmSpec, Order  # noqa: E402

CALL_S, ROUND_S = 0.004, 0.02


@pytest.mark.parametrize("workloads", [1, 8, 16])
@pytest.mark.parametrize("rivals", [0, 1, 2])
@pytest.mark.parametrize("sustained_s", [45.0, 60.0])
def test_windows_are_so_long_that_two_blocks_fit(
    workloads: int, rivals: int, sustained_s: float
) -> None:
    arms = tuple(ArmSpec(f"arm-{n}", "/a") for n in range(1 + rivals))
    order = Order(
        arms, "", "fresh", 18.0, 0.99, "", (), beside=("flash2",), sustained_s=sustained_s
    )
    found = Windows(CALL_S, ROUND_S)
    found.begin(order, workloads)
    assert 0.4 <= found.whole_s <= 1.05
    block_s = workloads * found.cost_s(len(arms) + 2)
    shortest = found.whole_s == pytest.approx(0.4)
    assert 4 + 2 * block_s <= sustained_s or shortest  # what heats the card
    assert workloads == 16 or not shortest


def test_a_window_is_long_enough_by_what_is_known_of_the_arm() -> None:
    windows = Windows(CALL_S, ROUND_S)

    def launches() -> int:
        found = windows.launches("candidate", 0, 0.001)
        assert found % RING == 0  # so that what is checked is the ring's last place
        return found

    assert launches() * 0.001 * 1.2 >= 1.05  # nothing known: the last call's time
    windows.note("candidate", 0, 0.01, sustained=False)
    assert 1.05 <= launches() * 0.01 * 1.2 < 1.2
    windows.note("candidate", 0, 0.013, sustained=True)
    assert 1.05 <= launches() * 0.013 < 1.15
    windows.note("candidate", 0, 30.0, sustained=True)
    assert launches() == RING
    windows.note("candidate", 0, 0.0, sustained=True)
    assert launches() < 200_000


def test_the_launches_before_the_card_has_settled_do_not_count() -> None:
    ms = 1000.0
    assert settled([50 * ms] * 21) == [50 * ms] * 15
    assert settled([150 * ms, 190 * ms, 7 * ms, 8 * ms]) == [7 * ms, 8 * ms]
    assert settled([ms, ms, 3 * ms]) == [3 * ms]  # never none at all
    assert settled([900 * ms]) == [900 * ms]


@pytest.mark.parametrize("slow_down", [0.9, 1.0, 1.1, 1.2])
@pytest.mark.parametrize("call_s", [0.001, 0.02])
def test_most_of_a_window_counts_however_slow_the_card_gets(
    slow_down: float, call_s: float
) -> None:
    windows = Windows(CALL_S, ROUND_S)
    windows.note("candidate", 0, call_s, sustained=False)
    launches = windows.launches("candidate", 0, call_s)
    counted = len(settled([call_s * slow_down * 1e6] * launches)) * call_s * slow_down
    assert counted > 0.45 * windows.whole_s


def test_a_cold_card_is_heated_once_in_an_evaluation() -> None:
    windows = Windows(CALL_S, ROUND_S)
    windows.note("candidate", 0, 0.01, sustained=False)
    assert windows.heating("candidate", 0) == 400
    assert windows.heating("unknown", 0) == 1
    windows.note("candidate", 1, 1e-5, sustained=False)
    assert windows.heating("candidate", 1) == 20_000  # every launch has an event
    windows.note("candidate", 0, 0.01, sustained=True)
    assert windows.heating("candidate", 0) == windows.heating("unknown", 0) == 0
    windows.begin(Order((), "", "fresh", 18.0, 0.99, "", (), sustained_s=50.0), 1)
    windows.note("candidate", 0, 0.01, sustained=False)
    assert windows.heating("candidate", 0) == 400
