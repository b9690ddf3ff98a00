"""NVIDIA's programs that watch another program: where they are, and having them watch `single`."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from avogit.errors import AvogitError
from avogit.processes import program

CALLS = 3  # of the plan that is watched; the last finds everything set up
_DEFAULT = Path("/usr/local/cuda/bin")
_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class Target:
    """A plan of a bundle, and the sizes in bytes of the buffers that it works on."""

    bundle: Path
    workload: str
    device: str  # a name in `avogit.devices`
    sizes: Mapping[str, int]
    gpu: str = ""  # UUID of the one to use, where there are several


def find_tool(name: str, variable: str) -> Path:
    """The program that an environment variable names, the one on PATH, or the tool kit's."""
    wanted = os.environ.get(variable, "")
    found = shutil.which(wanted or name) or shutil.which(name, path=str(_DEFAULT))
    if found is None or (wanted and shutil.which(wanted) is None):
        missing = f"{variable}={wanted} is no program" if wanted else f"found no {name}"
        raise AvogitError(
            f"{missing}: install NVIDIA's CUDA tool kit, or set {variable} to where it is"
        )
    return Path(found)


def version(tool: Path) -> str:
    """The line of its version."""
    text = _run([str(tool), "--version"])
    lines = [line for line in text.splitlines() if "ersion" in line]
    return f"{tool.name} {lines[-1].strip()}" if lines else tool.name


def watch(tool: Path, options: Sequence[str], target: Target) -> str:
    """What the tool printed while `single` carried the plan out, whatever came of it."""
    sizes = [f"{name}={size}" for name, size in target.sizes.items()]
    order = [str(target.bundle), target.workload, target.device, *sizes]
    watched = program("avogit.bench.gpu.single", *order, bare=False)
    return _run([str(tool), *options, *watched], target.gpu)


def _run(command: Sequence[str], gpu: str = "") -> str:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": gpu} if gpu else None,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AvogitError(f"running {Path(command[0]).name}: {error}") from error
    return done.stdout
