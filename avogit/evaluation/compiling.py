"""A task's sources -> artefact, and for a GPU the launch plans, checked.

Owns what a builder is handed of a task, and refusing a plan. Leaves running anything to the
evaluator: this needs no device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from avogit.bench.plan import LaunchPlan, PlanRefused
from avogit.bench.plan_checks import checked_plans
from avogit.build import BUILDERS, GPU_LANGUAGES, Artefact, BuildFailure, BuildOrder
from avogit.bundle import Kernel, read_bundle
from avogit.devices import Device
from avogit.errors import AvogitError
from avogit.task import TASK_FILE, Task, Workload

_NOT_COMPILED = ("problem.py", TASK_FILE)


@dataclass(frozen=True, slots=True)
class Compiled:
    """What a build gave. `kernels` and `plans` are a GPU candidate's."""

    artefact: Artefact
    kernels: tuple[Kernel, ...] = ()
    plans: Mapping[str, LaunchPlan] = field(default_factory=dict)  # by workload


def compile_candidate(
    task: Task, files: Mapping[str, bytes], device: Device | None, store: Path
) -> Compiled | BuildFailure:
    """Build a candidate's files with the task's trusted ones. `device`: for a GPU task."""
    built = BUILDERS[task.build.language](order_for(task, files, device), store)
    if isinstance(built, BuildFailure) or device is None:
        return built if isinstance(built, BuildFailure) else Compiled(built)
    bundle = read_bundle(built.path)
    buffers = {w.name: buffer_sizes(task, w) for w in every_workload(task)}
    try:
        plans = checked_plans(bundle, buffers, device.architecture)
    except PlanRefused as refused:
        return BuildFailure(f"plan-{refused.reason}", refused.detail)
    return Compiled(built, bundle.kernels, plans)


def order_for(task: Task, files: Mapping[str, bytes], device: Device | None = None) -> BuildOrder:
    """What the builder of the task's language is handed."""
    if (device is not None) != (task.build.language in GPU_LANGUAGES):
        wanted = "names no GPU" if device is None else f"is for {device.name}"
        raise AvogitError(f"{task.name} is written in {task.build.language}, the build {wanted}")
    workloads = {w.name: dict(w.params) for w in every_workload(task)} if device else {}
    return BuildOrder(
        files={**build_files(task), **files},
        sources=task.build.sources,
        flags=task.build.flags,
        timeout_s=task.build.timeout_s,
        device=device,
        workloads=workloads,
    )


def every_workload(task: Task) -> tuple[Workload, ...]:
    """Those that are timed, and those that are only checked."""
    return (*task.workloads, *task.correctness.only_checked)


def buffer_sizes(task: Task, workload: Workload) -> dict[str, int]:
    """The bytes of a GPU task's buffers, by name."""
    return {name: buffer.nbytes(workload.params) for name, buffer in task.buffers.items()}


def build_files(task: Task) -> dict[str, bytes]:
    """The trusted files that sources may include."""
    return {n: d for n, d in trusted_files(task).items() if n not in _NOT_COMPILED}


def trusted_files(task: Task) -> dict[str, bytes]:
    """The files that make the task's version."""
    hidden = [*task.editable_files(task.files), *task.knowledge()]
    return {name: data for name, data in task.files.items() if name not in hidden}
