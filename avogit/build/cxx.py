"""C++ -> a shared object, by the machine's compiler, confined.

Owns finding the compiler and the command line. Leaves the cache to `artefacts`, and running
it confined to `confined`. A source can make its compiler read any file that it names
(`#include`, `.incbin`), so the compiler sees its own work folder and the system's, no more.
"""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from avogit.build import Artefact, BuildFailure, BuildOrder
from avogit.build.artefacts import Recipe, obtain
from avogit.build.confined import Workshop, own_folder
from avogit.errors import AvogitError
from avogit.processor import processor_features

COMPILERS = ("g++", "c++", "clang++")
_FIXED_FLAGS = ("-shared", "-fPIC", "-Wl,-z,now", "-Wl,--no-undefined")
_OUTPUT = "kernel.so"


@dataclass(frozen=True, slots=True)
class Compiler:
    """A compiler as found on this machine."""

    command: tuple[str, ...]
    version: str
    folders: tuple[str, ...]  # to be readable inside the sandbox
    library_dirs: tuple[str, ...]


def build(order: BuildOrder, store: Path, *, bubblewrap: bool = True) -> Artefact | BuildFailure:
    """Compile and link, or take what the same inputs gave before."""
    compiler = find_compiler(os.environ.get("CXX", ""), os.environ.get("PATH", os.defpath))
    recipe = Recipe(
        output=_OUTPUT,
        identity=(compiler.version, *compiler.command, processor_features(), *_FIXED_FLAGS),
        compiler=compiler.version,
        library_dirs=compiler.library_dirs,
        make=lambda scratch: _compile(order, compiler, scratch, bubblewrap),
    )
    return obtain(order, store, recipe)


def noop(entry: str) -> BuildOrder:
    """A kernel that does nothing, to time what a call costs."""
    source = f'extern "C" void {entry}() {{}}\n'.encode()
    return BuildOrder({"noop.cpp": source}, ("noop.cpp",), ("-O1",), timeout_s=60)


@functools.cache
def find_compiler(wanted: str, path: str) -> Compiler:
    """The compiler that CXX names, else the first one on PATH."""
    for words in [shlex.split(wanted)] if wanted else [[name] for name in COMPILERS]:
        found = shutil.which(words[0], path=path)
        if found is not None:
            return _inspect((found, *words[1:]))
    names = f"CXX={wanted}" if wanted else ", ".join(COMPILERS)
    raise AvogitError(
        f"building a C++ kernel: found no compiler ({names}); install one"
        " (Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++) or set CXX"
    )


def _inspect(command: tuple[str, ...]) -> Compiler:
    version = _ask(command, "--version").splitlines()[:1] or ["unknown"]
    library = Path(_ask(command, "-print-file-name=libstdc++.so.6").strip()).resolve()
    return Compiler(
        command=command,
        version=version[0],
        folders=own_folder(Path(command[0]).resolve(), "the compiler"),
        library_dirs=(str(library.parent),) if library.is_file() else (),
    )


def _ask(command: tuple[str, ...], option: str) -> str:
    try:
        done = subprocess.run(
            [*command, option], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AvogitError(f"asking {command[0]} {option}: {error}; is CXX right?") from error
    return done.stdout


def _compile(
    order: BuildOrder, compiler: Compiler, scratch: Path, bubblewrap: bool
) -> BuildFailure | None:
    workshop = Workshop(
        scratch=scratch,
        read=(*compiler.folders, *compiler.library_dirs),
        path=str(Path(compiler.command[0]).parent),
        timeout_s=order.timeout_s,
        bubblewrap=bubblewrap,
    )
    argv = [*compiler.command, *_FIXED_FLAGS, *order.flags, *order.sources, "-o", _OUTPUT]
    failure = workshop.run(argv, "compile-error")
    if failure is not None:
        return failure
    if not workshop.holds(_OUTPUT):
        return BuildFailure("compile-error", "the compiler left no artefact")
    (workshop.work / _OUTPUT).rename(scratch / _OUTPUT)
    return None
