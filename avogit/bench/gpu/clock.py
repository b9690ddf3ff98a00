"""Whether what a launcher's events tell of time can be believed: by the oracle's own clock.

A device's code might reach the place where its context keeps the time of an event. What a busy
machine adds to a call does not grow with the launches; what a forged clock hides does. A machine
that holds up who waits for the card does the same to a spin of the oracle's own.
"""

from __future__ import annotations

import collections
import math
import statistics
import time
from collections.abc import Callable

from avogit.bench.arms import EnvironmentBroken
from avogit.bench.checks import Finding
from avogit.bench.gpu.arms import BaselineArm, LaunchedArm, Ran
from avogit.bench.gpu.driver import Stream, destroy_events, elapsed_us
from avogit.bench.rig import kernel_failed
from avogit.records import Verdict

# Between an order's way to a launcher and back; more is the machine's doing, or a forged clock.
_SLACK_US, _SLACK_SHARE, _MISMATCHES = 2000.0, 0.01, 3
_PROOF_S, _DOUBLED, _PROOF_SLACK_US, _PROOF_SLACK = 0.02, 4, 1000.0, 0.05
_LEAST_PROOFS, _MOST_PROOFS, _PROOFS_S = 6, 10, 2.0
_USUAL_US = 1000.0  # beside a call, at most: what an arm could make itself believed to need
_HELD_UP = 2  # of our own spins: what disagrees then is the machine's doing, as far as one can tell
_REMEMBERED, _CYCLES_PER_US = 100, 2000


class OwnSpin:
    """A spin of the oracle's own, in the context that is current when this is made."""

    def __init__(self) -> None:
        self._stream = Stream()

    def beside_us(self, us: float) -> float:
        """Spin for about so long: what our clock tells more than events do.

        It sees a process that is held up while it waits for the card, which is most of a proof.
        """
        began = time.perf_counter_ns()
        begin = self._stream.event()
        self._stream.hold(round(us * _CYCLES_PER_US))
        end = self._stream.event()
        self._stream.wait()
        wall_us = (time.perf_counter_ns() - began) / 1e3
        spun_us = elapsed_us(begin, end)
        destroy_events(begin, end)
        return wall_us - spun_us


class Clock:
    """Of one oracle. `hold_cycles`: of the spin ahead of a proof; `control`: of our own."""

    def __init__(self, hold_cycles: int, control: Callable[[float], float]) -> None:
        self._hold_cycles = hold_cycles
        self._control = control
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
        usual_us = min(self.beside_us(), _USUAL_US)
        begun, held_up = time.monotonic(), 0
        for attempt in range(_MOST_PROOFS):
            lasting_s = _PROOF_S * 2 ** min(attempt, _DOUBLED)
            launches = max(1, math.ceil(lasting_s / max(call_ns / 1e9, 1e-5)))
            began = time.perf_counter_ns()
            ran = arm.run(index, 0, launches, self._hold_cycles, timeout_s)
            wall_us = (time.perf_counter_ns() - began) / 1e3
            slack_us = _PROOF_SLACK_US + _PROOF_SLACK * wall_us
            if abs(wall_us - ran.total_us - usual_us) <= slack_us:
                return
            held_up += abs(self._control(min(wall_us, 1e6 * lasting_s))) > slack_us
            if attempt + 1 >= _LEAST_PROOFS and time.monotonic() - begun > _PROOFS_S:
                break
        detail = f"events say {ran.total_us:.4g} us, the oracle's clock {wall_us:.4g} us"
        if held_up >= _HELD_UP:
            raise EnvironmentBroken("host-stalls", f"{detail}; a spin of our own was held up too")
        kernel_failed(arm.name, Finding(Verdict.REWARD_HACK, "clock-mismatch", detail))
