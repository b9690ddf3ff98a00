"""How long windows without a pause are, and what comes before them."""

from __future__ import annotations

import pytest
from without_gpu import needs

needs("torch", "cuda.bindings", "pynvml")

from avogit.bench.gpu.windows import RING, Windows  # noqa: E402
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
    assert 0.1 <= found.window_s <= 1.2
    block_s = workloads * found.cost_s(len(arms) + 1)  # those beside are timed in burst alone
    shortest = found.window_s == pytest.approx(0.1)
    assert found.lead_s() + 2 * block_s <= sustained_s or shortest  # the card is heated first
    assert workloads == 16 or not shortest


def test_a_window_is_long_enough_by_what_is_known_of_the_arm() -> None:
    windows = Windows(CALL_S, ROUND_S)

    def launches() -> int:
        found = windows.launches("candidate", 0, 0.001)
        assert found % RING == 0  # so that what is checked is the ring's last place
        return found

    assert launches() * 0.001 * 1.1 >= 1.2  # nothing known: the last call's time
    windows.note("candidate", 0, 0.01, sustained=False)
    assert 1.2 <= launches() * 0.01 * 1.1 < 1.3
    windows.note("candidate", 0, 0.013, sustained=True)
    assert 1.2 <= launches() * 0.013 < 1.3
    windows.note("candidate", 0, 30.0, sustained=True)
    assert launches() == RING
    windows.note("candidate", 0, 0.0, sustained=True)
    assert launches() < 200_000


def test_a_cold_card_is_heated_once_in_an_evaluation() -> None:
    windows = Windows(CALL_S, ROUND_S)
    heating_s = windows.lead_s()
    assert heating_s > 2
    windows.note("candidate", 0, 0.01, sustained=False)  # a call in burst heats nothing
    assert windows.lead_s() == heating_s
    windows.note("candidate", 0, 0.01, sustained=True)
    assert windows.lead_s() < 0.5
    windows.begin(Order((), "", "fresh", 18.0, 0.99, "", (), sustained_s=57.0), 1)
    assert windows.lead_s() == heating_s


def test_heating_takes_no_more_than_its_share_of_a_short_sample() -> None:
    windows = Windows(CALL_S, ROUND_S)
    windows.begin(Order((), "", "fresh", 18.0, 0.99, "", (), sustained_s=10.0), 1)
    assert 0.8 < windows.lead_s() < 1.0
