"""Whether a candidate computes the right thing, before any of its times counts.

Owns which inputs are tried. Leaves what is right to `checks`. Every kind of input is met at
least twice, on shapes that change with the evaluation; the timed shapes are met as they will
be timed.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

import torch

from avogit.bench.arms import EnvironmentBroken, KernelFailed
from avogit.bench.checks import (
    AGAINST_BASELINE,
    Finding,
    beyond_yardstick,
    row_error,
    untouched_or_nonfinite,
    worst_row,
)
from avogit.bench.protocol import Case, Defences
from avogit.bench.rig import Answer, Arms, Rig, Seeds, kernel_failed
from avogit.records import BASELINE, CANDIDATE, Verdict

TOO_SLOW = "too-slow"
_CALLS_PER_KIND = 2
_AUDITED_ROWS = 32


class OutOfTime(Exception):
    """Unwinds the schedule: the budget's hard limit is reached."""


class Deadline:
    """One evaluation's time: a budget to plan with, and a limit that nothing exceeds."""

    def __init__(self, budget_s: float) -> None:
        self.budget_s = budget_s
        self._soft = time.monotonic() + budget_s
        self._hard = self._soft + budget_s / 4

    def left_s(self) -> float:
        return self._soft - time.monotonic()

    def hard_left_s(self) -> float:
        return self._hard - time.monotonic()


@dataclass(slots=True)
class Checked:
    """What the checks saw so far."""

    calls: int = 0
    worst: float = 0.0


class Judge:
    """Calls arms and judges what they leave, for one evaluation."""

    def __init__(self, rig: Rig, defences: Defences, seeds: Seeds, deadline: Deadline) -> None:
        self.rig = rig
        self.defences = defences
        self.seeds = seeds
        self.deadline = deadline
        self.checked = Checked()
        self.candidate_s = 0.0

    def call(self, arms: Arms, name: str, case: Case) -> Answer:
        """One call, within the time that is left."""
        left = self.deadline.hard_left_s()
        if left <= 0:
            raise OutOfTime
        timeout_s = min(self.rig.spec.call_timeout_s, max(left, self.rig.patience_s))
        started = time.monotonic()
        answer = self.rig.call(arms[name], case, timeout_s, self.defences)
        if name == CANDIDATE:
            self.candidate_s += time.monotonic() - started
        return answer

    def prove(self, arms: Arms, case: Case, answer: Answer) -> None:
        """That the candidate's clock can be believed, where it is not ours."""
        timeout_s = max(self.deadline.hard_left_s(), self.rig.patience_s)
        self.rig.prove(arms[CANDIDATE], case, answer.timed.ns, timeout_s)

    def check_all_rows(self, answer: Answer, case: Case, inputs: dict[str, torch.Tensor]) -> None:
        """Against float64, every row: for shapes small enough."""
        rows = torch.arange(answer.out.shape[0])
        self._raise_unsound(CANDIDATE, answer)
        self._raise_wrong_rows(CANDIDATE, answer, self._truth(case, inputs, rows), rows)

    def check_together(
        self, answers: dict[str, Answer], case: Case, inputs: dict[str, torch.Tensor]
    ) -> None:
        """Every arm against the baseline, every row, and against float64 in a few.

        The rows are chosen now, when all answers are in.
        """
        count = answers[BASELINE].out.shape[0]
        chosen = random.Random(self.seeds.next()).sample(range(count), min(count, _AUDITED_ROWS))
        rows = torch.tensor(chosen)
        truth = self._truth(case, inputs, rows)
        for name in sorted(answers, key=[BASELINE].count, reverse=True):
            answer = answers[name]
            self._raise_unsound(name, answer)
            self._raise_wrong_rows(name, answer, truth, rows)
            if name != BASELINE:
                self._raise_unlike_baseline(name, answer, answers[BASELINE])
                if self.rig.yardstick:
                    found = beyond_yardstick(answer.out[rows], answers[BASELINE].out[rows], truth)
                    kernel_failed(name, found)
            self._raise_impossible(name, answer, case)

    def _truth(
        self, case: Case, inputs: dict[str, torch.Tensor], rows: torch.Tensor
    ) -> torch.Tensor:
        truth = self.rig.problem.reference(dict(case.params), inputs, rows)
        if not bool(torch.isfinite(truth).all()):
            raise EnvironmentBroken("reference-nonfinite", f"problem.py's answer for {case.name}")
        return truth

    def _raise_unsound(self, name: str, answer: Answer) -> None:
        self.checked.calls += name == CANDIDATE
        kernel_failed(name, answer.finding)
        kernel_failed(name, untouched_or_nonfinite(answer.out, answer.poison))

    def _raise_wrong_rows(
        self, name: str, answer: Answer, truth: torch.Tensor, rows: torch.Tensor
    ) -> None:
        difference = worst_row(answer.out[rows], truth)
        if name == CANDIDATE:
            self.checked.worst = max(self.checked.worst, difference.rmse)
        limit, row = self.rig.spec.row_rmse, int(rows[difference.row])
        kernel_failed(name, row_error(difference.rmse, limit, row, answer.out.shape[0], "float64"))

    def _raise_unlike_baseline(self, name: str, answer: Answer, baseline: Answer) -> None:
        difference = worst_row(answer.out, baseline.out)
        limit = AGAINST_BASELINE * self.rig.spec.row_rmse
        rows = answer.out.shape[0]
        kernel_failed(name, row_error(difference.rmse, limit, difference.row, rows, "the baseline"))

    def _raise_impossible(self, name: str, answer: Answer, case: Case) -> None:
        gflops = self.rig.problem.flops(dict(case.params)) / answer.timed.ns
        limit = self.rig.most_gflops(case)
        if self.defences.speed_limit and gflops > limit:
            detail = f"{gflops:.4g} GFLOP/s, more than the {limit:.6g} this machine can do"
            kernel_failed(name, Finding(Verdict.REWARD_HACK, "impossible-speed", detail))


@contextlib.contextmanager
def named(case: Case, kind: str) -> Iterator[None]:
    """Say in a finding which call it was."""
    try:
        yield
    except KernelFailed as failure:
        detail = f"{failure.finding.detail} ({case.name}, {kind} inputs)"
        raise KernelFailed(failure.arm, replace(failure.finding, detail=detail)) from failure


def too_slow(judge: Judge) -> Finding:
    detail = f"its calls alone do not fit into the {judge.deadline.budget_s:g} s there are"
    return Finding(Verdict.TIMEOUT, TOO_SLOW, detail)


def blame_for_time(judge: Judge) -> NoReturn:
    """Say whose fault it is that there is no time left."""
    if judge.candidate_s > judge.deadline.budget_s / 2:
        raise KernelFailed(CANDIDATE, too_slow(judge))
    detail = f"{judge.deadline.budget_s:g} s were too few to measure anything on this busy machine"
    raise EnvironmentBroken("out-of-time", detail)


def plan(shapes: Sequence[Case], kinds: Sequence[str], seeds: Seeds) -> list[tuple[Case, str]]:
    """Which kind of input on which shape."""
    order = random.Random(seeds.next())
    cases = order.sample(list(shapes), len(shapes))
    count = max(_CALLS_PER_KIND * len(kinds), len(cases))
    return [
        (cases[(i + i // len(kinds)) % len(cases)], kinds[i % len(kinds)]) for i in range(count)
    ]


def timed_kind(judge: Judge) -> str:
    """The kind of input of timed calls."""
    kinds = judge.rig.problem.INPUT_KINDS
    return "mixed" if judge.defences.hard_inputs else next(k for k in kinds if k != "mixed")


def check(
    judge: Judge, arms: Arms, progress: Callable[[str], None], *, held_out: bool
) -> dict[str, dict[str, int]]:
    """Run the whole stage. Gives one call's time by workload and arm, to plan the timing with."""
    rig, defences, seeds = judge.rig, judge.defences, judge.seeds
    kinds = rig.problem.INPUT_KINDS if defences.hard_inputs else [timed_kind(judge)]
    shapes = rig.shapes if defences.odd_shapes else []
    calls = plan(shapes, kinds, seeds) if shapes else []
    total = len(calls) + len(rig.timed)
    for case in rig.held_out if held_out else ():
        progress(f"checking {case.name}, held out so far")
        _check_as_timed(judge, arms, case)
    for number, (case, kind) in enumerate(calls):
        progress(f"checking {number + 1}/{total}")
        inputs = rig.fill(case, kind, seeds.next(), defences)
        with named(case, kind):
            judge.check_all_rows(judge.call(arms, CANDIDATE, case), case, inputs)
    times = {}
    for number, case in enumerate(rig.timed, start=len(calls)):
        progress(f"checking {number + 1}/{total}")
        times[case.name] = _check_as_timed(judge, arms, case)
    return times


def _check_as_timed(judge: Judge, arms: Arms, case: Case) -> dict[str, int]:
    kind = timed_kind(judge)
    inputs = judge.rig.fill(case, kind, judge.seeds.next(), judge.defences)
    with named(case, kind):
        judge.call(arms, BASELINE, case)  # its first call sets things up: no time to plan with
        answers = {name: judge.call(arms, name, case) for name in judge.seeds.shuffled(list(arms))}
        judge.check_together(answers, case, inputs)
        judge.prove(arms, case, answers[CANDIDATE])
    return {name: answer.timed.ns for name, answer in answers.items()}
