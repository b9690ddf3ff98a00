"""Triton -> cubins, ahead of time, for a GPU that need not be present.

Owns starting the worker (`aot`) that compiles a candidate's kernels inside the sandbox: their
Python is the candidate's, so Triton itself runs there. Leaves plans and packing to `gpu`.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
from pathlib import Path

from avogit.build import Artefact, BuildFailure, BuildOrder, gpu
from avogit.build.artefacts import Recipe, obtain
from avogit.build.confined import Workshop, python_folders
from avogit.errors import AvogitError
from avogit.processes import program
from avogit.sandbox import GIB

CUBINS = "avogit-cubins.json"
_CUBIN_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}\.cubin")
_LARGEST_LIST = 1 << 20
_MEMORY = 32 * GIB  # of addresses, which LLVM reserves in large pieces


def build(order: BuildOrder, store: Path, *, bubblewrap: bool = True) -> Artefact | BuildFailure:
    """Compile for the order's device and plan its launches, or take what is kept."""
    version, folders = find_triton()
    recipe = Recipe(
        output=gpu.OUTPUT,
        identity=("triton", version),
        compiler=f"triton {version}",
        library_dirs=(),
        make=lambda scratch: _make(order, folders, scratch, bubblewrap),
    )
    return obtain(order, store, recipe)


def find_triton() -> tuple[str, tuple[str, ...]]:
    """Its version, and the folders that it needs to be readable."""
    spec = importlib.util.find_spec("triton")
    if spec is None or not spec.submodule_search_locations:
        raise AvogitError(
            "building a Triton kernel: triton is not installed; `pip install 'avogit[triton]'`"
        )
    package = Path(spec.submodule_search_locations[0])
    return importlib.metadata.version("triton"), (str(package.parent),)


def _make(
    order: BuildOrder, folders: tuple[str, ...], scratch: Path, bubblewrap: bool
) -> BuildFailure | None:
    workshop = Workshop(
        scratch=scratch,
        read=(*python_folders(), *folders),
        path="/usr/bin",
        timeout_s=order.timeout_s,
        bubblewrap=bubblewrap,
        memory_bytes=_MEMORY,
        env={"HOME": str((scratch / "work").resolve()), "TRITON_DEFAULT_FP_FUSION": "1"},
    )
    gpu.write_order(workshop, order, modules=[Path(s).stem for s in order.sources])
    failure = workshop.run(program("avogit.build.aot", bare=False), "compile-error")
    return failure or _pack(workshop, order)


def _pack(workshop: Workshop, order: BuildOrder) -> BuildFailure | None:
    try:
        names = json.loads(workshop.take(CUBINS, _LARGEST_LIST) or b"")
    except (ValueError, RecursionError):
        names = None
    plain = isinstance(names, list) and all(
        isinstance(name, str) and _CUBIN_NAME.fullmatch(name) for name in names
    )
    if not plain:
        return BuildFailure("compile-error", "the build did not say which cubins it made")
    built = gpu.take_cubins(workshop, list(dict.fromkeys(names)))
    if isinstance(built, BuildFailure):
        return built
    return gpu.pack(workshop, order, built, by_cubin=True)
