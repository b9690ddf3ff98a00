"""Runs a program that is not ours to its end, and leaves nothing of it behind.

Owns its process group, time limit, bounded output and leftover processes. Gives no isolation:
the program runs as the user (`sandbox` is for candidates).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from avogit.errors import AvogitError

_HEAD_BYTES = 64 * 1024
_TAIL_BYTES = 192 * 1024
_POLL_S = 0.05
_MARK = "AVOGIT_STEP"  # in the environment of everything that the program starts
_ROUNDS = 50


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended. `status` is negative for a signal, as subprocess has it."""

    status: int
    timed_out: bool
    seconds: float
    output: str  # stdout and stderr together; bounded, and says what was cut

    @property
    def ok(self) -> bool:
        """Whether it ended by itself, with exit status 0."""
        return self.status == 0 and not self.timed_out


def run_bounded(
    words: Sequence[str], *, cwd: Path, environ: Mapping[str, str], timeout_s: float
) -> Ended:
    """Run a program in a session of its own; kill all it started when it ends or runs over."""
    mark = f"{_MARK}={secrets.token_hex(16)}"
    name, _, value = mark.partition("=")
    started = time.monotonic()
    process = _start(words, cwd, {**environ, name: value})
    output = _Output()
    try:
        timed_out = not _watch(process, output, started + timeout_s)
    finally:  # Ctrl-C does not reach a session of its own
        _kill_all(process, mark.encode())
    assert process.stdout is not None
    with process.stdout:
        output.drain(process.stdout.fileno())
    seconds = time.monotonic() - started
    return Ended(process.wait(), timed_out, seconds, output.text())


def _start(words: Sequence[str], cwd: Path, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            words,
            cwd=cwd,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise AvogitError(
            f"cannot start `{words[0]}`: {error.strerror}; is it installed and on PATH?"
        ) from error


def _watch(process: subprocess.Popen[bytes], output: _Output, deadline: float) -> bool:
    """Read what it prints until it ends; False when the deadline came first."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while process.poll() is None:
            if time.monotonic() >= deadline:
                return False
            if not selector.get_map():
                time.sleep(_POLL_S)  # it closed its output and goes on
            elif selector.select(_POLL_S):
                data = os.read(process.stdout.fileno(), 65536)
                if not data:
                    selector.unregister(process.stdout)
                output.add(data)
    return True


def _kill_all(process: subprocess.Popen[bytes], mark: bytes) -> None:
    """Kill its process group, and what left that group but still carries the mark.

    A killed process lives on for a moment: looked at again until none is left.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for _ in range(_ROUNDS):
        found = list(_left(process.pid, mark))
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL_S / 5)


def _left(group: int, mark: bytes) -> Iterator[int]:
    """Living processes of the group or with the mark. Linux only: elsewhere is no /proc."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended, or is not ours
            state, _, its_group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            if state not in "ZX" and (int(its_group) == group or _marked(folder, mark)):
                yield int(folder.name)


def _marked(folder: Path, mark: bytes) -> bool:
    return mark in (folder / "environ").read_bytes().split(b"\0")


class _Output:
    """The beginning and the end of a stream, however long it is."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self._cut = 0

    def add(self, data: bytes) -> None:
        room = _HEAD_BYTES - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        if len(self._tail) > 2 * _TAIL_BYTES:
            self._shorten()

    def drain(self, handle: int) -> None:
        """What is left in the pipe, without waiting for a process that still holds it open."""
        os.set_blocking(handle, False)
        with contextlib.suppress(BlockingIOError):
            while data := os.read(handle, 65536):
                self.add(data)

    def text(self) -> str:
        self._shorten()
        note = f"\n[... {self._cut} bytes cut here ...]\n" if self._cut else ""
        head, tail = (bytes(part).decode("utf-8", "replace") for part in (self._head, self._tail))
        return head + note + tail

    def _shorten(self) -> None:
        over = len(self._tail) - _TAIL_BYTES
        if over > 0:
            self._cut += over
            del self._tail[:over]
