"""When the card's power limit bites in a burst, and what that means for the numbers.

Calls of a few milliseconds after a rest never reach the limit by themselves: where it bites again
in them, something else heats the card, and the block is void. One of tens of milliseconds may reach
it alone, however long the card rested: its time is what the card can do, and the record says which
workloads that befell. Either way the round is tried again first, after a longer rest.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

LONG_S = 0.01  # a call that may reach the limit by itself
SETTLE_S = 0.15  # the counter is told up to a tenth of a second late
_BITES_S = 0.5  # it bites for 0.3 s (seen on H200s): what is told until then is the same time
_SPARED = 1  # time in a block: told late, of what was before the block


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
        self._told_until = 0.0
        self.rest_s = 0.0  # before the next call, beside what every call gets

    def bit(self, case: str, call_s: float) -> bool:
        """Whether it bit since this was last asked; asked after every call."""
        now_ns = self._counter_ns()
        moved, self._seen_ns = now_ns > self._seen_ns, now_ns
        self.rest_s = SETTLE_S if moved else 0.0
        if moved:
            self._calls[case] += 1
            self._count(call_s)
        return moved

    def _count(self, call_s: float) -> None:
        now = time.monotonic()
        if now >= self._told_until:
            self._long += call_s >= LONG_S
            self._short += call_s < LONG_S
            self._told_until = now + _BITES_S

    def void(self) -> str:
        """Why the block that ends now does not count; empty where it does."""
        if self._short <= self._long + _SPARED:
            return ""
        return (
            f"the power limit bit {self._short} times in calls of less than {1e3 * LONG_S:.0f} ms"
        )

    def by_case(self) -> dict[str, int]:
        """In how many calls of this evaluation it bit, by workload."""
        return dict(self._calls)
