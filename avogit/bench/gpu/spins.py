"""Whether the spins before a launcher's calls took as long as those before a baseline's.

A launcher's events tell of the spin and of the launches behind it. Code that finds where its
context keeps the event between them could move time from the launches into the spin, and the
oracle's clock, which sees their sum, would not tell. The same spin before a baseline's call is
queued and timed by the oracle itself.
"""

from __future__ import annotations

import statistics

_LONGER = 1.03  # by the median of a block; a launcher's are 2 to 3 % shorter, for what torch adds
_CYCLES_PER_US = 2000


class Spins:
    """Of one oracle."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """An evaluation begins."""
        self._medians: dict[str, list[float]] = {}
        self.new_block()

    def new_block(self) -> None:
        """A block begins."""
        self._launched: dict[str, list[float]] = {}
        self._own: list[float] = []

    def note(self, arm: str, cycles: int, us: float, *, own: bool) -> None:
        """How long a spin took. `own`: before a call that the oracle made and timed itself."""
        found = self._own if own else self._launched.setdefault(arm, [])
        found.append(us * _CYCLES_PER_US / cycles)

    def void(self) -> str:
        """Why the block that ends now does not count; empty where it does."""
        if not self._own:
            return ""
        own = statistics.median(self._own)
        found = {arm: statistics.median(spins) / own for arm, spins in self._launched.items()}
        for arm, ratio in found.items():
            self._medians.setdefault(arm, []).append(round(ratio, 4))
        longest = max(found, key=found.__getitem__, default="")
        if not found or found[longest] <= _LONGER:
            return ""
        return f"events say that spins before {longest} took {found[longest]:.3f}x the oracle's own"

    def facts(self) -> dict[str, list[float]]:
        """Each arm's spins to the oracle's own, by block."""
        return {arm: list(ratios) for arm, ratios in self._medians.items()}
