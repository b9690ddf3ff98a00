"""Windows of launches without a pause: how long, of how many launches, which of those count."""

from __future__ import annotations

import math
from collections.abc import Sequence

from avogit.bench.protocol import Order

RING = 3  # places of the ring of inputs; a window ends at its last
# The card's clocks sway within a second at its power limit: a window must be longer than that,
# and what comes before it, while the last arm's heat is still felt, counts nowhere.
_SETTLE_S, _LONGEST_S, _LEAST_S = 0.3, 0.75, 0.1
# Of launches before the first window: a cold card's clock sinks for some seconds.
_HEAT_S, _MOST_HEATING = 4.0, 20_000
_SLOWER = 1.2  # than in burst, until an arm's first window tells
_BLOCKS, _SHARE = 2, 0.95  # that many must fit into this share of the time


class Windows:
    """Of one oracle. `call_s`, `round_s`: what goes around every call, and every round."""

    def __init__(self, call_s: float, round_s: float) -> None:
        self._call_s = call_s
        self._round_s = RING * round_s
        self._window_s = _LONGEST_S
        self._burst_s: dict[tuple[str, int], float] = {}  # of one launch, by arm and case
        self._sustained_s: dict[tuple[str, int], float] = {}

    def begin(self, order: Order, workloads: int) -> None:
        """An evaluation begins: windows get the length with which the blocks needed fit."""
        self._burst_s.clear()
        self._sustained_s.clear()
        arms = len(order.arms) + 1 + len(order.beside)
        block_s = (_SHARE * order.sustained_s - _HEAT_S) / _BLOCKS
        spent_s = _SETTLE_S + self._call_s + self._round_s / arms
        window_s = block_s / (arms * workloads) - spent_s
        self._window_s = min(_LONGEST_S, max(_LEAST_S, window_s))

    @property
    def whole_s(self) -> float:
        """A window with what comes before it."""
        return _SETTLE_S + self._window_s

    def cost_s(self, arms: int) -> float:
        """What a round of so many arms takes."""
        return (self.whole_s + self._call_s) * arms + self._round_s

    def note(self, arm: str, index: int, launch_s: float, *, sustained: bool) -> None:
        """How long a launch took, for windows to come."""
        (self._sustained_s if sustained else self._burst_s)[arm, index] = launch_s

    def launches(self, arm: str, index: int, last_s: float) -> int:
        """Enough for a window, by earlier calls. `last_s`: of any arm, where nothing is known."""
        short_s = self._burst_s.get((arm, index), last_s)
        launch_s = self._sustained_s.get((arm, index), _SLOWER * short_s)
        return RING * math.ceil(self.whole_s / max(launch_s, 1e-5) / RING)

    def heating(self, arm: str, index: int) -> int:
        """Launches that heat the card before the first window; none when there was one."""
        if self._sustained_s:
            return 0
        launch_s = self._burst_s.get((arm, index), _HEAT_S)
        return min(_MOST_HEATING, math.ceil(_HEAT_S / max(launch_s, 1e-5)))


def settled(launch_us: Sequence[float]) -> Sequence[float]:
    """The launches of a window that count: those that begin when the card has settled."""
    begun, settle_us = 0.0, _SETTLE_S * 1e6
    for number, us in enumerate(launch_us):
        if begun >= settle_us:
            return launch_us[number:]
        begun += us
    return launch_us[-1:]
