"""`Evaluator.evaluate`: source files -> `Evaluation`.

Owns the order of things: what a tree may hold, then builds, then the device's slot. Leaves the
oracle's life to `slot`, judging to the oracle (`bench`), and what a verdict means for a line
to `acceptance`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from avogit.bench.protocol import ArmSpec, Defences, Order, TaskSpec, WorkloadSpec
from avogit.bench.slot import DeviceSlot, Judged, Slot
from avogit.bench.ssh import Reach, SshSlot
from avogit.bench.version import evaluator_version
from avogit.build import BUILDERS, NOOPS, Artefact, BuildFailure
from avogit.build.counting import with_instructions
from avogit.bundle import Kernel
from avogit.devices import Device, device_called
from avogit.errors import AvogitError
from avogit.evaluation.compiling import (
    Compiled,
    buffer_sizes,
    build_files,
    compile_candidate,
    trusted_files,
)
from avogit.evaluation.device import gpu_device
from avogit.evaluation.results import Setting, failed, from_report
from avogit.processor import processor_name
from avogit.records import CANDIDATE, INCUMBENT, Evaluation, Verdict
from avogit.sandbox import probe
from avogit.task import TASK_FILE, Task, Workload

_SAFE_NAME = re.compile(r"(?!/)(?!.*(?:^|/)\.\.?(?:/|$))[A-Za-z0-9_./+-]{1,200}")
_LARGEST_SOURCE = 4 << 20
_SUSTAINED_SHARE = 3.0  # of a confirmation's budget: at the power limit times spread more


@dataclass(frozen=True, slots=True)
class Source:
    """The editable files of the task's folder at one tree."""

    tree: str
    files: Mapping[str, bytes]


@dataclass(slots=True)
class _Arms:
    """What is measured beside the candidate: arm -> artefact, and the names each goes by."""

    artefacts: dict[str, Artefact] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)

    def deciding(self) -> str:
        return next((arm for arm, names in self.names.items() if INCUMBENT in names), "")


@dataclass(frozen=True, slots=True)
class Prepared:
    """An evaluation that is built, and only waits for a device."""

    order: Order
    names: Mapping[str, list[str]]  # measured arm -> the names it goes by
    setting: Setting
    compiled: Compiled


class Evaluator:
    """Evaluates candidates of one task: on a slot that is lent to it, a host's, or its own."""

    def __init__(
        self,
        task: Task,
        *,
        state_dir: Path,
        confidence: float,
        progress: Callable[[str], None] | None = None,
        slot: Slot | None = None,
        reach: Reach | None = None,
        device: str = "",
        busy_wait_s: float = 0.0,
    ) -> None:
        if task.build.language not in BUILDERS:
            known = ", ".join(BUILDERS)
            raise AvogitError(
                f"{task.path}/{TASK_FILE}: no builder for language `{task.build.language}`;"
                f" there is: {known}"
            )
        self._task = task
        self._state_dir = state_dir
        self._confidence = confidence
        self._busy_wait_s = busy_wait_s
        self._gpu = gpu_device(task, device)
        self._progress = progress or (lambda text: None)
        self.defences = Defences()  # tests switch one off to show what it is good for
        self.slot: Slot = slot or self._own_slot(reach)

    def __enter__(self) -> Evaluator:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def device(self) -> str:
        """The device's name, for people."""
        return self._gpu.name if self._gpu else processor_name()

    def is_on(self, device: str) -> bool:
        """Whether what an oracle calls so is the device that this measures on."""
        if self._gpu is None:
            return device == processor_name()
        with contextlib.suppress(AvogitError):  # one that avogit does not know is another
            return device_called(device) == self._gpu
        return False

    def close(self) -> None:
        """End the oracle and all that it started."""
        self.slot.close()

    def build(self, candidate: Source) -> str:
        """Why these files do not build, in the compiler's words; empty where they do."""
        refusal = refuse(self._task, candidate.files)
        if refusal:
            return refusal
        self._progress("building")
        built = self._build(candidate)
        return f"{built.reason}\n{built.output}" if isinstance(built, BuildFailure) else ""

    def evaluate(
        self,
        candidate: Source,
        rivals: Mapping[str, Source],
        *,
        sample: str = "deciding",
        budget_s: float,
    ) -> Evaluation:
        """The verdict on a candidate, timed beside its rivals and the baseline.

        `sample`: deciding (stops when it is decided), fresh or confirmation (uses its budget),
        quick (a few blocks, for drafts).
        """
        prepared = self.prepare(candidate, rivals, sample=sample, budget_s=budget_s)
        if isinstance(prepared, Evaluation):
            return prepared
        return conclude(prepared, self.slot.judge(prepared.order, self._progress))

    def prepare(
        self,
        candidate: Source,
        rivals: Mapping[str, Source],
        *,
        sample: str,
        budget_s: float,
    ) -> Prepared | Evaluation:
        """What the oracle is to be asked; or the verdict, where there is nothing to ask."""
        stages: dict[str, float] = {}
        setting = self._setting(candidate.tree, sample, stages)
        refusal = refuse(self._task, candidate.files)
        if refusal:
            return failed(setting, Verdict.REFUSED, "not-editable", refusal)
        started = time.monotonic()
        self._progress("building")
        built = self._build(candidate)
        if isinstance(built, BuildFailure):
            stages["build"] = round(time.monotonic() - started, 4)
            return failed(setting, Verdict.COMPILE_ERROR, built.reason, built.output)
        arms = self._arms(rivals)
        noop = self._noop()
        stages["build"] = round(time.monotonic() - started, 4)
        if isinstance(arms, str) or isinstance(noop, BuildFailure):
            what = arms if isinstance(arms, str) else "avogit's own no-op kernel does not build"
            return failed(setting, Verdict.UNMEASURED, "rival-failed", what)
        artefacts = {CANDIDATE: built.artefact, **arms.artefacts}
        order = Order(
            arms=tuple(ArmSpec(name, str(a.path)) for name, a in artefacts.items()),
            rival=arms.deciding(),
            sample=sample,
            budget_s=budget_s,
            confidence=self._confidence,
            noop=str(noop.path) if noop else "",
            library_dirs=built.artefact.library_dirs,
            defences=self.defences,
            busy_wait_s=self._busy_wait_s,
            **self._on_gpu(sample, budget_s),
        )
        notes: dict[str, object] = {
            "artefacts": {name: a.sha256 for name, a in artefacts.items()},
            "compiler": built.artefact.compiler,
            **_described(built.kernels),
        }
        return Prepared(order, arms.names, replace(setting, notes=notes), built)

    def spec(self) -> TaskSpec:
        """What an oracle is told of this task."""
        return task_spec(self._task, self._state_dir, self._gpu)

    def _own_slot(self, reach: Reach | None) -> Slot:
        if reach is not None:
            return SshSlot(self._task.path, self.spec, reach)
        return DeviceSlot(self._task.path, self.spec)

    def _arms(self, rivals: Mapping[str, Source]) -> _Arms | str:
        """Rivals' artefacts; equal sources share one. Text where one does not build any more."""
        arms = _Arms()
        seen: dict[tuple[tuple[str, bytes], ...], str] = {}
        for name, source in rivals.items():
            key = tuple(sorted(source.files.items()))
            if key not in seen:
                built = self._build(source)
                if isinstance(built, BuildFailure):
                    return f"the {name} ({source.tree[:10]}) does not build: {built.output}"
                seen[key] = f"rival-{len(seen)}"
                arms.artefacts[seen[key]] = built.artefact
            arms.names.setdefault(seen[key], []).append(name)
        return arms

    def _build(self, source: Source) -> Compiled | BuildFailure:
        return compile_candidate(self._task, source.files, self._gpu, self._state_dir / "artefacts")

    def _noop(self) -> Artefact | BuildFailure | None:
        """A kernel of ours that does nothing, where the language has one."""
        make = NOOPS.get(self._task.build.language)
        if make is None:
            return None
        order = make(self._task.entry)
        return BUILDERS[self._task.build.language](order, self._state_dir / "artefacts")

    def _on_gpu(self, sample: str, budget_s: float) -> dict[str, Any]:
        """What a confirmation on a GPU asks for beside the rest."""
        if self._gpu is None or sample != "confirmation":
            return {}
        sustained_s = _SUSTAINED_SHARE * budget_s
        return {"beside": self._task.beside, "sustained_s": sustained_s, "audit": True}

    def _setting(self, tree: str, sample: str, stages: Mapping[str, float]) -> Setting:
        report = probe()
        return Setting(
            tree=tree,
            sample=sample,
            device=self.device(),
            baseline=self._task.baseline,
            evaluator=evaluator_version(),
            sandbox=report.layers,
            certified=report.certified and self.defences == Defences(),
            stages_s=stages,
            notes={},
        )


def conclude(prepared: Prepared, judged: Judged) -> Evaluation:
    """An oracle's report on what was prepared, as an evaluation: it says where it measured."""
    report, oracle = judged.report, judged.oracle
    stages = {**prepared.setting.stages_s, **report.stages_s}
    beside = judged.seconds - sum(report.stages_s.values())  # starting the oracle, above all
    stages["start"] = round(stages["start"] + beside, 4)
    notes = dict(prepared.setting.notes)
    kernels = prepared.compiled.kernels
    if kernels and report.verdict == Verdict.PASSED.value:
        notes |= _described(with_instructions(kernels, prepared.compiled.artefact))
    setting = replace(
        prepared.setting,
        baseline=oracle.baseline,
        device=oracle.device,
        sandbox=oracle.sandbox,
        certified=oracle.certified and prepared.setting.certified,
        stages_s=stages,
        notes=notes,
    )
    return from_report(report, prepared.names, setting)


def _described(kernels: Sequence[Kernel]) -> dict[str, object]:
    """What a record says of a GPU candidate's kernels."""
    return {"kernels": [dataclasses.asdict(kernel) for kernel in kernels]} if kernels else {}


def refuse(task: Task, files: Mapping[str, bytes]) -> str:
    """Why these files may not be built; empty where they may."""
    for name, data in files.items():
        if not _SAFE_NAME.fullmatch(name):
            return f"{name!r} is not a plain path"
        if not task.is_editable(name):
            return f"{name} is not editable in this task"
        if len(data) > _LARGEST_SOURCE:
            return f"{name} has {len(data)} bytes, at most {_LARGEST_SOURCE} are taken"
    missing = [name for name in task.build.sources if name not in {**build_files(task), **files}]
    return f"{missing[0]} is missing" if missing else ""


def task_spec(task: Task, state_dir: Path, gpu: Device | None) -> TaskSpec:
    """What the oracle is told of a task; its trusted files are written out."""
    return TaskSpec(
        folder=str(write_trusted(task, state_dir / "tasks")),
        entry=task.entry,
        arguments=task.arguments,
        workloads=_specs(task, task.workloads),
        shapes=_specs(task, task.correctness.shapes),
        held_out=_specs(task, task.correctness.held_out),
        row_rmse=task.correctness.row_rmse,
        threads=task.threads,
        max_gflops=task.max_gflops,
        call_timeout_s=task.call_timeout_s,
        device=gpu.name if gpu else "",
    )


def write_trusted(task: Task, store: Path) -> Path:
    """The folder that holds the task's trusted files as committed, and nothing else."""
    files = trusted_files(task)
    folder = store / task.version.removeprefix("sha256:")
    if folder.is_dir() and all(_holds(folder / name, data) for name, data in files.items()):
        return folder
    store.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".new-", dir=store))
    for name, data in files.items():
        path = scratch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    shutil.rmtree(folder, ignore_errors=True)
    scratch.rename(folder)
    return folder


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except OSError:
        return False


def _specs(task: Task, workloads: tuple[Workload, ...]) -> tuple[WorkloadSpec, ...]:
    return tuple(WorkloadSpec(w.name, dict(w.params), buffer_sizes(task, w)) for w in workloads)
