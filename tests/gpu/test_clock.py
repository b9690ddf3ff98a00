"""Whether a clock can be believed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from without_gpu import needs

needs("torch", "cuda.bindings", "pynvml")

from avogit.bench.arms import EnvironmentBroken, KernelFailed  # noqa: E402
from avogit.bench.gpu.arms import BaselineArm, LaunchedArm, Ran  # noqa: E402
from avogit.bench.gpu.clock import Clock  # noqa: E402
from avogit.bench.gpu.pool import Launcher  # noqa: E402

Make = Callable[..., Launcher]


@pytest.fixture
def clock() -> Clock:
    return Clock(2_000_000, lambda us: 50.0)


def arm_of(launcher: Any = None) -> LaunchedArm:
    return LaunchedArm("candidate", launcher, None)  # type: ignore[arg-type]


def baseline_arm() -> BaselineArm:
    return BaselineArm("baseline", None, None)  # type: ignore[arg-type]


def test_the_oracles_clock_may_tell_a_little_more_than_the_events(clock: Clock) -> None:
    ran = Ran(10.0, 1000.0, 5000.0)
    for wall_us in (6000.0, 6100.0, 7900.0, 5950.0):
        assert not clock.late(arm_of(), ran, wall_us)
    assert clock.beside_us() == 50.0  # the median of what was beside


@pytest.mark.parametrize("wall_us", [5900.0, 9000.0, 1.0, math.nan])
def test_another_time_than_the_events_is_made_again(clock: Clock, wall_us: float) -> None:
    ran = Ran(10.0, 1000.0, 5000.0)
    assert clock.late(arm_of(), ran, wall_us)
    assert clock.late(baseline_arm(), ran, wall_us)


def test_the_baselines_own_lateness_is_not_the_launchers_overhead(clock: Clock) -> None:
    assert clock.late(baseline_arm(), Ran(10.0, 1000.0, 5000.0), 99_000.0)
    assert clock.beside_us() == 0.0


def asked(clock: Clock, arm: LaunchedArm | BaselineArm, late: str) -> list[int]:
    """The calls after which an arm, late (`x`) or not, has to prove itself; others lie between."""
    found = []
    for number, word in enumerate(late):
        if clock.suspects(arm, word == "x"):
            found.append(number)
        assert not clock.suspects(LaunchedArm("rival", None, None), False)  # type: ignore[arg-type]
    return found


def test_an_arm_that_is_late_again_and_again_has_to_prove_its_clock(clock: Clock) -> None:
    """However often others are called in between."""
    assert asked(clock, arm_of(), "xx.xx.") == []
    assert asked(clock, arm_of(), "xxx") == [2]
    assert asked(clock, arm_of(), "xxxxxxx") == [2, 5]


def test_a_new_evaluation_begins_without_suspicion(clock: Clock) -> None:
    assert asked(clock, arm_of(), "xx") == []
    clock.begin()
    assert asked(clock, arm_of(), "xx") == []


def test_a_baseline_proves_nothing(clock: Clock) -> None:
    assert asked(clock, baseline_arm(), "x" * 9) == []


def test_a_clock_that_tells_what_ours_tells_is_proved(clock: Clock, launcher: Make) -> None:
    clock.prove(arm_of(launcher("busy:0.2:200000")), 0, 200_000_000, 20.0)


@pytest.mark.parametrize("told_us", [25_000, 500_000])
def test_a_clock_that_tells_half_or_ten_times_is_not(
    clock: Clock, launcher: Make, told_us: int
) -> None:
    with pytest.raises(KernelFailed) as failure:
        clock.prove(arm_of(launcher(f"busy:0.05:{told_us}")), 0, told_us * 1000, 20.0)
    assert failure.value.arm == "candidate"
    assert f"{failure.value.finding.verdict}" == "REWARD_HACK"
    assert failure.value.finding.reason == "clock-mismatch"


def test_short_calls_are_proved_by_many(clock: Clock, launcher: Make) -> None:
    """Of one call of 10 us no host's clock could tell anything."""
    arm = arm_of(launcher("busy:0.02:200"))
    with pytest.raises(KernelFailed) as failure:
        clock.prove(arm, 0, 10_000, 20.0)
    assert "events say 202 us" in failure.value.finding.detail


def test_where_our_own_spins_are_held_up_too_nobody_is_to_blame(launcher: Make) -> None:
    held_up = iter([50.0, 60_000.0] * 9)
    clock = Clock(2_000_000, lambda us: next(held_up))
    with pytest.raises(EnvironmentBroken) as broken:
        clock.prove(arm_of(launcher("busy:0.05:25000")), 0, 25_000_000, 20.0)
    assert broken.value.reason == "host-stalls"
    assert "a spin of our own was held up too" in broken.value.detail


def test_one_spin_that_was_held_up_excuses_nothing(launcher: Make) -> None:
    held_up = iter([60_000.0] + [50.0] * 20)
    clock = Clock(2_000_000, lambda us: next(held_up))
    with pytest.raises(KernelFailed) as failure:
        clock.prove(arm_of(launcher("busy:0.05:25000")), 0, 25_000_000, 20.0)
    assert failure.value.finding.reason == "clock-mismatch"


def test_a_launcher_that_was_held_up_may_prove_itself_later(launcher: Make) -> None:
    stalls = ["busy:0.3:25000"] * 3
    asked: list[float] = []
    clock = Clock(2_000_000, lambda us: asked.append(us) or 50.0)  # type: ignore[func-returns-value]
    clock.prove(arm_of(launcher(*stalls, "busy:0.2:200000")), 0, 200_000_000, 20.0)
    assert len(asked) == 3
