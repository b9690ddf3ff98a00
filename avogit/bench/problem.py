"""A task's trusted `problem.py`, loaded.

Owns the check that it has what the format asks for. Runs in the oracle and in the baseline's
runner only, from a folder that avogit wrote and no candidate can reach.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Protocol, cast

import torch

Params = dict[str, int]
Tensors = dict[str, torch.Tensor]


class Problem(Protocol):
    """What `problem.py` defines; docs/writing-a-task.md says it in words."""

    INPUT_KINDS: Sequence[str]

    def shapes(self, w: Params) -> Mapping[str, Sequence[int]]: ...
    def make_inputs(self, w: Params, kind: str, generator: torch.Generator) -> Tensors: ...
    def reference(self, w: Params, inputs: Tensors, rows: torch.Tensor) -> torch.Tensor: ...
    def baseline(self, w: Params, inputs: Tensors) -> Callable[[], torch.Tensor]: ...
    def baseline_version(self) -> str: ...
    def flops(self, w: Params) -> float: ...
    def bytes_moved(self, w: Params) -> float: ...


class GpuProblem(Problem, Protocol):
    """What a GPU task's defines beside that."""

    BASELINE_KERNEL: str  # a pattern that the name of a kernel of the baseline's matches
    BASELINES: Mapping[str, Callable[[Params, Tensors], Callable[[], torch.Tensor]]]  # others

    def dtype(self, w: Params) -> torch.dtype: ...


_NAMES = (
    "INPUT_KINDS",
    "shapes",
    "make_inputs",
    "reference",
    "baseline",
    "baseline_version",
    "flops",
    "bytes_moved",
)


_GPU_NAMES = ("BASELINE_KERNEL", "BASELINES", "dtype")


class ProblemError(Exception):
    """The task's own code does not do what the format asks for."""


def load_problem(folder: str) -> Problem:
    """The module `problem.py` of a folder."""
    return cast(Problem, _load(folder, _NAMES))


def load_gpu_problem(folder: str) -> GpuProblem:
    """The same, of a GPU task."""
    return cast(GpuProblem, _load(folder, (*_NAMES, *_GPU_NAMES)))


def _load(folder: str, names: Sequence[str]) -> ModuleType:
    path = Path(folder) / "problem.py"
    spec = importlib.util.spec_from_file_location("problem", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode = True
    spec.loader.exec_module(module)
    missing = [name for name in names if not hasattr(module, name)]
    if missing:
        raise ProblemError(f"problem.py does not define {', '.join(missing)}")
    if "mixed" not in module.INPUT_KINDS:
        raise ProblemError("problem.py: INPUT_KINDS must hold 'mixed', which timed calls use")
    return module
