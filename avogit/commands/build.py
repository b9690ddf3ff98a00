"""`avogit build`: compile a task folder as it lies on disk, for a device that need not be here.

Owns finding the folder. Nothing is measured or recorded: this is for whoever edits a kernel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from avogit import resources, store
from avogit.bench.plan import LaunchPlan
from avogit.build import GPU_LANGUAGES, BuildFailure
from avogit.build.counting import with_instructions
from avogit.bundle import Kernel
from avogit.config import load_config
from avogit.devices import find_device
from avogit.errors import AvogitError
from avogit.evaluation.compiling import compile_candidate
from avogit.session import Progress
from avogit.task import Task, parse_task


@dataclass(frozen=True, slots=True)
class Compilation:
    """What a build gave, or why it gave nothing: `reason` is empty where it did."""

    task: str
    device: str  # empty for the CPU
    target: str
    compiler: str = ""
    reason: str = ""
    detail: str = ""
    kernels: tuple[Kernel, ...] = ()
    plans: Mapping[str, LaunchPlan] = field(default_factory=dict)  # by workload


def build(path: Path, folder: Path | None, device: str, progress: Progress) -> Compilation:
    """Compile the folder's task; for a GPU task, plan and check every workload's launches."""
    repo = store.open_repository(path)
    task = _task(repo, folder)
    gpu = find_device(device) if task.build.language in GPU_LANGUAGES else None
    progress(f"building {task.name}")
    files = task.editable_files(task.files)
    found = compile_candidate(task, files, gpu, repo.state_dir / "artefacts")
    empty = Compilation(
        task=task.name,
        device=gpu.name if gpu else "",
        target=gpu.architecture.target if gpu else "",
    )
    if isinstance(found, BuildFailure):
        return replace(empty, reason=found.reason, detail=found.output)
    kernels = with_instructions(found.kernels, found.artefact) if gpu else ()
    compiler = found.artefact.compiler
    return replace(empty, compiler=compiler, kernels=kernels, plans=found.plans)


def _task(repo: store.Repository, folder: Path | None) -> Task:
    """The task of a folder, else the one that avogit.yaml names, as they lie on disk."""
    if folder is None:
        if repo.root is None:
            raise AvogitError("this is a bare repository: name a task folder to build")
        folder = repo.root / load_config(repo.root).task
    if not folder.is_dir():
        raise AvogitError(f"{folder} is no folder: name a task's, as `avogit tasks` lists them")
    return parse_task(str(folder), resources.folder_files(folder))
