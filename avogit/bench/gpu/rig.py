"""What the oracle measures with on a GPU: the ring of inputs, launchers, two regimes, the card.

Owns one call: poison, guards, an emptied second-level cache, the rest before it, its time by two
clocks. *Burst*: one launch after a rest, far from the card's power limit. *Sustained*: launches
without a pause, right after work that takes the card near it. Leaves the order of calls to
`correctness` and `timing`.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch

from avogit.bench.arms import EnvironmentBroken, Timed
from avogit.bench.checks import Finding
from avogit.bench.gpu import nvml
from avogit.bench.gpu.arms import BaselineArm, LaunchedArm, Ran, bundle_of
from avogit.bench.gpu.boost import Boost
from avogit.bench.gpu.buffers import Buffers
from avogit.bench.gpu.clock import Clock, OwnSpin
from avogit.bench.gpu.frequency import Frequency, IdleClock
from avogit.bench.gpu.opening import open_card
from avogit.bench.gpu.pace import CALL_S, ROUND_S, Pace, cost_s
from avogit.bench.gpu.pool import Launcher, LauncherGone, LauncherTimeout, Pool
from avogit.bench.gpu.power import SETTLE_S, PowerLimit
from avogit.bench.gpu.sanitizer import sanitize
from avogit.bench.gpu.spins import Spins
from avogit.bench.gpu.tools import Target
from avogit.bench.gpu.windows import RING, Windows
from avogit.bench.gpu.work import OwnWork
from avogit.bench.problem import ProblemError, Tensors, load_gpu_problem
from avogit.bench.protocol import Case, Defences, Order, TaskSpec
from avogit.bench.rig import Answer, Seeds, kernel_failed
from avogit.devices import find_device
from avogit.errors import AvogitError
from avogit.records import BASELINE, CANDIDATE, Verdict

_FRESH = ("fresh", "confirmation")  # samples that no process of an earlier one may serve
BURST, SUSTAINED = "burst", "sustained"
_CREW, _QUICK_CREW = 4, 2  # launchers of an arm; a context takes about half a GB of the card
_LOOK_S = 1.0  # between looks at a card that others use
_HOLD_CYCLES, _HOLD_PER_LAUNCH = 2_000_000, 40_000  # of about 2 GHz
_LONGEST_HOLD = 4  # times that, on a host that is slow to queue a call
_WARMING_S = 0.02  # of a launcher, in every block
_PATIENCE_S = 1.0  # of a call that begins when little time is left
_AGAIN_SHARE = 0.3
_HEADROOM = 1.02  # above the maker's peak


class GpuRig:
    """Open for the life of an oracle."""

    yardstick = True
    warms = True
    repeated_share = 0.3

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec
        self.regime = BURST
        self.device = find_device(spec.device)
        self._pool = Pool(os.environ)
        self.problem = load_gpu_problem(spec.folder)
        self._gpu = open_card(self.device.architecture.capability, spec.device)
        self._card = nvml.Card(self._gpu.uuid)
        workloads = (*spec.workloads, *spec.shapes, *spec.held_out)
        self._buffers = Buffers(self.problem, spec, workloads)
        cases = self._buffers.cases
        timed, checked = len(spec.workloads), len(spec.workloads) + len(spec.shapes)
        self.timed, self.shapes = cases[:timed], cases[timed:checked]
        self.held_out = cases[checked:]
        self._frequency = Frequency(torch.cuda.current_stream().cuda_stream)
        self._boost = Boost(IdleClock().mhz, self._card.most_sm_mhz())
        self._baselines: dict[str, BaselineArm] = {}
        self._windows = Windows(CALL_S, ROUND_S)
        self._work = OwnWork()
        self._pace = Pace(self._work.run)
        self._spins = Spins()
        self._clock = Clock(_HOLD_CYCLES, OwnSpin().beside_us)
        self._crew = self._ahead = _CREW  # the latter: launchers to start while answers are checked
        self._hold_cycles = _HOLD_CYCLES
        self._blocks = 0  # begun in this evaluation
        self._bundles: Mapping[str, str] = {}
        self._audited: dict[str, object] = {}
        self._readings: list[dict[str, object]] = []
        self._reading: nvml.Reading | None = None  # the last block's last
        self._limit = PowerLimit(self._card.power_cap_ns)
        self._check_baseline()

    def fill(self, case: Case, kind: str, seed: int, defences: Defences) -> Tensors:
        """Write new inputs for every arm. Gives the oracle's own copy of the last ones."""
        self._boost.new_round()
        first, count = (0, RING) if self.regime == SUSTAINED else (self._buffers.ring + 1, 1)
        fresh = defences.fresh_inputs
        seeds = {(first + n) % RING: seed + n if fresh else 1 for n in range(count)}
        return self._buffers.fill(case, kind, seeds)

    @contextlib.contextmanager
    def started(
        self, artefacts: Mapping[str, str], seeds: Seeds, defences: Defences, read: Sequence[str]
    ) -> Iterator[dict[str, LaunchedArm | BaselineArm]]:
        """Fresh launchers for these arms (name -> bundle; a baseline has none)."""
        self._bundles = bundles = bundle_of(artefacts)
        outputs = self._buffers.outputs(len(bundles), seeds.next())
        chosen = self._choose(bundles)
        arms: dict[str, LaunchedArm | BaselineArm] = {}
        for name, output in zip(seeds.shuffled(list(bundles)), outputs, strict=True):
            arms[name] = launched = LaunchedArm(name, chosen[name], output)
            load = self._buffers.load(bundles[name], self.spec.device, output, seeds.next())
            launched.begin_load(load)
        for arm in arms.values():
            assert isinstance(arm, LaunchedArm)
            arm.loaded()
            if self._blocks:
                self._warm(arm)
        for name in artefacts:
            if name not in bundles:
                arms[name] = baseline = self._baseline(name)
                if self._blocks and baseline.warm(len(self.timed)):
                    time.sleep(SETTLE_S)
        self._blocks += 1
        yield arms

    def _warm(self, arm: LaunchedArm) -> None:
        """What was loaded meets cold tables at first: these launches count nowhere.

        Else a kernel whose launchers are new would seem slower than one whose have served before.
        Between arms the card rests: all at once could take it to its power limit.
        """

        def launch(count: int) -> None:
            hold, limit_s = _HOLD_PER_LAUNCH * count, self.spec.call_timeout_s
            self._run(arm, 0, self._buffers.ring, count, hold, limit_s)

        if self._crew < _CREW:
            launch(1)
            return
        self._pace.rest(0.0)
        launch(1)
        if more := min(2 * RING, int(_WARMING_S / max(self._pace.last_s, 1e-5))):
            launch(more)

    def assemble(self, artefacts: Mapping[str, str]) -> None:
        """Launchers for the blocks to come."""
        with _launchers_start():
            self._pool.assemble(bundle_of(artefacts), self._crew)

    def _choose(self, bundles: Mapping[str, str]) -> dict[str, Launcher]:
        """A launcher for each arm; when all have served, they are paired in another way.

        The first block is correctness, where nothing is timed and often all ends.
        """
        if not self._blocks:
            with _launchers_start():
                return {arm: self._pool.first(arm, self._ahead) for arm in bundles}
        turn = self._blocks - 1
        again = turn // self._crew
        crews = {arm: self._pool.crew(arm) for arm in sorted(bundles)}
        return {
            arm: crew[(turn + again * place) % len(crew)]
            for place, (arm, crew) in enumerate(crews.items())
        }

    def call(
        self, arm: LaunchedArm | BaselineArm, case: Case, timeout_s: float, defences: Defences
    ) -> Answer:
        """One timed call of an arm on the inputs of now: one launch, or many when sustained."""
        index, sustained = self._buffers.index(case), self.regime == SUSTAINED
        first, launches = self._buffers.ring, 1
        if sustained:
            first, launches = 0, self._windows.launches(arm.name, index, self._pace.last_s)
            timeout_s += 2 * self._windows.window_s  # the limit is one launch's
        poison = self._prepare(arm, case, first, launches, defences)
        if sustained:
            self._work.run(self._windows.lead_s())
        elif self._blocks > 1:  # in the first one nothing is timed
            self._pace.rest(self._limit.rest_s)
            self._boost.before(self._pace.rest_more if isinstance(arm, LaunchedArm) else None)
        hold = self._hold_cycles + _HOLD_PER_LAUNCH * min(launches, RING)
        began = time.perf_counter_ns()
        ran = self._run(arm, index, first, launches, hold, timeout_s)
        wall_us = (time.perf_counter_ns() - began) / 1e3
        late = self._clock.late(arm, ran, wall_us)
        disturbed = late
        if self._blocks > 1:
            self._boost.note(self.regime, case.name, arm.name, ran.sm_mhz)
            disturbed |= not sustained and self._disturbed(arm, ran, case, hold)
        launch_us = ran.launches_us / launches
        self._windows.note(arm.name, index, launch_us / 1e6, sustained=sustained)
        timed = Timed(round(launch_us * 1e3), 0, disturbed)
        answer = self._answer(arm, case, timed, poison, defences)
        if self._clock.suspects(arm, late) and isinstance(arm, LaunchedArm):
            # Only now that its output was read: that is made again.
            self._prove(arm, index, round(self._pace.last_s * 1e9), timeout_s)
        return answer

    def prove(self, arm: LaunchedArm, case: Case, call_ns: int, timeout_s: float) -> None:
        """That its clock tells what ours does."""
        self._prove(arm, self._buffers.index(case), call_ns, timeout_s)

    @property
    def again_share(self) -> float:
        """A block has time for one round, and some workloads scatter twice as much as others."""
        return _AGAIN_SHARE if self.regime == BURST and self._crew == _CREW else 0.0

    def cost_s(self, calls_s: Sequence[float]) -> float:
        """What calling all arms once takes, with all that goes around it. Seconds."""
        if self.regime == SUSTAINED:
            return self._windows.cost_s(len(calls_s))
        return cost_s(calls_s)

    @property
    def patience_s(self) -> float:
        """The least time that a call is given, when nearly none is left."""
        return _PATIENCE_S + (2 * self._windows.window_s if self.regime == SUSTAINED else 0.0)

    def watch(self) -> _Watch:
        """A block begins."""
        return _Watch(self)

    def overhead_us(self, order: Order) -> float:
        """What an order to a launcher and its answer cost beside the launch, by the last calls."""
        return round(self._clock.beside_us(), 2)

    def most_gflops(self, case: Case) -> float:
        """What no kernel can exceed: the card's arithmetic, or its memory's bytes."""
        params = dict(case.params)
        flops, moved = self.problem.flops(params), self.problem.bytes_moved(params)
        by_memory = flops / moved * self.device.memory_gbytes_s
        return _HEADROOM * min(self.device.half_gflops, by_memory)

    def begin(self, order: Order, progress: Callable[[str], None]) -> None:
        """An evaluation begins; where others compute on the card, wait, then say so."""
        self.regime, self._blocks = BURST, 0
        self._hold_cycles = _HOLD_CYCLES
        self._clock.begin()
        self._spins.begin()
        self._crew = _QUICK_CREW if order.sample == "quick" else _CREW
        self._ahead = self._crew * (len(order.arms) if order.sample in _FRESH else 1)
        self._audited = {}
        self._windows.begin(order, len(self.timed))
        self._limit.begin()
        self._reading = None
        if order.sample in _FRESH:
            self._pool.renew()
        until = time.monotonic() + order.busy_wait_s
        while others := nvml.foreign(self._card.read(), self.ours()):
            if time.monotonic() > until:
                raise EnvironmentBroken("gpu-busy", f"others compute on it: {', '.join(others)}")
            progress(f"waiting: {others[0]} computes on the GPU")
            time.sleep(_LOOK_S)
        self._boost.begin(looks=order.sample != "quick")

    def audit(self, artefact: str, progress: Callable[[str], None]) -> None:
        """compute-sanitizer's memory check, on the largest of the shapes that are only checked."""
        case = self._buffers.largest(self.shapes)
        sizes = {name: place.nbytes for name, place in case.rings[0].items()}
        target = Target(Path(artefact), case.name, self.spec.device, sizes)
        progress("under compute-sanitizer")
        try:
            found = sanitize(target)
        except AvogitError as error:  # it is not there, or may not watch
            self._audited = {"sanitizer": str(error)}
            return
        self._audited = {"sanitizer": found.tool, "shape": target.workload}
        if found.errors:
            detail = f"{found.errors} errors on {target.workload}: {' | '.join(found.lines)}"
            kernel_failed(CANDIDATE, Finding(Verdict.RUNTIME_ERROR, "sanitizer", detail))

    def ours(self) -> set[int]:
        """The processes that use the card on our behalf."""
        return {os.getpid(), *self._pool.pids}

    def finish(self, *, well: bool) -> None:
        """It ended; not well: a launcher of its may be in any state."""
        self._pool.finish(self._bundles, stay=well, spare=_CREW)

    def device_name(self) -> str:
        """The card, as the driver calls it."""
        return self._gpu.name

    def facts(self) -> dict[str, object]:
        """What the card said of itself since this was asked last."""
        readings, self._readings = self._readings, []
        return {
            "name": self._gpu.name,
            "uuid": self._gpu.uuid,
            "driver": self._gpu.driver,
            "readings": readings,
            "clock": self._boost.facts(),
            "spins": self._spins.facts(),
            "power_limited_calls": self._limit.by_case(),
            **self._audited,
        }

    def _baseline(self, name: str) -> BaselineArm:
        """An arm that is called here; `name` is one of problem.py's, or the one that scores."""
        if name not in self._baselines:
            make: Callable[[dict[str, int], Tensors], Callable[[], torch.Tensor]]
            make = self.problem.baseline if name == BASELINE else self.problem.BASELINES[name]

            def bind(case: int, ring: int) -> Callable[[], torch.Tensor]:
                found = self._buffers.cases[case]
                return make(dict(found.params), self._buffers.views(found, ring))

            self._baselines[name] = BaselineArm(name, bind, self._frequency)
        return self._baselines[name]

    def _check_baseline(self) -> None:
        """That torch really runs the kernel that the task's baseline promises."""
        pattern = self.problem.BASELINE_KERNEL
        self.fill(self.timed[0], "mixed", 1, Defences())
        arm = self._baseline(BASELINE)
        arm.run(0, self._buffers.ring, 1, 1)
        activity = torch.profiler.ProfilerActivity.CUDA
        with torch.profiler.profile(activities=[activity]) as profile:
            arm.run(0, self._buffers.ring, 1, 1)
        names = [event.name for event in profile.events()]
        if not any(re.search(pattern, name) for name in names):
            raise ProblemError(f"the baseline ran {names}, none of them matches {pattern!r}")

    def _prepare(
        self,
        arm: LaunchedArm | BaselineArm,
        case: Case,
        first: int,
        launches: int,
        defences: Defences,
    ) -> int | None:
        """Poison and guards where launches will write, and an empty cache."""
        poison = None
        if isinstance(arm, LaunchedArm):
            rings = {(first + n) % RING for n in range(launches)}
            poison = self._buffers.poison(arm.output, case, rings, fill=defences.poison)
        self._buffers.empty_cache()
        return poison

    def _run(
        self,
        arm: LaunchedArm | BaselineArm,
        index: int,
        first: int,
        launches: int,
        hold: int,
        timeout_s: float,
    ) -> Ran:
        """Launch. What comes next rests from then on."""
        began = time.monotonic()
        ran = arm.run(index, first, launches, hold, timeout_s)
        # Events may be forged to say anything: nobody rests for longer than the call can bear out.
        lasted_s = min(ran.launches_us / 1e6, time.monotonic() - began)
        self._pace.ended(lasted_s / launches)
        return ran

    def _prove(self, arm: LaunchedArm, index: int, call_ns: int, timeout_s: float) -> None:
        """By many launches in a row: what comes next rests from their end."""
        self._clock.prove(arm, index, call_ns, timeout_s)
        self._pace.ended(self._pace.last_s)

    def _disturbed(self, arm: LaunchedArm | BaselineArm, ran: Ran, case: Case, hold: int) -> bool:
        """Whether the card waited for the host, its power limit bit, or its clock was another."""
        bit = self._limit.bit(case.name, self._pace.last_s)  # or the next call would be blamed
        if not ran.waited:
            own = isinstance(arm, BaselineArm)
            self._spins.note(arm.name, case.name, hold, ran.hold_us, own=own)
        mixed = isinstance(arm, LaunchedArm) and self._boost.mixes()
        if ran.waited:  # else every try could wait, and the last one counts
            self._hold_cycles = min(2 * self._hold_cycles, _LONGEST_HOLD * _HOLD_CYCLES)
        return mixed or bit or ran.waited

    def _answer(
        self,
        arm: LaunchedArm | BaselineArm,
        case: Case,
        timed: Timed,
        poison: int | None,
        defences: Defences,
    ) -> Answer:
        """What the last launch left, and what else it did."""
        if isinstance(arm, LaunchedArm):
            finding = self._buffers.finding(arm.output, case, defences)
            return Answer(timed, self._buffers.out(arm.output, case), poison, finding)
        assert arm.result is not None
        return Answer(timed, arm.result.reshape(-1, case.out.shape[-1]), poison, None)


@contextlib.contextmanager
def _launchers_start() -> Iterator[None]:
    """One that does not is nobody's fault who is measured."""
    try:
        yield
    except (LauncherGone, LauncherTimeout) as error:
        raise EnvironmentBroken("no-launcher", f"a launcher did not start: {error}") from error


class _Watch:
    """The card before and after a block."""

    def __init__(self, rig: GpuRig) -> None:
        self._rig = rig
        self._before = rig._reading or rig._card.read()
        rig._limit.new_block()

    def void(self) -> str:
        """Why the block that ends now does not count; empty where it does."""
        rig, after = self._rig, self._rig._card.read()
        rig._reading = after
        rig._readings.append({"regime": rig.regime, **nvml.facts(after)})
        rig._spins.check()
        return nvml.why_void(self._before, after, rig.ours()) or rig._limit.void()
