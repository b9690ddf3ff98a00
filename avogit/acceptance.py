"""What enters a line: from one evaluation to one decision, with a reason in numbers.

Owns the acceptance rules and the check of a fresh sample. Leaves the numbers to `statistics`,
and what leaves a line to `selection`. Pure: a decision depends on its arguments alone.

A rule is an ordered choice of clauses. Each clause asks whether the child is shown, at the
stated confidence, to be worth a place: the burden of proof is the child's. `docs/selection.md`
has the formulae and why a strict rule would block the road to a better kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from avogit.config import Acceptance
from avogit.errors import AvogitError
from avogit.records import (
    BASELINE,
    EXTENDED,
    IMPROVED,
    INCUMBENT,
    MATCHED,
    PARENT,
    SPECIALIST,
    Candidate,
    Decision,
    Evaluation,
    Lineage,
    Ratio,
    Status,
    Verdict,
    WorkloadTiming,
)
from avogit.statistics import widened

# A specialist may trade this much of the aggregate for its workload. In the published
# trajectory the trades that paid off later cost up to 2 %; a tenth bounds what a line may idle at.
SPECIALIST_LOSS = 0.10

_DEFAULTS = Acceptance()


@dataclass(frozen=True, slots=True)
class Case:
    """What is decided on. `evaluation` passed, and has the incumbent among its arms."""

    lineage: Lineage
    parent: Candidate
    evaluation: Evaluation
    settings: Acceptance

    @property
    def incumbent(self) -> Ratio:
        """Incumbent time / child time over all workloads."""
        return self.evaluation.versus[INCUMBENT]


class Rule(Protocol):
    """One way to decide what enters a line."""

    def __call__(self, case: Case) -> Decision:
        """Accepted or rejected, and why."""


Clause = Callable[[Case], "Decision | None"]


def decide(
    rule: str, lineage: Lineage, parent: Candidate, evaluation: Evaluation, settings: Acceptance
) -> Decision:
    """Whether a child of `parent` enters a line, by the named rule."""
    if rule not in RULES:
        raise AvogitError(f"no acceptance rule {rule!r}: `acceptance.rule` is one of {_names()}")
    if evaluation.verdict is not Verdict.PASSED:
        return _not_passed(evaluation)
    if INCUMBENT not in evaluation.versus:
        raise ValueError("a child is decided on beside the incumbent, which was not measured")
    return RULES[rule](Case(lineage, parent, evaluation, settings))


def decide_seed(evaluation: Evaluation) -> Decision:
    """Whether a first candidate can found a population: it must pass, and be measured."""
    if evaluation.score is None:
        return _not_passed(evaluation)
    reason = f"the first of its population: {evaluation.score} {evaluation.baseline}"
    return Decision(Status.SEED, reason.strip(), "seed")


def confirmed(decision: Decision, fresh: Evaluation, settings: Acceptance = _DEFAULTS) -> Decision:
    """The decision, unless the fresh sample contradicts what the child was accepted for.

    The deciding sample was the lucky one of many, so its number is not believed again: a fresh
    interval that lies wholly below what was claimed overturns it. One that only spans it does
    not, since the fresh sample is the shorter of the two.
    """
    if decision.status is not Status.ACCEPTED:
        return decision
    if fresh.verdict is not Verdict.PASSED:
        reason = f"did not replicate: {_not_passed(fresh).reason}"
        return Decision(Status.REJECTED, reason, "not-passed")
    floor = 1 - settings.match_margin if decision.rule == MATCHED else 1.0
    name, again = _claim(decision, fresh)
    if again is None:
        return decision
    if again.high < floor:
        reason = f"did not replicate: {again} {name} in a fresh sample"
        return Decision(Status.REJECTED, f"{reason}, though {decision.reason}", "not-replicated")
    return replace(decision, reason=f"{decision.reason}; {again} in a fresh sample")


def _claim(decision: Decision, fresh: Evaluation) -> tuple[str, Ratio | None]:
    """What a decision claimed to be as fast as, and the fresh sample's ratio to it."""
    if decision.rule == SPECIALIST:
        by_name = {timing.workload: timing.versus for timing in fresh.workloads}
        versus = by_name.get(decision.workload, {})
        return f"the incumbent on {decision.workload}", versus.get(INCUMBENT)
    if decision.rule == EXTENDED:
        return "its parent", fresh.versus.get(PARENT)
    return "the incumbent", fresh.versus.get(INCUMBENT)


def first_of(*clauses: Clause) -> Rule:
    """A rule that accepts by the first clause that does; else rejects with the first objection."""

    def rule(case: Case) -> Decision:
        found = [said for clause in clauses if (said := clause(case)) is not None]
        accepted = (said for said in found if said.status is Status.ACCEPTED)
        return next(accepted, found[0] if found else _not_shown(case))

    return rule


def improved(case: Case) -> Decision | None:
    """Faster than the incumbent: the whole interval above 1."""
    if case.incumbent.low <= 1:
        return None
    reason = f"faster than the incumbent: {case.incumbent}"
    return Decision(Status.ACCEPTED, reason, IMPROVED)


def matched(case: Case) -> Decision | None:
    """As fast as the incumbent, within the margin; and matches may not add up to a loss.

    Each match may be a little slower than the last, so the child is held to a fixed point too:
    the anchor, which no match moves. Their scores come from different runs, so the child is
    refused where its whole interval lies below the anchor less the margin, not for noise.
    """
    margin, score = case.settings.match_margin, case.evaluation.score
    if case.incumbent.low <= 1 - margin or score is None:
        return None
    reason = f"matches the incumbent within {margin:.1%}: {case.incumbent}"
    anchor = anchor_of(case.lineage, case.evaluation.baseline)
    if anchor is None or anchor.score is None or score.high >= anchor.score.value * (1 - margin):
        return Decision(Status.ACCEPTED, reason, MATCHED)
    objection = (
        f"{reason}; but its score {score} lies wholly below the anchor "
        f"{anchor.oid[:10]} at {anchor.score.value:.3f}x less the margin: "
        "matches may not add up to a loss"
    )
    return Decision(Status.REJECTED, objection, "below-anchor")


def extended(case: Case) -> Decision | None:
    """Faster than a parent on a specialist's line, and still ahead of the incumbent somewhere.

    Without this a specialist's line could grow only by new records on single workloads.
    """
    ratio = case.evaluation.versus.get(PARENT)
    founded = case.parent.trailers.get("Avo-Rule") in (SPECIALIST, EXTENDED)
    if not (founded and _is_live(case) and ratio is not None and ratio.low > 1 and _afloat(case)):
        return None
    ahead = next(_ahead(case), None)
    if ahead is None:
        return None
    reason = (
        f"faster than its parent, a specialist's line: {ratio}; "
        f"ahead of the incumbent on {ahead.workload} ({case.incumbent} over all)"
    )
    return Decision(Status.ACCEPTED, reason, EXTENDED, ahead.workload)


def specialist(case: Case) -> Decision | None:
    """The best of all live lines on one workload, at a bounded price in the aggregate."""
    if not _afloat(case):
        return None
    best = next((timing for timing in _ahead(case) if _leads(case, timing)), None)
    if best is None:
        return None
    reason = (
        f"the best so far on {best.workload}: {best.versus[INCUMBENT]} the incumbent "
        f"there, {case.incumbent} over all"
    )
    return Decision(Status.ACCEPTED, reason, SPECIALIST, best.workload)


RULES: dict[str, Rule] = {
    "match-or-improve": first_of(improved, matched, extended, specialist),
    "pareto": first_of(improved, extended, specialist),  # better at something; no ties
    "improve": first_of(improved),  # strict: one aggregate, upwards only
}


def anchor_of(lineage: Lineage, baseline: str = "") -> Candidate | None:
    """The best candidate that entered as a seed or as an improvement, live or not.

    Matches and specialists cannot move it, so a walk of matches cannot drag it down. Scores
    against another baseline are not comparable and do not count.
    """
    entered = (
        candidate
        for candidate in lineage.candidates.values()
        if candidate.measured and candidate.score is not None and _fixed(candidate)
        if not baseline or candidate.trailers.get("Avo-Baseline", baseline) == baseline
    )
    return max(entered, key=lambda c: c.score.value if c.score else 0.0, default=None)


def _fixed(candidate: Candidate) -> bool:
    if candidate.status is Status.SEED:
        return True
    rule = candidate.trailers.get("Avo-Rule")
    return candidate.status is Status.ACCEPTED and rule == IMPROVED


def _is_live(case: Case) -> bool:
    return any(line.oid == case.parent.oid for line in case.lineage.live())


def _afloat(case: Case) -> bool:
    """Whether the loss against the incumbent is shown to be within a specialist's bound."""
    return case.incumbent.low > 1 - SPECIALIST_LOSS


def _ahead(case: Case) -> Iterator[WorkloadTiming]:
    """Workloads on which the child beats the incumbent, the widest lead first."""
    timings = [t for t in case.evaluation.workloads if _wins(case, t, INCUMBENT)]
    yield from sorted(timings, key=lambda t: -t.versus[INCUMBENT].low)


def _wins(case: Case, timing: WorkloadTiming, arm: str) -> bool:
    """Whether the child beats an arm on a workload that was picked as the best of them all."""
    if arm not in timing.versus:
        return False
    blocks, several = max(case.evaluation.blocks, 2), len(case.evaluation.workloads)
    return widened(timing.versus[arm], blocks, case.settings.confidence, several).low > 1


def _leads(case: Case, timing: WorkloadTiming) -> bool:
    """Whether no live line is as good on a workload where the child beat the incumbent.

    The parent ran in the same sample, so the paired interval tells. Of the others there is
    their recorded score, which the child's interval against the baseline must clear.
    """
    incumbent = case.lineage.incumbent()
    for line in case.lineage.live():
        if incumbent is not None and line.oid == incumbent.oid:
            continue
        if line.oid == case.parent.oid and PARENT in timing.versus:
            if not _wins(case, timing, PARENT):
                return False
        elif not _clears(timing, line):
            return False
    return True


def _clears(timing: WorkloadTiming, line: Candidate) -> bool:
    own, recorded = timing.versus.get(BASELINE), line.workload_scores.get(timing.workload)
    return recorded is None or (own is not None and own.low > recorded)


def _not_passed(evaluation: Evaluation) -> Decision:
    reason = f"{evaluation.verdict}: {evaluation.reason}" if evaluation.reason else ""
    return Decision(Status.REJECTED, reason or str(evaluation.verdict), "not-passed")


def _not_shown(case: Case) -> Decision:
    ratio = case.incumbent
    if ratio.high < 1:
        return Decision(Status.REJECTED, f"slower than the incumbent: {ratio}", "slower")
    reason = (
        f"not shown to be as good as the incumbent: {ratio} "
        f"over {case.evaluation.blocks} sets of processes"
    )
    return Decision(Status.REJECTED, reason, "undecided")


def _names() -> str:
    return ", ".join(RULES)
