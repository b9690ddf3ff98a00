"""A device whose reports are data made by hand: for what is about who waits for whom."""

from __future__ import annotations

from collections.abc import Callable

from avogit.bench.protocol import Order, Report
from avogit.evaluation import Judged
from avogit.records import BASELINE, CANDIDATE, Verdict

WORKLOADS = ("small", "large")
Say = Callable[[str], None]


class LentSlot:
    """Every candidate is so much slower than all it is compared with, as `held` says."""

    def __init__(self, held: Callable[[Order], float]) -> None:
        self._held = held  # called with each order, while the device would be at work

    def judge(self, order: Order, _progress: Say, /) -> Judged:
        return Judged(report(order, self._held(order)), "by hand", 1.0)

    def busy_s(self) -> float:
        return 0.0

    def close(self) -> None:
        """Nothing was started."""


def report(order: Order, slow: float, seconds: float = 1.0) -> Report:
    """A candidate that passed, and takes so many times as long as each other arm."""
    arms = [BASELINE, *(arm.name for arm in order.arms)]
    blocks = tuple(
        {w: {arm: _times(slow if arm == CANDIDATE else 1.0, block) for arm in arms}
         for w in WORKLOADS}
        for block in range(4)
    )  # fmt: skip
    return Report(
        verdict=Verdict.PASSED.value,
        blocks=blocks,
        confidence=order.confidence,
        stages_s={"start": 0.0, "timing": seconds},
    )


def _times(slow: float, block: int) -> tuple[int, ...]:
    return tuple(round(1e6 * slow * (1 + 1e-4 * (block + turn))) for turn in range(3))
