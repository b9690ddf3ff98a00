"""The oracle's hold on one runner: go, the clock, done, stop.

Owns the timed call, and telling how a runner ended. Leaves what it computed to `rig`. The clock
runs from before "go" until the kernel's process is seen stopped: what it would do after
saying "done" it can only do on the clock, or not at all.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from dataclasses import dataclass

from avogit.bench.checks import Finding
from avogit.bench.protocol import (
    COPIED,
    EXIT_ENTRY,
    EXIT_LOAD,
    READY,
    SPAWN_FDS,
    TOKEN,
    Defences,
    Spawn,
    encode,
)
from avogit.bench.zygote import STATUS
from avogit.records import Verdict

START_TIMEOUT_S = 10.0
_DEATH_TIMEOUT_S = 5.0
_WORDS_LIMIT = 2000
_READ_SIZE = 4096
# A call that had to wait longer than this for a processor says little about the kernel.
_PROCESSORS = os.cpu_count() or 1
_WAIT_NS, _WAIT_SHARE = 50_000, 0.005


class KernelFailed(Exception):
    """Unwinds the schedule: an arm's kernel did what no sound kernel does."""

    def __init__(self, arm: str, finding: Finding) -> None:
        super().__init__(f"{arm}: {finding.reason}")
        self.arm = arm
        self.finding = finding


class EnvironmentBroken(Exception):
    """Unwinds the schedule: no measurement is possible, and the candidate is not to blame."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(slots=True)
class _Pipes:
    go: int
    done: int
    words: int
    status: socket.socket

    def close(self) -> None:
        for fd in (self.go, self.done, self.words):
            os.close(fd)
        self.status.close()


@dataclass(frozen=True, slots=True)
class Timed:
    """How long a call took, and whether others were in its way."""

    ns: int
    waited_ns: int  # ready to run, and not run
    crowded: bool  # before or after it too many other processes were running

    @property
    def disturbed(self) -> bool:
        return self.crowded or self.waited_ns > max(_WAIT_NS, self.ns * _WAIT_SHARE)


class Runner:
    """One arm's process."""

    def __init__(
        self, name: str, zygote: socket.socket, spawn: Spawn, memory: tuple[int, int]
    ) -> None:
        self.name = name
        self.trusted = not spawn.artefact
        self.threads = spawn.threads
        self.pid = 0
        self._pidfd = -1
        self._poll = select.poll()
        self._waits: list[int] = []
        self._pipes = _request(zygote, spawn, memory)

    def wait_ready(self, defences: Defences) -> None:
        """Wait until it has loaded its artefact, and stop it."""
        self._meet()
        if self._pidfd < 0:
            raise EnvironmentBroken("no-runner", f"the process for {self.name} did not start")
        if self._answer(START_TIMEOUT_S) != READY:
            self._fail(Verdict.REWARD_HACK, "forged-done", "words of its own on start")
        if defences.stop_at_done:
            self._stop()

    def call(self, index: int, timeout_s: float, defences: Defences) -> Timed:
        """One call of the kernel. The process is stopped afterwards."""
        if defences.done_token and self._poll.poll(0):
            self._answer(0)
            self._fail(Verdict.REWARD_HACK, "forged-done", "it spoke without being asked")
        token = TOKEN.pack(index, os.urandom(8))
        waited, crowded = self._waited_ns(), _crowded()
        started = time.perf_counter_ns()
        os.write(self._pipes.go, token)
        signal.pidfd_send_signal(self._pidfd, signal.SIGCONT)
        answer = self._answer(timeout_s)
        if defences.stop_at_done:
            self._stop()
        ended = time.perf_counter_ns()
        waited, crowded = self._waited_ns() - waited, crowded or _crowded()
        if self.trusted:
            self._await_copy(answer, token)
        elif defences.done_token and answer != token:
            self._fail(Verdict.REWARD_HACK, "forged-done", "its `done` was not the one it owed")
        if defences.count_threads:
            self._count_threads()
        return Timed(ended - started, waited, crowded)

    def kill(self) -> None:
        """End the process; `wait_ended` follows."""
        self._meet()
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def wait_ended(self) -> None:
        """Wait until the process is gone, and let go of it."""
        if self._pidfd >= 0:
            self._poll.unregister(self._pipes.done)
            self._poll.poll(_DEATH_TIMEOUT_S * 1000)
            for fd in (self._pidfd, *self._waits):
                os.close(fd)
        self._pipes.close()

    def _meet(self) -> None:
        """Learn which process it is, once."""
        if self._pidfd >= 0:
            return
        with contextlib.suppress(TimeoutError):
            data, fds, _, _ = socket.recv_fds(self._pipes.status, STATUS.size, 1)
            if data:
                (self.pid,), (self._pidfd,) = STATUS.unpack(data), fds
                self._poll.register(self._pipes.done, select.POLLIN)
                self._poll.register(self._pidfd, select.POLLIN)
                self._waits = _open_all(f"/proc/{self.pid}/schedstat", "/proc/self/schedstat")

    def _waited_ns(self) -> int:
        """How long this runner, and we, have been ready to run and were not run."""
        return sum(int(os.pread(fd, 128, 0).split()[1]) for fd in self._waits)

    def _await_copy(self, answer: bytes, token: bytes) -> None:
        """The baseline puts its result into its buffer after the clock has stopped."""
        rest = answer
        signal.pidfd_send_signal(self._pidfd, signal.SIGCONT)
        while len(rest) < len(token) + len(COPIED):
            rest += self._answer(_DEATH_TIMEOUT_S)
        if rest != token + COPIED:
            raise EnvironmentBroken("baseline-failed", "the baseline's runner lost its place")
        self._stop()

    def _answer(self, timeout_s: float) -> bytes:
        """What it wrote. Raises where it ended, or took too long."""
        events = self._poll.poll(timeout_s * 1000)
        if not events:
            self._fail(Verdict.TIMEOUT, "call-timeout", f"no end after {timeout_s:.3g} s")
        readable = any(fd == self._pipes.done and what & select.POLLIN for fd, what in events)
        if not readable:
            self._ended()
        return os.read(self._pipes.done, _READ_SIZE)

    def _stop(self) -> None:
        """Stop the process, all its threads, and see it stopped."""
        try:
            signal.pidfd_send_signal(self._pidfd, signal.SIGSTOP)
            while not all(_state(self.pid, task) in "Tt" for task in _tasks(self.pid)):
                if self._poll.poll(0) and not _alive(self._pidfd):
                    self._ended()
        except (ProcessLookupError, FileNotFoundError):
            self._ended()

    def _count_threads(self) -> None:
        tasks = len(_tasks(self.pid))
        if tasks > max(1, self.threads):
            self._fail(
                Verdict.REWARD_HACK, "helper-left-behind", f"{tasks - 1} helper threads at done"
            )

    def _ended(self) -> None:
        """Say how the process ended, from what its parent saw."""
        status = self._status()
        if os.WIFSIGNALED(status):
            self._signalled(os.WTERMSIG(status))
        code = os.WEXITSTATUS(status)
        if code == EXIT_LOAD:
            self._fail(Verdict.COMPILE_ERROR, "load-failed", "it cannot be loaded")
        if code == EXIT_ENTRY:
            self._fail(Verdict.COMPILE_ERROR, "missing-entry", "the task's entry is not exported")
        self._fail(Verdict.RUNTIME_ERROR, "exited", f"the process ended with status {code}")

    def _signalled(self, number: int) -> None:
        if number == signal.SIGSYS:
            self._fail(
                Verdict.REWARD_HACK,
                "forbidden-syscall",
                "it tried to start a thread or process, to open a socket, to reach another"
                " process, to make memory executable, or the like",
            )
        self._fail(Verdict.RUNTIME_ERROR, f"signal {signal.Signals(number).name}", "it crashed")

    def _status(self) -> int:
        try:
            data = self._pipes.status.recv(STATUS.size)
        except (TimeoutError, ConnectionResetError):
            data = b""
        return int(STATUS.unpack(data)[0]) if len(data) == STATUS.size else int(signal.SIGKILL)

    def _fail(self, verdict: Verdict, reason: str, detail: str) -> None:
        words = _words(self._pipes.words)
        full = f"{detail}; it said: {words}" if words else detail
        raise KernelFailed(self.name, Finding(verdict, reason, full))


def _request(zygote: socket.socket, spawn: Spawn, memory: tuple[int, int]) -> _Pipes:
    """Ask a zygote for a runner, and keep our ends of its pipes."""
    go_read, go_write = os.pipe()
    done_read, done_write = os.pipe()
    words_read, words_write = os.pipe()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for fd in (words_read, words_write, done_write):
        os.set_blocking(fd, False)  # a flood of words stalls nobody
    ours.settimeout(START_TIMEOUT_S)
    sent = {"go": go_read, "done": done_write, "inputs": memory[0], "output": memory[1]}
    sent |= {"words": words_write, "status": theirs.fileno()}
    socket.send_fds(zygote, [encode(spawn)], [sent[name] for name in SPAWN_FDS])
    for fd in (go_read, done_write, words_write):
        os.close(fd)
    theirs.close()
    return _Pipes(go_write, done_read, words_read, ours)


def _open_all(*paths: str) -> list[int]:
    """Those that are there: a kernel may not count waiting, or the process be gone."""
    found = []
    for path in paths:
        with contextlib.suppress(OSError):
            found.append(os.open(path, os.O_RDONLY))
    return found


def _crowded() -> bool:
    """Whether others run on more than a quarter of the processors that we leave idle.

    Processors share caches, memory, and often (on rented machines out of sight) a core: its
    second thread, when busy, slows the first by a third.
    """
    with open("/proc/loadavg", "rb") as file:  # noqa: PTH123  (a hot path)
        running = int(file.read().split()[3].split(b"/")[0]) - 1
    return running > (_PROCESSORS - 2) / 4


def _words(pipe: int) -> str:
    """What the runner printed, bounded, on one line."""
    try:
        data = os.read(pipe, _WORDS_LIMIT)
    except BlockingIOError:
        return ""
    text = data.decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _tasks(pid: int) -> list[str]:
    return os.listdir(f"/proc/{pid}/task")  # noqa: PTH208  (a hot path)


def _state(pid: int, task: str) -> str:
    fd = os.open(f"/proc/{pid}/task/{task}/stat", os.O_RDONLY)
    try:
        data = os.read(fd, 512)
    finally:
        os.close(fd)
    # The name stands in brackets, and may itself hold any character.
    return chr(data[data.rindex(b")") + 2])


def _alive(pidfd: int) -> bool:
    return not select.select([pidfd], [], [], 0)[0]
