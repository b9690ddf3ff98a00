"""When the card's power limit bites in a burst, and what that means for the numbers.

A call of a few milliseconds after a rest never reaches the limit by itself: where it bites then,
something else heats the card, and the block is void. One of tens of milliseconds may reach it
alone, however long the card rested: its time is what the card can do, and the record says which
workloads that befell. Either way the round is tried again first, after a longer rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

LONG_S = 0.01  # a call that may reach the limit by itself
SETTLE_S = 0.15  # the counter is told up to a tenth of a second late
_SPARED = 2  # short calls of a block in which what came before may still be told


class PowerLimit:
    """Watches the card's counter, call by call. `counter_ns`: how long the limit has bitten."""

    def __init__(self, counter_ns: Callable[[], int]) -> None:
        self._counter_ns = counter_ns
        self._seen_ns = 0
        self._calls: Counter[str] = Counter()
        self.begin()

    def begin(self) -> None:
        """An evaluation begins."""
        self._calls.clear()
        self.new_block()

    def new_block(self) -> None:
        """A block begins; what bit before is nothing of its own."""
        self._seen_ns = self._counter_ns()
        self._long = self._short = 0
        self.rest_s = 0.0  # before the next call, beside what every call gets

    def bit(self, case: str, call_s: float) -> bool:
        """Whether it bit since this was last asked; asked after every call."""
        now_ns = self._counter_ns()
        moved, self._seen_ns = now_ns > self._seen_ns, now_ns
        self.rest_s = SETTLE_S if moved else 0.0
        if moved:
            self._calls[case] += 1
            self._long += call_s >= LONG_S
            self._short += call_s < LONG_S
        return moved

    def void(self) -> str:
        """Why the block that ends now does not count; empty where it does."""
        if self._short <= self._long + _SPARED:
            return ""
        return f"the power limit bit in {self._short} calls of less than {1e3 * LONG_S:.0f} ms"

    def by_case(self) -> dict[str, int]:
        """In how many calls of this evaluation it bit, by workload."""
        return dict(self._calls)
