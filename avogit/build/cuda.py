"""CUDA C++ -> cubins, for a GPU that need not be present.

Owns finding nvcc (NVCC, installed wheels, PATH, /usr/local/cuda), the command line, and NVRTC
where there is no nvcc. Each `.cu` among the sources gives a cubin of its name.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from avogit.build import Artefact, BuildFailure, BuildOrder, gpu
from avogit.build.artefacts import Recipe, obtain
from avogit.build.confined import Workshop, own_folder, python_folders
from avogit.build.inspecting import find_tool
from avogit.errors import AvogitError
from avogit.processes import program
from avogit.sandbox import GIB

_DEFAULT = Path("/usr/local/cuda/bin/nvcc")
_SPLIT = "--split-compile"
_MEMORY = 16 * GIB  # of addresses, which the compilers reserve in large pieces


@dataclass(frozen=True, slots=True)
class Compiler:
    """nvcc, or (without a path) NVRTC through cuda-bindings."""

    nvcc: Path | None
    version: str
    splits: bool = False  # whether it can optimise functions side by side

    @property
    def more(self) -> tuple[str, ...]:
        """Options that make builds quick, and hardly other: the seed's instructions are the same.

        The number stands in the cubin: one that went by the machine would make other artefacts on
        each, and all processors would be too many while something is measured.
        """
        return (f"{_SPLIT}=4",) if self.splits else ()

    @property
    def folders(self) -> tuple[str, ...]:
        if self.nvcc is None:
            return (*python_folders(), *_package_folders("cuda", "nvidia"))
        return own_folder(self.nvcc.resolve(), "nvcc")


def build(order: BuildOrder, store: Path, *, bubblewrap: bool = True) -> Artefact | BuildFailure:
    """Compile for the order's device and plan its launches, or take what is kept."""
    compiler = find_compiler(os.environ.get("NVCC", ""), os.environ.get("PATH", os.defpath))
    recipe = Recipe(
        output=gpu.OUTPUT,
        identity=("cuda", compiler.version, str(compiler.nvcc), *compiler.more),
        compiler=compiler.version,
        library_dirs=(),
        make=lambda scratch: _make(order, compiler, scratch, bubblewrap),
    )
    return obtain(order, store, recipe)


@functools.cache
def find_compiler(wanted: str, path: str) -> Compiler:
    """The nvcc that NVCC names, an installed wheel's, the one on PATH; else NVRTC."""
    found = shutil.which(wanted, path=path) if wanted else None
    if wanted and found is None:
        raise AvogitError(f"building a CUDA kernel: there is no compiler NVCC={wanted}")
    nvcc = Path(found) if found else find_tool("nvcc")
    if nvcc is None and _DEFAULT.is_file():
        nvcc = _DEFAULT
    if nvcc is not None and shutil.which("g++", path=path):  # nvcc preprocesses with it
        return Compiler(nvcc, _version(nvcc), splits=_SPLIT in _said(nvcc, "--help"))
    if _has_nvrtc():
        return Compiler(None, f"NVRTC {importlib.metadata.version('nvidia-cuda-nvrtc')}")
    raise AvogitError(
        "building a CUDA kernel: found no nvcc with a g++, and no NVRTC;"
        " `pip install 'avogit[cuda]'` brings nvcc, or set NVCC"
    )


def _version(nvcc: Path) -> str:
    lines = [line for line in _said(nvcc, "--version").splitlines() if "release" in line]
    return f"nvcc {lines[0].rpartition(',')[2].strip()}" if lines else "nvcc"


def _said(nvcc: Path, option: str) -> str:
    try:
        done = subprocess.run(
            [nvcc, option], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AvogitError(f"asking {nvcc} {option}: {error}; is NVCC right?") from error
    return done.stdout


def _has_nvrtc() -> bool:
    try:
        importlib.metadata.version("nvidia-cuda-nvrtc")
        return importlib.util.find_spec("cuda.bindings") is not None
    except (importlib.metadata.PackageNotFoundError, ModuleNotFoundError):
        return False


def _package_folders(*packages: str) -> tuple[str, ...]:
    specs = [importlib.util.find_spec(name) for name in packages]
    return tuple(
        location
        for spec in specs
        if spec is not None
        for location in spec.submodule_search_locations or ()
    )


def _make(
    order: BuildOrder, compiler: Compiler, scratch: Path, bubblewrap: bool
) -> BuildFailure | None:
    workshop = Workshop(
        scratch=scratch,
        read=compiler.folders,
        path=str(compiler.nvcc.parent) if compiler.nvcc else "/usr/bin",
        timeout_s=order.timeout_s,
        bubblewrap=bubblewrap,
        memory_bytes=_MEMORY,
        env={} if compiler.nvcc else {"LD_LIBRARY_PATH": os.pathsep.join(_wheels("lib"))},
    )
    cubins = []
    for source in (name for name in order.sources if name.endswith(".cu")):
        cubin = Path(source).with_suffix(".cubin").as_posix().replace("/", "-")
        failure = workshop.run(_command(order, compiler, source, cubin), "compile-error")
        if failure is not None:
            return failure
        cubins.append(cubin)
    built = gpu.take_cubins(workshop, cubins)  # now: launch.py may write in that folder
    if isinstance(built, BuildFailure):
        return built
    return gpu.plan(workshop, order) or gpu.pack(workshop, order, built)


def _command(order: BuildOrder, compiler: Compiler, source: str, cubin: str) -> list[str]:
    target = gpu.device_of(order).architecture.target
    if compiler.nvcc is None:
        includes = [f"-I{path}" for path in (*_wheels("include"), *_wheels("include/cccl"))]
        options = [f"--gpu-architecture={target}", *order.flags, *includes]
        return program("avogit.build.rtc", source, cubin, *options, bare=False)
    architecture = f"arch={target.replace('sm_', 'compute_')},code={target}"
    fixed = ["-cubin", "-gencode", architecture, *compiler.more]
    return [str(compiler.nvcc), *fixed, *order.flags, source, "-o", cubin]


def _wheels(part: str) -> list[str]:
    """A folder of the CUDA wheels that are installed."""
    roots = [Path(folder) for folder in _package_folders("nvidia")]
    found = [path for root in roots for path in sorted(root.glob(f"cu*/{part}"))]
    return [str(path) for path in found if path.is_dir()]
