"""The trusted process that makes inputs, holds the clock, and knows the answers.

Owns one conversation: a `TaskSpec`, then an `Order` at a time, each answered by `Progress`
and one `Report`. It is started by `evaluation`, stays warm between orders, and ends with its
parent. No code of a candidate is ever loaded here.
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch

from avogit.bench.arms import EnvironmentBroken, KernelFailed
from avogit.bench.checks import Finding
from avogit.bench.correctness import TOO_SLOW, Deadline, Judge, OutOfTime, blame_for_time, check
from avogit.bench.problem import ProblemError
from avogit.bench.protocol import Hello, Order, Progress, Report, TaskSpec, receive, send
from avogit.bench.rig import Rig, Seeds
from avogit.bench.times import Times
from avogit.bench.timing import LEAST_FOR_INTERVAL, Timing
from avogit.processes import claim_streams, die_with_parent, exit_if_orphaned
from avogit.records import BASELINE, CANDIDATE, Verdict
from avogit.sandbox import probe

_NEVER_FASTER = 0.93


def main(argv: Sequence[str]) -> int:
    """Serve orders from stdin until it ends."""
    die_with_parent()
    exit_if_orphaned(int(argv[0]))
    orders, answers = claim_streams()
    torch.set_num_threads(1)
    gc.disable()
    try:
        rig = _rig(receive(orders, TaskSpec))
    except EOFError:
        return 0
    except ProblemError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    gc.freeze()  # torch's many objects need no looking at between blocks
    held = probe()
    version = rig.problem.baseline_version()
    send(answers, Hello(version, rig.device_name(), held.layers, held.certified))
    while True:
        try:
            order = receive(orders, Order)
        except EOFError:
            return 0
        send(answers, judge(rig, order, lambda text: send(answers, Progress(text))))


def _rig(spec: TaskSpec) -> Rig:
    """What measures on the task's kind of device."""
    if spec.device:
        from avogit.bench.gpu.rig import GpuRig

        return GpuRig(spec)
    from avogit.bench.cpu_rig import CpuRig

    return CpuRig(spec)


def judge(rig: Rig, order: Order, progress: Callable[[str], None]) -> Report:
    """Correctness, then timing, of an order's first arm."""
    stages, judging = Stages(), Judge(rig, order.defences, Seeds(), Deadline(order.budget_s))
    timing = Timing(judging, order, progress)
    sustained: Timing | None = None
    verdict, reason, detail = Verdict.PASSED, "", ""
    try:
        rig.begin(order, progress)
        judging.deadline = Deadline(order.budget_s)  # not of waiting for others
        single = _correctness(judging, order, stages, progress)
        stages.next("timing")
        timing.run(single)
        if order.sustained_s:
            stages.next("sustained")
            sustained = _sustained(judging, order, progress, single)
            never_faster(timing.blocks, sustained.blocks)
        if order.audit:
            stages.next("audit")
            rig.audit(order.arms[0].artefact, progress)
    except KernelFailed as failure:
        verdict, reason, detail = _blame(failure)
    except EnvironmentBroken as broken:
        verdict, reason, detail = Verdict.UNMEASURED, broken.reason, broken.detail
    finally:
        rig.finish(well=verdict is Verdict.PASSED)
    passed = verdict is Verdict.PASSED
    return Report(
        verdict=verdict.value,
        reason=reason,
        detail=detail,
        blocks=tuple(timing.blocks) if passed else (),
        confidence=timing.confidence,
        checked_calls=judging.checked.calls,
        repeated_rounds=timing.repeated,
        worst_row_rmse=judging.checked.worst,
        overhead_us=rig.overhead_us(order) if passed else 0.0,
        seeds=judging.seeds.revealed(),
        stages_s=stages.finish(),
        voids=tuple(timing.voids + (sustained.voids if sustained else [])),
        machine=rig.facts(),
        sustained=tuple(sustained.blocks) if passed and sustained else (),
    )


def never_faster(burst: Sequence[Times], sustained: Sequence[Times]) -> None:
    """Fail a candidate whose calls are faster without a pause than with clocks at their highest.

    A window's launches repeat a few inputs: who keeps answers gains there, and nowhere else.
    """
    if not sustained:
        return
    for workload in burst[0]:
        fast, slow = (_median_ns(blocks, workload) for blocks in (sustained, burst))
        if fast < _NEVER_FASTER * slow:
            detail = (
                f"{workload}: {fast / 1e3:.4g} us without a pause, {slow / 1e3:.4g} us with one"
            )
            finding = Finding(Verdict.REWARD_HACK, "faster-when-repeated", detail)
            raise KernelFailed(CANDIDATE, finding)


def _median_ns(blocks: Sequence[Times], workload: str) -> float:
    return statistics.median(ns for block in blocks for ns in block[workload][CANDIDATE])


class Stages:
    """How long each stage took."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._name = "start"
        self._seconds: dict[str, float] = {}

    def next(self, name: str) -> None:
        now = time.monotonic()
        self._seconds[self._name] = self._seconds.get(self._name, 0.0) + now - self._since
        self._since, self._name = now, name

    def finish(self) -> dict[str, float]:
        self.next("")
        return {name: round(seconds, 4) for name, seconds in self._seconds.items()}


def _correctness(
    judging: Judge, order: Order, stages: Stages, progress: Callable[[str], None]
) -> Mapping[str, Mapping[str, int]]:
    artefacts = {CANDIDATE: order.arms[0].artefact, BASELINE: ""}
    started = judging.rig.started(artefacts, judging.seeds, order.defences, order.library_dirs)
    with started as arms:
        stages.next("correctness")
        try:
            return check(judging, arms, progress, held_out=order.sample == "confirmation")
        except OutOfTime:
            blame_for_time(judging)


def _sustained(
    judging: Judge,
    order: Order,
    progress: Callable[[str], None],
    single: Mapping[str, Mapping[str, int]],
) -> Timing:
    """The arms that decide once more, with the card at its power limit.

    What cannot be measured there is only told; a candidate that is wrong there is wrong.
    """
    judging.rig.regime = "sustained"
    judging.deadline = Deadline(order.sustained_s)
    timing = Timing(judging, replace(order, sample="fresh", beside=()), progress)
    try:
        timing.run(single)
    except EnvironmentBroken as broken:
        timing.voids.append(f"sustained: {broken.reason}: {broken.detail}")
    except KernelFailed as failure:
        if failure.finding.reason != TOO_SLOW:
            raise
        timing.voids.append(f"sustained: {TOO_SLOW}: {failure.finding.detail}")
    if len(timing.blocks) < LEAST_FOR_INTERVAL:
        timing.blocks.clear()
    return timing


def _blame(failure: KernelFailed) -> tuple[Verdict, str, str]:
    finding = failure.finding
    if failure.arm == CANDIDATE:
        return finding.verdict, finding.reason, finding.detail
    reason = "baseline-failed" if failure.arm == BASELINE else "rival-failed"
    return Verdict.UNMEASURED, reason, f"{failure.arm}: {finding.reason}: {finding.detail}"
