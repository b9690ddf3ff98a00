"""C++ -> a shared object, by the machine's compiler, confined.

Owns finding the compiler, the command line, the cache, and what is told of errors. Leaves
the confinement to `sandbox`. A source can make its compiler read any file that it names
(`#include`, `.incbin`), so the compiler sees its own work folder and the system's, no more.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from avogit.build import Artefact, BuildFailure, BuildOrder
from avogit.errors import AvogitError
from avogit.sandbox import GIB, SYSTEM_PROGRAMS, Confinement, Limits, confined

COMPILERS = ("g++", "c++", "clang++")
_FIXED_FLAGS = ("-shared", "-fPIC", "-Wl,-z,now", "-Wl,--no-undefined")
_OUTPUT = "kernel.so"
_LOG_LIMIT = 6000
_KEPT_ARTEFACTS = 1000
_CONTROL = re.compile(r"[^\x20-\x7e\n\t\u00a0-\uffff]")


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
    folder = store / _key(order, compiler)
    cached = _cached(folder, compiler)
    if cached is not None:
        return cached
    store.mkdir(parents=True, exist_ok=True)
    _sweep(store)
    with tempfile.TemporaryDirectory(prefix=".build-", dir=store) as scratch:
        failure = _compile(order, compiler, Path(scratch), bubblewrap)
        if failure is not None:
            return failure
        _keep(Path(scratch), folder)
    kept = _cached(folder, compiler)
    if kept is None:
        raise AvogitError(f"cannot keep artefacts in {store}: is its disk full, or read-only?")
    return kept


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
        folders=_toolchain(Path(command[0]).resolve()),
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


def _toolchain(executable: Path) -> tuple[str, ...]:
    """The folder of a compiler that is not the system's, which its sources may then read."""
    if any(executable.is_relative_to(path) for path in SYSTEM_PROGRAMS):
        return ()
    prefix = executable.parent.parent
    if Path.home().is_relative_to(prefix):
        raise AvogitError(
            f"the compiler {executable} lies directly in {prefix}, which sources being compiled"
            " must not read; set CXX to a compiler in a folder of its own"
        )
    return (str(prefix),)


def _key(order: BuildOrder, compiler: Compiler) -> str:
    digest = hashlib.sha256()
    parts = [compiler.version, *compiler.command, _processor(), *_FIXED_FLAGS]
    parts += [*order.sources, *order.flags]
    for name in sorted(order.files):
        parts += [name, hashlib.sha256(order.files[name]).hexdigest()]
    for part in parts:
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:40]


@functools.cache
def _processor() -> str:
    """What -march=native looks at."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    first = text.split("\n\n", 1)[0]
    wanted = ("model", "flags", "Features", "CPU part", "cpu family", "stepping")
    lines = [line for line in first.splitlines() if line.startswith(wanted)]
    return "\n".join([platform.machine(), *lines])


def _cached(folder: Path, compiler: Compiler) -> Artefact | None:
    path = folder / _OUTPUT
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        noted = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if noted.get("sha256") != digest:
        shutil.rmtree(folder, ignore_errors=True)
        return None
    os.utime(folder)
    return Artefact(path, digest, compiler.library_dirs, compiler.version)


def _keep(scratch: Path, folder: Path) -> None:
    """Move a finished artefact to its place; another process may have been first."""
    built = scratch / "built"
    built.mkdir()
    artefact = built / _OUTPUT
    shutil.copyfile(scratch / "work" / _OUTPUT, artefact, follow_symlinks=False)
    artefact.chmod(0o444)
    digest = hashlib.sha256(artefact.read_bytes()).hexdigest()
    (built / "meta.json").write_text(json.dumps({"sha256": digest}), encoding="utf-8")
    try:
        built.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def _compile(
    order: BuildOrder, compiler: Compiler, scratch: Path, bubblewrap: bool
) -> BuildFailure | None:
    work, log = scratch / "work", scratch / "log"
    work.mkdir()
    for name, data in order.files.items():
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    argv = [*compiler.command, *_FIXED_FLAGS, *order.flags, *order.sources, "-o", _OUTPUT]
    command = confined(argv, _confinement(work, compiler, order.timeout_s, bubblewrap))
    status = _run(command, log, order.timeout_s)
    output = _readable(log, work)
    if status is None:
        return BuildFailure("build-timeout", f"no end after {order.timeout_s:g} s\n{output}")
    artefact = work / _OUTPUT
    if status == 0 and artefact.is_file() and not artefact.is_symlink():
        return None
    return BuildFailure("compile-error", output or f"the compiler ended with status {status}")


def _confinement(work: Path, compiler: Compiler, timeout_s: float, bubblewrap: bool) -> Confinement:
    bin_folder = str(Path(compiler.command[0]).parent)
    return Confinement(
        work=str(work.resolve()),
        read=(*SYSTEM_PROGRAMS, *compiler.folders, *compiler.library_dirs),
        env={
            "PATH": f"{bin_folder}:/usr/bin:/bin",
            "TMPDIR": str(work.resolve()),
            "LC_ALL": "C",
            "SOURCE_DATE_EPOCH": "0",
        },
        limits=Limits(cpu_s=int(timeout_s) + 1, memory_bytes=4 * GIB, file_bytes=GIB // 4),
        bubblewrap=bubblewrap,
    )


def _run(command: list[str], log: Path, timeout_s: float) -> int | None:
    """The exit status, or None when it had to be killed."""
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={},
            start_new_session=True,
        )
        try:
            return child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _readable(log: Path, work: Path) -> str:
    """The compiler's words without our paths, and no more than a person or a model reads."""
    with log.open("rb") as file:
        data = file.read(16 * _LOG_LIMIT)
    text = data.decode("utf-8", "replace").replace(f"{work.resolve()}/", "")
    text = _CONTROL.sub("?", text).strip()
    if len(text) <= _LOG_LIMIT:
        return text
    return f"{text[: _LOG_LIMIT - 1000]}\n[...]\n{text[-900:]}"


def _sweep(store: Path) -> None:
    """Forget the artefacts that were used longest ago; all can be built again."""
    folders = [f for f in store.iterdir() if not f.name.startswith(".")]
    if len(folders) < _KEPT_ARTEFACTS:
        return
    folders.sort(key=lambda folder: folder.stat().st_mtime)
    for folder in folders[: _KEPT_ARTEFACTS // 4]:
        shutil.rmtree(folder, ignore_errors=True)
