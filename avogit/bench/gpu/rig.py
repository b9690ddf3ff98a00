"""What the oracle measures with on a GPU: the ring of inputs, launchers, two regimes, the card.

Owns one call: poison, guards, an emptied second-level cache, the rest before it, its time by two
clocks. *Burst*: one launch after a rest, so that the clocks are high and the card's power does
not matter. *Sustained*: launches without a pause, right after a load that holds the card at its
power limit. Leaves the order of calls to `correctness` and `timing`.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import secrets
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch

from avogit.bench.arms import EnvironmentBroken, Timed
from avogit.bench.checks import Finding
from avogit.bench.gpu import nvml
from avogit.bench.gpu.arms import BaselineArm, LaunchedArm, Ran, bundle_of
from avogit.bench.gpu.clock import Clock
from avogit.bench.gpu.frames import Load
from avogit.bench.gpu.memory import (
    GUARD,
    OUTPUT,
    Memory,
    input_bytes,
    input_name,
    lay_out,
    output_bytes,
)
from avogit.bench.gpu.opening import open_card, scrub_bytes
from avogit.bench.gpu.pool import Launcher, LauncherGone, LauncherTimeout, Pool
from avogit.bench.gpu.power import PowerLimit
from avogit.bench.gpu.sanitizer import sanitize
from avogit.bench.gpu.tools import Target
from avogit.bench.gpu.windows import RING, Windows, settled
from avogit.bench.problem import ProblemError, Tensors, load_gpu_problem
from avogit.bench.protocol import Case, Defences, Order, Region, TaskSpec
from avogit.bench.rig import Answer, Seeds, kernel_failed
from avogit.devices import find_device
from avogit.errors import AvogitError
from avogit.records import BASELINE, CANDIDATE, Verdict

_FRESH = ("fresh", "confirmation")  # samples that no process of an earlier one may serve
BURST, SUSTAINED = "burst", "sustained"
_CREW, _QUICK_CREW = 4, 2  # launchers of an arm; a context takes about half a GB of the card
_LOOK_S = 1.0  # between looks at a card that others use
_REST_S, _REST_SHARE, _JITTER_S = 0.02, 3.0, 0.002
_HOLD_CYCLES, _HOLD_PER_LAUNCH = 2_000_000, 40_000  # of about 2 GHz
_CALL_S, _ROUND_S = 0.004, 0.02  # poison, flush and orders; new inputs and checks
_PATIENCE_S = 1.0  # of a call that begins when little time is left
_SHORT_S = 0.003
_HEADROOM = 1.02  # above the maker's peak
_NAN, _PAYLOAD = {torch.bfloat16: 0x7FC0, torch.float16: 0x7E00}, 63


class GpuRig:
    """Open for the life of an oracle."""

    yardstick = True
    warms = True

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec
        self.regime = BURST
        self.device = find_device(spec.device)
        self._pool = Pool(os.environ)
        self.problem = load_gpu_problem(spec.folder)
        self._gpu = open_card(self.device.architecture.capability, spec.device)
        self._card = nvml.Card(self._gpu.uuid)
        cut = spec.arguments.index("out")
        workloads = (*spec.workloads, *spec.shapes, *spec.held_out)
        self._laid = [lay_out(w, spec.arguments[:cut], RING) for w in workloads]
        cases = [_case(self.problem.shapes(dict(w.params)), w.name, w.params) for w in workloads]
        timed, checked = len(spec.workloads), len(spec.workloads) + len(spec.shapes)
        self.timed, self.shapes = cases[:timed], cases[timed:checked]
        self.held_out = cases[checked:]
        self._index = {id(case): index for index, case in enumerate(cases)}
        self._cases = cases
        self._inputs = [Memory(input_bytes(self._laid)) for _ in range(RING)]
        self._made: list[Tensors] = [{} for _ in range(RING)]
        self._outputs: list[Memory] = []
        self._guard = torch.randint(0, 256, (GUARD,), dtype=torch.uint8, device="cuda")
        self._scrub = torch.empty(scrub_bytes(), dtype=torch.uint8, device="cuda")
        self._baselines: dict[str, BaselineArm] = {}
        self._ring = 0
        self._last_s = 0.0
        self._windows = Windows(_CALL_S, _ROUND_S)
        self._clock = Clock(_HOLD_CYCLES)
        self._crew = _CREW
        self._blocks = 0  # begun in this evaluation
        self._bundles: Mapping[str, str] = {}
        self._audited: dict[str, object] = {}
        self._readings: list[dict[str, object]] = []
        self._reading: nvml.Reading | None = None  # the last block's last
        self._limit = PowerLimit(self._card.power_cap_ns)
        self._check_baseline()

    def fill(self, case: Case, kind: str, seed: int, defences: Defences) -> Tensors:
        """Write new inputs for every arm. Gives the oracle's own copy of the last ones."""
        places = range(RING) if self.regime == SUSTAINED else [(self._ring + 1) % RING]
        for number, ring in enumerate(places):
            generator = torch.Generator(device="cuda")
            generator.manual_seed(seed + number if defences.fresh_inputs else 1)
            made = self.problem.make_inputs(dict(case.params), kind, generator)
            for name, view in self._views(case, ring).items():
                view.copy_(made[name])
            self._made[ring] = made
            self._ring = ring
        return made

    @contextlib.contextmanager
    def started(
        self, artefacts: Mapping[str, str], seeds: Seeds, defences: Defences, read: Sequence[str]
    ) -> Iterator[dict[str, LaunchedArm | BaselineArm]]:
        """Fresh launchers for these arms (name -> bundle; a baseline has none)."""
        self._bundles = bundles = bundle_of(artefacts)
        while len(self._outputs) < len(bundles):
            self._outputs.append(Memory(output_bytes(self._laid)))
        outputs = random.Random(seeds.next()).sample(self._outputs, len(bundles))
        chosen = self._choose(bundles)
        arms: dict[str, LaunchedArm | BaselineArm] = {}
        for name, output in zip(seeds.shuffled(list(bundles)), outputs, strict=True):
            arms[name] = launched = LaunchedArm(name, chosen[name], output)
            launched.begin_load(self._load(bundles[name], output, seeds))
        for arm in arms.values():
            assert isinstance(arm, LaunchedArm)
            arm.loaded()
            if self._blocks:  # the first launch of all meets cold tables: it counts nowhere
                arm.run(0, self._ring, 1, _HOLD_PER_LAUNCH, self.spec.call_timeout_s)
        arms |= {name: self._baseline(name) for name in artefacts if name not in bundles}
        self._blocks += 1
        yield arms

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
                return {arm: self._pool.first(arm, self._crew) for arm in bundles}
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
        index, sustained = self._index[id(case)], self.regime == SUSTAINED
        launches = self._windows.launches(arm.name, index, self._last_s) if sustained else 1
        first = 0 if sustained else self._ring
        poison = self._prepare(arm, case, first, launches, defences)
        if not sustained and self._blocks > 1:  # in the first one nothing is timed
            self._rest()
        hold = _HOLD_CYCLES + _HOLD_PER_LAUNCH * min(launches, RING)
        began = time.perf_counter_ns()
        if isinstance(arm, LaunchedArm):
            ran = arm.run(index, first, launches, hold, timeout_s)
        else:
            ran = arm.run(index, first, launches, hold, RING)
        wall_us = (time.perf_counter_ns() - began) / 1e3
        self._last_s = ran.launch_us[-1] / 1e6
        late = self._clock.late(arm, ran, wall_us)
        disturbed = late
        if not sustained and self._blocks > 1:
            disturbed |= self._disturbed(ran, case)
        launch_us = statistics.fmean(settled(ran.launch_us))
        self._windows.note(arm.name, index, launch_us / 1e6, sustained=sustained)
        timed = Timed(round(launch_us * 1e3), 0, disturbed)
        finding = self._finding(arm, case, defences)
        answer = Answer(timed, self._out(arm, case), poison, finding)
        if self._clock.suspects(arm, late) and isinstance(arm, LaunchedArm):
            # Only now that its output was read: that is made again.
            self._clock.prove(arm, index, round(self._last_s * 1e9), timeout_s)
        return answer

    def prove(self, arm: LaunchedArm, case: Case, call_ns: int, timeout_s: float) -> None:
        """That its clock tells what ours does."""
        self._clock.prove(arm, self._index[id(case)], call_ns, timeout_s)

    def cost_s(self, calls_s: Sequence[float]) -> float:
        """What calling all arms once takes, with all that goes around it. Seconds."""
        if self.regime == SUSTAINED:
            return self._windows.cost_s(len(calls_s))
        rests = (max(_REST_S + _JITTER_S / 2, _REST_SHARE * call) for call in calls_s)
        return sum(rests) + sum(calls_s) + _CALL_S * len(calls_s) + _ROUND_S

    @property
    def patience_s(self) -> float:
        """The least time that a call is given, when nearly none is left."""
        return _PATIENCE_S + (2 * self._windows.whole_s if self.regime == SUSTAINED else 0.0)

    def watch(self) -> _Watch:
        """A block begins."""
        return _Watch(self)

    def weight(self, calls_s: Sequence[float]) -> int:
        """Twice a round where calls are short: those scatter most, and cost least."""
        often = self.regime == BURST and self._crew == _CREW and max(calls_s) < _SHORT_S
        return 2 if often else 1

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
        self._clock.begin()
        self._crew = _QUICK_CREW if order.sample == "quick" else _CREW
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

    def audit(self, artefact: str, progress: Callable[[str], None]) -> None:
        """compute-sanitizer's memory check, on the largest of the shapes that are only checked."""
        index = max((self._index[id(case)] for case in self.shapes), key=self._out_bytes)
        sizes = {name: place.nbytes for name, place in self._laid[index].rings[0].items()}
        target = Target(Path(artefact), self._laid[index].name, self.spec.device, sizes)
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
            "power_limited_calls": self._limit.by_case(),
            **self._audited,
        }

    def _out_bytes(self, index: int) -> int:
        return self._laid[index].rings[0]["out"].nbytes

    def _load(self, bundle: str, output: Memory, seeds: Seeds) -> Load:
        arenas = {input_name(ring): memory.arena for ring, memory in enumerate(self._inputs)}
        fill = seeds.next() & 0xFFFFFFFF
        return Load(
            bundle, self.spec.device, {**arenas, OUTPUT: output.arena}, tuple(self._laid), fill
        )

    def _views(self, case: Case, ring: int) -> Tensors:
        """The inputs of a case as launchers see them."""
        index = self._index[id(case)]
        places, shapes = self._laid[index].rings[ring], self.problem.shapes(dict(case.params))
        dtype, memory = self.problem.dtype(dict(case.params)), self._inputs[ring]
        return {n: memory.view(p, dtype, shapes[n]) for n, p in places.items() if n != "out"}

    def _baseline(self, name: str) -> BaselineArm:
        """An arm that is called here; `name` is one of problem.py's, or the one that scores."""
        if name not in self._baselines:
            make: Callable[[dict[str, int], Tensors], Callable[[], torch.Tensor]]
            make = self.problem.baseline if name == BASELINE else self.problem.BASELINES[name]

            def bind(case: int, ring: int) -> Callable[[], torch.Tensor]:
                found = self._cases[case]
                return make(dict(found.params), self._views(found, ring))

            self._baselines[name] = BaselineArm(name, bind)
        return self._baselines[name]

    def _check_baseline(self) -> None:
        """That torch really runs the kernel that the task's baseline promises."""
        pattern = self.problem.BASELINE_KERNEL
        self.fill(self.timed[0], "mixed", 1, Defences())
        arm = self._baseline(BASELINE)
        arm.run(0, self._ring, 1, 1, RING)
        activity = torch.profiler.ProfilerActivity.CUDA
        with torch.profiler.profile(activities=[activity]) as profile:
            arm.run(0, self._ring, 1, 1, RING)
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
        """Poison the outputs, set the guards, empty the second-level cache."""
        poison = None
        if isinstance(arm, LaunchedArm):
            dtype = self.problem.dtype(dict(case.params))
            poison = _NAN[dtype] | (1 + secrets.randbelow(_PAYLOAD)) if defences.poison else None
            for ring in {(first + n) % RING for n in range(launches)}:
                out, before, after = self._region(arm.output, case, ring)
                if poison is not None:
                    out.view(torch.int16).fill_(poison)
                before.copy_(self._guard)
                after.copy_(self._guard)
        # What was read leaves the cache for nothing; what was written is written back meanwhile.
        self._scrub.fill_(secrets.randbelow(256))
        self._scrub.view(torch.int64).sum()
        torch.cuda.synchronize()
        return poison

    def _region(
        self, memory: Memory, case: Case, ring: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """An output as a flat tensor, and the guards before and after it."""
        place = self._laid[self._index[id(case)]].rings[ring]["out"]
        end = place.offset + place.nbytes
        dtype = self.problem.dtype(dict(case.params))
        return (
            memory.bytes[place.offset : end].view(dtype),
            memory.bytes[place.offset - GUARD : place.offset],
            memory.bytes[end : end + GUARD],
        )

    def _rest(self) -> None:
        """Let the card cool, so that its clocks are high."""
        rest = max(_REST_S, _REST_SHARE * self._last_s, self._limit.rest_s)
        time.sleep(rest + random.random() * _JITTER_S)

    def _disturbed(self, ran: Ran, case: Case) -> bool:
        """Whether the card waited for the host, or its power limit bit in this call."""
        bit = self._limit.bit(case.name, self._last_s)  # or the next call would be blamed
        return bit or ran.waited

    def _out(self, arm: LaunchedArm | BaselineArm, case: Case) -> torch.Tensor:
        """What the last launch left, [rows, width], in memory of our own."""
        width = case.out.shape[-1]
        if isinstance(arm, LaunchedArm):
            return self._region(arm.output, case, self._ring)[0].reshape(-1, width).clone()
        assert arm.result is not None
        return arm.result.reshape(-1, width)

    def _finding(
        self, arm: LaunchedArm | BaselineArm, case: Case, defences: Defences
    ) -> Finding | None:
        """What guards and inputs say after a call."""
        if not isinstance(arm, LaunchedArm):
            return None
        _, before, after = self._region(arm.output, case, self._ring)
        if defences.guards and not (before.equal(self._guard) and after.equal(self._guard)):
            detail = f"it wrote outside its output of shape {list(case.out.shape)}"
            return Finding(Verdict.RUNTIME_ERROR, "out-of-bounds-write", detail)
        if defences.readonly_inputs:
            for name, view in self._views(case, self._ring).items():
                if not view.view(torch.int16).equal(self._made[self._ring][name].view(torch.int16)):
                    return Finding(Verdict.RUNTIME_ERROR, "input-changed", f"it wrote into {name}")
        return None


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
        return nvml.why_void(self._before, after, rig.ours()) or rig._limit.void()


def _case(shapes: Mapping[str, Sequence[int]], name: str, params: Mapping[str, int]) -> Case:
    """A case with what the generic code reads of one; where its bytes lie `gpu.memory` says."""
    return Case(name, dict(params), (), Region("out", 0, tuple(shapes["out"])))
