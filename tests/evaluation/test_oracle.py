"""What the oracle holds against a candidate that was right: answers kept for a second asking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="no torch: install the `oracle` extra")

from own_time_rig import Rig, by_its_time

from avogit.bench import oracle
from avogit.bench.arms import EnvironmentBroken, KernelFailed
from avogit.bench.correctness import Deadline, Judge
from avogit.bench.oracle import never_faster
from avogit.bench.protocol import ArmSpec, Defences, Order
from avogit.bench.rig import Seeds
from avogit.bench.timing import Timing
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


def test_no_time_for_a_sustained_sample_is_no_fault_of_the_candidates() -> None:
    """Thirty times as slow as the baseline, and right: burst has said that already."""
    defences, told = Defences(), {"w": {CANDIDATE: 30_000_000, BASELINE: 1_000_000}}
    order = Order((ArmSpec(CANDIDATE, "/a"),), "", "confirmation", 18.0, 0.99, "", ())
    rig = Rig("w", cost_s=60.0)  # longer than there is time
    judge = Judge(rig, defences, Seeds(), Deadline(18.0))  # type: ignore[arg-type]
    found = oracle._sustained(judge, replace(order, sustained_s=45.0), lambda text: None, told)
    assert found.blocks == []
    (why,) = found.voids
    assert why.startswith("sustained: too-slow: its calls alone do not fit into the 45 s")


TOLD = {"w": {CANDIDATE: 1_000_000, BASELINE: 1_000_000}}
UNCHECKED = Defences(check_timed=False)


def slowing(monkeypatch: pytest.MonkeyPatch, *, voids: int, **call_s: float) -> Rig:
    """A rig of one workload on a card that slows itself down in some blocks."""
    rig = Rig("w", call_s=call_s, cost_s=0.1, voids=voids)
    by_its_time(monkeypatch, rig)
    return rig


def timed(rig: Rig) -> None:
    """Time a candidate for a second."""
    order = Order((ArmSpec(CANDIDATE, "/a"),), "", "fresh", 1.0, 0.99, "", ())
    judge = Judge(rig, UNCHECKED, Seeds(), Deadline(1.0))  # type: ignore[arg-type]
    Timing(judge, order, lambda text: None).run(TOLD)


def test_blocks_that_did_not_count_are_told_where_they_took_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And not that the machine was busy."""
    rig = slowing(monkeypatch, voids=2, candidate=0.31, baseline=0.31)
    with pytest.raises(EnvironmentBroken) as broken:
        timed(rig)
    assert broken.value.reason == "too-many-voids"
    assert broken.value.detail == "2 of 2 blocks did not count; the last: it slowed itself down"


def test_one_block_that_did_not_count_excuses_no_slow_candidate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = slowing(monkeypatch, voids=1, candidate=1.2495, baseline=0.001)
    with pytest.raises(KernelFailed) as failure:
        timed(rig)
    assert rig.voids == 0
    assert failure.value.finding.reason == "too-slow"


def test_baselines_that_are_only_shown_are_not_timed_at_the_power_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = slowing(monkeypatch, voids=0, candidate=0.01, baseline=0.01)
    judge = Judge(rig, UNCHECKED, Seeds(), Deadline(1.0))  # type: ignore[arg-type]
    order = Order((ArmSpec(CANDIDATE, "/a"),), "", "confirmation", 1.0, 0.99, "", ())
    order = replace(order, beside=("flash2",), sustained_s=1.0)
    assert oracle._sustained(judge, order, lambda text: None, TOLD).blocks
    assert rig.arms == {CANDIDATE, BASELINE}
