"""Which device measures: the short class that names populations.

Leaves the lock on it to `bench.device`.
"""

from __future__ import annotations

import re

from avogit.build import GPU_LANGUAGES
from avogit.errors import AvogitError
from avogit.processor import processor_name
from avogit.task import Task

_SLUG_LIMIT = 32


def device_class(task: Task) -> str:
    """A slug for population names: scores are compared within it only."""
    if task.build.language in GPU_LANGUAGES:
        raise AvogitError(
            f"{task.name} runs on an NVIDIA GPU, where this version cannot measure yet;"
            " a task for the CPU can be measured here: `avogit tasks`"
        )
    name = processor_name() + (f" {task.threads}t" if task.threads > 1 else "")
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return slug[:_SLUG_LIMIT].strip("-") or "cpu"
