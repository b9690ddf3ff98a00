"""The oracle's report -> an `Evaluation`.

Owns which intervals are stated, and the raw document that a record keeps: from it `avogit
fsck` computes the same score again. Leaves the formulas to `avogit.statistics`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median, stdev
from typing import Any, TypeVar, cast

from avogit.bench.protocol import Report
from avogit.bench.times import Times, log_ratios
from avogit.records import (
    ANCESTOR,
    BASELINE,
    CANDIDATE,
    PARENT,
    SECOND_PARENT,
    CrossGains,
    Evaluation,
    Ratio,
    Verdict,
    WorkloadTiming,
)
from avogit.statistics import (
    log_ratio_interval,
    mean_over_workloads,
    pooled_intervals,
    score,
)

_Seen = TypeVar("_Seen")

SUSTAINED_CONFIDENCE = 0.95  # of what is shown and decides nothing
_TOO_NOISY = 0.5  # the blocks' standard deviation in log space, beyond which they say nothing


@dataclass(frozen=True, slots=True)
class Setting:
    """Where and how an evaluation was made."""

    tree: str
    sample: str
    device: str
    baseline: str
    evaluator: str
    sandbox: tuple[str, ...]
    certified: bool
    stages_s: Mapping[str, float]
    notes: Mapping[str, object]  # into raw: artefacts and the like


def failed(setting: Setting, verdict: Verdict, reason: str, detail: str) -> Evaluation:
    """An evaluation without timings."""
    raw = dict(setting.notes)
    return _evaluation(setting, verdict=verdict, reason=reason, detail=detail, raw=raw)


def from_report(report: Report, names: Mapping[str, Sequence[str]], setting: Setting) -> Evaluation:
    """An evaluation from a report; `names` are those that each measured arm goes by."""
    setting = replace(setting, notes={**setting.notes, **_raw(report, names)})
    if report.verdict != Verdict.PASSED.value:
        return failed(setting, Verdict(report.verdict), report.reason, report.detail)
    blocks = [_named(block, names) for block in report.blocks]
    rivals = [arm for arm in next(iter(blocks[0].values())) if arm != CANDIDATE]
    per_arm = {arm: log_ratios(blocks, arm) for arm in rivals}
    versus = {arm: score(ratios, report.confidence) for arm, ratios in per_arm.items()}
    total = versus[BASELINE]
    if stdev(mean_over_workloads(per_arm[BASELINE])) > _TOO_NOISY:
        detail = f"the score's interval is {total.low:.3g} to {total.high:.3g}: too much else runs"
        return failed(setting, Verdict.UNMEASURED, "too-noisy", detail)
    return _evaluation(
        setting,
        verdict=Verdict.PASSED,
        workloads=tuple(_workload(name, blocks, per_arm, report.confidence) for name in blocks[0]),
        score=total,
        versus=versus,
        blocks=len(blocks),
        raw={
            **setting.notes,
            **_sustained(report, names),
            "blocks": [{"workloads": block} for block in blocks],
        },
    )


def cross_gains(evaluation: Evaluation, ancestor: str) -> CrossGains | None:
    """What each parent of a crossover and their union gained on the ancestor that both share.

    None without timings. All arms ran in one sample, so each gain is as paired as a score is.
    """
    if evaluation.verdict is not Verdict.PASSED:
        return None
    blocks = [block["workloads"] for block in cast("Any", evaluation.raw["blocks"])]
    confidence = float(cast("Any", evaluation.raw["confidence"]))
    joined = [log_ratios(blocks, ANCESTOR, arm) for arm in (PARENT, SECOND_PARENT, CANDIDATE)]
    gains = {
        name: _three(log_ratio_interval(ratios[name], confidence) for ratios in joined)
        for name in blocks[0]
    }
    gains["all"] = _three(score(ratios, confidence) for ratios in joined)
    return CrossGains(ancestor, gains)


def _three(ratios: Iterable[Ratio]) -> tuple[Ratio, Ratio, Ratio]:
    first, second, union = ratios
    return first, second, union


def _evaluation(setting: Setting, **found: Any) -> Evaluation:
    """What was found, where and how the setting says."""
    return Evaluation(
        tree=setting.tree,
        sample=setting.sample,
        device=setting.device,
        baseline=setting.baseline,
        evaluator=setting.evaluator,
        sandbox=setting.sandbox,
        certified=setting.certified,
        stages_s=dict(setting.stages_s),
        **found,
    )


def _raw(report: Report, names: Mapping[str, Sequence[str]]) -> dict[str, object]:
    return {
        "confidence": report.confidence,
        "correctness": {
            "checked_calls": report.checked_calls,
            "worst_row_rmse": report.worst_row_rmse,
        },
        "repeated_rounds": report.repeated_rounds,
        "overhead_us": report.overhead_us,
        "seeds": dict(report.seeds),
        **_of_device(report, names),
    }


def _of_device(report: Report, names: Mapping[str, Sequence[str]]) -> dict[str, object]:
    """What a GPU adds: why blocks were void, and its state."""
    found: dict[str, object] = {}
    if report.machine:
        found["machine"] = machine = dict(report.machine)
        if "clock" in machine:
            clock = cast("dict[str, Any]", machine["clock"])
            calls = {regime: _named(seen, names) for regime, seen in clock["calls_mhz"].items()}
            machine["clock"] = {**clock, "calls_mhz": calls}
        if "spins" in machine:
            machine["spins"] = _by_name(cast("dict[str, Any]", machine["spins"]), names)
    if report.voids:
        found["voids"] = list(report.voids)
    return found


def _sustained(report: Report, names: Mapping[str, Sequence[str]]) -> dict[str, object]:
    """Raw times of the sample at the power limit, and what they say. It decides nothing."""
    if not report.sustained:
        return {}
    blocks = [_named(block, names) for block in report.sustained]
    arms = [arm for arm in next(iter(blocks[0].values())) if arm != CANDIDATE]
    found = {a: pooled_intervals(log_ratios(blocks, a), SUSTAINED_CONFIDENCE) for a in arms}
    by_workload = {
        name: {arm: _triple(each[name]) for arm, (_, each) in found.items()} for name in blocks[0]
    }
    document = {
        "confidence": SUSTAINED_CONFIDENCE,
        "versus": {arm: _triple(all_) for arm, (all_, _) in found.items()},
        "workloads": by_workload,
        "blocks": [{"workloads": block} for block in blocks],
    }
    return {"sustained": document}


def _triple(ratio: Ratio) -> list[float]:
    return [ratio.value, ratio.low, ratio.high]


def _named(
    block: Mapping[str, Mapping[str, _Seen]], names: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, _Seen]]:
    """By workload and every name that an arm goes by."""
    return {workload: _by_name(seen, names) for workload, seen in block.items()}


def _by_name(seen: Mapping[str, _Seen], names: Mapping[str, Sequence[str]]) -> dict[str, _Seen]:
    """By every name that an arm goes by."""
    return {name: seen[arm] for arm in seen for name in names.get(arm, (arm,))}


def _workload(
    name: str,
    blocks: Sequence[Times],
    per_arm: Mapping[str, Mapping[str, Sequence[float]]],
    confidence: float,
) -> WorkloadTiming:
    arms = blocks[0][name]
    latency = {arm: median(ns for block in blocks for ns in block[name][arm]) / 1e3 for arm in arms}
    versus: dict[str, Ratio] = {
        arm: log_ratio_interval(ratios[name], confidence) for arm, ratios in per_arm.items()
    }
    return WorkloadTiming(name, latency, versus)
