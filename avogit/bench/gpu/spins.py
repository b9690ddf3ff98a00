"""Whether the spins before a launcher's calls took as long as those before a baseline's.

A launcher's events tell of the spin and of the launches behind it. Code that finds where its
context keeps the event between them could move time from the launches into the spin, and the
oracle's clock, which sees their sum, would not tell. The same spin before a baseline's call is
queued and timed by the oracle itself. Looked at by workload: code knows what it computes.
"""

from __future__ import annotations

import statistics

from avogit.bench.arms import EnvironmentBroken

# A launcher's are 1 to 4 % shorter, for what torch adds; of 1182 none was as long as a baseline's.
_LONGER = 1.01
_LEAST = 3  # spins of the oracle's own, and of a kernel on a workload


class Spins:
    """Of one oracle."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """An evaluation begins."""
        self._own: dict[int, list[float]] = {}  # by cycles
        self._launched: dict[tuple[str, str], list[tuple[int, float]]] = {}  # by arm and workload

    def note(self, arm: str, case: str, cycles: int, us: float, *, own: bool) -> None:
        """How long a spin took. `own`: before a call that the oracle made and timed itself."""
        if own:
            self._own.setdefault(cycles, []).append(us)
        else:
            self._launched.setdefault((arm, case), []).append((cycles, us))

    def check(self) -> None:
        """Unwind where most of a kernel's on one workload were longer than the oracle's own.

        Nobody is blamed: that a machine could make it so cannot be excluded.
        """
        own = self._usual()
        for (arm, case), spins in self._launched.items():
            compared = [(us, own[cycles]) for cycles, us in spins if cycles in own]
            longer = sum(not us <= _LONGER * usual for us, usual in compared)
            if len(compared) >= _LEAST and 2 * longer > len(compared):
                us, usual = compared[-1]
                told = f"events say that the spin before {arm} took {us:.5g} us on {case}"
                detail = f"{told}, and {usual:.5g} us before the baseline; so in {longer} calls"
                raise EnvironmentBroken("long-spins", f"{detail} of {len(compared)}")

    def facts(self) -> dict[str, float]:
        """By arm, how much longer than the oracle's own its spins were. Median, microseconds."""
        own = self._usual()
        more: dict[str, list[float]] = {}
        for (arm, _), spins in self._launched.items():
            more.setdefault(arm, []).extend(us - own[c] for c, us in spins if c in own)
        return {arm: round(statistics.median(us), 2) for arm, us in more.items() if us}

    def _usual(self) -> dict[int, float]:
        """The oracle's own, by cycles. Median, microseconds."""
        return {c: statistics.median(us) for c, us in self._own.items() if len(us) >= _LEAST}
