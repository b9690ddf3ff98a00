"""Intervals of samples with few, long blocks: one estimate of the spread for all workloads."""

from __future__ import annotations

import math
import random
from statistics import fmean, median, stdev

import pytest

from avogit.records import Ratio
from avogit.statistics import (
    log_ratio_interval,
    pooled_intervals,
    proportion_interval,
    t_quantile,
)

RUNS, BLOCKS, SPREAD = 3000, 2, 0.01
EFFECTS = {"a": 0.03, "b": 0.0, "c": -0.05, "d": 0.01}


def sample(rng: random.Random, shared: float = 0.0) -> dict[str, list[float]]:
    """Two blocks of four workloads; `shared`: what one block's workloads have in common."""
    moods = [rng.gauss(0, shared) for _ in range(BLOCKS)]
    return {
        name: [effect + mood + rng.gauss(0, SPREAD) for mood in moods]
        for name, effect in EFFECTS.items()
    }


def misses(ratio: Ratio, effect: float) -> bool:
    return not ratio.low <= math.exp(effect) <= ratio.high


def assert_is_the_error(missed: int, runs: int, error: float) -> None:
    low, high = proportion_interval(missed, runs, 0.999)
    assert low <= error <= high, f"{missed} of {runs}"


@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_intervals_cover_the_truth_as_often_as_they_say(confidence: float) -> None:
    rng = random.Random(1)
    all_missed, each_missed = 0, dict.fromkeys(EFFECTS, 0)
    for _ in range(RUNS):
        total, each = pooled_intervals(sample(rng), confidence)
        all_missed += misses(total, fmean(EFFECTS.values()))
        for name, effect in EFFECTS.items():
            each_missed[name] += misses(each[name], effect)
    assert_is_the_error(all_missed, RUNS, 1 - confidence)
    for missed in each_missed.values():
        assert_is_the_error(missed, RUNS, 1 - confidence)


def test_what_blocks_share_is_not_covered() -> None:
    """The simulation can fail: where workloads go together, the mean is off more often."""
    rng = random.Random(2)
    found = [pooled_intervals(sample(rng, shared=SPREAD), 0.95)[0] for _ in range(RUNS)]
    missed = sum(misses(ratio, fmean(EFFECTS.values())) for ratio in found)
    assert proportion_interval(missed, RUNS, 0.999)[0] > 0.05


def width(ratio: Ratio) -> float:
    return math.log(ratio.high / ratio.low)


def test_many_workloads_make_up_for_few_blocks() -> None:
    """With two blocks alone, t of one degree of freedom says next to nothing."""
    rng = random.Random(3)
    samples = [sample(rng) for _ in range(400)]
    alone = median(width(log_ratio_interval(blocks["a"], 0.95)) for blocks in samples)
    pooled = [pooled_intervals(blocks, 0.95) for blocks in samples]
    assert median(width(each["a"]) for _, each in pooled) < alone / 2
    for total, each in pooled:
        assert width(total) == pytest.approx(width(each["a"]) / 2)  # a mean of four


def test_they_are_what_a_hand_computes() -> None:
    blocks = {"a": [0.01, 0.03, 0.02], "b": [0.10, 0.10, 0.16]}
    total, each = pooled_intervals(blocks, 0.95)
    spread = math.sqrt((stdev(blocks["a"]) ** 2 + stdev(blocks["b"]) ** 2) / 2)
    reach = t_quantile(0.975, 4) * spread / math.sqrt(3)
    for name, mean in (("a", 0.02), ("b", 0.12)):
        assert each[name].value == pytest.approx(math.exp(mean))
        assert each[name].low == pytest.approx(math.exp(mean - reach))
        assert each[name].high == pytest.approx(math.exp(mean + reach))
    assert total.value == pytest.approx(math.exp(0.07))
    assert total.high == pytest.approx(math.exp(0.07 + reach / math.sqrt(2)))


def test_one_workload_alone_has_the_usual_interval() -> None:
    blocks = [0.01, 0.02, 0.04, 0.03]
    total, each = pooled_intervals({"a": blocks}, 0.99)
    usual = log_ratio_interval(blocks, 0.99)
    for found in (total, each["a"]):
        assert (found.low, found.high) == pytest.approx((usual.low, usual.high))


def test_equal_blocks_are_not_certainty() -> None:
    total, each = pooled_intervals({"a": [0.0, 0.0], "b": [0.0, 0.0]}, 0.95)
    assert total.low < 1 < total.high
    assert each["a"].low < 1 < each["a"].high


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        ({}, "same blocks"),
        ({"a": []}, "same blocks"),
        ({"a": [0.1]}, "two at least"),
        ({"a": [0.1, 0.2], "b": [0.1]}, "same blocks"),
        ({"a": [0.1, math.nan], "b": [0.1, 0.2]}, "not finite"),
        ({"a": [0.1, 0.2], "b": [-math.inf, 0.2]}, "not finite"),
    ],
)
def test_what_says_nothing_is_refused(blocks: dict[str, list[float]], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        pooled_intervals(blocks, 0.95)


@pytest.mark.parametrize("confidence", [0.0, 1.0])
def test_no_confidence_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="not a confidence"):
        pooled_intervals({"a": [0.1, 0.2]}, confidence)
