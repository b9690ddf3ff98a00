"""What a card is given before a call in burst: a rest, then a moment of work of the oracle's own.

Owns how long both take, and what a round costs for it. A rest counts from the end of the last
launch: looking at its output and making new inputs falls into it, which takes the card next to no
power. After a time with nothing to do the card's clock is lower (`boost`): hence the work.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

_REST_S, _REST_SHARE, _JITTER_S = 0.02, 3.0, 0.002
_STILL_S = 0.01  # of a rest, right before the call, with nothing at all to do
_WAKING_S = 0.001
CALL_S, ROUND_S = 0.003, 0.02  # poison, flush, checks; new inputs and more checks
_ORDER_S = 0.002  # a look at the clock, an order, the spin where the host is quick


class Pace:
    """Of one oracle. `work`: keeps the card busy for so many seconds."""

    def __init__(self, work: Callable[[float], None]) -> None:
        self._work = work
        self._ended = time.monotonic()
        self.last_s = 0.0  # what the last launch took

    def ended(self, launch_s: float) -> None:
        """Launches of an arm ended now, the last after so long."""
        self._ended, self.last_s = time.monotonic(), launch_s

    def rest(self, least_s: float) -> None:
        """Let the card cool, so that its clocks are high; then wake it."""
        wanted = max(_REST_S, _REST_SHARE * self.last_s, least_s)
        left = self._ended + wanted - time.monotonic()
        self._wait_and_wake(left)

    def rest_more(self) -> None:
        """A moment more, and wake it again."""
        self._wait_and_wake(_STILL_S)

    def _wait_and_wake(self, seconds: float) -> None:
        time.sleep(max(seconds, _STILL_S) + random.random() * _JITTER_S)
        self._work(_WAKING_S)


def cost_s(calls_s: Sequence[float]) -> float:
    """What calling arms once takes that need so long, with all that goes around it. Seconds."""
    jitter_s = _JITTER_S / 2
    beside = [CALL_S + ROUND_S, *[CALL_S] * (len(calls_s) - 1)]
    rests = (max(_REST_S, _REST_SHARE * call) + jitter_s for call in calls_s)
    waits = (max(r, b + _STILL_S + jitter_s) for r, b in zip(rests, beside, strict=True))
    return sum(waits) + sum(calls_s) + (_WAKING_S + _ORDER_S) * len(calls_s)
