"""One worker's process, as the run sees it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable

from avogit.bench.protocol import Failed, Order, Progress, ProtocolError, receive, send
from avogit.config import Limit
from avogit.errors import AvogitError
from avogit.evaluation import Judged
from avogit.processes import program
from avogit.settling import StepResult
from avogit.workers.frames import Bug, Go, Grown, Start

_END_TIMEOUT_S = 3.0
Say = Callable[[str], None]
Judge = Callable[[Order, Say], Judged]


class WorkerDied(Exception):
    """It ended in mid-step; the text says how."""


class Worker:
    """A started worker. It dies with the thread that started it."""

    def __init__(self, start: Start) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed by `close`)
        self._process = subprocess.Popen(
            program("avogit.workers.program", str(os.getpid()), bare=False),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,  # Ctrl-C is for the run, which passes it on
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._orders, self._answers = self._process.stdin, self._process.stdout
        self._start: Start | None = start

    def step(self, limit: Limit, judge: Judge, said: Say) -> StepResult:
        """Have it take a step; its orders go to `judge`, its progress and theirs to `said`."""
        try:
            self._tell(*([self._start] if self._start else []), Go(limit))
            self._start = None
            return self._attend(judge, said)
        except (EOFError, BrokenPipeError, ProtocolError) as error:
            raise WorkerDied(self._how(error)) from error

    def interrupt(self) -> None:
        """Ctrl-C for it."""
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """At once; its step is taken up from what it kept in git."""
        self._process.kill()

    def close(self) -> None:
        """End it: gently by the end of its input, else by force."""
        with contextlib.suppress(BrokenPipeError):
            self._orders.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_TIMEOUT_S)
        self._process.kill()
        self._process.wait()
        self._answers.close()
        self._errors.close()

    def _attend(self, judge: Judge, said: Say) -> StepResult:
        while True:
            frame = receive(self._answers, Progress, Order, Grown, Failed, Bug)
            if isinstance(frame, Grown):
                return frame.result
            if isinstance(frame, Failed):
                raise AvogitError(frame.text)
            if isinstance(frame, Bug):
                raise RuntimeError(f"in a worker:\n{frame.trace}")
            if isinstance(frame, Order):
                self._carry_out(frame, judge, said)
            else:
                said(frame.text)

    def _carry_out(self, order: Order, judge: Judge, said: Say) -> None:
        try:
            self._tell(judge(order, said))
        except AvogitError as error:
            self._tell(Failed(str(error)))

    def _tell(self, *frames: object) -> None:
        for frame in frames:
            send(self._orders, frame)

    def _how(self, error: Exception) -> str:
        """Its last word, and how it ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_TIMEOUT_S)
        status = self._process.returncode
        if status is None:
            return f"it spoke nonsense: {error}"
        if status < 0:
            return f"killed by {signal.Signals(-status).name}"
        self._errors.seek(0)
        lines = self._errors.read()[-4000:].decode("utf-8", "replace").strip().splitlines()
        return f"it ended with status {status}: {lines[-1].strip() if lines else 'no word'}"
