"""A report becomes an evaluation: above all what a GPU adds, the sample at its power limit."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import pytest

from avogit.bench.protocol import Report
from avogit.evaluation.results import SUSTAINED_CONFIDENCE, Setting, from_report
from avogit.records import BASELINE, CANDIDATE, INCUMBENT, PARENT, Verdict
from avogit.statistics import t_quantile

SETTING = Setting(
    tree="0" * 40,
    sample="confirmation",
    device="NVIDIA H200",
    baseline="cudnn 9.19.0",
    evaluator="sha256:0",
    sandbox=(),
    certified=True,
    stages_s={"start": 0.1},
    notes={"artefacts": {"candidate": "sha256:1"}},
)
NAMES = {"rival-0": [INCUMBENT, PARENT]}
MS = 1_000_000
Block = Mapping[str, Mapping[str, tuple[int, ...]]]


def block(by: float, rounds: int = 3) -> Block:
    """Two workloads: the baseline takes 1.2 times as long, the rival 0.9 times, and `by` more."""
    slow = math.exp(by)
    arms = {CANDIDATE: MS, BASELINE: round(1.2 * slow * MS), "rival-0": round(0.9 / slow * MS)}
    return {
        name: {arm: (factor * ns,) * rounds for arm, ns in arms.items()}
        for name, factor in (("short", 1), ("long", 10))
    }


BURST = tuple(block(by) for by in (0.001, -0.001, 0.002, -0.002))
# At its limit the card's times spread more, and there are two blocks.
SUSTAINED = (block(0.01, 1), block(0.03, 1))
REPORT = Report("PASSED", blocks=BURST, confidence=0.99, sustained=SUSTAINED)


def raw(report: Report, key: str) -> Any:
    """What is kept under a name, as JSON gives it back."""
    found = from_report(report, NAMES, SETTING).raw
    return json.loads(json.dumps(found)).get(key)


def test_the_sustained_sample_is_stated_beside_the_rest() -> None:
    found = raw(REPORT, "sustained")
    assert found["confidence"] == SUSTAINED_CONFIDENCE == 0.95
    assert set(found["versus"]) == {BASELINE, INCUMBENT, PARENT}
    assert set(found["workloads"]) == {"short", "long"}
    value, low, high = found["versus"][BASELINE]
    assert value == pytest.approx(1.2 * math.exp(0.02), rel=1e-4)
    # Two workloads of two blocks: two degrees of freedom, and the mean of two.
    spread = math.sqrt(2) * 0.01
    reach = t_quantile(0.975, 2) * spread / math.sqrt(2)
    assert math.log(high / value) == pytest.approx(reach / math.sqrt(2), rel=1e-3)
    assert math.log(value / low) == pytest.approx(reach / math.sqrt(2), rel=1e-3)
    value, low, high = found["workloads"]["long"][INCUMBENT]
    assert value == pytest.approx(0.9 * math.exp(-0.02), rel=1e-4)
    assert math.log(high / low) == pytest.approx(2 * reach, rel=1e-3)


def test_its_raw_times_are_kept_under_the_names_that_arms_go_by() -> None:
    first, _ = raw(REPORT, "sustained")["blocks"]
    rival = list(SUSTAINED[0]["long"]["rival-0"])
    assert first["workloads"]["long"] == {
        CANDIDATE: [10 * MS],
        BASELINE: list(SUSTAINED[0]["long"][BASELINE]),
        INCUMBENT: rival,
        PARENT: rival,
    }


def test_it_decides_nothing() -> None:
    with_it = from_report(REPORT, NAMES, SETTING)
    without = from_report(replace(REPORT, sustained=()), NAMES, SETTING)
    assert "sustained" not in without.raw
    told = {name: value for name, value in with_it.raw.items() if name != "sustained"}
    assert replace(with_it, raw=told) == without
    slow = (block(-2.0, 1), block(-2.1, 1))
    hopeless = from_report(replace(REPORT, sustained=slow), NAMES, SETTING)
    assert (hopeless.verdict, hopeless.score) == (without.verdict, without.score)


def test_it_may_lie_so_far_apart_that_nothing_is_said() -> None:
    """A sample like that in burst is UNMEASURED; this one is shown with an interval as wide."""
    found = raw(replace(REPORT, sustained=(block(3.0, 1), block(-3.0, 1))), "sustained")
    value, low, high = found["versus"][BASELINE]
    assert 0 < low < 1 < value < high < math.inf


def test_a_baseline_that_is_shown_beside_is_an_arm_of_its_own_name() -> None:
    def beside(one: Block) -> Block:
        return {w: {**arms, "flash2": arms[BASELINE]} for w, arms in one.items()}

    report = Report(
        "PASSED",
        blocks=tuple(map(beside, BURST)),
        confidence=0.99,
        sustained=tuple(map(beside, SUSTAINED)),
    )
    found = from_report(report, NAMES, SETTING)
    assert found.versus["flash2"] == found.versus[BASELINE]
    told = raw(report, "sustained")
    assert told["versus"]["flash2"] == told["versus"][BASELINE]


def test_what_the_card_said_and_what_did_not_count_is_kept() -> None:
    report = replace(
        REPORT,
        machine={"uuid": "GPU-1", "power_limited_calls": {"long": 3}},
        voids=("the card slowed itself down (heat, or its power supply)",),
    )
    assert raw(report, "machine") == {"uuid": "GPU-1", "power_limited_calls": {"long": 3}}
    assert raw(report, "voids") == list(report.voids)
    assert raw(REPORT, "machine") is None
    assert raw(REPORT, "voids") is None


def test_clocks_within_calls_go_by_the_arms_names() -> None:
    seen = {"burst": {"long": {"candidate": 1830.0, "rival-0": 1812.0, "baseline": 1690.0}}}
    report = replace(REPORT, machine={"clock": {"low_calls": 2, "calls_mhz": seen}})
    names = {"rival-0": ("incumbent", "parent")}
    clock = from_report(report, {**NAMES, **names}, SETTING).raw["machine"]["clock"]  # type: ignore[index]
    long = {"candidate": 1830.0, "incumbent": 1812.0, "parent": 1812.0, "baseline": 1690.0}
    assert clock == {"low_calls": 2, "calls_mhz": {"burst": {"long": long}}}


def test_spins_go_by_the_arms_names() -> None:
    report = replace(REPORT, machine={"spins": {"candidate": -29.5, "rival-0": -31.0}})
    names = {"rival-0": ("incumbent", "parent")}
    spins = from_report(report, {**NAMES, **names}, SETTING).raw["machine"]["spins"]  # type: ignore[index]
    assert spins == {"candidate": -29.5, "incumbent": -31.0, "parent": -31.0}


def test_what_failed_keeps_no_times_and_what_the_card_said() -> None:
    report = Report(
        "REWARD_HACK",
        "faster-when-repeated",
        "long: 1 us",
        confidence=0.99,
        machine={"uuid": "GPU-1"},
    )
    found = from_report(report, NAMES, SETTING)
    assert (found.verdict, found.reason) == (Verdict.REWARD_HACK, "faster-when-repeated")
    assert found.score is None
    assert found.raw["machine"] == {"uuid": "GPU-1"}
    assert not {"sustained", "blocks"} & set(found.raw)
    assert json.dumps(asdict(found))
