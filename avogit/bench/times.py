"""Raw times of blocks, and the log ratios that every statement about speed is made of.

Torch-free: the oracle decides with it when to stop, avogit states intervals with it, and `fsck`
computes a recorded score again with it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from avogit.records import CANDIDATE
from avogit.statistics import block_estimate

Times = Mapping[str, Mapping[str, tuple[int, ...]]]  # workload -> arm -> nanoseconds, a round each


def log_ratios(blocks: Sequence[Times], arm: str, this: str = CANDIDATE) -> dict[str, list[float]]:
    """By workload, each block's estimate of ln(arm's time / this one's time)."""
    return {name: [_estimate(block[name], arm, this) for block in blocks] for name in blocks[0]}


def _estimate(times: Mapping[str, tuple[int, ...]], arm: str, this: str) -> float:
    pairs = zip(times[arm], times[this], strict=True)
    return block_estimate([math.log(other / this) for other, this in pairs])
