"""What a run and its workers say to each other, beside what goes to a device and comes back."""

from __future__ import annotations

from dataclasses import dataclass

from avogit.config import Limit
from avogit.settling import StepResult


@dataclass(frozen=True, slots=True)
class Start:
    """The first frame to a worker: what all its steps are about."""

    directory: str
    base: str  # the commit that the task is read from
    operator: str
    command: str | None


@dataclass(frozen=True, slots=True)
class Go:
    """Take one step, which may spend no more than this."""

    limit: Limit


@dataclass(frozen=True, slots=True)
class Grown:
    """What the step came to; nothing is retired yet."""

    result: StepResult


@dataclass(frozen=True, slots=True)
class Bug:
    """What no step should meet; the run ends with it."""

    trace: str
