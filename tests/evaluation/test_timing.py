"""Which timed calls are made once more, and that the answers of all are looked at."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import SimpleNamespace

import pytest

pytest.importorskip("torch", reason="no torch: install the `oracle` extra")

import torch

from avogit.bench import correctness
from avogit.bench.arms import EnvironmentBroken, KernelFailed, Timed
from avogit.bench.correctness import Deadline, Judge
from avogit.bench.protocol import ArmSpec, Case, Defences, Order, Region
from avogit.bench.rig import Answer, Seeds
from avogit.bench.times import Times
from avogit.bench.timing import Timing
from avogit.records import BASELINE, CANDIDATE

RIVAL = "rival-0"
ARMS = (ArmSpec(CANDIDATE, "/a"), ArmSpec(RIVAL, "/b"))
COST_S = {"short": 0.1, "middle": 0.2, "long": 1.0}


def case(name: str) -> Case:
    return Case(name, {"n": list(COST_S).index(name)}, (), Region("out", 0, (4, 2)))


class Rig:
    """One on which every call takes a tenth of a second of a time of our own.

    `noise`: by workload, the share by which the candidate's calls are now longer, now shorter.
    `wrong`: the number of the candidate's calls from which on its answers are.
    """

    warms = True
    yardstick = False
    regime = "burst"
    repeated_share = 0.3
    patience_s = 1.0
    spec = SimpleNamespace(call_timeout_s=1.0, row_rmse=0.01)

    def __init__(
        self,
        *names: str,
        again_share: float = 0.0,
        noise: Mapping[str, float] | None = None,
        wrong: int = 1_000_000,
    ) -> None:
        self.timed = [case(name) for name in names]
        self.again_share = again_share
        self.now_s, self.begun = 0.0, 0  # the latter: blocks
        self._noise, self._wrong = noise or {}, wrong
        self._asked: list[str] = []
        self.problem = SimpleNamespace(
            INPUT_KINDS=("mixed",), reference=self._reference, flops=lambda params: 1.0
        )

    def assemble(self, artefacts: Mapping[str, str]) -> None:
        """Nothing to start."""

    def cost_s(self, calls_s: Sequence[float]) -> float:
        return max(calls_s)

    @contextlib.contextmanager
    def started(self, artefacts: Mapping[str, str], *_: object) -> Iterator[dict[str, str]]:
        self.begun += 1
        yield {name: name for name in artefacts}

    def watch(self) -> SimpleNamespace:
        return SimpleNamespace(void=lambda: "")

    def fill(self, *_: object) -> dict[str, torch.Tensor]:
        return {}

    def call(self, arm: str, one: Case, *_: object) -> Answer:
        self.now_s += 0.1
        ns, out = 1_000_000.0, torch.ones(4, 2)
        if arm == CANDIDATE:
            self._asked.append(one.name)
            sign = (-1) ** self._asked.count(one.name)
            ns *= 1 + sign * self._noise.get(one.name, 0.0)
            out *= 2 if len(self._asked) >= self._wrong else 1
        return Answer(Timed(round(ns), 0, False), out, None, None)

    def most_gflops(self, one: Case) -> float:
        return 1e9

    def _reference(
        self, params: dict[str, int], inputs: object, rows: torch.Tensor
    ) -> torch.Tensor:
        return torch.ones(len(rows), 2, dtype=torch.float64)


Timer = Callable[..., Sequence[Times]]


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> Timer:
    """Time on a rig for so many seconds of its own."""

    def run(rig: Rig, seconds: float, *, hopeless: bool = False) -> Sequence[Times]:
        monkeypatch.setattr(correctness.time, "monotonic", lambda: rig.now_s)
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
    name = rig._asked[wrong - 1]
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
    assert rig._asked.count("short") == rig._asked.count("middle") == 3


def test_a_machine_that_answers_wrong_itself_is_told(
    blocks: Timer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig("short", "middle")
    monkeypatch.setattr(rig.problem, "reference", lambda *_: torch.full((4, 2), torch.nan))
    with pytest.raises(EnvironmentBroken) as broken:
        blocks(rig, 6.0)
    assert broken.value.reason == "reference-nonfinite"
