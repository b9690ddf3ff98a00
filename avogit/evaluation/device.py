"""Which device measures: what a GPU task is built for, and the class that names populations.

Leaves the lock on it to `bench.device`.
"""

from __future__ import annotations

import re

from avogit.build import GPU_LANGUAGES
from avogit.devices import Device, find_device
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
    """What a GPU task is built for and measured on; None for a CPU task.

    `named`: a GPU that need not be in this machine.
    """
    if task.build.language not in GPU_LANGUAGES:
        if named:
            raise AvogitError(
                f"{task.name} runs on a CPU, not on {named}: leave out `--device`, and `device:`"
                " below `bench:` in avogit.yaml"
            )
        return None
    if named:
        return find_device(named)
    raise AvogitError(
        f"{task.name} runs on an NVIDIA GPU, where this version cannot measure yet;"
        " a task for the CPU can be measured here: `avogit tasks`"
    )
