"""From a tree in hand to a verdict and a decision: what is measured beside what, and how often.

Owns the arms of a child's evaluation, that the sample which decides is not the one that is stated,
and that what enters was held to the incumbent of that moment. Leaves measuring to `evaluation`,
the rule to `acceptance`, and recording to `step`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from avogit import acceptance, store
from avogit.evaluation import Source, cross_gains
from avogit.records import (
    ANCESTOR,
    Candidate,
    CrossGains,
    Decision,
    Evaluation,
    Lineage,
    Status,
    Verdict,
)
from avogit.session import Session

_ROUNDS = 3  # of a child that others overtake again and again


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of a child: the evaluation to state, the decision, and what that was based on."""

    evaluation: Evaluation
    decision: Decision
    deciding: Evaluation
    crossed: CrossGains | None = None  # a crossover's parts, each against the common ancestor


def judge(
    session: Session, lineage: Lineage, work: store.WorkInHand, parents: Sequence[Candidate]
) -> Judgement:
    """Evaluate a tree in hand beside its parents and the incumbent, and decide."""
    if work.violations:
        return _refused(session, lineage, work, parents[0])
    for _ in range(_ROUNDS):
        found = _beside(session, lineage, work, parents)
        if found.decision.status is not Status.ACCEPTED:
            break
        now = session.lineage()
        if _incumbent(now) == _incumbent(lineage):
            break
        session.progress("another child is the incumbent by now: measuring beside that one")
        lineage = now
    return found


def _incumbent(lineage: Lineage) -> str:
    incumbent = lineage.incumbent()
    return incumbent.oid if incumbent else ""


def _beside(
    session: Session, lineage: Lineage, work: store.WorkInHand, parents: Sequence[Candidate]
) -> Judgement:
    """The verdict beside what this lineage holds for best."""
    rivals, ancestor = session.rivals(lineage, *parents), ""
    if len(parents) > 1:
        ancestor = store.common_ancestor(session.repo, parents[0].oid, parents[1].oid)
        rivals[ANCESTOR] = session.source(ancestor)
    return _measured(session, lineage, parents[0], session.source(work.tree), rivals, ancestor)


def _measured(
    session: Session,
    lineage: Lineage,
    parent: Candidate,
    source: Source,
    rivals: Mapping[str, Source],
    ancestor: str,
) -> Judgement:
    settings, budgets = session.config.acceptance, session.config.measure
    longer = 2 if ancestor else 1  # a crossover's arms are twice as many
    deciding = session.measure(source, rivals, "deciding", longer * budgets.budget_s)
    decision = acceptance.decide(settings.rule, lineage, parent, deciding, settings)
    stated = deciding
    if decision.status is Status.ACCEPTED:
        # What decides is not what is printed: the best of many samples flatters itself.
        stated = session.measure(source, rivals, "fresh", longer * budgets.fresh_s)
        decision = acceptance.confirmed(decision, stated, settings)
    crossed = cross_gains(stated, ancestor) if ancestor else None
    return Judgement(stated, decision, deciding, crossed)


def _refused(
    session: Session, lineage: Lineage, work: store.WorkInHand, parent: Candidate
) -> Judgement:
    """The verdict on a tree that changed what its task does not let it change."""
    hack = any(v.startswith(("protected-file", "symlink")) for v in work.violations)
    verdict = Verdict.REWARD_HACK if hack else Verdict.REFUSED
    reason = work.violations[0].split(":", 1)[0]
    found = Evaluation(verdict, work.tree, reason=reason, detail="\n".join(work.violations))
    settings = session.config.acceptance
    return Judgement(
        found, acceptance.decide(settings.rule, lineage, parent, found, settings), found
    )
