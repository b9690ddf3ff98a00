"""Quantiles against tables, intervals against hand sums, stopping against simulated noise."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from avogit.records import Ratio
from avogit.statistics import (
    Call,
    Sequential,
    block_estimate,
    inverse,
    log_ratio_interval,
    mean_over_workloads,
    proportion_interval,
    quotient,
    score,
    t_quantile,
    widened,
    widest,
)

# Quantiles of Student's t, to 6 decimals or more.
TABLE = [
    (0.975, 1, 12.7062047362),
    (0.995, 1, 63.6567411629),
    (0.975, 2, 4.3026527297),
    (0.995, 2, 9.9248432009),
    (0.995, 3, 5.8409093097),
    (0.9995, 3, 12.9239786367),
    (0.975, 4, 2.7764451052),
    (0.975, 5, 2.5705818356),
    (0.995, 5, 4.0321429836),
    (0.9, 7, 1.4149239277),
    (0.995, 8, 3.3553873313),
    (0.975, 10, 2.2281388520),
    (0.995, 11, 3.1058065155),
    (0.995, 20, 2.8453397098),
    (0.975, 30, 2.0422724563),
    (0.975, 100, 1.9839715185),
    (0.995, 120, 2.6174211477),
]


@pytest.mark.parametrize(("p", "df", "expected"), TABLE)
def test_t_quantile_agrees_with_the_table(p: float, df: int, expected: float) -> None:
    assert t_quantile(p, df) == pytest.approx(expected, abs=1e-6)
    assert t_quantile(1 - p, df) == pytest.approx(-expected, abs=1e-6)


def test_t_quantile_at_one_and_two_degrees_agrees_with_the_closed_forms() -> None:
    for p in (0.5, 0.6, 0.9, 0.99, 0.9999, 1 - 1e-9):
        assert t_quantile(p, 1) == pytest.approx(math.tan(math.pi * (p - 0.5)), rel=1e-6)
        exact = (2 * p - 1) * math.sqrt(2 / (4 * p * (1 - p)))
        assert t_quantile(p, 2) == pytest.approx(exact, rel=1e-6)


def test_t_quantile_nears_the_normal_and_refuses_nonsense() -> None:
    assert t_quantile(0.975, 100_000) == pytest.approx(1.959988, abs=1e-5)
    assert t_quantile(0.5, 7) == pytest.approx(0, abs=1e-9)
    for p, df in ((0.0, 3), (1.0, 3), (0.9, 0)):
        with pytest.raises(ValueError, match="no such quantile"):
            t_quantile(p, df)


def test_a_block_is_the_median_of_its_pairs() -> None:
    assert block_estimate([0.01, 0.02, 5.0]) == 0.02
    with pytest.raises(ValueError, match="without pairs"):
        block_estimate([])


def test_interval_is_the_t_interval_in_log_space() -> None:
    ratio = log_ratio_interval([0.01, 0.02, 0.03, 0.04], 0.99)
    half = 5.8409093097 * 0.0129099445 / 2
    assert ratio.value == pytest.approx(math.exp(0.025))
    assert ratio.low == pytest.approx(math.exp(0.025 - half))
    assert ratio.high == pytest.approx(math.exp(0.025 + half))


def test_one_block_has_no_interval() -> None:
    with pytest.raises(ValueError, match="spread between blocks"):
        log_ratio_interval([0.01], 0.99)
    with pytest.raises(ValueError, match="not finite"):
        log_ratio_interval([0.01, math.nan], 0.99)
    with pytest.raises(ValueError, match="not a confidence"):
        log_ratio_interval([0.01, 0.02], 1.0)


def test_equal_blocks_are_not_certainty() -> None:
    ratio = log_ratio_interval([0.0] * 6, 0.99)
    assert ratio.low < ratio.value == 1 < ratio.high
    assert ratio.high - ratio.low < 1e-5


def test_a_hopeless_sample_still_has_a_finite_interval() -> None:
    ratio = log_ratio_interval([-40.0, 40.0], 0.999)
    assert 0 < ratio.low < ratio.high < math.inf


def test_score_is_the_geometric_mean_over_workloads() -> None:
    blocks = {"a": [math.log(2)] * 3, "b": [math.log(0.5)] * 3, "c": [math.log(8)] * 3}
    assert score(blocks, 0.99).value == pytest.approx(2)


def test_score_averages_within_the_block_first() -> None:
    """Opposite errors in one block cancel: they are one pair of processes' errors."""
    blocks = {"a": [0.1, -0.1, 0.2], "b": [-0.1, 0.1, -0.2]}
    assert mean_over_workloads(blocks) == pytest.approx([0, 0, 0])
    assert score(blocks, 0.99).high < 1.00001


def test_score_refuses_uneven_workloads() -> None:
    for uneven in ({"a": [0.1, 0.2], "b": [0.1]}, {}):
        with pytest.raises(ValueError, match="same blocks"):
            score(uneven, 0.99)


def test_widening_turns_one_confidence_into_the_joint_one() -> None:
    blocks = [0.01, 0.02, 0.03, 0.04, 0.02]
    joint = widened(log_ratio_interval(blocks, 0.99), len(blocks), 0.99, 8)
    assert joint.low == pytest.approx(log_ratio_interval(blocks, 1 - 0.01 / 8).low, rel=1e-9)
    alone = log_ratio_interval(blocks, 0.99)
    assert widened(alone, len(blocks), 0.99, 1).high == pytest.approx(alone.high)


def test_the_widest_is_the_workload_whose_blocks_scatter_most() -> None:
    blocks = {"far": [0.5, 0.5001], "wide": [-0.01, 0.01], "still": [0.0, 0.0]}
    assert widest(blocks) == ["wide", "far", "still"]


def test_wilson_interval_agrees_with_worked_values() -> None:
    assert proportion_interval(0, 100, 0.95) == pytest.approx((0, 0.0369935), abs=1e-6)
    assert proportion_interval(3, 100, 0.95) == pytest.approx((0.0102547, 0.0845166), abs=1e-5)
    assert proportion_interval(20, 20, 0.95) == pytest.approx((0.8388751, 1), abs=1e-6)
    with pytest.raises(ValueError, match="not a proportion"):
        proportion_interval(3, 2, 0.95)


# Stopping.


def test_sequential_shares_its_error_between_looks() -> None:
    assert Sequential(confidence=0.99).look_confidence == pytest.approx(0.995)
    for looks in ((), (1, 4), (6, 4), (4, 4)):
        with pytest.raises(ValueError, match="looks must rise"):
            Sequential(looks=looks)


def test_sequential_speaks_only_at_its_looks() -> None:
    rule = Sequential(looks=(4, 6))
    fast = [0.1, 0.101, 0.099, 0.1, 0.1, 0.1]
    assert [rule.decide(fast[:n]) for n in range(1, 5)] == ["continue"] * 3 + ["faster"]
    assert rule.decide([-x for x in fast[:4]]) == "slower"


def test_sequential_ends_undecided_at_the_last_look_or_when_the_budget_is_spent() -> None:
    rule = Sequential(looks=(4, 6))
    noisy = [0.1, -0.1, 0.2, -0.2, 0.1, -0.1]
    assert rule.decide(noisy[:4]) == "continue"
    assert rule.decide(noisy) == "undecided"
    assert rule.decide(noisy[:5], last=True) == "undecided"
    assert rule.decide(noisy[:1], last=True) == "undecided"


def test_sequential_spends_nothing_more_on_a_tie() -> None:
    tie = [0.0001, -0.0001] * 3
    assert Sequential(margin=0.005).decide(tie) == "matched"
    assert Sequential(margin=1e-6).decide(tie) == "continue"


def test_sequential_goes_on_for_a_workload_that_may_be_a_specialist() -> None:
    noise = [0.001, -0.001, 0.0005, -0.0005, 0.001, -0.001]
    win = [0.0022 + x for x in noise]  # alone outside the noise, as the best of eight not yet
    loss = [-0.1 + x for x in noise]
    workloads = {"win": win} | {f"loss{i}": loss for i in range(7)}
    blocks = mean_over_workloads(workloads)
    rule = Sequential()
    assert rule.decide(blocks) == "slower"
    assert rule.decide(blocks, workloads) == "continue"
    assert rule.decide(blocks, {**workloads, "win": loss}) == "slower"
    assert rule.decide(blocks, workloads, last=True) == "slower"


Noise = Callable[[random.Random], float]


def _normal(rng: random.Random) -> float:
    return rng.gauss(0, 0.01)


def _heavy(rng: random.Random) -> float:
    """Student's t of 3 degrees of freedom: a process in fifty is far off."""
    return 0.006 * rng.gauss(0, 1) / math.sqrt(rng.gammavariate(1.5, 2) / 3)


def _spiky(rng: random.Random) -> float:
    """A tenth of the arms is 8 % slower for a whole block, either arm alike."""
    arms = [rng.gauss(0, 0.003) + (0.08 if rng.random() < 0.1 else 0) for _ in range(2)]
    return arms[0] - arms[1]


def _run(rule: Sequential, effect: float, noise: Noise, rng: random.Random) -> Call:
    blocks: list[float] = []
    while (call := rule.decide(blocks)) == "continue":
        blocks.append(effect + noise(rng))
    return call


@pytest.mark.parametrize("noise", [_normal, _heavy, _spiky])
def test_false_calls_stay_within_the_declared_error(noise: Noise) -> None:
    rng, runs = random.Random(1), 3000
    rule = Sequential(confidence=0.95)  # a larger error than the default, so that it shows
    calls = [_run(rule, 0.0, noise, rng) for _ in range(runs)]
    false = sum(call in ("faster", "slower") for call in calls)
    low, _ = proportion_interval(false, runs, 0.999)
    assert low <= 0.05, f"{false} of {runs}"


def test_a_plain_interval_at_every_look_would_break_its_word() -> None:
    """The simulation can fail: without sharing, the looks add up to more than their error."""
    rng, runs = random.Random(2), 3000
    greedy = Sequential(confidence=1 - 4 * 0.05)  # each look alone at 0.95
    false = sum(_run(greedy, 0.0, _normal, rng) in ("faster", "slower") for _ in range(runs))
    low, _ = proportion_interval(false, runs, 0.999)
    assert low > 0.05


def test_three_per_cent_slower_is_found() -> None:
    rng, runs = random.Random(3), 1000
    calls = [_run(Sequential(), -0.03, _normal, rng) for _ in range(runs)]
    assert calls.count("slower") >= 0.95 * runs
    assert calls.count("faster") == 0


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng, runs = random.Random(4), 2000
    missed = 0
    for _ in range(runs):
        ratio: Ratio = log_ratio_interval([0.02 + _normal(rng) for _ in range(6)], 0.95)
        missed += not ratio.low <= math.exp(0.02) <= ratio.high
    low, high = proportion_interval(missed, runs, 0.999)
    assert low <= 0.05 <= high


def test_a_comparison_told_of_the_other_side() -> None:
    turned = inverse(Ratio(2.0, 1.6, 2.5))
    assert (turned.value, turned.low, turned.high) == pytest.approx((0.5, 0.4, 0.625))
    assert inverse(turned).high == pytest.approx(2.5)


def test_a_quotient_of_two_runs_is_wider_than_either() -> None:
    one, other = Ratio(2.0, 1.9, 2.0 * 2.0 / 1.9), Ratio(1.0, 0.96, 1 / 0.96)
    found = quotient(one, other)
    widths = [math.log(ratio.high / ratio.low) for ratio in (one, other, found)]
    assert found.value == pytest.approx(2.0)
    assert widths[2] == pytest.approx(math.hypot(widths[0], widths[1]))
