"""A candidate's kernels under the profiler: built as for an evaluation, on the device it names.

Owns choosing the workload and holding the device meanwhile. What is counted `bench.gpu` says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from avogit.bench.device import any_device_lock
from avogit.bench.gpu.profiling import profile as profile_plan
from avogit.bench.gpu.tools import Target
from avogit.bench.slot import gpus_like
from avogit.build import BuildFailure
from avogit.errors import AvogitError
from avogit.evaluation.compiling import buffer_sizes, compile_candidate
from avogit.evaluation.device import gpu_device
from avogit.records import Profile
from avogit.task import Task, Workload


def profile(
    task: Task,
    files: Mapping[str, bytes],
    workload: str,
    state_dir: Path,
    progress: Callable[[str], None],
) -> Profile:
    """Profile these editable files on a workload; without a name on the first that is timed."""
    device = gpu_device(task)
    if device is None:
        raise AvogitError(f"{task.name} runs on the CPU, and profiles are of kernels on a GPU")
    chosen = _workload(task, workload)
    progress("building")
    built = compile_candidate(task, files, device, state_dir / "artefacts")
    if isinstance(built, BuildFailure):
        raise AvogitError(f"it does not build, so there is nothing to profile: {built.reason}")
    launches = len(built.plans[chosen.name].launches)
    sizes = buffer_sizes(task, chosen)
    with any_device_lock(progress, gpus_like(device.name)) as gpu:
        progress(f"profiling {chosen.name}")
        target = Target(built.artefact.path, chosen.name, device.name, sizes, gpu)
        return profile_plan(target, launches)


def _workload(task: Task, name: str) -> Workload:
    known = {workload.name: workload for workload in task.workloads}
    if name and name not in known:
        raise AvogitError(f"{task.name} times no workload {name!r}; it times: {', '.join(known)}")
    return known[name] if name else task.workloads[0]
