"""Launchers, as the oracle sees them: started ahead of need, told what to do, ended.

Owns pipes, time limits and process ids. What an answer means for an arm `gpu.rig` says.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import signal
import socket
import subprocess
from collections.abc import Mapping
from typing import IO, Any

from avogit.bench.gpu.frames import Born, Broken, Done, Go, Load, Loaded
from avogit.bench.protocol import ProtocolError, receive, send
from avogit.processes import program
from avogit.records import CANDIDATE

START_TIMEOUT_S = 60.0
_END_TIMEOUT_S = 20.0
_STAYING = 2  # crews of rivals, between evaluations
_KEPT_VARIABLES = ("CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "NVIDIA_VISIBLE_DEVICES", "PATH")


class LauncherGone(Exception):
    """It ended without a word, or spoke nonsense."""


class LauncherTimeout(Exception):
    """No answer in time; it is ended."""


class Launcher:
    """One launcher's process."""

    def __init__(self, zygote: socket.socket) -> None:
        orders_read, orders_write = os.pipe()
        answers_read, answers_write = os.pipe()
        socket.send_fds(zygote, [b"launcher"], [orders_read, answers_write])
        os.close(orders_read)
        os.close(answers_write)
        self._orders: IO[bytes] = os.fdopen(orders_write, "wb")
        self._answers: IO[bytes] = os.fdopen(answers_read, "rb")
        self.pid = 0

    def born(self) -> None:
        """Wait until it has a context."""
        if self.pid:
            return
        answer = self._receive(START_TIMEOUT_S, Born, Broken)
        if isinstance(answer, Broken):
            raise LauncherGone(f"{answer.code} from {answer.detail}")
        self.pid = answer.pid

    def begin_load(self, order: Load) -> None:
        """Tell it what to load. `loaded` waits for that."""
        self._send(order)

    def loaded(self) -> Broken | None:
        """None where everything is bound."""
        answer = self._receive(START_TIMEOUT_S, Loaded, Broken)
        return answer if isinstance(answer, Broken) else None

    def go(
        self, case: int, ring: int, launches: int, hold_cycles: int, timeout_s: float
    ) -> Done | Broken:
        """Have a case launched, and wait for its end."""
        nonce = secrets.token_hex(8)
        self._send(Go(case, ring, launches, hold_cycles, nonce))
        answer = self._receive(timeout_s, Done, Broken)
        if isinstance(answer, Done) and answer.nonce != nonce:
            raise LauncherGone("it answered another order")
        assert isinstance(answer, Done | Broken)
        return answer

    def kill(self) -> None:
        """End it at once; `ended` follows."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        with contextlib.suppress(BrokenPipeError):
            self._orders.close()

    def ended(self) -> None:
        """Wait until its context is gone."""
        select.select([self._answers], [], [], _END_TIMEOUT_S)
        self._answers.close()

    def _send(self, message: Any) -> None:
        try:
            send(self._orders, message)
        except BrokenPipeError as error:
            raise LauncherGone("it ended before it was told anything") from error

    def _receive(self, timeout_s: float, *kinds: type[Any]) -> Any:
        if not select.select([self._answers], [], [], timeout_s)[0]:
            raise LauncherTimeout(f"no end after {timeout_s:.3g} s")
        try:
            return receive(self._answers, *kinds)
        except (EOFError, ProtocolError) as error:
            raise LauncherGone(str(error) or "it ended without a word") from error


class Pool:
    """Launchers by the bundle that they serve: a crew of several, so that blocks differ in them.

    A crew starts side by side, while nothing is timed. The crew of a candidate is new in every
    evaluation; that of a rival, which comes again and again, may stay.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = program("avogit.bench.gpu.launcher", str(theirs.fileno()), bare=False)
        null = subprocess.DEVNULL
        kept = {name: environment[name] for name in _KEPT_VARIABLES if name in environment}
        # Lazy loading would put the first launch of each kernel inside a timed call.
        settings = {**kept, "CUDA_MODULE_LOADING": "EAGER", "PYTHONDONTWRITEBYTECODE": "1"}
        self._process = subprocess.Popen(
            command, stdin=null, stdout=null, pass_fds=[theirs.fileno()], env=settings
        )
        theirs.close()
        self._zygote = ours
        self._spare: list[Launcher] = []
        self._crews: dict[str, list[Launcher]] = {}  # by arm; of the evaluation under way
        self._stays: dict[str, list[Launcher]] = {}  # by bundle, the one that served last behind
        self._dying: list[Launcher] = []

    def first(self, arm: str, more: int) -> Launcher:
        """One for an arm that may not need others; so many more are started meanwhile."""
        self._crews[arm] = [self._start()]
        self._crews[arm][0].born()
        self._spare += [Launcher(self._zygote) for _ in range(more - len(self._spare))]
        return self._crews[arm][0]

    def assemble(self, bundles: Mapping[str, str], size: int) -> None:
        """Crews of that size for these arms, all with a context: a start must meet no timed call.

        The candidate's has its first one; a rival's may be there from an earlier evaluation. One
        more is for whoever comes next, who then waits for none.
        """
        for arm, bundle in bundles.items():
            kept = [] if arm == CANDIDATE else self._stays.pop(bundle, [])
            crew = self._crews.setdefault(arm, kept)
            crew += [self._start() for _ in range(size - len(crew))]
        if not self._spare:
            self._spare.append(Launcher(self._zygote))
        for launcher in self._alive():
            launcher.born()
        while self._dying:  # taking contexts down keeps the card busy
            self._dying.pop().ended()

    def crew(self, arm: str) -> list[Launcher]:
        """The launchers of an arm."""
        return self._crews[arm]

    def finish(self, bundles: Mapping[str, str], *, stay: bool, spare: int) -> None:
        """An evaluation ended; `bundles` are its arms'. Where all is well, rivals' crews stay.

        Others are ended, but not waited for. `spare`: so many new ones start for the next
        evaluation.
        """
        for arm, crew in self._crews.items():
            if stay and arm != CANDIDATE and bundles.get(arm, "") not in self._stays:
                self._stays[bundles[arm]] = crew
            else:
                self._end(crew)
        self._crews.clear()
        # Whoever measures next checks before it times anything, and that long a start may take.
        self._spare += [Launcher(self._zygote) for _ in range(spare - len(self._spare))]
        while len(self._stays) > _STAYING:
            self._end(self._stays.pop(next(iter(self._stays))))

    def renew(self) -> None:
        """Whoever served before is ended: a sample that promises fresh processes begins."""
        for crew in self._stays.values():
            self._end(crew)
        self._stays.clear()

    @property
    def pids(self) -> set[int]:
        """The processes that may use the card on our behalf."""
        return {launcher.pid for launcher in (*self._alive(), *self._dying) if launcher.pid}

    def _start(self) -> Launcher:
        return self._spare.pop(0) if self._spare else Launcher(self._zygote)

    def _alive(self) -> list[Launcher]:
        crews = (*self._crews.values(), *self._stays.values())
        return [*self._spare, *(launcher for crew in crews for launcher in crew)]

    def _end(self, crew: list[Launcher]) -> None:
        for launcher in crew:
            launcher.kill()
        self._dying += crew
