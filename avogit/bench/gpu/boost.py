"""Comparing kernels in burst at the same state of the card's clock.

An idle card's clock moves among steps of 15 MHz: now it is the highest that NVML tells of, now one
to four steps above (seen on H100, well below the power limit). A call that begins at that highest
runs slower by 0.7 to 1.7 % than one that begins above, whatever it computes; which step above makes
a difference of a tenth of that. It is so after a time with nothing to do, for a tenth of a second
or two: work before each call keeps it away, but not after long pauses. The oracle sees the state
before each call, so a round in which kernels met different ones can be made again. Baselines are
left out: cuDNN takes so much power that its clock is below either. A look that tells another clock
than these tells nothing: clocks were locked, or the card's timer is a coarse one.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

_HALF_STEP_MHZ, _MOST_MHZ = 7.5, 1e5
_NEAR = 0.05  # of the highest that NVML tells of: the clocks that an idle card may have


class Boost:
    """Of one card. `look` tells its clock of now, `highest` the most that NVML tells of, in MHz."""

    def __init__(self, look: Callable[[], float], highest: float) -> None:
        self._look = look
        self._highest = highest
        self.begin(looks=True)

    def begin(self, *, looks: bool) -> None:
        """An evaluation begins, which has time to look and to make rounds again, or has not."""
        self._looks = looks
        self._idle_mhz: list[float] = []
        self._low_calls = self._mixed_rounds = 0
        self._calls: dict[tuple[str, str, str], list[float]] = {}
        self.new_round()

    def new_round(self) -> None:
        """Calls that are compared with each other begin."""
        self._round: set[bool] = set()

    def before(self) -> None:
        """A call in burst begins."""
        if self._looks:
            self._idle_mhz.append(self._look())
            self._low_calls += self._is_high() is False

    def mixes(self) -> bool:
        """Whether a kernel's call that ended met another state than the others of its round."""
        high = self._is_high()
        if high is None:
            return False
        found = self._round == {not high}
        self._mixed_rounds += found
        self._round.add(high)
        return found

    def note(self, regime: str, case: str, arm: str, mhz: float) -> None:
        """What the clock was in a call; what a launcher says of it may be anything."""
        if 0 < mhz < _MOST_MHZ:
            self._calls.setdefault((regime, case, arm), []).append(mhz)

    def facts(self) -> dict[str, object]:
        """What was seen in this evaluation. Clocks within calls by regime, workload and arm."""
        calls: dict[str, dict[str, dict[str, float]]] = {}
        for (regime, case, arm), mhz in self._calls.items():
            median = round(statistics.median(mhz), 1)
            calls.setdefault(regime, {}).setdefault(case, {})[arm] = median
        idle = round(statistics.median(self._idle_mhz), 1) if self._idle_mhz else 0.0
        return {
            "idle_mhz": idle,
            "low_calls": self._low_calls,
            "mixed_rounds": self._mixed_rounds,
            "calls_mhz": calls,
        }

    def _is_high(self) -> bool | None:
        """By the last look; None where there was none, or it told nothing."""
        now = self._idle_mhz[-1] if self._idle_mhz else 0.0
        near = abs(now - self._highest) <= _NEAR * self._highest
        return now >= self._highest + _HALF_STEP_MHZ if near else None
