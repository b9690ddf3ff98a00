"""Comparing kernels in burst at the same state of the card's clock.

An idle card's clock moves among steps of 15 MHz: now it is the highest that NVML tells of, now one
to four steps above (seen on H100, well below the power limit). A call that begins at that highest
runs slower by 0.7 to 1.7 % than one that begins above, whatever it computes; which step above makes
a difference of a tenth of that. The lower state comes with a time of nothing to do, and on some
cards by itself too, for a tenth of a second or two. The oracle sees the state before each call: all
kernels of a round wait for the one that the first of them met, while there is time for that, and a
round in which they met different ones all the same can be made again. Baselines are left out: cuDNN
takes so much power that its clock is below either. A look that tells another clock than these tells
nothing: clocks were locked, or the card's timer is a coarse one.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

_HALF_STEP_MHZ, _MOST_MHZ = 7.5, 1e5
_NEAR = 0.05  # of the highest that NVML tells of: the clocks that an idle card may have
# What waiting may take: before a call, and of the evaluation's time up to then.
_LONGEST_WAIT_S, _WAITING_SHARE = 0.4, 0.3


class Boost:
    """Of one card. `look` tells its clock of now, `highest` the most that NVML tells of, in MHz."""

    def __init__(self, look: Callable[[], float], highest: float) -> None:
        self._look = look
        self._highest = highest
        self.begin(looks=True)

    def begin(self, *, looks: bool) -> None:
        """An evaluation begins, which has time to look and to make rounds again, or has not."""
        self._looks = looks
        self._begun = time.monotonic()
        self._waited_s = 0.0
        self._idle_mhz: list[float] = []
        self._low_calls = self._mixed_rounds = 0
        self._calls: dict[tuple[str, str, str], list[float]] = {}
        self.new_round()

    def new_round(self) -> None:
        """Calls that are compared with each other begin."""
        self._round: set[bool] = set()

    def before(self, rest_more: Callable[[], None] | None) -> None:
        """A call in burst begins; by resting more, a kernel's waits for the round's first state."""
        if not self._looks:
            return
        self._idle_mhz.append(self._look())
        if rest_more is not None:
            self._wait(rest_more)
        self._low_calls += self._is_high() is False

    def mixes(self) -> bool:
        """Whether a kernel's call that ended met another state than the others of its round."""
        high, found = self._is_high(), self._differs()
        self._mixed_rounds += found
        if high is not None:
            self._round.add(high)
        return found

    def note(self, regime: str, case: str, arm: str, mhz: float) -> None:
        """What the clock was in a call; what a launcher says of it may be anything."""
        if 0 < mhz < _MOST_MHZ:
            self._calls.setdefault((regime, case, arm), []).append(mhz)

    def facts(self) -> dict[str, object]:
        """What was seen in this evaluation, when waiting was over.

        Clocks within calls by regime, workload and arm.
        """
        calls: dict[str, dict[str, dict[str, float]]] = {}
        for (regime, case, arm), mhz in self._calls.items():
            median = round(statistics.median(mhz), 1)
            calls.setdefault(regime, {}).setdefault(case, {})[arm] = median
        idle = round(statistics.median(self._idle_mhz), 1) if self._idle_mhz else 0.0
        return {
            "idle_mhz": idle,
            "waited_s": round(self._waited_s, 3),
            "low_calls": self._low_calls,
            "mixed_rounds": self._mixed_rounds,
            "calls_mhz": calls,
        }

    def _wait(self, rest_more: Callable[[], None]) -> None:
        begun = now = time.monotonic()
        while self._differs() and now - begun < self._most_s(begun):
            rest_more()
            self._idle_mhz[-1] = self._look()
            now = time.monotonic()
        self._waited_s += now - begun

    def _differs(self) -> bool:
        """Whether the last look tells another state than all kernels of this round met so far."""
        high = self._is_high()
        return high is not None and self._round == {not high}

    def _most_s(self, now: float) -> float:
        left_s = _WAITING_SHARE * (now - self._begun) - self._waited_s
        return min(_LONGEST_WAIT_S, left_s)

    def _is_high(self) -> bool | None:
        """By the last look; None where there was none, or it told nothing."""
        now = self._idle_mhz[-1] if self._idle_mhz else 0.0
        near = abs(now - self._highest) <= _NEAR * self._highest
        return now >= self._highest + _HALF_STEP_MHZ if near else None
