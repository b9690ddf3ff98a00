"""What the oracle measures with on a CPU: shared buffers, zygotes, processors.

Owns filling inputs, poisoning and taking outputs, and starting and ending runners. Leaves the
order of calls to `correctness` and `timing`.
"""

from __future__ import annotations

import contextlib
import gc
import os
import random
import secrets
import socket
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from avogit.bench import baseline, buffers, zygote
from avogit.bench.arms import Runner
from avogit.bench.buffers import GUARD, Shared
from avogit.bench.checks import Finding
from avogit.bench.problem import Problem, load_problem
from avogit.bench.protocol import Case, Defences, Order, Spawn, TaskSpec, WorkloadSpec
from avogit.bench.rig import Answer, Seeds
from avogit.processes import die_with_parent, program
from avogit.processor import processor_name
from avogit.records import BASELINE, Verdict
from avogit.sandbox import SYSTEM_LIBRARIES

_LATE_S = 0.02
_CALL_OVERHEAD, _ROUND_S = 1.2, 0.001  # inputs and checks, beside the calls themselves
_OVERHEAD_CALLS = 15
_QUIET_NAN, _PAYLOAD_BITS = 0x7FC00000, 22


@dataclass(slots=True)
class Slot:
    """An output buffer. Arms change slots from block to block, so none owns a lucky page."""

    shared: Shared
    guard: torch.Tensor
    poison: int = 0


class _NothingToWatch:
    """A busy processor is seen call by call (`Timed.disturbed`), not block by block."""

    def void(self) -> str:
        return ""


class CpuRig:
    """Open for the life of an oracle."""

    patience_s = 1.0
    yardstick = False
    regime = ""
    warms = False
    repeated_share = 0.2  # on a busy machine more of it does not help
    again_share = 0.0  # there is time for several rounds of all

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec
        _go_first()  # before the zygotes: what they fork inherits it
        self.runners = _start_zygote()
        self.problem = load_problem(spec.folder)
        self.baselines = _fork_baselines(self.problem)
        cut = spec.arguments.index("out")
        self.timed = [self._case(w, spec.arguments[:cut]) for w in spec.workloads]
        self.shapes = [self._case(w, spec.arguments[:cut]) for w in spec.shapes]
        self.held_out = [self._case(w, spec.arguments[:cut]) for w in spec.held_out]
        self.cases = [*self.timed, *self.shapes, *self.held_out]
        self._index = {id(case): index for index, case in enumerate(self.cases)}
        self.inputs = buffers.create_sealed(buffers.input_bytes(self.cases))
        self._open_inputs = buffers.create(self.inputs.size)
        self._slots: list[Slot] = []
        self._overheads: dict[str, float] = {}  # by the artefact of the kernel that does nothing
        self.oracle_core, self.runner_cores = _share_out_cores(spec.threads)
        os.sched_setaffinity(0, {self.oracle_core})

    def _case(self, workload: WorkloadSpec, inputs: Sequence[str]) -> Case:
        shapes = self.problem.shapes(dict(workload.params))
        return buffers.lay_out(workload.name, workload.params, shapes, inputs)

    def fill(self, case: Case, kind: str, seed: int, defences: Defences) -> dict[str, torch.Tensor]:
        """Write new inputs for every arm. Gives the oracle's own copy of them."""
        generator = torch.Generator().manual_seed(seed if defences.fresh_inputs else 1)
        made = self.problem.make_inputs(dict(case.params), kind, generator)
        memory = self._memory(defences).view
        views = {region.name: baseline.tensor(memory, region) for region in case.inputs}
        for name, view in views.items():
            view.copy_(made[name])
        return made if defences.readonly_inputs else views

    def assemble(self, artefacts: Mapping[str, str]) -> None:
        """Nothing: zygotes fork in no time."""

    @contextlib.contextmanager
    def started(
        self, artefacts: Mapping[str, str], seeds: Seeds, defences: Defences, read: Sequence[str]
    ) -> Iterator[dict[str, tuple[Runner, Slot]]]:
        """Fresh processes for these arms (name -> artefact; the baseline has none)."""
        while len(self._slots) < len(artefacts):
            self._slots.append(_new_slot(buffers.output_bytes(self.cases)))
        slots = random.Random(seeds.next()).sample(self._slots, len(artefacts))
        arms: dict[str, tuple[Runner, Slot]] = {}
        try:
            for name, slot in zip(seeds.shuffled(list(artefacts)), slots, strict=True):
                runner = self._spawn(name, artefacts[name], slot, defences, read)
                arms[name] = (runner, slot)
            for runner, _ in arms.values():
                runner.wait_ready(defences)
            yield arms
        finally:
            for runner, _ in arms.values():
                runner.kill()
            for runner, _ in arms.values():
                runner.wait_ended()
            gc.collect()

    def call(
        self, arm: tuple[Runner, Slot], case: Case, timeout_s: float, defences: Defences
    ) -> Answer:
        """One timed call of an arm on the inputs of now."""
        runner, slot = arm
        out, before, after = _views(slot, case)
        if defences.poison:
            slot.poison = _QUIET_NAN | (1 + secrets.randbelow((1 << _PAYLOAD_BITS) - 1))
            out.view(torch.int32).fill_(slot.poison)
        before.copy_(slot.guard)
        after.copy_(slot.guard)
        timed = runner.call(self._index[id(case)], timeout_s, defences)
        if not defences.stop_at_done:
            time.sleep(_LATE_S)  # as a harness does that looks when all calls are made
        finding, poison = None, slot.poison if defences.poison else None
        if defences.guards and not (before.equal(slot.guard) and after.equal(slot.guard)):
            finding = Finding(
                Verdict.RUNTIME_ERROR,
                "out-of-bounds-write",
                f"it wrote outside its output of shape {list(case.out.shape)}",
            )
        width = case.out.shape[-1]
        return Answer(timed, out.reshape(-1, width).clone(), poison, finding)

    def cost_s(self, calls_s: Sequence[float]) -> float:
        """What calling all arms once takes, with all that goes around it. Seconds."""
        return sum(calls_s) * _CALL_OVERHEAD + _ROUND_S

    def watch(self) -> _NothingToWatch:
        """A block begins."""
        return _NothingToWatch()

    def overhead_us(self, order: Order) -> float:
        """What go, done and stop cost: the median time of a kernel of ours that does nothing."""
        if order.noop in self._overheads:
            return self._overheads[order.noop]
        defences, case = Defences(), self.timed[0]
        with self.started({"noop": order.noop}, Seeds(), defences, order.library_dirs) as arms:
            times = [
                self.call(arms["noop"], case, 10.0, defences).timed.ns
                for _ in range(_OVERHEAD_CALLS)
            ]
        self._overheads[order.noop] = round(statistics.median(times) / 1e3, 2)
        return self._overheads[order.noop]

    def prove(self, arm: object, case: Case, call_ns: int, timeout_s: float) -> None:
        """The clock is the oracle's own: there is no other to hold it against."""

    def device_name(self) -> str:
        """The processor."""
        return processor_name()

    def facts(self) -> dict[str, object]:
        """Nothing: what disturbs a processor is seen call by call."""
        return {}

    def begin(self, order: Order, progress: Callable[[str], None]) -> None:
        """Nothing to do: every block has processes of its own."""

    def audit(self, artefact: str, progress: Callable[[str], None]) -> None:
        """There is no checker of memory that a compiled kernel could run under."""

    def finish(self, *, well: bool) -> None:
        """Nothing is left: they end with their block."""

    def most_gflops(self, case: Case) -> float:
        """What no kernel can exceed."""
        return self.spec.max_gflops * self.spec.threads

    def _memory(self, defences: Defences) -> Shared:
        return self.inputs if defences.readonly_inputs else self._open_inputs

    def _spawn(
        self, name: str, artefact: str, slot: Slot, defences: Defences, read: Sequence[str]
    ) -> Runner:
        memory = self._memory(defences)
        spawn = Spawn(
            artefact=artefact,
            entry=self.spec.entry,
            arguments=self.spec.arguments,
            cases=tuple(self.cases),
            input_bytes=memory.size,
            output_bytes=slot.shared.size,
            cores=self.runner_cores,
            threads=self.spec.threads,
            read=(*SYSTEM_LIBRARIES, *read),
            writable_inputs=not defences.readonly_inputs,
            layers=defences.layers(),
        )
        zygote_of = self.baselines if name == BASELINE else self.runners
        return Runner(name, zygote_of, spawn, (memory.fd, slot.shared.fd))


def _start_zygote() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = program("avogit.bench.runner", str(theirs.fileno()), bare=True)
    null = subprocess.DEVNULL
    subprocess.Popen(command, stdin=null, stdout=null, pass_fds=[theirs.fileno()], env={})
    theirs.close()
    return ours


def _fork_baselines(problem: Problem) -> socket.socket:
    """A zygote with torch and the problem loaded, forked before anything secret exists."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        die_with_parent()
        ours.close()
        os.closerange(3, theirs.fileno())  # our streams to avogit, and the other zygote's
        os.closerange(theirs.fileno() + 1, 4096)
        zygote.serve(theirs, lambda spawn, fds: baseline.run(problem, spawn, fds))
        os._exit(0)
    theirs.close()
    return ours


def _go_first() -> None:
    """Before other processes on the machine, where the user may ask for that (root may).

    Where Linux groups processes by session, a priority counts inside the group alone, and the
    group has one of its own; the oracle leads a session, so that group is ours. Never in real
    time: a kernel that hangs would keep the system itself from its work.
    """
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -20)
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):
            Path("/proc/self/autogroup").write_text("-20")


def _share_out_cores(threads: int) -> tuple[int, tuple[int, ...]]:
    """One core for the oracle, others for the runners where there are others."""
    cores = sorted(os.sched_getaffinity(0))
    others = cores[1:] or cores
    return cores[0], tuple(others[: max(1, threads)])


def _new_slot(size: int) -> Slot:
    return Slot(buffers.create(size), torch.randint(-(1 << 31), 1 << 31, (GUARD // 4,)).int())


def _views(slot: Slot, case: Case) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The output, and the guards before and after it."""
    memory = slot.shared.view
    end = case.out.offset + buffers.nbytes(case.out)
    words = GUARD // 4
    before = torch.frombuffer(memory, dtype=torch.int32, count=words)
    after = torch.frombuffer(memory, dtype=torch.int32, count=words, offset=end)
    return baseline.tensor(memory, case.out), before, after
