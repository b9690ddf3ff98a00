"""The schedule of timed calls: blocks of fresh processes, rounds, arms in random order.

Owns how many blocks and rounds, their order, and when to stop. Leaves the statistics to
`avogit.statistics`, and whether an output is right to `correctness`. Every timed call reads
inputs that no process has seen, the same bytes for all arms of a round.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NoReturn

from avogit.bench.arms import EnvironmentBroken, KernelFailed
from avogit.bench.correctness import (
    Judge,
    OutOfTime,
    blame_for_time,
    named,
    timed_kind,
    too_slow,
)
from avogit.bench.protocol import Case, Order
from avogit.bench.rig import Answer, Arms, kernel_failed
from avogit.bench.times import Times, log_ratios
from avogit.records import BASELINE, CANDIDATE, Verdict
from avogit.statistics import Sequential, log_ratio_interval, mean_over_workloads, widest

LEAST_FOR_INTERVAL = 2
_LEAST_BLOCKS, _MOST_BLOCKS, _MOST_ROUNDS = 4, 40, 5
_AIM_BLOCKS = {"deciding": 12, "fresh": 8, "confirmation": 16, "quick": 3}
_REPEATS = 2  # of a disturbed round, at most
_QUICK_BLOCKS, _HOPELESS_BLOCKS = 3, 2
_TO_RANK = 3  # blocks, before they can tell what scatters most
_HOPELESS = 20.0  # times the baseline's time
_PRECISE = 0.01  # without a rival: half the width of the score's interval
_BLOCK_OVERHEAD_S = 0.03  # starting processes
_VOID_BLOCKS, _VOID_SHARE = 2, 0.3  # so many may not count, and this share of all


@dataclass(frozen=True, slots=True)
class Shape:
    """How one evaluation is timed."""

    rounds: int
    warm_up: str  # the workload called once at the start of a block, checked and not counted
    most_blocks: int
    block_s: float  # what a block is expected to take
    costs: Mapping[str, float]  # of one call of every arm, by workload; empty: no calls again


class Timing:
    """The timing of one order."""

    def __init__(self, judge: Judge, order: Order, progress: Callable[[str], None]) -> None:
        self.judge = judge
        self.order = order
        self.progress = progress
        self.artefacts = {arm.name: arm.artefact for arm in order.arms} | {BASELINE: ""}
        self.artefacts |= dict.fromkeys(order.beside, "")
        self.rival = order.rival or BASELINE
        self.sequential = Sequential(confidence=order.confidence)
        self.blocks: list[Times] = []
        self.voids: list[str] = []
        self.rounds = 0
        self.repeated = 0

    @property
    def confidence(self) -> float:
        """What intervals of these blocks must be made with."""
        deciding = self.order.sample == "deciding"
        return self.sequential.look_confidence if deciding else self.order.confidence

    def run(self, single: Mapping[str, Mapping[str, int]]) -> None:
        """Measure until it is decided, or the time is spent. `single`: one call of each arm."""
        judge = self.judge
        judge.rig.assemble(self.artefacts)
        shape = self._shape(single)
        while not self._enough(shape):
            self.progress(f"timing block {len(self.blocks) + 1}/{shape.most_blocks}")
            started = time.monotonic()
            fresh = judge.rig.started(
                self.artefacts, judge.seeds, judge.defences, self.order.library_dirs
            )
            try:
                with fresh as arms:
                    watch = judge.rig.watch()
                    self._count(self._block(arms, shape), watch.void())
            except OutOfTime:
                break
            shape = replace(shape, block_s=time.monotonic() - started)
        if len(self.blocks) < LEAST_FOR_INTERVAL:
            if len(self.blocks) + len(self.voids) >= LEAST_FOR_INTERVAL:
                self._blame_for_voids()
            blame_for_time(judge)

    def _count(self, block: Times, void: str) -> None:
        """Keep a block, unless the machine was not itself; too many of those say nothing."""
        if not void:
            self.blocks.append(block)
            return
        self.voids.append(void)
        if len(self.voids) > _VOID_BLOCKS + _VOID_SHARE * len(self.blocks):
            self._blame_for_voids()

    def _blame_for_voids(self) -> NoReturn:
        """Say that it was the machine."""
        of = len(self.blocks) + len(self.voids)
        detail = f"{len(self.voids)} of {of} blocks did not count; the last: {self.voids[-1]}"
        raise EnvironmentBroken("too-many-voids", detail)

    def _shape(self, single: Mapping[str, Mapping[str, int]]) -> Shape:
        """Rounds and blocks that fit, from the times of the correctness stage."""
        judge, rivals = self.judge, len(self.artefacts) - 2
        baseline = sum(times[BASELINE] for times in single.values()) / 1e9
        candidate = sum(times[CANDIDATE] for times in single.values()) / 1e9
        costs = {name: self._round_s(times, rivals) for name, times in single.items()}
        round_s = sum(costs.values())
        left = judge.deadline.left_s()
        total = {name: sum(times.values()) for name, times in single.items()}
        warm_up = "" if judge.rig.warms else min(total, key=total.__getitem__)
        if candidate > _HOPELESS * baseline:
            blocks = _QUICK_BLOCKS if left > _QUICK_BLOCKS * 2 * round_s else _HOPELESS_BLOCKS
            if judge.deadline.hard_left_s() < blocks * round_s:
                kernel_failed(CANDIDATE, too_slow(judge))
            return Shape(1, "", blocks, round_s, {})
        round_s += sum(costs[name] for name in self._again(costs))
        warming_s = round_s * total[warm_up] / sum(total.values()) if warm_up else 0.0
        fixed_s = _BLOCK_OVERHEAD_S + warming_s
        block_s = left / _AIM_BLOCKS[self.order.sample] - fixed_s
        rounds = max(1, min(_MOST_ROUNDS, int(block_s / round_s)))
        most = _QUICK_BLOCKS if self.order.sample == "quick" else _MOST_BLOCKS
        most = self.sequential.looks[-1] if self.order.sample == "deciding" else most
        return Shape(rounds, warm_up, most, round_s * rounds + fixed_s, costs)

    def _round_s(self, times: Mapping[str, int], rivals: int) -> float:
        """One workload, every arm once. Rivals are taken to be as slow, or nearly hopeless."""
        candidate, baseline = times[CANDIDATE] / 1e9, times[BASELINE] / 1e9
        rival = min(candidate, baseline * _HOPELESS)
        calls_s = [candidate, baseline, *[rival] * rivals]
        return self.judge.rig.cost_s(calls_s)

    def _again(self, costs: Mapping[str, float]) -> list[str]:
        """The workloads that a round calls once more: those that scatter most, of what fits."""
        left_s = self.judge.rig.again_share * sum(costs.values())
        if len(self.blocks) >= _TO_RANK and left_s:
            ranked = widest(log_ratios(self.blocks, self.rival))
        else:
            ranked = sorted(costs, key=costs.__getitem__)
        found = []
        for name in ranked:
            if costs[name] <= left_s:
                found.append(name)
                left_s -= costs[name]
        return found

    def _enough(self, shape: Shape) -> bool:
        done = len(self.blocks)
        if done >= shape.most_blocks:
            return True
        deadline = self.judge.deadline
        left = deadline.left_s() if done >= _LEAST_BLOCKS else deadline.hard_left_s()
        spent = left < shape.block_s and done > 0
        if self.order.sample != "deciding" or done < 2:
            return spent
        return spent or self._decided()

    def _decided(self) -> bool:
        if self.rival == BASELINE:
            looked = len(self.blocks) in self.sequential.looks
            return looked and self._half_width(BASELINE) <= _PRECISE
        per_workload = log_ratios(self.blocks, self.rival)
        blocks = mean_over_workloads(per_workload)
        return self.sequential.decide(blocks, per_workload) != "continue"

    def _half_width(self, arm: str) -> float:
        blocks = mean_over_workloads(log_ratios(self.blocks, arm))
        ratio = log_ratio_interval(blocks, self.confidence)
        return math.log(ratio.high / ratio.low) / 2

    def _block(self, arms: Arms, shape: Shape) -> Times:
        times: dict[str, dict[str, list[int]]] = {
            case.name: {arm: [] for arm in arms} for case in self.judge.rig.timed
        }
        cases = {case.name: case for case in self.judge.rig.timed}
        if shape.warm_up:
            self._round(arms, cases[shape.warm_up], False)
        order = [*cases, *self._again(shape.costs)]
        for _ in range(shape.rounds):
            for name in self.judge.seeds.shuffled(order):
                for arm, ns in self._round(arms, cases[name], True).items():
                    times[name][arm].append(ns)
        return {w: {a: tuple(ns) for a, ns in by_arm.items()} for w, by_arm in times.items()}

    def _round(self, arms: Arms, case: Case, counted: bool) -> dict[str, int]:
        """One workload, every arm once. Where something interfered, all of it again."""
        self.rounds += 1
        answers = self._call_all(arms, case)
        for _ in range(_REPEATS if counted else 0):
            disturbed = any(answer.timed.disturbed for answer in answers.values())
            if not disturbed or self.repeated > 3 + self.rounds * self.judge.rig.repeated_share:
                break
            self.repeated += 1
            answers = self._call_all(arms, case)
        return {name: answer.timed.ns for name, answer in answers.items()}

    def _call_all(self, arms: Arms, case: Case) -> dict[str, Answer]:
        """Every arm once, in random order, on the same new inputs; and check what they left."""
        judge = self.judge
        kind = timed_kind(judge)
        inputs = judge.rig.fill(case, kind, judge.seeds.next(), judge.defences)
        with named(case, kind):
            order = judge.seeds.shuffled(list(arms))
            answers = {name: judge.call(arms, name, case) for name in order}
            if judge.defences.check_timed:
                try:
                    judge.check_together(answers, case, inputs)
                except KernelFailed as failure:
                    raise _while_timed(failure) from failure
        return answers


def _while_timed(failure: KernelFailed) -> KernelFailed:
    """It was right when it was checked, and is wrong now that it is timed."""
    finding = failure.finding
    if finding.verdict is not Verdict.INCORRECT_NUMERICAL:
        return failure
    detail = f"right when checked, wrong in a timed call: {finding.reason}: {finding.detail}"
    return KernelFailed(failure.arm, replace(finding, reason="timed-call-wrong", detail=detail))
