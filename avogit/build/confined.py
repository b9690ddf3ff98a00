"""One command of a builder, run confined in its work folder, and what it said.

Owns time limits, the end of whatever the command started, and making its words fit to show.
Leaves the confinement itself to `sandbox`.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from avogit.build import BuildFailure
from avogit.errors import AvogitError
from avogit.processes import PACKAGE
from avogit.sandbox import GIB, SYSTEM_PROGRAMS, Confinement, Limits, confined

_LOG_LIMIT = 6000
_CONTROL = re.compile(r"[^\x20-\x7e\n\t\u00a0-\uffff]")


@dataclass(frozen=True, slots=True)
class Workshop:
    """A scratch folder whose `work` a confined command may write, and what else it may see."""

    scratch: Path
    read: tuple[str, ...]  # beside the system's programs
    path: str  # where programs are looked for, first
    timeout_s: float
    bubblewrap: bool
    memory_bytes: int = 4 * GIB
    env: Mapping[str, str] = ()  # type: ignore[assignment]

    @property
    def work(self) -> Path:
        return self.scratch / "work"

    def run(self, argv: Sequence[str], reason: str) -> BuildFailure | None:
        """Run a command; anything but success is a failure of that reason."""
        log = self.scratch / "log"
        status = _run(confined(argv, self._confinement()), log, self.timeout_s)
        if status == 0:
            return None
        output = self.words()
        if status is None:
            text = f"no end after {self.timeout_s:g} s\n{output}"
            return BuildFailure("build-timeout", text)
        return BuildFailure(reason, output or f"{Path(argv[0]).name} ended with status {status}")

    def words(self) -> str:
        """What the last command said, without our paths, as much as one reads."""
        with (self.scratch / "log").open("rb") as file:
            data = file.read(16 * _LOG_LIMIT)
        text = data.decode("utf-8", "replace").replace(f"{self.work.resolve()}/", "")
        text = _CONTROL.sub("?", text).strip()
        if len(text) <= _LOG_LIMIT:
            return text
        return f"{text[: _LOG_LIMIT - 1000]}\n[...]\n{text[-900:]}"

    def everything(self, limit: int) -> str:
        """What the last command said, whole; for programs to read."""
        with (self.scratch / "log").open("rb") as file:
            return file.read(limit).decode("utf-8", "replace")

    def holds(self, name: str) -> bool:
        """Whether the command left a plain file of that name."""
        path = self.work / name
        return path.is_file() and not path.is_symlink()

    def take(self, name: str, limit: int) -> bytes | None:
        """A plain file that the command left; None where there is none, or it is too large."""
        if not self.holds(name) or (self.work / name).stat().st_size > limit:
            return None
        return (self.work / name).read_bytes()

    def _confinement(self) -> Confinement:
        work = str(self.work.resolve())
        return Confinement(
            work=work,
            read=(*SYSTEM_PROGRAMS, *self.read),
            env={
                "PATH": f"{self.path}:/usr/bin:/bin",
                "TMPDIR": work,
                "LC_ALL": "C",
                "SOURCE_DATE_EPOCH": "0",
                **dict(self.env or {}),
            },
            limits=Limits(
                cpu_s=int(self.timeout_s) + 1,
                memory_bytes=self.memory_bytes,
                file_bytes=GIB // 4,
            ),
            bubblewrap=self.bubblewrap,
        )


def own_folder(executable: Path, what: str) -> tuple[str, ...]:
    """The folder of a program that is not the system's, which confined code may then read."""
    if any(executable.is_relative_to(path) for path in SYSTEM_PROGRAMS):
        return ()
    prefix = executable.parent.parent
    if Path.home().is_relative_to(prefix):
        raise AvogitError(
            f"{what} {executable} lies directly in {prefix}, which sources being compiled"
            " must not read; move it to a folder of its own"
        )
    return (str(prefix),)


def python_folders() -> tuple[str, ...]:
    """What this Python and avogit's own modules need to be readable."""
    folders = own_folder(Path(sys.executable).absolute(), "the Python")
    folders += own_folder(Path(sys.executable).resolve(), "the Python")
    return (*dict.fromkeys(folders), str(PACKAGE))


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
