"""The one door to git: GitPython's command runner, with everything that could surprise removed.

Owns how a git process is started: argv lists and never a shell, the C locale, no prompt, no
hook, no signing, no background maintenance, no replace refs, and none of the variables that a
hook inherits (`GIT_INDEX_FILE` in our child would corrupt the user's own commit). Leaves what
to ask git to its callers.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avogit.errors import AvogitError

if TYPE_CHECKING:
    from git.cmd import Git

# `git rev-parse --local-env-vars`, and what a receiving repository's hooks get in addition.
HOOK_VARIABLES = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
)

_OVERRIDES = (
    "gc.auto=0",
    "maintenance.auto=false",
    "core.hooksPath=/dev/null",
    "commit.gpgSign=false",
    "tag.gpgSign=false",
    "log.showSignature=false",
    "i18n.logOutputEncoding=UTF-8",
    "core.filesRefLockTimeout=10000",
    "core.packedRefsTimeout=60000",
    "reftable.lockTimeout=10000",
    "core.fsync=committed",
)
_OPTIONS = [word for pair in _OVERRIDES for word in ("-c", pair)]
_ENVIRONMENT = {
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_FLUSH": "0",
    "LC_ALL": "C",
}


@dataclass(frozen=True, slots=True)
class Result:
    """What one git process answered."""

    status: int
    out: bytes
    error: str


class GitFailed(AvogitError):
    """Git refused. Its own words are kept: they name the cause better than we could."""

    def __init__(self, command: str, status: int, error: str) -> None:
        super().__init__(f"`git {command}` failed ({status}): {_one_line(error)}")
        self.status = status
        self.error = error


def call(cwd: Path, *arguments: str, stdin: bytes = b"") -> Result:
    """Run git to its end, whatever its exit status."""
    return _finish(_start(cwd, [*_OPTIONS, *arguments], _ENVIRONMENT), stdin)


def ordinary(cwd: Path, *arguments: str, index_file: str = "") -> Result:
    """Run git as its user would, with their hooks and signing: for `init` and their config."""
    index = {"GIT_INDEX_FILE": index_file} if index_file else {}
    return _finish(_start(cwd, arguments, {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", **index}))


def start_batch(cwd: Path) -> Any:
    """A `git cat-file --batch` that answers until its input is closed."""
    return _start(cwd, [*_OPTIONS, "cat-file", "--batch"], _ENVIRONMENT)


def _finish(process: Any, stdin: bytes = b"") -> Result:
    try:
        out, error = process.communicate(stdin)
        return Result(process.returncode, out, error.decode("utf-8", "replace"))
    finally:
        end(process)


def run(cwd: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    """What git prints; `GitFailed` where it exits with another status than 0."""
    result = call(cwd, *arguments, stdin=stdin)
    if result.status != 0:
        raise GitFailed(arguments[0], result.status, result.error)
    return result.out


def line(cwd: Path, *arguments: str) -> str:
    """The one line that git prints."""
    return run(cwd, *arguments).decode("utf-8", "surrogateescape").rstrip("\n")


@contextlib.contextmanager
def stream(cwd: Path, *arguments: str, stdin: bytes = b"") -> Iterator[Iterator[bytes]]:
    """What git prints, in chunks as they come. A reader that stops early ends the process."""
    process = _start(cwd, [*_OPTIONS, *arguments], _ENVIRONMENT)
    try:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(stdin)
            process.stdin.close()
        yield iter(lambda: process.stdout.read1(1 << 20), b"")
        error = process.stderr.read().decode("utf-8", "replace")
        if process.wait() != 0:
            raise GitFailed(arguments[0], process.returncode, error)
    finally:
        end(process)


def forget_hook_variables() -> None:
    """Drop from this process what a hook inherited: nothing that we start may see it."""
    for name in HOOK_VARIABLES:
        os.environ.pop(name, None)


def runner(cwd: Path) -> Git:
    """GitPython's runner of commands in a folder."""
    try:
        from git.cmd import Git
    except ImportError as error:  # GitPython refuses to be imported where there is no git
        raise AvogitError(f"git cannot be used: {_one_line(str(error))}") from error
    return Git(str(cwd))


def _start(cwd: Path, arguments: Sequence[str], environment: Mapping[str, str]) -> Any:
    forget_hook_variables()
    command_runner = runner(cwd)
    command = [command_runner.GIT_PYTHON_GIT_EXECUTABLE or "git", *arguments]
    from git.exc import GitCommandNotFound

    try:
        guarded = command_runner.execute(
            command, istream=subprocess.PIPE, as_process=True, shell=False, env=environment
        )
    except GitCommandNotFound as error:
        raise AvogitError("git cannot be started: install git 2.31 or later") from error
    process, guarded.proc = guarded.proc, None  # ours to end: its own `wait` raises on a kill
    assert process is not None
    return process


def end(process: Any) -> None:
    """No process and no pipe of ours outlives its call."""
    if process.poll() is None:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        with contextlib.suppress(BrokenPipeError):
            pipe.close()


def _one_line(text: str) -> str:
    lines = [part.strip() for part in text.splitlines() if part.strip()]
    return " ".join(lines)[:500] or "it gave no reason"
