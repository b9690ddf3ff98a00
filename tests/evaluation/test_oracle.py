"""What the oracle holds against a candidate that was right: answers kept for a second asking."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

pytest.importorskip("torch", reason="no torch: install the `oracle` extra")

from avogit.bench.arms import KernelFailed
from avogit.bench.oracle import never_faster
from avogit.records import BASELINE, CANDIDATE

Block = Mapping[str, Mapping[str, tuple[int, ...]]]


def block(*times: int, baseline: int = 2_000_000, workload: str = "causal-4k") -> Block:
    others = {CANDIDATE: (1_000_000,), BASELINE: (1_000_000,)}
    mine = {CANDIDATE: times, BASELINE: (baseline,) * len(times)}
    return {"full-4k": others, workload: mine}


BURST = [block(990_000, 1_000_000, 1_400_000), block(1_000_000, 1_010_000)]


@pytest.mark.parametrize("sustained_ns", [1_300_000, 1_000_000, 940_000])
def test_who_is_as_fast_or_slower_without_a_pause_is_honest(sustained_ns: int) -> None:
    never_faster(BURST, [block(sustained_ns), block(sustained_ns)])


@pytest.mark.parametrize("sustained_ns", [920_000, 1_000])
def test_who_is_much_faster_keeps_answers(sustained_ns: int) -> None:
    with pytest.raises(KernelFailed) as failure:
        never_faster(BURST, [block(sustained_ns), block(sustained_ns)])
    assert failure.value.arm == CANDIDATE
    finding = failure.value.finding
    assert (finding.verdict.value, finding.reason) == ("REWARD_HACK", "faster-when-repeated")
    told = f"{sustained_ns / 1e3:.4g} us without a pause, 1000 us with one"
    assert finding.detail == f"causal-4k: {told}"


def test_one_stray_time_says_nothing() -> None:
    never_faster(BURST, [block(1_000), block(1_000_000), block(1_000_000)])
    never_faster([*BURST, block(9_000_000)], [block(1_000_000)])


def test_a_baseline_that_is_faster_without_a_pause_is_not_the_candidates_doing() -> None:
    never_faster(BURST, [block(1_000_000, baseline=500_000)])


def test_without_a_sustained_sample_there_is_nothing_to_compare() -> None:
    never_faster(BURST, [])
