"""Windows of launches without a pause: how long, of how many launches, and what comes before."""

from __future__ import annotations

import math

from avogit.bench.protocol import Order

RING = 3  # places of the ring of inputs; a window ends at its last
# Before a window the card does work of our own, so that all begin alike, near its power limit,
# whatever arm or pause was before; more before the first, as a cold card's clock sinks for seconds.
_LEAD_S, _HEAT_S, _HEAT_SHARE = 0.05, 5.0, 0.09
# Once busy, a card at its limit is fast for a moment, and from 0.8 s on, more or less, too slow for
# 0.2 s. A window that ends amid that scatters more than twice as much as one that ends after it: so
# all launches count, windows are few, and what is before them is short.
_LONGEST_S, _LEAST_S = 1.2, 0.1
_SLOWER = 1.1  # than in burst, until an arm's first window tells
_BLOCKS, _SHARE = 2, 0.97  # that many must fit into this share of the time


class Windows:
    """Of one oracle. `call_s`, `round_s`: what goes around every call, and every round."""

    def __init__(self, call_s: float, round_s: float) -> None:
        self._call_s = call_s
        self._round_s = RING * round_s
        self.window_s = _LONGEST_S
        self._heat_s = _HEAT_S
        self._burst_s: dict[tuple[str, int], float] = {}  # of one launch, by arm and case
        self._sustained_s: dict[tuple[str, int], float] = {}

    def begin(self, order: Order, workloads: int) -> None:
        """An evaluation begins: windows get the length with which the blocks needed fit."""
        self._burst_s.clear()
        self._sustained_s.clear()
        arms = len(order.arms) + 1  # the baseline
        self._heat_s = min(_HEAT_S, _HEAT_SHARE * order.sustained_s)
        block_s = (_SHARE * order.sustained_s - self._heat_s) / _BLOCKS
        spent_s = _LEAD_S + self._call_s + self._round_s / arms
        window_s = block_s / (arms * workloads) - spent_s
        self.window_s = min(_LONGEST_S, max(_LEAST_S, window_s))

    def cost_s(self, arms: int) -> float:
        """What a round of so many arms takes."""
        return (_LEAD_S + self.window_s + self._call_s) * arms + self._round_s

    def note(self, arm: str, index: int, launch_s: float, *, sustained: bool) -> None:
        """How long a launch took, for windows to come."""
        (self._sustained_s if sustained else self._burst_s)[arm, index] = launch_s

    def launches(self, arm: str, index: int, last_s: float) -> int:
        """Enough for a window, by earlier calls. `last_s`: of any arm, where nothing is known."""
        short_s = self._burst_s.get((arm, index), last_s)
        launch_s = self._sustained_s.get((arm, index), _SLOWER * short_s)
        return RING * math.ceil(self.window_s / max(launch_s, 1e-5) / RING)

    def lead_s(self) -> float:
        """How long the card works before the next window."""
        return _LEAD_S if self._sustained_s else self._heat_s
