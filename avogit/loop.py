"""Many steps, one after another, with one warm evaluator.

Owns when a run ends. Everything a step did is in git before the next begins, so a run that is
stopped, killed or interrupted goes on where it was with the next `avogit run`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from avogit.session import Session
from avogit.step import StepResult, take_step

# An operator that fails this often in a row will not help itself.
FAILURES_IN_A_ROW = 3
_ENDS_RUN = ("exhausted", "no-tunables", "auth-refused", "request-refused", "unreachable")


@dataclass(frozen=True, slots=True)
class Limits:
    """What ends a run; None means no limit of that kind."""

    steps: int | None = None
    seconds: float | None = None
    stop_file: Path | None = None


@dataclass(frozen=True, slots=True)
class RunResult:
    """The steps of a run and why it ended."""

    steps: tuple[StepResult, ...]
    ended: str
    seconds: float


@dataclass(slots=True)
class Course:
    """A run under way: what it may still begin, and why it ends. All its workers share one."""

    limits: Limits
    workers: int = 1
    done: list[StepResult] = field(default_factory=list)
    begun: int = 0
    _started: float = field(default_factory=time.monotonic)

    def begin(self) -> bool:
        """Whether one more step may begin; it counts from now on, whatever becomes of it."""
        full = self.limits.steps is not None and self.begun >= self.limits.steps
        if full or self.ended() is not None:
            return False
        self.begun += 1
        return True

    def elapsed_s(self) -> float:
        return time.monotonic() - self._started

    def ended(self) -> str | None:
        """Why no step begins any more; None while there is no reason."""
        return _ended(self.limits, self.done, self.elapsed_s(), FAILURES_IN_A_ROW * self.workers)


def run_steps(
    session: Session,
    operator: str,
    limits: Limits,
    *,
    command: str | None = None,
    on_step: Callable[[int, StepResult], None],
) -> RunResult:
    """Steps until a limit is met; `on_step` hears of each as it ends."""
    course = Course(limits)
    while course.begin():
        result = take_step(session, operator, command)
        course.done.append(result)
        on_step(len(course.done), result)
    return RunResult(tuple(course.done), course.ended() or "", course.elapsed_s())


def _ended(limits: Limits, done: list[StepResult], elapsed_s: float, failures: int) -> str | None:
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
