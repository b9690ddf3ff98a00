"""What calls read and write on a GPU: the ring of inputs, outputs with poison and guards.

Owns what is in that memory before a call, and what a look at it says afterwards. Where tensors
lie is `gpu.memory`'s; when what is called is `gpu.rig`'s.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterable, Mapping, Sequence

import torch

from avogit.bench.checks import Finding
from avogit.bench.gpu.frames import LaunchCase, Load
from avogit.bench.gpu.memory import (
    GUARD,
    OUTPUT,
    Memory,
    input_bytes,
    input_name,
    lay_out,
    output_bytes,
)
from avogit.bench.gpu.opening import scrub_bytes
from avogit.bench.gpu.windows import RING
from avogit.bench.problem import GpuProblem, Tensors
from avogit.bench.protocol import Case, Defences, Region, TaskSpec, WorkloadSpec
from avogit.records import Verdict

_NAN, _PAYLOAD = {torch.bfloat16: 0x7FC0, torch.float16: 0x7E00}, 63


class Buffers:
    """Of one oracle: room for any one of the task's cases, in every place of the ring."""

    def __init__(
        self, problem: GpuProblem, spec: TaskSpec, workloads: Sequence[WorkloadSpec]
    ) -> None:
        names = spec.arguments[: spec.arguments.index("out")]
        self._problem = problem
        self._laid = [lay_out(workload, names, RING) for workload in workloads]
        self.cases = [_case(problem, workload) for workload in workloads]
        self._index = {id(case): index for index, case in enumerate(self.cases)}
        self._inputs = [Memory(input_bytes(self._laid)) for _ in range(RING)]
        self._made: list[Tensors] = [{} for _ in range(RING)]
        self._outputs: list[Memory] = []
        self._guard = torch.randint(0, 256, (GUARD,), dtype=torch.uint8, device="cuda")
        self._scrub = torch.empty(scrub_bytes(), dtype=torch.uint8, device="cuda")
        self.ring = 0  # the place that was filled last

    def index(self, case: Case) -> int:
        """By what number launchers know a case."""
        return self._index[id(case)]

    def fill(self, case: Case, kind: str, seeds: Mapping[int, int]) -> Tensors:
        """Write new inputs into places of the ring, each by its seed. Gives the last ones' copy."""
        made: Tensors = {}
        for ring, seed in seeds.items():
            generator = torch.Generator(device="cuda")
            generator.manual_seed(seed)
            made = self._problem.make_inputs(dict(case.params), kind, generator)
            for name, view in self.views(case, ring).items():
                view.copy_(made[name])
            self._made[ring] = made
            self.ring = ring
        return made

    def views(self, case: Case, ring: int) -> Tensors:
        """The inputs of a case as launchers see them."""
        places = self._laid[self.index(case)].rings[ring]
        shapes = self._problem.shapes(dict(case.params))
        dtype, memory = self._problem.dtype(dict(case.params)), self._inputs[ring]
        return {n: memory.view(p, dtype, shapes[n]) for n, p in places.items() if n != "out"}

    def outputs(self, count: int, seed: int) -> list[Memory]:
        """So many, in an order that no launcher can tell."""
        while len(self._outputs) < count:
            self._outputs.append(Memory(output_bytes(self._laid)))
        return random.Random(seed).sample(self._outputs, count)

    def load(self, bundle: str, device: str, output: Memory, fill: int) -> Load:
        """What tells a launcher to load a bundle, and what memory to map for it."""
        arenas = {input_name(ring): memory.arena for ring, memory in enumerate(self._inputs)}
        every = {**arenas, OUTPUT: output.arena}
        return Load(bundle, device, every, tuple(self._laid), fill & 0xFFFFFFFF)

    def poison(self, output: Memory, case: Case, rings: Iterable[int], *, fill: bool) -> int | None:
        """Set guards, and where `fill` says so poison between them: gives its word."""
        dtype = self._problem.dtype(dict(case.params))
        word = _NAN[dtype] | (1 + secrets.randbelow(_PAYLOAD)) if fill else None
        for ring in rings:
            out, before, after = self._region(output, case, ring)
            if word is not None:
                out.view(torch.int16).fill_(word)
            before.copy_(self._guard)
            after.copy_(self._guard)
        return word

    def empty_cache(self) -> None:
        """Leave nothing of the task's in the second-level cache, and wait until that is done."""
        # What was read leaves the cache for nothing; what was written is written back meanwhile.
        self._scrub.fill_(secrets.randbelow(256))
        self._scrub.view(torch.int64).sum()
        torch.cuda.synchronize()

    def out(self, output: Memory, case: Case) -> torch.Tensor:
        """What the last launch left, [rows, width], in memory of our own."""
        return self._region(output, case, self.ring)[0].reshape(-1, case.out.shape[-1]).clone()

    def finding(self, output: Memory, case: Case, defences: Defences) -> Finding | None:
        """What guards and inputs say after a call."""
        _, before, after = self._region(output, case, self.ring)
        if defences.guards and not (before.equal(self._guard) and after.equal(self._guard)):
            detail = f"it wrote outside its output of shape {list(case.out.shape)}"
            return Finding(Verdict.RUNTIME_ERROR, "out-of-bounds-write", detail)
        if defences.readonly_inputs:
            for name, view in self.views(case, self.ring).items():
                if not view.view(torch.int16).equal(self._made[self.ring][name].view(torch.int16)):
                    return Finding(Verdict.RUNTIME_ERROR, "input-changed", f"it wrote into {name}")
        return None

    def largest(self, cases: Iterable[Case]) -> LaunchCase:
        """Where the tensors of that one lie which has the largest output."""
        laid = (self._laid[self.index(case)] for case in cases)
        return max(laid, key=lambda case: case.rings[0]["out"].nbytes)

    def _region(
        self, memory: Memory, case: Case, ring: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """An output as a flat tensor, and the guards before and after it."""
        place = self._laid[self.index(case)].rings[ring]["out"]
        end = place.offset + place.nbytes
        return (
            memory.bytes[place.offset : end].view(self._problem.dtype(dict(case.params))),
            memory.bytes[place.offset - GUARD : place.offset],
            memory.bytes[end : end + GUARD],
        )


def _case(problem: GpuProblem, workload: WorkloadSpec) -> Case:
    """A case with what the generic code reads of one; where its bytes lie `gpu.memory` says."""
    shapes = problem.shapes(dict(workload.params))
    return Case(workload.name, dict(workload.params), (), Region("out", 0, tuple(shapes["out"])))
