"""What a GPU's rig decides without the GPU: what a round costs, how often, what was disturbed."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from without_gpu import needs

needs("torch", "cuda.bindings", "pynvml")

import torch  # noqa: E402

from avogit.bench.arms import EnvironmentBroken  # noqa: E402
from avogit.bench.gpu import pace as pace_module  # noqa: E402
from avogit.bench.gpu import rig as rig_module  # noqa: E402
from avogit.bench.gpu.arms import BaselineArm, Call, LaunchedArm, Ran  # noqa: E402
from avogit.bench.gpu.boost import Boost  # noqa: E402
from avogit.bench.gpu.clock import Clock  # noqa: E402
from avogit.bench.gpu.frames import Load  # noqa: E402
from avogit.bench.gpu.pace import Pace  # noqa: E402
from avogit.bench.gpu.pool import Launcher, LauncherGone, LauncherTimeout  # noqa: E402
from avogit.bench.gpu.power import PowerLimit  # noqa: E402
from avogit.bench.gpu.rig import BURST, SUSTAINED, GpuRig  # noqa: E402
from avogit.bench.gpu.spins import Spins  # noqa: E402
from avogit.bench.gpu.windows import Windows  # noqa: E402
from avogit.bench.protocol import ArmSpec, Case, Defences, Order, Region  # noqa: E402
from avogit.bench.rig import Seeds  # noqa: E402
from avogit.devices import find_device  # noqa: E402

CASE = Case("w", {"n": 1}, (), Region("out", 0, (1,)))
ARM = LaunchedArm("candidate", None, None)  # type: ignore[arg-type]


@pytest.fixture
def rig() -> GpuRig:
    """A rig that has opened no card: only what decisions read is there."""
    made = GpuRig.__new__(GpuRig)
    made.regime = BURST
    made.device = find_device("h200")
    made._crew = made._ahead = 4
    made._spins = Spins()
    made._pace = Pace(lambda _: None)
    made._windows = Windows(0.004, 0.02)
    made._hold_cycles = rig_module._HOLD_CYCLES
    return made


def test_a_round_without_a_pause_costs_windows_however_short_its_calls_are(rig: GpuRig) -> None:
    rig.regime = SUSTAINED
    assert rig.cost_s([1e-4] * 3) == rig.cost_s([0.05] * 3)
    assert 3 * 1.25 < rig.cost_s([1e-4] * 3) < 3 * 1.35  # windows of 1.2 s, each after 0.05 s


def test_there_is_time_for_some_workloads_once_more_in_burst_but_for_quick_samples(
    rig: GpuRig,
) -> None:
    assert rig.again_share > 0.2
    rig._crew = 2  # a quick sample
    assert rig.again_share == 0
    rig._crew, rig.regime = 4, SUSTAINED
    assert rig.again_share == 0


def test_a_call_that_the_host_held_up_is_asked_about_the_power_limit_too(rig: GpuRig) -> None:
    """What bit in it would be told of the next call, which is sound."""
    counter = iter([0, 5, 5, 9])
    rig._limit = PowerLimit(lambda: next(counter))
    rig._boost = Boost(lambda: 1995.0, 1980.0)
    held_up, sound = Ran(9.0, 1.0, 100.0), Ran(1.0, 9.0, 100.0)
    assert disturbed(rig, held_up)
    assert not disturbed(rig, sound)
    assert disturbed(rig, sound)
    assert rig._limit.by_case() == {"w": 2}


def test_a_host_that_is_slow_to_queue_a_call_gets_more_time_for_the_next(rig: GpuRig) -> None:
    """Three times in a row cuDNN was queued too late, and a time twice too long counted."""
    rig._limit = PowerLimit(lambda: 0)
    rig._boost = Boost(lambda: 1995.0, 1980.0)
    first = rig._hold_cycles
    for times in (2, 4, 4):
        assert disturbed(rig, Ran(queued_us=1500.0, hold_us=1000.0, launches_us=100.0))
        assert rig._hold_cycles == times * first
    assert not disturbed(rig, Ran(queued_us=1500.0, hold_us=4000.0, launches_us=100.0))
    assert rig._hold_cycles == 4 * first


class Buffers:
    """Memory that is ready at once."""

    ring = 2

    def __init__(self, did: list[str]) -> None:
        self._did = did

    def index(self, case: Case) -> int:
        return 0

    def poison(self, *_: object, fill: bool) -> int:
        return 7

    def empty_cache(self) -> None:
        self._did.append("empty")

    def finding(self, *_: object) -> None:
        return None

    def out(self, *_: object) -> None:
        return None


class Launching(LaunchedArm):
    """An arm that tells what it was asked, and is as late as it is told."""

    def __init__(self, did: list[str]) -> None:
        super().__init__("candidate", None, None)  # type: ignore[arg-type]
        self._did = did
        self.late = False

    def run(self, case: int, ring: int, launches: int, hold: int, timeout_s: float) -> Ran:
        self._did.append(f"run {launches} behind {hold}")
        hold_us = hold / 2000
        return Ran(hold_us + 1 if self.late else 1.0, hold_us, 1000.0 * launches)


@pytest.fixture
def at_work(rig: GpuRig, monkeypatch: pytest.MonkeyPatch) -> tuple[GpuRig, Launching, list[str]]:
    """A rig in its second block, an arm, and what was done."""
    did: list[str] = []
    rig._buffers = Buffers(did)  # type: ignore[assignment]
    rig._blocks = 2
    rig._limit = PowerLimit(lambda: 0)
    rig._boost = Boost(lambda: did.append("look") or 1995.0, 1980.0)  # type: ignore[func-returns-value]
    rig._clock = Clock(rig._hold_cycles, lambda _: 0.0)
    rig._work = SimpleNamespace(run=lambda s: did.append(f"work {s}"))  # type: ignore[assignment]
    rig._pace = Pace(rig._work.run)
    monkeypatch.setattr(pace_module.time, "sleep", lambda s: did.append("rest" if s > 0.01 else ""))
    return rig, Launching(did), did


def test_a_card_rests_is_woken_and_looked_at_before_a_call(
    at_work: tuple[GpuRig, Launching, list[str]],
) -> None:
    rig, arm, did = at_work
    rig.call(arm, CASE, 1.0, Defences())
    assert did == ["empty", "rest", "work 0.001", "look", "run 1 behind 2040000"]
    rig._blocks = 1  # where nothing is timed
    did.clear()
    rig.call(arm, CASE, 1.0, Defences())
    assert did == ["empty", "run 1 behind 2040000"]


class Calling(BaselineArm):
    """A baseline whose spins take as long as they are told."""

    def __init__(self, hold_us: float) -> None:
        super().__init__("baseline", None, None)  # type: ignore[arg-type]
        self._hold_us = hold_us
        self.result = torch.zeros(1)

    def run(self, case: int, ring: int, launches: int, hold: int, timeout_s: float = 0.0) -> Ran:
        return Ran(1.0, self._hold_us, 1000.0)


def test_the_second_kernel_of_a_round_waits_for_the_state_that_the_first_met(
    at_work: tuple[GpuRig, Launching, list[str]],
) -> None:
    rig, arm, did = at_work
    states = iter([1995.0, 1980.0, 1980.0, 1995.0, 1980.0])
    rig._boost = Boost(lambda: next(states), 1980.0)
    rig._boost._begun -= 10.0  # so long it has been at work
    worked = []
    for one in (arm, arm, Calling(1020.0)):
        did.clear()
        rig.call(one, CASE, 1.0, Defences())
        worked.append(did.count("work 0.001"))
    assert worked == [1, 3, 1]  # a baseline waits for nobody
    assert rig._boost.facts()["mixed_rounds"] == 0


@pytest.mark.parametrize(("own_us", "believed"), [(1050.0, True), (900.0, False)])
def test_a_block_ends_with_spins_held_against_those_before_the_baseline(
    at_work: tuple[GpuRig, Launching, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    own_us: float,
    believed: bool,
) -> None:
    rig, arm, _ = at_work
    rig._reading, rig._readings = object(), []  # type: ignore[assignment]
    rig._card = SimpleNamespace(read=object)  # type: ignore[assignment]
    rig._pool = SimpleNamespace(pids=set())  # type: ignore[assignment]
    monkeypatch.setattr(rig_module.nvml, "facts", lambda _: {})
    monkeypatch.setattr(rig_module.nvml, "why_void", lambda *_: "a fan stood still")
    monkeypatch.setattr(rig._clock, "suspects", lambda *_: False)
    watch = rig.watch()
    for one in (arm, Calling(own_us)) * 3:
        rig.call(one, CASE, 1.0, Defences())
    arm.late = True  # such a spin ended when it ended: it is not compared
    rig.call(arm, CASE, 1.0, Defences())
    assert rig._spins.facts() == {"candidate": 1020.0 - own_us}
    if believed:
        assert watch.void() == "a fan stood still"
        return
    with pytest.raises(EnvironmentBroken) as broken:
        watch.void()
    assert broken.value.reason == "long-spins"


def test_nobody_rests_for_longer_than_the_call_took_by_the_oracles_own_clock(
    at_work: tuple[GpuRig, Launching, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forged events may say a year."""
    rig, arm, _ = at_work
    monkeypatch.setattr(Launching, "run", lambda *_: Ran(1.0, 1000.0, 3e13))
    rig.call(arm, CASE, 1.0, Defences())
    assert rig._pace.last_s < 1.0


def test_after_a_proof_the_card_rests_from_its_end(
    at_work: tuple[GpuRig, Launching, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, arm, did = at_work
    monkeypatch.setattr(
        rig, "_pace", SimpleNamespace(ended=lambda _: did.append("ended"), last_s=0)
    )
    monkeypatch.setattr(rig._clock, "prove", lambda *_: did.append("prove"))
    rig.prove(arm, CASE, 1000, 1.0)
    assert did == ["prove", "ended"]


def test_the_card_rests_for_longer_after_the_power_limit_bit(
    at_work: tuple[GpuRig, Launching, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, arm, _ = at_work
    rests: list[float] = []
    monkeypatch.setattr(pace_module.time, "sleep", rests.append)
    counter = iter([0, 5, 5])
    rig._limit = PowerLimit(lambda: next(counter))
    for _ in range(2):
        rig.call(arm, CASE, 1.0, Defences())
    assert rests[0] < 0.03
    assert rests[1] > 0.1


@pytest.mark.parametrize(
    ("crew", "launch_s", "more"),
    [(4, 0.001, [6]), (4, 0.008, [2]), (4, 0.03, []), (2, 0.001, [])],
    ids=["short", "as-many-as-fit", "long", "screening"],
)
def test_a_launcher_is_warmed_by_launches_that_count_nowhere(
    at_work: tuple[GpuRig, Launching, list[str]], crew: int, launch_s: float, more: list[int]
) -> None:
    """Whether it has served before or not, and whatever is known of its arm."""
    rig, arm, did = at_work
    rig.spec = SimpleNamespace(call_timeout_s=1.0)  # type: ignore[assignment]
    rig._crew = crew
    rig._pace = SimpleNamespace(  # type: ignore[assignment]
        ended=lambda _: None, rest=lambda _: did.append("rest"), last_s=launch_s
    )
    rig._warm(arm)
    launched = [f"run {launches} behind {40_000 * launches}" for launches in [1, *more]]
    assert did == ["rest"] * (crew == 4) + launched


def test_the_time_of_one_launch_is_told_of_many(
    at_work: tuple[GpuRig, Launching, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, arm, _ = at_work
    ticks = itertools.count(step=0.5)
    monkeypatch.setattr(rig_module.time, "monotonic", lambda: next(ticks))
    rig._run(arm, 0, 0, 300, 0, 1.0)
    assert rig._pace.last_s == pytest.approx(0.001)


def test_a_baseline_sets_up_before_it_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """cuDNN's own package took half a millisecond longer in the first call of each kind."""
    did: list[tuple[int, int]] = []

    def bind(case: int, ring: int) -> Call:
        return lambda: did.append((case, ring)) or torch.zeros(1)  # type: ignore[func-returns-value]

    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    arm = BaselineArm("baseline", bind, None)  # type: ignore[arg-type]
    assert arm.warm(2)
    assert not arm.warm(2)
    assert did == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]


def test_a_block_begins_with_all_arms_warm(
    rig: GpuRig, launcher: Callable[..., Launcher], monkeypatch: pytest.MonkeyPatch
) -> None:
    did: list[str] = []
    rig.spec = SimpleNamespace(device="h200", call_timeout_s=20.0)  # type: ignore[assignment]
    rig.timed = [CASE]
    rig._blocks = 0
    rig._baselines = {}
    rig.problem = SimpleNamespace(  # type: ignore[assignment]
        baseline=lambda params, inputs: lambda: did.append("baseline") or torch.zeros(1),
        BASELINES={"flash2": lambda params, inputs: lambda: did.append("flash2") or torch.zeros(1)},
    )
    rig._buffers = SimpleNamespace(  # type: ignore[assignment]
        ring=0,
        cases=[CASE],
        outputs=lambda count, _: [None] * count,
        load=lambda *_: Load("/a.bundle", "h200", {}, (), 7),
        views=lambda *_: {},
    )
    rig._frequency = None  # type: ignore[assignment]
    crew = [launcher("ok") for _ in range(4)]
    rig._pool = SimpleNamespace(first=lambda *_: crew[0], crew=lambda _: crew)  # type: ignore[assignment]
    run = LaunchedArm.run

    def recorded(arm: LaunchedArm, case: int, ring: int, launches: int, *more: Any) -> Ran:
        did.append(f"{arm.name} {launches}")
        return run(arm, case, ring, launches, *more)

    monkeypatch.setattr(LaunchedArm, "run", recorded)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(rig_module.time, "sleep", lambda _: did.append("rest"))
    kernel = ["rest", "candidate 1", "candidate 6"]
    ours = ["baseline"] * 3 + ["rest"] + ["flash2"] * 3 + ["rest"]
    for expected in ([], kernel + ours, kernel):  # nothing is timed in the first block
        did.clear()
        artefacts = {"candidate": "/a.bundle", "baseline": "", "flash2": ""}
        with rig.started(artefacts, Seeds(), Defences(), ()) as arms:
            assert list(arms) == ["candidate", "baseline", "flash2"]
        assert did == expected


def test_a_window_begins_with_the_card_at_its_limit(
    at_work: tuple[GpuRig, Launching, list[str]],
) -> None:
    rig, arm, did = at_work
    rig.regime = SUSTAINED
    for lead in ("5.0", "0.05"):
        did.clear()
        rig.call(arm, CASE, 1.0, Defences())
        assert did[:2] == ["empty", f"work {lead}"]
        assert len(did) == 3


def test_a_call_after_one_that_was_queued_late_waits_longer_for_the_host(
    at_work: tuple[GpuRig, Launching, list[str]],
) -> None:
    rig, arm, did = at_work
    arm.late = True
    rig.call(arm, CASE, 1.0, Defences())
    arm.late = False
    rig.call(arm, CASE, 1.0, Defences())
    assert did[-1] == "run 1 behind 4040000"


def disturbed(rig: GpuRig, ran: Ran, arm: LaunchedArm | BaselineArm = ARM) -> bool:
    """Whether a call has to be made again."""
    rig._boost.before(None)
    return rig._disturbed(arm, ran, CASE, 2_000_000)


def test_kernels_that_met_another_clock_are_called_again_and_baselines_are_not(rig: GpuRig) -> None:
    idle = iter([1995.0, 1980.0, 1980.0, 1980.0])
    rig._limit = PowerLimit(lambda: 0)
    rig._boost = Boost(lambda: next(idle), 1980.0)
    sound = Ran(1.0, 9.0, 100.0)
    assert not disturbed(rig, sound)
    assert not disturbed(rig, sound, BaselineArm("baseline", None, None))  # type: ignore[arg-type]
    assert disturbed(rig, sound)
    rig._boost.new_round()
    assert not disturbed(rig, sound)


@pytest.mark.parametrize(
    ("sample", "ahead"), [("confirmation", 8), ("fresh", 8), ("deciding", 4), ("quick", 2)]
)
def test_launchers_that_must_be_new_start_while_answers_are_checked(
    at_work: tuple[GpuRig, Launching, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    sample: str,
    ahead: int,
) -> None:
    """A rival's too, where none that served before may stay."""
    rig, _, _ = at_work
    asked: list[tuple[str, int]] = []
    rig._pool = SimpleNamespace(  # type: ignore[assignment]
        pids=set(), renew=lambda: None, first=lambda *what: asked.append(what)
    )
    rig._card = SimpleNamespace(read=lambda: None)  # type: ignore[assignment]
    monkeypatch.setattr(rig_module.nvml, "foreign", lambda *_: [])
    rig.timed = [CASE]
    arms = (ArmSpec("candidate", "/a"), ArmSpec("rival-0", "/b"))
    rig.begin(Order(arms, "rival-0", sample, 20.0, 0.99, "", ()), lambda _: None)
    rig._choose({"candidate": "/a"})
    assert asked == [("candidate", ahead)]


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
