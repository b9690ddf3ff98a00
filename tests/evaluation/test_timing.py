"""Which timed calls are made once more, and that the answers of all are looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

pytest.importorskip("torch", reason="no torch: install the `oracle` extra")

import torch
from own_time_rig import Rig, by_its_time

from avogit.bench.arms import EnvironmentBroken, KernelFailed
from avogit.bench.correctness import Deadline, Judge
from avogit.bench.protocol import ArmSpec, Defences, Order
from avogit.bench.rig import Seeds
from avogit.bench.times import Times
from avogit.bench.timing import Timing
from avogit.records import BASELINE, CANDIDATE

RIVAL = "rival-0"
ARMS = (ArmSpec(CANDIDATE, "/a"), ArmSpec(RIVAL, "/b"))
COST_S = {"short": 0.1, "middle": 0.2, "long": 1.0}


Timer = Callable[..., Sequence[Times]]


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> Timer:
    """Time on a rig for so many seconds of its own."""

    def run(rig: Rig, seconds: float, *, hopeless: bool = False) -> Sequence[Times]:
        by_its_time(monkeypatch, rig)
        order = Order(ARMS, RIVAL, "confirmation", seconds, 0.99, "", ())
        judge = Judge(rig, Defences(), Seeds(), Deadline(seconds))  # type: ignore[arg-type]
        timing = Timing(judge, order, lambda _: None)
        told = {
            c.name: dict.fromkeys((CANDIDATE, BASELINE, RIVAL), int(COST_S[c.name] * 1e9))
            for c in rig.timed
        }
        for times in told.values():
            times[CANDIDATE] *= 30 if hopeless else 1
        timing.run(told)
        return timing.blocks

    return run


@pytest.mark.parametrize("wrong", [1, 2, 6])
def test_a_wrong_answer_of_any_round_is_seen(blocks: Timer, wrong: int) -> None:
    rig = Rig("short", "middle", wrong=wrong)
    with pytest.raises(KernelFailed) as failure:
        blocks(rig, 6.0)
    assert failure.value.arm == CANDIDATE
    assert failure.value.finding.reason == "timed-call-wrong"
    name = rig.asked[wrong - 1]
    told = f"({name}, mixed inputs)"
    assert failure.value.finding.detail.startswith("right when checked, wrong in a timed call: row")
    assert failure.value.finding.detail.endswith(told)
    assert rig.begun == (wrong + 1) // 2  # no later block was begun


def test_what_scatters_most_is_called_once_more_as_time_allows(blocks: Timer) -> None:
    rig = Rig("short", "middle", "long", again_share=0.3, noise={"middle": 0.01, "short": 0.001})
    found = blocks(rig, 40.0)
    assert len(found) > 8
    calls = [{name: len(times[CANDIDATE]) for name, times in block.items()} for block in found]
    both = {"short": 2, "middle": 2, "long": 1}  # a long one takes more than there is
    assert calls == [both] * len(calls)


def test_it_is_the_one_that_scatters_and_not_the_cheapest(blocks: Timer) -> None:
    rig = Rig("short", "middle", again_share=0.7, noise={"middle": 0.01})
    calls = [len(block["middle"][CANDIDATE]) for block in blocks(rig, 12.0)]
    assert calls[:3] == [1, 1, 1]
    assert 2 in calls[3:]
    rig = Rig("short", "middle", again_share=0.7, noise={"short": 0.01})
    assert {len(block["middle"][CANDIDATE]) for block in blocks(rig, 12.0)} == {1}


def test_of_one_workload_there_is_nothing_to_choose(blocks: Timer) -> None:
    """Nor is any time set aside for it."""
    plain, again = (Rig("short", again_share=share) for share in (0.0, 0.3))
    (rounds,) = {len(block["short"][CANDIDATE]) for block in blocks(plain, 12.0)}
    assert {len(block["short"][CANDIDATE]) for block in blocks(again, 12.0)} == {rounds}
    assert rounds > 3


def test_a_hopeless_kernel_is_not_called_again(blocks: Timer) -> None:
    rig = Rig("short", "middle", again_share=0.7)
    found = blocks(rig, 60.0, hopeless=True)
    assert len(found) == 3
    assert rig.asked.count("short") == rig.asked.count("middle") == 3


def test_a_machine_that_answers_wrong_itself_is_told(
    blocks: Timer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig("short", "middle")
    monkeypatch.setattr(rig.problem, "reference", lambda *_: torch.full((4, 2), torch.nan))
    with pytest.raises(EnvironmentBroken) as broken:
        blocks(rig, 6.0)
    assert broken.value.reason == "reference-nonfinite"
