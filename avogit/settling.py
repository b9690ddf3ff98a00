"""What a proposal comes to: measured, decided and recorded as a candidate, or kept as an attempt.

Owns the way from a proposal to its record: the tree is kept as work in hand before it is measured,
and its commit, record and head appear in one transaction. Leaves making proposals to `step`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from avogit import store, teaching
from avogit.budget import Meter, Spent
from avogit.judging import judge
from avogit.operators import MODEL_OPERATORS, NoProposal
from avogit.records import Candidate, Evaluation, Lineage, Proposal, Status
from avogit.session import Session

OVERTAKEN = "overtaken"


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one step came to. `candidate` is None when the operator proposed nothing."""

    outcome: str  # a Status, or the operator's named outcome
    reason: str
    operator: str
    candidate: Candidate | None = None
    evaluation: Evaluation | None = None
    parent: str = ""
    pruned: tuple[str, ...] = ()
    resumed: bool = False
    spent: Spent = field(default_factory=Spent)
    left: str = ""  # of the run's budget, after this step


@dataclass(frozen=True, slots=True)
class Turn:
    """What all parts of one step share."""

    session: Session
    writer: store.Writer
    operator: str
    meter: Meter
    command: str | None = None
    pair: tuple[Candidate, Candidate] | None = None  # to be crossed
    asks: bool = False  # its model is at hand, and may be asked what a child taught


def weigh(
    turn: Turn, lineage: Lineage, parent: Candidate, proposal: Proposal | NoProposal
) -> StepResult:
    """What a proposal comes to. `lineage` is what it was made from."""
    if turn.operator in MODEL_OPERATORS:
        turn.meter.settle(proposal.usage)
    if isinstance(proposal, NoProposal):
        return keep_attempt(turn, proposal, parent.oid)
    return consider(turn, lineage, proposal)


def kept(turn: Turn, proposal: Proposal | NoProposal, result: StepResult) -> StepResult:
    """The result; a proposal that came to no candidate is recorded as an attempt."""
    if result.candidate is None and isinstance(proposal, Proposal):
        keep_attempt(turn, _dropped(result, proposal), proposal.parent)
    return result


def keep_attempt(turn: Turn, found: NoProposal, parent: str) -> StepResult:
    """Record what came to no child: why, at what cost, and how far it got."""
    oid = found.parent or parent
    repo, tree = turn.session.repo, ""
    if found.files:
        base = store.tree_of(repo, oid)
        tree = store.with_files(repo, base, turn.session.task.path, found.files)
    payload = store.attempt_payload(
        turn.operator, oid, found.outcome, found.detail, found.plan, tree, found.summary
    )
    payload["usage"] = store.usage_to_json(turn.meter.usage)
    payload["wall_s"] = turn.meter.spent().wall_s
    turn.writer.append(store.ATTEMPT, payload, found.attachments, tree, settles=True)
    return StepResult(found.outcome, found.detail, turn.operator, parent=oid)


def _dropped(result: StepResult, proposal: Proposal) -> NoProposal:
    """A proposal that was not measured, since its tree was or is being measured."""
    return NoProposal(
        result.outcome, result.reason, attachments=proposal.attachments, plan=proposal.plan
    )


def consider(turn: Turn, seen: Lineage, proposal: Proposal) -> StepResult:
    """Keep the proposal's tree, then evaluate and record it, beside what is best by now.

    `seen` is the lineage that the proposal was made from.
    """
    session, operator = turn.session, turn.operator
    lineage = session.lineage_of_late()
    base = store.tree_of(session.repo, proposal.parent)
    new = store.NewObjects(session.repo)
    tree = store.add_files(new, base, session.task.path, proposal.files)
    known = lineage.by_tree().get(tree)
    if known is not None and known.status is not Status.DRAFT and not proposal.violations:
        reason = f"this very tree is {known.oid[:10]} ({known.status}, {known.verdict})"
        outcome = "already-measured" if known.oid in seen.candidates else OVERTAKEN
        return StepResult(outcome, reason, operator, parent=proposal.parent)
    work = store.WorkInHand(
        parent=proposal.parent,
        tree=tree,
        operator=operator,
        subject=proposal.subject,
        body=proposal.body,
        plan=proposal.plan,
        usage=turn.meter.usage,
        violations=proposal.violations,
        second_parent=proposal.second_parent,
        attachments=proposal.attachments,
    )
    if not turn.writer.begin(work, new):
        reason = f"another step has this very tree in hand ({work.subject})"
        return StepResult(OVERTAKEN, reason, operator, parent=proposal.parent)
    return _settle(turn, lineage, work, in_words=turn.asks)


def finish(turn: Turn, work: store.WorkInHand) -> StepResult:
    """Take up a child that an earlier process proposed and never finished."""
    session = turn.session
    session.progress(f"resuming {work.subject!r}, which was in hand when an earlier step ended")
    return replace(_settle(turn, session.lineage(), work, in_words=False), resumed=True)


def _settle(turn: Turn, lineage: Lineage, work: store.WorkInHand, *, in_words: bool) -> StepResult:
    """Measure the work in hand, decide, and record it as a candidate."""
    session, before_s = turn.session, turn.session.device_s
    parents = [lineage.candidates[oid] for oid in (work.parent, work.second_parent) if oid]
    judged = judge(session, lineage, work, parents)
    attachments = dict(work.attachments)
    if judged.deciding is not judged.evaluation:
        attachments["deciding.json"] = store.evaluation_bytes(judged.deciding)
    entry = session.entry(
        judged.evaluation,
        judged.decision,
        tuple(p.oid for p in parents),
        work.operator,
        subject=work.subject,
        generation=max(p.generation for p in parents) + 1,
    )
    taught = teaching.facts(session, work, parents[0], judged)
    entry = replace(
        entry,
        body=work.body,
        plan=work.plan,
        usage=work.usage,
        crossed=judged.crossed,
        wall_s=turn.meter.spent().wall_s,
        device_s=session.device_s - before_s,
        lesson=taught,
        attachments=attachments,
    )
    candidate = turn.writer.record(entry)
    if taught is not None and in_words:
        writer = turn.writer
        teaching.add_words(session, writer, work, judged, candidate, taught, turn.meter)
    outcome, reason = str(judged.decision.status), judged.decision.reason
    return StepResult(outcome, reason, work.operator, candidate, judged.evaluation, parents[0].oid)
