"""From timed pairs to a speed ratio with an honest interval, and when to stop measuring.

Owns every number avogit states about speed: the block estimate, the interval over blocks, the
score, the stopping rule. Leaves what a sample decides to `acceptance`, and the clock to `bench`.

A block is one set of fresh processes. Within a block the arms are timed in interleaved rounds;
each round gives the pair `ln(other / this)`, above 0 when this is faster. Processes differ by
more than rounds do, so the block, not the round, is the unit of every interval.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, median, stdev
from typing import Literal

from avogit.records import Ratio

# Half the width, in log space, that no interval falls below. Equal block estimates mean a clock
# too coarse to show the spread, not certainty; a nanosecond on a millisecond is 1e-6.
FLOOR_HALF_WIDTH = 1e-6
# exp() of more has no finite value. Only a hopeless sample comes near, and it stays undecided.
_LARGEST_LOG = 700.0

Call = Literal["faster", "slower", "matched", "continue", "undecided"]


def block_estimate(pairs: Sequence[float]) -> float:
    """One block's log ratio: the median of its pairs, which a stray slow round cannot move."""
    if not pairs:
        raise ValueError("a block without pairs has no estimate")
    return median(pairs)


def log_ratio_interval(blocks: Sequence[float], confidence: float) -> Ratio:
    """The t interval over blocks of `ln(other / this)`, as a ratio. Needs two blocks or more."""
    if len(blocks) < 2:
        raise ValueError(f"{len(blocks)} block(s) tell nothing about the spread between blocks")
    _refuse_nonfinite(blocks)
    error = stdev(blocks) / math.sqrt(len(blocks))
    half = t_quantile(_upper(confidence), len(blocks) - 1) * error
    return _ratio(fmean(blocks), half)


def score(workload_blocks: Mapping[str, Sequence[float]], confidence: float) -> Ratio:
    """The geometric mean over workloads, with its interval: the one score function.

    Workloads are averaged inside each block first: they share its processes, so their errors
    go together, and only blocks are independent.
    """
    return log_ratio_interval(mean_over_workloads(workload_blocks), confidence)


def pooled_intervals(
    workload_blocks: Mapping[str, Sequence[float]], confidence: float
) -> tuple[Ratio, dict[str, Ratio]]:
    """Over all workloads, and of each, where blocks are few: all share one estimate of the spread.

    For samples whose blocks are so long that there are two or three. It takes every workload to
    scatter as much as the others, and blocks of different workloads to be independent.
    """
    counts = {len(blocks) for blocks in workload_blocks.values()}
    if len(counts) != 1 or min(counts) < 2:
        raise ValueError("every workload needs the same blocks, two at least")
    _refuse_nonfinite(itertools.chain(*workload_blocks.values()))
    (count,) = counts
    df = len(workload_blocks) * (count - 1)
    squares = sum((count - 1) * stdev(blocks) ** 2 for blocks in workload_blocks.values())
    reach = t_quantile(_upper(confidence), df) * math.sqrt(squares / df / count)
    each = {name: _ratio(fmean(blocks), reach) for name, blocks in workload_blocks.items()}
    mean = fmean(fmean(blocks) for blocks in workload_blocks.values())
    return _ratio(mean, reach / math.sqrt(len(workload_blocks))), each


def mean_over_workloads(workload_blocks: Mapping[str, Sequence[float]]) -> list[float]:
    """The blocks' aggregate log ratios. Every workload must have the same blocks."""
    if len({len(blocks) for blocks in workload_blocks.values()}) != 1:
        raise ValueError("every workload needs the same blocks, and one workload at least")
    return [fmean(block) for block in zip(*workload_blocks.values(), strict=True)]


def widest(workload_blocks: Mapping[str, Sequence[float]]) -> list[str]:
    """Workloads by how much their blocks scatter, the most first: where more calls help most."""
    return sorted(workload_blocks, key=lambda name: stdev(workload_blocks[name]), reverse=True)


def widened(ratio: Ratio, blocks: int, confidence: float, comparisons: int) -> Ratio:
    """An interval of `confidence`, widened to hold for all of `comparisons` at once (Bonferroni).

    Looking at the best of many workloads finds a win by chance; this pays for the looking.
    """
    single = t_quantile(_upper(confidence), blocks - 1)
    joint = t_quantile(_upper(1 - (1 - confidence) / comparisons), blocks - 1)
    below, above = math.log(ratio.value / ratio.low), math.log(ratio.high / ratio.value)
    half = max(below, above) * joint / single
    return _ratio(math.log(ratio.value), half)


def inverse(ratio: Ratio) -> Ratio:
    """The same comparison, told of the other side."""
    return Ratio(1 / ratio.value, 1 / ratio.high, 1 / ratio.low)


def quotient(one: Ratio, other: Ratio) -> Ratio:
    """How two ratios to the same thing compare, where they come from independent samples.

    The half widths add as the sides of a right angle; what both samples share of a machine's
    mood is not seen, so a paired sample says more than its narrower interval shows.
    """
    half = math.hypot(
        *(max(math.log(r.value / r.low), math.log(r.high / r.value)) for r in (one, other))
    )
    return _ratio(math.log(one.value / other.value), half)


@dataclass(frozen=True, slots=True)
class Sequential:
    """Looks at growing numbers of blocks, and stops at the first that decides.

    The total two-sided error `1 - confidence` is shared equally by the looks (Bonferroni). That
    holds however the looks depend on each other; the usual alpha-spending functions assume a
    known variance, which six blocks do not give. It costs a last interval about an eighth wider
    than a single look's, and gives one confidence to state, wherever the looking ended.
    """

    confidence: float = 0.99
    looks: tuple[int, ...] = (6, 12)  # blocks at each look, rising
    margin: float = 0.005  # an interval within 1 +- margin is a tie, and not worth more blocks

    def __post_init__(self) -> None:
        rising = self.looks and list(self.looks) == sorted(set(self.looks))
        if not rising or self.looks[0] < 2:
            raise ValueError(f"looks must rise and start at 2 blocks or more: {self.looks}")
        if not 0 < self.confidence < 1:
            raise ValueError(f"not a confidence: {self.confidence}")

    @property
    def look_confidence(self) -> float:
        """The confidence of one look: what a deciding sample's intervals must be made with."""
        return 1 - (1 - self.confidence) / len(self.looks)

    def decide(
        self,
        blocks: Sequence[float],
        workloads: Mapping[str, Sequence[float]] | None = None,
        *,
        last: bool = False,
    ) -> Call:
        """What the blocks so far say; `continue` asks for more.

        `workloads` are the same blocks by workload: where the aggregate is slower but one
        workload looks faster, more blocks may show a specialist. `last` says that the budget
        is spent: this is the last look, wherever it falls.
        """
        final = last or len(blocks) >= self.looks[-1]
        if not final and len(blocks) not in self.looks:
            return "continue"
        if len(blocks) < 2:
            return "undecided"
        call = self._call(log_ratio_interval(blocks, self.look_confidence))
        if call == "slower" and not final and self._promising(workloads or {}):
            return "continue"
        if call == "undecided" and not final:
            return "continue"
        return call

    def _call(self, ratio: Ratio) -> Call:
        if ratio.low > 1:
            return "faster"
        if ratio.high < 1:
            return "slower"
        within = 1 - self.margin < ratio.low and ratio.high < 1 + self.margin
        return "matched" if within else "undecided"

    def _promising(self, workloads: Mapping[str, Sequence[float]]) -> bool:
        """Whether a workload looks faster alone, but not yet as the best of several."""
        for blocks in workloads.values():
            alone = log_ratio_interval(blocks, self.look_confidence)
            joint = widened(alone, len(blocks), self.look_confidence, len(workloads))
            if alone.low > 1 >= joint.low:
                return True
        return False


def proportion_interval(k: int, n: int, confidence: float) -> tuple[float, float]:
    """Wilson's interval of a rate seen `k` times in `n`; usable at 0 and at `n` too."""
    if not 0 <= k <= n or n == 0:
        raise ValueError(f"not a proportion: {k} of {n}")
    z = NormalDist().inv_cdf(_upper(confidence))
    centre = (k + z * z / 2) / (n + z * z)
    half = z * math.sqrt(k * (n - k) / n + z * z / 4) / (n + z * z)
    return max(0.0, centre - half), min(1.0, centre + half)


@functools.lru_cache(maxsize=256)
def t_quantile(p: float, df: int) -> float:
    """The t below which Student's distribution of `df` degrees of freedom has mass `p`.

    With t = sqrt(df) tan(a), the mass between -t and t is a finite sum in sin(a) and cos(a)
    for whole df (Abramowitz and Stegun 26.7.3 and 26.7.4); bisection in a, then Newton.
    """
    if not 0 < p < 1 or df < 1:
        raise ValueError(f"no such quantile: p={p}, df={df}")
    if p < 0.5:
        return -t_quantile(1 - p, df)
    central = 2 * p - 1
    low, high = 0.0, math.pi / 2
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if _central_mass(middle, df) < central else (low, middle)
    angle = (low + high) / 2
    for _ in range(2):
        angle -= (_central_mass(angle, df) - central) / _angle_density(angle, df)
    return math.sqrt(df) * math.tan(angle)


def _central_mass(angle: float, df: int) -> float:
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = df % 2
    term, total = (cosine if odd else 1.0), 0.0
    for k in range(odd, df - 1, 2):
        total += term
        term *= cosine * cosine * (k + 1) / (k + 2)
    return (angle + sine * total) * 2 / math.pi if odd else sine * total


def _angle_density(angle: float, df: int) -> float:
    """The derivative of `_central_mass`."""
    log_scale = math.lgamma((df + 1) / 2) - math.lgamma(df / 2)
    return 2 / math.sqrt(math.pi) * math.exp(log_scale) * math.cos(angle) ** (df - 1)


def _refuse_nonfinite(blocks: Iterable[float]) -> None:
    if not all(map(math.isfinite, blocks)):
        raise ValueError("a block estimate is not finite")


def _upper(confidence: float) -> float:
    """The quantile at the upper end of a two-sided interval."""
    if not 0 < confidence < 1:
        raise ValueError(f"not a confidence: {confidence}")
    return (1 + confidence) / 2


def _ratio(log_value: float, half: float) -> Ratio:
    half = max(half, FLOOR_HALF_WIDTH)
    value, low, high = (
        math.exp(max(-_LARGEST_LOG, min(_LARGEST_LOG, log)))
        for log in (log_value, log_value - half, log_value + half)
    )
    return Ratio(value, low, high)
