"""Whether what a launcher's events tell of time can be believed: by the oracle's own clock.

A device's code might reach the place where its context keeps the time of an event. What a busy
machine adds to a call does not grow with the launches; what a forged clock hides does.
"""

from __future__ import annotations

import collections
import math
import statistics
import time

from avogit.bench.checks import Finding
from avogit.bench.gpu.arms import BaselineArm, LaunchedArm, Ran
from avogit.bench.rig import kernel_failed
from avogit.records import Verdict

# Between an order's way to a launcher and back; more is the machine's doing, or a forged clock.
_SLACK_US, _SLACK_SHARE, _MISMATCHES = 2000.0, 0.01, 3
_PROOF_S, _PROOF_SLACK, _PROOFS = 0.02, 0.05, 5
_REMEMBERED = 100


class Clock:
    """Of one oracle. `hold_cycles`: of the spin ahead of every proof."""

    def __init__(self, hold_cycles: int) -> None:
        self._hold_cycles = hold_cycles
        self._beside: collections.deque[float] = collections.deque(maxlen=_REMEMBERED)
        self._mismatches: collections.Counter[str] = collections.Counter()

    def begin(self) -> None:
        """An evaluation begins."""
        self._mismatches.clear()

    def beside_us(self) -> float:
        """What an order and its answer cost beside the spin and the launches, by the last calls."""
        return statistics.median(self._beside) if self._beside else 0.0

    def late(self, arm: LaunchedArm | BaselineArm, ran: Ran, wall_us: float) -> bool:
        """Whether our own clock tells another time than the events do."""
        beside = wall_us - ran.total_us
        if isinstance(arm, LaunchedArm):
            self._beside.append(beside)
        share = _SLACK_SHARE * ran.total_us
        return not -share <= beside <= _SLACK_US + share

    def suspects(self, arm: LaunchedArm | BaselineArm, late: bool) -> bool:
        """Whether an arm's clock told another time in all its last calls, and it has to prove it.

        Calls of other arms in between say nothing of this one's.
        """
        self._mismatches[arm.name] = self._mismatches[arm.name] + 1 if late else 0
        found = self._mismatches[arm.name] >= _MISMATCHES and isinstance(arm, LaunchedArm)
        if found:
            self._mismatches[arm.name] = 0
        return found

    def prove(self, arm: LaunchedArm, index: int, call_ns: int, timeout_s: float) -> None:
        """Time some calls by our own clock alone: a launcher's events must tell the same."""
        launches = max(1, math.ceil(_PROOF_S / max(call_ns / 1e9, 1e-5)))
        usual_us = min(self.beside_us(), _SLACK_US)
        for attempt in range(_PROOFS):
            began = time.perf_counter_ns()
            ran = arm.run(index, 0, launches << attempt, self._hold_cycles, timeout_s)
            wall_us = (time.perf_counter_ns() - began) / 1e3
            beside_us = wall_us - ran.total_us - usual_us
            if abs(beside_us) <= _SLACK_US / 2 + _PROOF_SLACK * wall_us:
                return
        detail = f"events say {ran.total_us:.4g} us, the oracle's clock {wall_us:.4g} us"
        kernel_failed(arm.name, Finding(Verdict.REWARD_HACK, "clock-mismatch", detail))
