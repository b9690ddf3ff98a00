"""What is said beside an evaluation's numbers."""

from __future__ import annotations

from typing import Any

import pytest

from avogit.evaluation.remarks import remarks
from avogit.records import BASELINE, INCUMBENT, Evaluation, Ratio, Verdict, WorkloadTiming


def evaluation(raw: dict[str, Any], **versus: float) -> Evaluation:
    ratios = {arm: Ratio(value, value * 0.99, value * 1.01) for arm, value in versus.items()}
    return Evaluation(
        verdict=Verdict.PASSED,
        tree="0" * 40,
        sample="confirmation",
        device="NVIDIA H200",
        baseline="cudnn",
        evaluator="1",
        workloads=(WorkloadTiming("full-4k", {"candidate": 1.0}, ratios),),
        score=ratios.get(BASELINE),
        versus=ratios,
        raw=raw,
    )


def test_an_ordinary_evaluation_needs_no_words() -> None:
    assert remarks(evaluation({}, baseline=3.0, incumbent=1.2)) == []
    machine = {"power_limited_calls": {}, "readings": []}
    assert remarks(evaluation({"machine": machine}, baseline=1.05, incumbent=1.3)) == []


@pytest.mark.parametrize(
    ("versus", "name"),
    [({"baseline": 1.3, "flash2": 1.8}, "cudnn"), ({"baseline": 1.5, "fa4": 1.2}, "fa4")],
)
def test_who_beats_the_best_baseline_by_far_is_to_be_read(
    versus: dict[str, float], name: str
) -> None:
    (line,) = remarks(evaluation({"machine": {"name": "a card"}}, **versus))
    assert line.startswith("AUDIT: ")
    assert f"({name})" in line


def test_one_baseline_that_is_not_beaten_is_enough() -> None:
    found = evaluation({"machine": {"name": "a card"}}, baseline=1.5, fa4=1.05)
    assert remarks(found) == []


def clocks(**mhz: float) -> dict[str, Any]:
    return {"machine": {"clock": {"calls_mhz": {"burst": {"a": mhz, "b": mhz, "c": {}}}}}}


def test_a_kernel_that_takes_another_power_than_the_baseline_runs_at_another_clock() -> None:
    (line,) = remarks(evaluation(clocks(candidate=1829.6, baseline=1694.2), baseline=0.7))
    assert line.startswith("clock, median of workloads: 1830 MHz within its calls (its launcher")
    assert line.endswith("), 1694 MHz within cudnn's")


@pytest.mark.parametrize(
    "mhz", [{"candidate": 1830.0, "baseline": 1810.0}, {"candidate": 0.0, "baseline": 0.0}]
)
def test_equal_or_unknown_clocks_are_not_told(mhz: dict[str, float]) -> None:
    assert remarks(evaluation(clocks(**mhz), baseline=0.7)) == []
    assert remarks(evaluation({"machine": {"clock": {"calls_mhz": {}}}}, baseline=0.7)) == []


def test_the_power_limit_voids_and_the_memory_check_are_told() -> None:
    machine = {
        "power_limited_calls": {"full-32k": 7},
        "sanitizer": "compute-sanitizer 2025.3",
        "shape": "full-1000",
    }
    voids = ["a fan stood still", "the card slowed itself down"]
    lines = remarks(evaluation({"machine": machine, "voids": voids}, baseline=0.7))
    assert len(lines) == 3
    assert "full-32k (7)" in lines[0]
    assert lines[1].startswith("2 sets")
    assert "slowed itself" in lines[1]
    assert lines[2] == "compute-sanitizer 2025.3: no bad access on full-1000"


def test_a_memory_check_that_was_not_made_is_told() -> None:
    machine = {"sanitizer": "compute-sanitizer is not installed"}
    (line,) = remarks(evaluation({"machine": machine}, baseline=0.7))
    assert line == "memory was not checked: compute-sanitizer is not installed"


def test_the_sustained_ratio_names_its_rivals() -> None:
    versus = {INCUMBENT: [1.02, 1.01, 1.03], BASELINE: [0.76, 0.75, 0.77]}
    sustained = {"versus": versus, "workloads": {}, "blocks": []}
    (line,) = remarks(evaluation({"sustained": sustained}, baseline=0.7))
    assert "1.020x (1.010 to 1.030) vs incumbent" in line
    assert "0.760x (0.750 to 0.770) vs cudnn" in line
