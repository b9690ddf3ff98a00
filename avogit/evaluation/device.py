"""Which device measures: what a GPU task is built for, and the class that names populations.

Leaves the lock on it to `bench.device`.
"""

from __future__ import annotations

import importlib.util
import re

from avogit.build import GPU_LANGUAGES
from avogit.devices import Device, device_called, find_device
from avogit.errors import AvogitError
from avogit.processor import processor_name
from avogit.task import Task

_SLUG_LIMIT = 32


def device_class(task: Task, named: str = "") -> str:
    """A slug for population names: scores are compared within it only."""
    gpu = gpu_device(task, named)
    if gpu is not None:
        return gpu.name
    name = processor_name() + (f" {task.threads}t" if task.threads > 1 else "")
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return slug[:_SLUG_LIMIT].strip("-") or "cpu"


def gpu_device(task: Task, named: str = "") -> Device | None:
    """What a GPU task is built for and measured on: this machine's card. None for a CPU task.

    `named`: a GPU that need not be in this machine.
    """
    if task.build.language not in GPU_LANGUAGES:
        if named:
            raise AvogitError(
                f"{task.name} runs on a CPU, not on {named}: leave out `--device`, and `device:`"
                " below `bench:` in avogit.yaml"
            )
        return None
    return find_device(named) if named else device_called(gpu_name(task))


def gpu_name(task: Task) -> str:
    """What the driver calls this machine's card."""
    missing = [n for n in ("pynvml", "cuda.bindings") if not _is_installed(n)]
    if missing:
        raise AvogitError(
            f"{task.name} runs on an NVIDIA GPU; measuring there needs `pip install 'avogit[gpu]'`"
        )
    from avogit.bench.gpu.nvml import gpus

    found = gpus()
    if not found:
        raise AvogitError(
            f"{task.name} runs on an NVIDIA GPU, and no driver or card was found here;"
            " `avogit job export` measures elsewhere, and `avogit tasks` lists tasks for the CPU"
        )
    return found[0].name


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its package is not there either
        return False
