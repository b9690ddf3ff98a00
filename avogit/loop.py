"""Many steps, one after another, with one warm evaluator.

Owns when a run ends. Everything a step did is in git before the next begins, so a run that is
stopped, killed or interrupted goes on where it was with the next `avogit run`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from avogit.budget import Purse, all_of
from avogit.config import Budget, Limit
from avogit.records import Lineage, Ratio
from avogit.session import Session
from avogit.settling import StepResult
from avogit.step import take_step

# An operator that fails this often in a row will not help itself.
FAILURES_IN_A_ROW = 3
DIED = "worker-died"  # the outcome of a step whose process was killed
_ENDS_RUN = (
    "exhausted",
    "no-tunables",
    "auth-refused",
    "request-refused",
    "no-tools",
    "unreachable",
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What ends a run; None means no limit of that kind."""

    steps: int | None = None
    seconds: float | None = None
    stop_file: Path | None = None
    stop_request: Path | None = None  # where `avogit stop` asks this very run to end


@dataclass(frozen=True, slots=True)
class RunResult:
    """The steps of a run and why it ended."""

    steps: tuple[StepResult, ...]
    ended: str
    seconds: float
    workers: int = 1
    device_busy_s: float = 0.0  # of `seconds`, how long the device measured


@dataclass(slots=True)
class Course:
    """A run under way: what it came to, what it may still begin, and why it ends.

    All workers of a run share one.
    """

    limits: Limits
    workers: int = 1
    busy_s: Callable[[], float] = float  # how long the device has measured so far
    budget: Budget = field(default_factory=Budget)
    done: list[StepResult] = field(default_factory=list)
    begun: int = 0
    lines: int = 0
    best: Ratio | None = None
    _started: float = field(default_factory=time.monotonic)
    _busy_before_s: float = 0.0
    _purse: Purse = field(init=False)
    _granted: dict[int, Limit] = field(default_factory=dict)  # to the workers that are in a step

    def __post_init__(self) -> None:
        self._purse = Purse(self.budget.run)
        self._busy_before_s = self.busy_s()

    @property
    def at_once(self) -> int:
        """How many steps are under way at most: several workers have one more at the device."""
        return self.workers + (self.workers > 1)

    def begin(self) -> bool:
        """Whether one more step may begin; it counts from now on, whatever becomes of it."""
        most = [n for n in (self.limits.steps, self.budget.run.steps or None) if n is not None]
        if any(self.begun >= n for n in most) or self.ended() is not None:
            return False
        self.begun += 1
        return True

    def allowance(self, worker: int = 1) -> Limit:
        """What the next step may spend: with all others under way, no more than the run may."""
        granted = tuple(self._granted.values())
        limit = self._purse.step_limit(self.budget.step, granted, self.at_once - len(granted))
        self._granted[worker] = limit
        return limit

    def enter(self, result: StepResult, lineage: Lineage, worker: int = 1) -> StepResult:
        """Take in what a step came to, and what the lineage is with it.

        Gives the result with what the run has left.
        """
        granted = self._granted.pop(worker)
        # What a dead worker had spent is not known yet: as much as it could.
        self._purse.take(all_of(granted) if result.outcome == DIED else result.spent)
        result = replace(_slim(result, lineage), left=self._purse.left())
        self.done.append(result)
        live = lineage.live()
        self.lines, self.best = len(live), live[0].score if live else None
        return result

    def elapsed_s(self) -> float:
        """Since the run began."""
        return time.monotonic() - self._started

    def device_busy_s(self) -> float:
        """How long the device has measured since the run began."""
        return self.busy_s() - self._busy_before_s

    def ended(self) -> str | None:
        """Why no step begins any more; None while there is no reason."""
        return self._purse.reached() or _ended(
            self.limits, self.done, self.elapsed_s(), FAILURES_IN_A_ROW * self.workers
        )

    def result(self) -> RunResult:
        """What the run came to."""
        return RunResult(
            tuple(self.done),
            self.ended() or "",
            self.elapsed_s(),
            self.workers,
            self.device_busy_s(),
        )


def _slim(result: StepResult, lineage: Lineage) -> StepResult:
    """Less the raw times, which its record has, and with the lineage's own candidate.

    A run keeps all of its results, and its lineage.
    """
    if result.evaluation is not None:
        result = replace(result, evaluation=replace(result.evaluation, raw={}))
    if result.candidate is None:
        return result
    known = lineage.candidates.get(result.candidate.oid, result.candidate)
    return replace(result, candidate=known)


class Watcher(Protocol):
    """Who is told how a run goes. Called from several threads, `stepped` from one at a time."""

    def begins(self, course: Course, /) -> None:
        """The run begins; `course` may be read at any time from now on."""

    def said(self, worker: int, text: str, /) -> None:
        """What a worker (1, 2, ...) is at, or the run itself (0); no text: at nothing."""

    def stepped(self, course: Course, worker: int, result: StepResult, /) -> None:
        """A step ended; it is the last one of `course.done`."""


def run_steps(
    session: Session,
    operator: str,
    limits: Limits,
    *,
    command: str | None = None,
    watcher: Watcher,
) -> RunResult:
    """Steps until a limit is met; `watcher` hears of each as it ends."""
    course = Course(limits, busy_s=session.evaluator.slot.busy_s, budget=session.config.budget)
    watcher.begins(course)
    while course.begin():
        result = take_step(session, operator, command, course.allowance())
        watcher.stepped(course, 1, course.enter(result, session.lineage()))
    return course.result()


def _ended(limits: Limits, done: list[StepResult], elapsed_s: float, failures: int) -> str | None:
    if limits.stop_request is not None and limits.stop_request.exists():
        return "`avogit stop` asked for it"
    if limits.stop_file is not None and limits.stop_file.exists():
        return f"the stop file {limits.stop_file} exists"
    if limits.steps is not None and len(done) >= limits.steps:
        return f"{limits.steps} steps taken"
    if limits.seconds is not None and elapsed_s >= limits.seconds:
        return f"{limits.seconds:.0f} s have passed"
    if done and done[-1].outcome in _ENDS_RUN:
        return f"the operator has nothing more: {done[-1].reason}"
    recent = done[-failures:]
    if len(recent) == failures and all(step.candidate is None for step in recent):
        return f"{failures} steps in a row proposed nothing: {recent[-1].outcome}"
    return None
