"""`avogit selftest`: the known cheats and honest oddities, on this machine and device.

Owns running them one after another and comparing verdicts with `corpus`. It is the evaluator of
every day that judges them; no defence is switched off.
"""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from avogit.corpus import PASSES, Specimen, cpu_specimens, cpu_task, gpu_specimens, gpu_task, is_met
from avogit.errors import AvogitError
from avogit.evaluation import Evaluator, Source
from avogit.evaluation.device import gpu_device
from avogit.records import INCUMBENT, Evaluation
from avogit.sandbox import probe
from avogit.session import Progress
from avogit.task import Task

DEVICES = ("cpu", "gpu")
BUDGETS_S = {"cpu": 1.0, "gpu": 6.0}
_CONFIDENCE = 0.99
_NO_TREE = "0" * 40
# A cheat that passes may not be surely faster than the honest kernel by this much.
_GAINS = {"cpu": 1.1, "gpu": 1.02}
_TRIES, _BUSY = 3, ("too-noisy", "out-of-time", "too-many-voids", "host-stalls")


@dataclass(frozen=True, slots=True)
class Tried:
    """One kernel, and what became of it."""

    name: str
    cheats: tuple[str, ...]  # numbers in docs/measuring.md; none for an honest kernel
    expected: str
    found: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class SelfTest:
    """All that were tried. `problems`: what got out of the sandbox."""

    device: str
    tried: tuple[Tried, ...]
    skipped: tuple[str, ...]  # made for a newer device
    sandbox: tuple[str, ...]
    certified: bool
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return all(tried.ok for tried in self.tried)


def selftest(device: str, only: Sequence[str], progress: Progress) -> SelfTest:
    """Try those of these names, or all. `device`: one of `DEVICES`."""
    task = gpu_task() if device == "gpu" else cpu_task()
    chosen = _chosen(task, gpu_specimens() if device == "gpu" else cpu_specimens(), only)
    able = [kernel for kernel in chosen if kernel.capability <= _capability(task)]
    report = probe()
    with (
        tempfile.TemporaryDirectory() as state,
        Evaluator(task, state_dir=Path(state), confidence=_CONFIDENCE) as evaluator,
    ):
        progress("building")
        build_together(evaluator, able)
        tried = []
        for number, kernel in enumerate(able, start=1):
            progress(f"{number}/{len(able)} {kernel.name}")
            rivals = beside_honest(kernel, task)
            found = evaluate(evaluator, kernel, rivals, BUDGETS_S[device])
            tried.append(_tried(kernel, found, is_faster(found, device)))
        name = evaluator.device()
    return SelfTest(
        device=name,
        tried=tuple(tried),
        skipped=tuple(kernel.name for kernel in chosen if kernel not in able),
        sandbox=report.layers,
        certified=report.certified,
        problems=report.problems,
    )


def build_together(evaluator: Evaluator, kernels: Sequence[Specimen]) -> None:
    """Compile on all processors at once; artefacts are kept, so evaluations find them."""
    sources = [Source(_NO_TREE, kernel.files) for kernel in kernels]
    with ThreadPoolExecutor() as pool:
        list(pool.map(evaluator.build, sources))


def evaluate(
    evaluator: Evaluator, kernel: Specimen, rivals: Mapping[str, Source], budget_s: float
) -> Evaluation:
    """A quick evaluation. A machine too busy to time gets another go."""
    source = Source(_NO_TREE, kernel.files)
    for _ in range(_TRIES):
        found = evaluator.evaluate(source, rivals, sample="quick", budget_s=budget_s)
        if found.reason not in _BUSY:
            break
    return found


def beside_honest(kernel: Specimen, task: Task) -> dict[str, Source]:
    """An honest kernel, for a cheat that passes to be compared with."""
    own = Source(_NO_TREE, kernel.twin or task.editable_files(task.files))
    return {INCUMBENT: own} if kernel.harmless else {}


def is_faster(found: Evaluation, device: str) -> bool:
    """Whether it is surely faster than the honest kernel beside it."""
    return INCUMBENT in found.versus and found.versus[INCUMBENT].low >= _GAINS[device]


def _chosen(task: Task, kernels: Sequence[Specimen], only: Sequence[str]) -> list[Specimen]:
    seed = Specimen("seed", (), task.editable_files(task.files), PASSES)
    known = {kernel.name: kernel for kernel in (*kernels, seed)}
    for name in only:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.2)
            like = f"; like it: {', '.join(near)}" if near else ""
            raise AvogitError(f"no cheat or honest kernel is called {name}{like}")
    return [kernel for name, kernel in known.items() if not only or name in only]


def _capability(task: Task) -> int:
    device = gpu_device(task)
    return device.architecture.capability if device else 0


def _tried(kernel: Specimen, found: Evaluation, faster: bool) -> Tried:
    verdict = found.verdict.value
    said = f"{verdict} {found.reason}".strip()
    return Tried(
        name=kernel.name,
        cheats=kernel.cheats,
        expected=kernel.expect,
        found=f"{said}, and is faster" if faster else said,
        ok=is_met(kernel.expect, verdict, found.reason) and not faster,
        detail=found.detail,
    )
