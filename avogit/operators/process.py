"""Runs a program that is not ours to its end, and leaves nothing of it behind.

Owns its process group, its time, what it may use up, its bounded output and leftover
processes. Leaves what it can see to `confinement`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from avogit.errors import AvogitError

TIMEOUT, PROCESSES, DISK = "timeout", "processes", "disk"
_HEAD_BYTES = 64 * 1024
_TAIL_BYTES = 192 * 1024
_POLL_S = 0.05
_LOOK_S = 0.2  # between two looks at what it uses
_DISK_SHARE = 20  # a look at the disk may take one part in so many of the time
_GRACE_S = 5.0  # for a program that said it is done, to end by itself
_MARK = "AVOGIT_STEP"  # in the environment of everything that the program starts
_ROUNDS = 50
_MAX_ENTRIES = 100_000

Attach = Callable[[selectors.BaseSelector], None]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a program may use up."""

    timeout_s: float
    processes: int = 256
    disk_bytes: int = 2 << 30
    folder: Path | None = None  # where it may write


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended. `status` is negative for a signal, as subprocess has it."""

    status: int
    stopped: str  # why it was killed: TIMEOUT, ...; empty: it ended by itself
    seconds: float
    output: str  # stdout and stderr together; bounded, and says what was cut

    @property
    def ok(self) -> bool:
        """Whether it ended by itself, with exit status 0."""
        return self.status == 0 and not self.stopped


def run_bounded(
    words: Sequence[str],
    *,
    cwd: Path,
    environ: Mapping[str, str],
    bounds: Bounds,
    attach: Attach = lambda selector: None,
    over: Callable[[], str] = lambda: "",
) -> Ended:
    """Run a program in a session of its own; kill all it started when it ends or runs over.

    `attach` adds sockets to serve meanwhile: a selector key's `data` is what to call. Once
    `over` gives a reason, the program has a few seconds left.
    """
    mark = f"{_MARK}={secrets.token_hex(16)}"
    name, _, value = mark.partition("=")
    started = time.monotonic()
    process = _start(words, cwd, {**environ, name: value})
    output = _Output()
    try:
        with _Warden(process, bounds, over) as warden:
            _watch(process, output, attach)
    finally:  # Ctrl-C does not reach a session of its own
        _kill_all(process, mark.encode())
    assert process.stdout is not None
    with process.stdout:
        output.drain(process.stdout.fileno())
    seconds = time.monotonic() - started
    return Ended(process.wait(), warden.stopped, seconds, output.text())


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


def _watch(process: subprocess.Popen[bytes], output: _Output, attach: Attach) -> None:
    """Read what it prints, and serve what was attached, until it ends."""
    assert process.stdout is not None
    pipe = process.stdout
    with selectors.DefaultSelector() as selector:

        def read() -> None:
            data = os.read(pipe.fileno(), 65536)
            if not data:
                selector.unregister(pipe)  # it closed its output and goes on
            output.add(data)

        selector.register(pipe, selectors.EVENT_READ, read)
        attach(selector)
        while process.poll() is None:
            if not selector.get_map():
                time.sleep(_POLL_S)
            for key, _ in selector.select(_POLL_S):
                key.data()


class _Warden:
    """Kills a program that uses up too much. A thread: the step may be busy evaluating."""

    def __init__(
        self, process: subprocess.Popen[bytes], bounds: Bounds, over: Callable[[], str]
    ) -> None:
        self.stopped = ""
        self._process = process
        self._bounds = bounds
        self._over = over
        self._deadline = time.monotonic() + bounds.timeout_s
        self._next_disk_look = 0.0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> _Warden:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        since = None
        while not self._end.wait(min(_LOOK_S, max(0.0, self._deadline - time.monotonic()))):
            over = self._over()
            if over and since is None:
                since = time.monotonic()
            is_late = since is not None and time.monotonic() - since > _GRACE_S
            why = over if is_late else self._used_up()
            if why:
                self.stopped = why
                _kill_group(self._process.pid)
                return

    def _used_up(self) -> str:
        if time.monotonic() >= self._deadline:
            return TIMEOUT
        if sum(1 for _ in _left(self._process.pid)) > self._bounds.processes:
            return PROCESSES
        return DISK if self._fills_the_disk() else ""

    def _fills_the_disk(self) -> bool:
        """Looked at less often where there is much to look at."""
        started = time.monotonic()
        if self._bounds.folder is None or started < self._next_disk_look:
            return False
        found = _is_larger(self._bounds.folder, self._bounds.disk_bytes)
        self._next_disk_look = started + _DISK_SHARE * (time.monotonic() - started)
        return found


def _is_larger(folder: Path, limit: int) -> bool:
    """Whether what lies below a folder takes more than so many bytes, or is too many files."""
    used, count, pending = 0, 0, [str(folder)]
    while pending:
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                info = entry.stat(follow_symlinks=False)
                used, count = used + info.st_blocks * 512, count + 1
                if used > limit or count > _MAX_ENTRIES:
                    return True
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
    return False


def _kill_group(group: int) -> None:
    """Kill a process group at once: none of it can fork away. A sandbox ends with its first."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _kill_all(process: subprocess.Popen[bytes], mark: bytes) -> None:
    """Kill its process group, and what left that group but still carries the mark.

    A killed process lives on for a moment: looked at again until none is left.
    """
    _kill_group(process.pid)
    process.wait()
    for _ in range(_ROUNDS):
        found = list(_left(process.pid, mark))
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL_S / 5)


def _left(group: int, mark: bytes = b"") -> Iterator[int]:
    """Living processes of the group, below it, or with the mark. Linux: elsewhere is no /proc."""
    known = _living()
    ours = {group}
    for pid in sorted(known):
        above, its_group = known[pid]
        if its_group == group or above in ours or (mark and _marked(pid, mark)):
            ours.add(pid)
            yield pid


def _living() -> dict[int, tuple[int, int]]:
    """Every process that is not dead: its parent and its group."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended
            state, above, group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            if state not in "ZX":
                found[int(folder.name)] = (int(above), int(group))
    return found


def _marked(pid: int, mark: bytes) -> bool:
    with contextlib.suppress(OSError):  # it ended, or is not ours
        return mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return False


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
