"""A device whose reports are data made by hand: for what is about who waits for whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from avogit.bench.protocol import Hello, Order, Report
from avogit.evaluation import Judged
from avogit.records import BASELINE, Verdict

WORKLOADS = ("small", "large")
BLOCKS = 4
Say = Callable[[str], None]
Slow = Mapping[str, Sequence[float]]  # arm -> how many times as long it takes, block after block


class LentSlot:
    """Reports what `held` says of each order; it is called while the device would be at work."""

    def __init__(self, held: Callable[[Order], Slow]) -> None:
        self._held = held

    def judge(self, order: Order, _progress: Say, /) -> Judged:
        hello = Hello("by hand", "none", (), False)
        return Judged(report(order, self._held(order)), hello, 1.0)

    def busy_s(self) -> float:
        return 0.0

    def close(self) -> None:
        """Nothing was started."""


def report(order: Order, slow: Slow, seconds: float = 1.0) -> Report:
    """A candidate that passed; arms that are not named all take as long."""
    arms = [BASELINE, *(arm.name for arm in order.arms)]
    blocks = tuple(
        {w: {arm: _times(slow.get(arm, [1.0]), block) for arm in arms} for w in WORKLOADS}
        for block in range(BLOCKS)
    )
    return Report(
        verdict=Verdict.PASSED.value,
        blocks=blocks,
        confidence=order.confidence,
        stages_s={"start": 0.0, "timing": seconds},
    )


def _times(slow: Sequence[float], block: int) -> tuple[int, ...]:
    factor = slow[block % len(slow)]
    return tuple(round(1e6 * factor * (1 + 1e-4 * (block + turn))) for turn in range(3))
