"""What a GPU's rig decides without the GPU: costs, windows, and whether a clock can be believed."""

from __future__ import annotations

import collections
import math
from collections.abc import Callable
from typing import Any

import pytest
from without_gpu import needs

needs("torch", "cuda.bindings", "pynvml")

from avogit.bench.arms import EnvironmentBroken, KernelFailed  # noqa: E402
from avogit.bench.gpu import rig as rig_module  # noqa: E402
from avogit.bench.gpu.arms import BaselineArm, LaunchedArm, Ran  # noqa: E402
from avogit.bench.gpu.pool import Launcher, LauncherGone, LauncherTimeout  # noqa: E402
from avogit.bench.gpu.power import PowerLimit  # noqa: E402
from avogit.bench.gpu.rig import BURST, RING, SUSTAINED, GpuRig  # noqa: E402
from avogit.bench.protocol import ArmSpec, Case, Order, Region  # noqa: E402
from avogit.devices import find_device  # noqa: E402

Make = Callable[..., Launcher]
CASE = Case("w", {"n": 1}, (), Region("out", 0, (1,)))


@pytest.fixture
def rig() -> GpuRig:
    """A rig that has opened no card: only what decisions read is there."""
    made = GpuRig.__new__(GpuRig)
    made.regime = BURST
    made.device = find_device("h200")
    made._crew = 4
    made._mismatches = collections.Counter()
    made._last_s = 0.001
    made._window_s = 0.85
    made._beside = collections.deque(maxlen=100)
    made._launch_s = {}
    made._index = {id(CASE): 0}
    return made


def arm_of(launcher: Any = None) -> LaunchedArm:
    return LaunchedArm("candidate", launcher, None)  # type: ignore[arg-type]


def baseline_arm() -> BaselineArm:
    return BaselineArm("baseline", lambda case, ring: None)  # type: ignore[arg-type,return-value]


def test_a_round_costs_its_calls_and_the_rests_before_them(rig: GpuRig) -> None:
    assert rig.cost_s([0.001, 0.001]) > 2 * (0.02 + 0.001)  # the least rest of each
    assert rig.cost_s([0.001] * 3) > rig.cost_s([0.001] * 2)
    assert rig.cost_s([0.1]) > 4 * 0.1  # a long call heats: it rests three times as long
    assert rig.cost_s([0.1]) < 4.5 * 0.1


def test_a_round_without_a_pause_costs_windows_however_short_its_calls_are(rig: GpuRig) -> None:
    rig.regime = SUSTAINED
    assert rig.cost_s([1e-4] * 3) == rig.cost_s([0.05] * 3)
    assert 3 * 1.05 < rig.cost_s([1e-4] * 3) < 3 * 1.2


def test_short_calls_are_called_twice_in_a_round_where_there_is_time(rig: GpuRig) -> None:
    assert rig.weight([0.0029, 0.001]) == 2
    assert rig.weight([0.0031, 0.001]) == 1
    rig._crew = 2  # a quick sample
    assert rig.weight([0.001]) == 1
    rig._crew, rig.regime = 4, SUSTAINED
    assert rig.weight([0.001]) == 1


@pytest.mark.parametrize("workloads", [1, 8, 16])
@pytest.mark.parametrize("rivals", [0, 1, 2])
@pytest.mark.parametrize("sustained_s", [45.0, 60.0])
def test_windows_are_so_long_that_two_blocks_fit(
    rig: GpuRig, workloads: int, rivals: int, sustained_s: float
) -> None:
    arms = tuple(ArmSpec(f"arm-{n}", "/a") for n in range(1 + rivals))
    order = Order(
        arms, "", "fresh", 18.0, 0.99, "", (), beside=("flash2",), sustained_s=sustained_s
    )
    rig.timed, rig.regime = [CASE] * workloads, SUSTAINED
    rig._window_s = rig._window(order)
    assert 0.1 <= rig._window_s <= 0.85
    block_s = workloads * rig.cost_s([0.001] * (len(arms) + 2))
    assert 2 * block_s <= sustained_s or rig._window_s == 0.1
    assert rig._window_s > 0.1 or workloads == 16


def test_a_window_is_long_enough_by_what_is_known_of_the_arm(rig: GpuRig) -> None:
    def launches() -> int:
        found = rig._sustained_launches("candidate", 0)
        assert found % RING == 0  # so that what is checked is the ring's last place
        return found

    assert launches() * 0.001 * 1.2 >= 1.05  # nothing known: the last call's time
    rig._launch_s[BURST, "candidate", 0] = 0.01
    assert 1.05 <= launches() * 0.01 * 1.2 < 1.2
    rig._launch_s[SUSTAINED, "candidate", 0] = 0.013
    assert 1.05 <= launches() * 0.013 < 1.15
    rig._launch_s[SUSTAINED, "candidate", 0] = 30.0
    assert launches() == RING
    rig._launch_s[SUSTAINED, "candidate", 0] = 0.0
    assert launches() < 200_000


def test_the_launches_before_the_card_has_settled_do_not_count() -> None:
    ms = 1000.0
    assert rig_module._settled([50 * ms] * 21) == [50 * ms] * 17
    assert rig_module._settled([150 * ms, 90 * ms, 7 * ms, 8 * ms]) == [7 * ms, 8 * ms]
    assert rig_module._settled([ms, ms, 3 * ms]) == [3 * ms]  # never none at all
    assert rig_module._settled([900 * ms]) == [900 * ms]


def test_a_call_that_the_host_held_up_is_asked_about_the_power_limit_too(rig: GpuRig) -> None:
    """What bit in it would be told of the next call, which is sound."""
    counter = iter([0, 5, 5, 9])
    rig._limit = PowerLimit(lambda: next(counter))
    held_up, sound = Ran(9.0, 1.0, (100.0,)), Ran(1.0, 9.0, (100.0,))
    assert rig._disturbed(held_up, CASE)
    assert not rig._disturbed(sound, CASE)
    assert rig._disturbed(sound, CASE)
    assert rig._limit.by_case() == {"w": 2}


def test_the_oracles_clock_may_tell_a_little_more_than_the_events(rig: GpuRig) -> None:
    ran = Ran(10.0, 1000.0, (5000.0,))
    for wall_us in (6000.0, 6100.0, 7900.0, 5950.0):
        assert not rig._late(arm_of(), ran, wall_us)
    assert rig.overhead_us(None) == 50.0  # type: ignore[arg-type]  # the median of what was beside


@pytest.mark.parametrize("wall_us", [5900.0, 9000.0, 1.0, math.nan])
def test_another_time_than_the_events_is_made_again(rig: GpuRig, wall_us: float) -> None:
    ran = Ran(10.0, 1000.0, (5000.0,))
    assert rig._late(arm_of(), ran, wall_us)
    assert rig._late(baseline_arm(), ran, wall_us)


def test_the_baselines_own_lateness_is_not_the_launchers_overhead(rig: GpuRig) -> None:
    assert rig._late(baseline_arm(), Ran(10.0, 1000.0, (5000.0,)), 99_000.0)
    assert rig.overhead_us(None) == 0.0  # type: ignore[arg-type]


def suspect(rig: GpuRig, arm: LaunchedArm, late: str) -> None:
    """Rounds in which an arm is late (`x`) or not, and the baseline after it never is."""
    for word in late:
        rig._suspect(arm, CASE, word == "x", 20.0)
        rig._suspect(baseline_arm(), CASE, False, 20.0)


def test_an_arm_that_is_late_again_and_again_has_to_prove_its_clock(
    rig: GpuRig, launcher: Make
) -> None:
    """However often others are called in between."""
    liar, honest = (arm_of(launcher(f"busy:0.05:{us}")) for us in (1000, 50_000))
    suspect(rig, liar, "xx.xx.")
    with pytest.raises(KernelFailed) as failure:
        suspect(rig, liar, "xxx")
    assert failure.value.finding.reason == "clock-mismatch"
    suspect(rig, honest, "xxxxxxx")


def test_a_baseline_proves_nothing(rig: GpuRig) -> None:
    for _ in range(9):
        rig._suspect(baseline_arm(), CASE, True, 20.0)


def test_a_clock_that_tells_what_ours_tells_is_proved(rig: GpuRig, launcher: Make) -> None:
    rig.prove(arm_of(launcher("busy:0.2:200000")), CASE, 200_000_000, 20.0)


@pytest.mark.parametrize("told_us", [25_000, 500_000])
def test_a_clock_that_tells_half_or_ten_times_is_not(
    rig: GpuRig, launcher: Make, told_us: int
) -> None:
    with pytest.raises(KernelFailed) as failure:
        rig.prove(arm_of(launcher(f"busy:0.05:{told_us}")), CASE, told_us * 1000, 20.0)
    assert failure.value.arm == "candidate"
    assert f"{failure.value.finding.verdict}" == "REWARD_HACK"
    assert failure.value.finding.reason == "clock-mismatch"


def test_short_calls_are_proved_by_many(rig: GpuRig, launcher: Make) -> None:
    """Of one call of 10 us no host's clock could tell anything."""
    arm = arm_of(launcher("busy:0.02:200"))
    with pytest.raises(KernelFailed) as failure:
        rig.prove(arm, CASE, 10_000, 20.0)
    assert "events say 202 us" in failure.value.finding.detail


@pytest.mark.parametrize("error", [LauncherGone("so"), LauncherTimeout("so")])
def test_launchers_that_do_not_start_are_nobodys_fault(error: Exception) -> None:
    with pytest.raises(EnvironmentBroken) as broken, rig_module._launchers_start():
        raise error
    assert broken.value.reason == "no-launcher"
    assert "a launcher did not start: so" in broken.value.detail


class Products:
    """A problem of n operations on every byte."""

    def flops(self, params: dict[str, int]) -> float:
        return 1e6 * params["n"]

    def bytes_moved(self, params: dict[str, int]) -> float:
        return 1e6


def test_no_kernel_exceeds_the_cards_arithmetic_or_its_memory(rig: GpuRig) -> None:
    rig.problem = Products()  # type: ignore[assignment]
    few, many = (Case("w", {"n": n}, (), CASE.out) for n in (10, 1000))
    assert rig.most_gflops(many) == pytest.approx(1.02 * rig.device.half_gflops)
    least_s = 1e6 / (rig.device.memory_gbytes_s * 1e9)  # to move so many bytes
    assert rig.most_gflops(few) == pytest.approx(1.02 * 10e6 / 1e9 / least_s)
