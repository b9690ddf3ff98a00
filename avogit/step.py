"""One variation step: choose a parent, vary it, evaluate, decide, record, prune.

Owns the order of things and what survives a kill at any point: the child's tree is kept as
work in hand before it is measured, and its commit, record and head appear in one transaction.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from avogit import acceptance, lessons, selection, store, supervisor
from avogit.budget import Meter, Spent
from avogit.config import Limit
from avogit.context import make_context
from avogit.directions import Direction
from avogit.errors import AvogitError
from avogit.evaluation import Source, cross_gains
from avogit.operators import MODEL_OPERATORS, NoProposal, load_operator
from avogit.records import (
    ANCESTOR,
    Candidate,
    Decision,
    Evaluation,
    Lineage,
    Proposal,
    Status,
    Verdict,
)
from avogit.session import Session

_OVERTAKEN = "overtaken"
_TRIES = 5


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


def take_step(
    session: Session, operator: str, command: str | None = None, limit: Limit | None = None
) -> StepResult:
    """One step of `operator`. Seeds the population first where there is none.

    `limit` is what the step may spend; left out, what the config says.
    """
    found_population(session)
    return with_pruning(session, grow(session, operator, command, limit))


def grow(
    session: Session, operator: str, command: str | None = None, limit: Limit | None = None
) -> StepResult:
    """A step of `operator` in a population that has its seed; retires nothing."""
    meter = _meter(session, session.config.budget.step if limit is None else limit)
    with store.writer(session.repo, session.population) as writer:
        work = writer.unfinished()
        if work is not None:
            result = _finish(session, writer, work, meter)
        else:
            result = _vary(session, writer, operator, command, meter)
    return replace(result, spent=meter.spent())


def _meter(session: Session, limit: Limit) -> Meter:
    return Meter(limit, session.config.prices, device_s=lambda: session.device_s)


@contextlib.contextmanager
def free_writer(session: Session) -> Iterator[store.Writer]:
    """A writer with empty hands: what a killed step left in them is finished first."""
    with store.writer(session.repo, session.population) as writer:
        if (work := writer.unfinished()) is not None:
            _finish(session, writer, work, _meter(session, Limit()))
        yield writer


def cross(session: Session, first: Candidate, second: Candidate) -> StepResult:
    """Merge two candidates' changes; the union is evaluated and gated like any child."""
    with free_writer(session) as writer:
        result = _vary(session, writer, "cross", None, _meter(session, Limit()), (first, second))
    return with_pruning(session, result)


def submit(session: Session, proposal: Proposal, operator: str) -> StepResult:
    """Evaluate, decide and record a proposal that somebody already made."""
    with free_writer(session) as writer:
        meter = _meter(session, Limit())
        if proposal.usage is not None:
            meter.settle(proposal.usage)
        result = _consider(session, writer, session.lineage(), proposal, operator, meter)
        if result.candidate is None:
            dropped = _dropped(result, proposal)
            _keep_attempt(session, writer, dropped, operator, proposal.parent, meter)
    return with_pruning(session, result)


def with_pruning(session: Session, result: StepResult) -> StepResult:
    """Only a line that was added can make another one superfluous."""
    if result.outcome != str(Status.ACCEPTED):
        return result
    return replace(result, pruned=prune(session))


def found_population(session: Session) -> None:
    """Seed a population that has no seed. Of several processes that find none, one does it."""
    if session.founded or session.lineage().seed() is not None:
        session.founded = True
        return
    with store.alone(session.repo, "founding"):
        if session.lineage().seed() is None:
            seed_population(session)


def seed_population(session: Session, from_rev: str | None = None) -> Candidate:
    """Measure HEAD's kernel, or another commit's in HEAD's place, and make it a line's first."""
    before_s = session.device_s
    source, body = session.source(session.base), ""
    if from_rev is not None:
        source, body = _transplanted(session, from_rev)
    session.progress("measuring the seed")
    evaluation = session.measure(source, {}, "fresh", session.config.measure.budget_s)
    decision = acceptance.decide_seed(evaluation)
    if decision.status is not Status.SEED:
        raise AvogitError(
            f"the seed ({session.task.path} at {session.base[:10]}) does not pass: "
            f"{evaluation.verdict} {evaluation.reason}: {_first_line(evaluation.detail)}"
        )
    entry = session.entry(
        evaluation, decision, (session.base,), "seed", subject="seed", generation=0
    )
    with store.writer(session.repo, session.population) as writer:
        store.add_base(session.repo, session.population, session.base)
        return writer.record(replace(entry, body=body, device_s=session.device_s - before_s))


def _transplanted(session: Session, rev: str) -> tuple[Source, str]:
    """Another commit's editable files on HEAD's tree, and where they came from."""
    oid = store.resolve(session.repo, rev)
    files = session.source(oid).files
    tree = store.tree_of(session.repo, session.base)
    tree = store.with_files(session.repo, tree, session.task.path, files)
    return Source(tree, files), f"The kernel of {oid}, measured anew."


def prune(session: Session) -> tuple[str, ...]:
    """Retire the lines that selection names, unless another pruner is at work."""
    with store.pruner(session.repo, session.population) as held:
        if not held:
            return ()
        lineage = session.lineage()
        leaving = selection.retirements(lineage, session.config.selection.max_lines)
        rows = [(r.oid, r.reason, _score(lineage, r.oid)) for r in leaving]
        store.retire(session.repo, session.population, rows)
    return tuple(r.oid for r in leaving)


def _vary(
    session: Session,
    writer: store.Writer,
    operator: str,
    command: str | None,
    meter: Meter,
    pair: tuple[Candidate, Candidate] | None = None,
) -> StepResult:
    """A proposal and its verdict. Made anew where another writer was faster, if it cost nothing."""
    direction = None if pair else supervisor.steer(session, writer, session.lineage(), meter)
    for _ in range(_TRIES):
        lineage = session.lineage()
        rng = session.rng(lineage, writer.number)
        parent, partner = pair or (_parent(session, lineage, rng, direction), None)
        proposal = _propose(
            session,
            writer,
            lineage,
            parent,
            operator,
            rng=rng,
            command=command,
            meter=meter,
            partner=partner,
            direction=direction,
        )
        if operator in MODEL_OPERATORS:
            meter.settle(proposal.usage)
        if isinstance(proposal, NoProposal):
            return _keep_attempt(session, writer, proposal, operator, parent.oid, meter)
        result = _consider(session, writer, lineage, proposal, operator, meter)
        if result.outcome != _OVERTAKEN or meter.usage is not None:
            break
    if result.candidate is None:
        dropped = _dropped(result, proposal)
        _keep_attempt(session, writer, dropped, operator, proposal.parent, meter)
    return result


def _parent(
    session: Session, lineage: Lineage, rng: random.Random, direction: Direction | None
) -> Candidate:
    """The supervisor's parent, where it names one; else the rule's."""
    if direction is not None and direction.parent in lineage.candidates:
        return lineage.candidates[direction.parent]
    return selection.select_parent(session.config.selection.parent, lineage, rng)


def _propose(
    session: Session,
    writer: store.Writer,
    lineage: Lineage,
    parent: Candidate,
    operator: str,
    *,
    rng: random.Random,
    command: str | None,
    meter: Meter,
    partner: Candidate | None,
    direction: Direction | None,
) -> Proposal | NoProposal:
    vary = load_operator(operator)
    meter.journal = lambda usage: writer.spend(store.Spending(operator, parent.oid, usage))
    with tempfile.TemporaryDirectory(prefix="avogit-") as workdir:
        session.progress(f"{operator}: varying {parent.oid[:10]}")
        context = make_context(
            session,
            writer,
            lineage,
            parent,
            operator,
            rng=rng,
            workdir=Path(workdir),
            meter=meter,
            command=command,
            partner=partner,
            direction=direction,
        )
        try:
            return vary(context)
        except KeyboardInterrupt:
            stopped = NoProposal("interrupted", "Ctrl-C, while the operator was at work")
            _keep_attempt(session, writer, stopped, operator, parent.oid, meter)
            raise


def _keep_attempt(
    session: Session,
    writer: store.Writer,
    found: NoProposal,
    operator: str,
    parent: str,
    meter: Meter,
) -> StepResult:
    """Record what came to no child: why, at what cost, and how far it got."""
    oid = found.parent or parent
    tree = ""
    if found.files:
        base = store.tree_of(session.repo, oid)
        tree = store.with_files(session.repo, base, session.task.path, found.files)
    payload = store.attempt_payload(
        operator, oid, found.outcome, found.detail, found.plan, tree, found.summary
    )
    payload |= {"usage": store.usage_to_json(meter.usage), "wall_s": meter.spent().wall_s}
    writer.append(store.ATTEMPT, payload, found.attachments, tree, settles=True)
    return StepResult(found.outcome, found.detail, operator, parent=oid)


def _dropped(result: StepResult, proposal: Proposal | NoProposal) -> NoProposal:
    """A proposal that was not measured, since its tree was or is being measured."""
    return NoProposal(
        result.outcome, result.reason, attachments=proposal.attachments, plan=proposal.plan
    )


def _consider(
    session: Session,
    writer: store.Writer,
    seen: Lineage,
    proposal: Proposal,
    operator: str,
    meter: Meter,
) -> StepResult:
    """Keep the proposal's tree, then evaluate and record it, beside what is best by now.

    `seen` is the lineage that the proposal was made from.
    """
    lineage = session.lineage()
    base = store.tree_of(session.repo, proposal.parent)
    tree = store.with_files(session.repo, base, session.task.path, proposal.files)
    known = lineage.by_tree().get(tree)
    if known is not None and known.status is not Status.DRAFT and not proposal.violations:
        reason = f"this very tree is {known.oid[:10]} ({known.status}, {known.verdict})"
        outcome = "already-measured" if known.oid in seen.candidates else _OVERTAKEN
        return StepResult(outcome, reason, operator, parent=proposal.parent)
    work = store.WorkInHand(
        parent=proposal.parent,
        tree=tree,
        operator=operator,
        subject=proposal.subject,
        body=proposal.body,
        plan=proposal.plan,
        usage=meter.usage,
        violations=proposal.violations,
        second_parent=proposal.second_parent,
        attachments=proposal.attachments,
    )
    if not writer.begin(work):
        reason = f"another step has this very tree in hand ({work.subject})"
        return StepResult(_OVERTAKEN, reason, operator, parent=proposal.parent)
    return _measure(session, writer, lineage, work, meter)


def _finish(
    session: Session, writer: store.Writer, work: store.WorkInHand, meter: Meter
) -> StepResult:
    """Take up a child that an earlier process proposed and never finished."""
    session.progress(f"resuming {work.subject!r}, which was in hand when an earlier step ended")
    return replace(_measure(session, writer, session.lineage(), work, meter), resumed=True)


def _measure(
    session: Session,
    writer: store.Writer,
    lineage: Lineage,
    work: store.WorkInHand,
    meter: Meter,
) -> StepResult:
    before_s = session.device_s
    parents = [lineage.candidates[oid] for oid in (work.parent, work.second_parent) if oid]
    parent, crossed = parents[0], None
    source = session.source(work.tree)
    attachments = dict(work.attachments)
    if work.violations:
        evaluation = _refusal(work)
        decision = acceptance.decide(
            session.config.acceptance.rule, lineage, parent, evaluation, session.config.acceptance
        )
    else:
        rivals, ancestor = session.rivals(lineage, *parents), ""
        if len(parents) > 1:
            ancestor = store.common_ancestor(session.repo, parents[0].oid, parents[1].oid)
            rivals[ANCESTOR] = session.source(ancestor)
        evaluation, decision, deciding = _judge(session, lineage, parent, source, rivals)
        crossed = cross_gains(evaluation, ancestor) if ancestor else None
        if deciding is not evaluation:
            attachments["deciding.json"] = store.evaluation_bytes(deciding)
    entry = session.entry(
        evaluation,
        decision,
        tuple(p.oid for p in parents),
        work.operator,
        subject=work.subject,
        generation=max(p.generation for p in parents) + 1,
    )
    entry = replace(
        entry,
        body=work.body,
        plan=work.plan,
        usage=work.usage,
        crossed=crossed,
        wall_s=meter.spent().wall_s,
        device_s=session.device_s - before_s,
        lesson=_lesson(session, work, parent, evaluation, decision),
        attachments=attachments,
    )
    candidate = writer.record(entry)
    return StepResult(
        str(decision.status), decision.reason, work.operator, candidate, evaluation, parent.oid
    )


def _lesson(
    session: Session,
    work: store.WorkInHand,
    parent: Candidate,
    evaluation: Evaluation,
    decision: Decision,
) -> Mapping[str, object] | None:
    """What the step taught, where its effect is clear."""
    before, after = (session.source(rev).files for rev in (parent.oid, work.tree))
    return lessons.distil(work.subject, work.plan, evaluation, decision, before, after)


def _judge(
    session: Session,
    lineage: Lineage,
    parent: Candidate,
    source: Source,
    rivals: Mapping[str, Source],
) -> tuple[Evaluation, Decision, Evaluation]:
    """The evaluation to print, the decision, and the evaluation that decided."""
    settings, budgets = session.config.acceptance, session.config.measure
    longer = 2 if ANCESTOR in rivals else 1  # a crossover's arms are twice as many
    deciding = session.measure(source, rivals, "deciding", longer * budgets.budget_s)
    decision = acceptance.decide(settings.rule, lineage, parent, deciding, settings)
    if decision.status is not Status.ACCEPTED:
        return deciding, decision, deciding
    # What decides is not what is printed: the best of many samples flatters itself.
    fresh = session.measure(source, rivals, "fresh", longer * budgets.fresh_s)
    return fresh, acceptance.confirmed(decision, fresh, settings), deciding


def _refusal(work: store.WorkInHand) -> Evaluation:
    """The verdict on a tree that changed what its task does not let it change."""
    hack = any(v.startswith(("protected-file", "symlink")) for v in work.violations)
    verdict = Verdict.REWARD_HACK if hack else Verdict.REFUSED
    reason = work.violations[0].split(":", 1)[0]
    return Evaluation(verdict, work.tree, reason=reason, detail="\n".join(work.violations))


def _score(lineage: Lineage, oid: str) -> float | None:
    score = lineage.candidates[oid].score
    return score.value if score else None


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else "no more is known"
