"""What every rig has in common: the cases of a task, arms that are called, and their answers.

A rig is what the oracle measures with; `cpu_rig` and `gpu.rig` are the two. Leaves the order of
calls to `correctness` and `timing`.
"""

from __future__ import annotations

import hashlib
import hmac
import random
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from avogit.bench.arms import KernelFailed, Timed
from avogit.bench.checks import Finding
from avogit.bench.problem import Problem
from avogit.bench.protocol import Case, Defences, Order, TaskSpec

Arms = Mapping[str, Any]  # by name; what an arm is only its rig knows


class Seeds:
    """Secret seeds of one evaluation. The key is told when all is over, for others to verify."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._count = 0

    def next(self) -> int:
        self._count += 1
        digest = hmac.digest(self._key, self._count.to_bytes(8, "big"), "sha256")
        return int.from_bytes(digest[:8], "big") >> 1

    def shuffled(self, items: Sequence[str]) -> list[str]:
        found = list(items)
        random.Random(self.next()).shuffle(found)
        return found

    def revealed(self) -> dict[str, str]:
        return {"key": self._key.hex(), "commitment": hashlib.sha256(self._key).hexdigest()}


@dataclass(frozen=True, slots=True)
class Answer:
    """One call: how long, and what it left in its output, [rows, width]."""

    timed: Timed
    out: torch.Tensor
    poison: int | None  # what it would hold where it was never written
    finding: Finding | None  # what the guards say


class Watch(Protocol):
    """Looks at the machine while a block is timed."""

    def void(self) -> str:
        """Why the block that ends now does not count; empty where it does."""


class Rig(Protocol):
    """Open for the life of an oracle."""

    spec: TaskSpec
    regime: str  # how calls are made, where there are several ways
    warms: bool  # whether its arms are warm when they are started
    repeated_share: float  # of rounds, that may be made again where they were disturbed
    yardstick: bool  # whether a candidate's error is held against the baseline's own

    @property
    def problem(self) -> Problem: ...
    @property
    def again_share(self) -> float:
        """Of a round's time: in it the workloads that scatter most are called once more."""

    @property
    def timed(self) -> Sequence[Case]:
        """The cases of the task's workloads."""

    @property
    def shapes(self) -> Sequence[Case]:
        """The cases that are checked and never timed."""

    @property
    def held_out(self) -> Sequence[Case]:
        """The cases that are checked when a champion is confirmed, and only then."""

    def fill(
        self, case: Case, kind: str, seed: int, defences: Defences
    ) -> dict[str, torch.Tensor]: ...
    def assemble(self, artefacts: Mapping[str, str]) -> None:
        """Timing begins: what blocks of these arms need is made ready, where that takes time."""

    def started(
        self, artefacts: Mapping[str, str], seeds: Seeds, defences: Defences, read: Sequence[str]
    ) -> AbstractContextManager[Arms]: ...
    def call(self, arm: Any, case: Case, timeout_s: float, defences: Defences) -> Answer: ...
    def cost_s(self, calls_s: Sequence[float]) -> float:
        """What calling all arms once takes, with all that goes around it. Seconds."""

    @property
    def patience_s(self) -> float:
        """The least time that a call is given, when nearly none is left."""

    def watch(self) -> Watch: ...
    def overhead_us(self, order: Order) -> float:
        """What a call costs beside the kernel."""

    def prove(self, arm: Any, case: Case, call_ns: int, timeout_s: float) -> None:
        """Where the clock is not the oracle's own: hold it against that one."""

    def device_name(self) -> str:
        """What measures, as its maker or its driver calls it."""

    def facts(self) -> dict[str, object]:
        """What the device said of itself since this was asked last."""

    def begin(self, order: Order, progress: Callable[[str], None]) -> None:
        """An evaluation begins; where others use the device, wait, or say so."""

    def audit(self, artefact: str, progress: Callable[[str], None]) -> None:
        """Have the device's own checker look at a candidate, where there is one."""

    def finish(self, *, well: bool) -> None:
        """It ended; not well: an arm of its may be in any state."""

    def most_gflops(self, case: Case) -> float:
        """What no kernel can exceed."""


def kernel_failed(arm: str, finding: Finding | None) -> None:
    """Unwind where there is a finding."""
    if finding is not None:
        raise KernelFailed(arm, finding)
