"""One variation step: choose a parent, vary it, evaluate, decide, record, prune.

Owns the order of things and what survives a kill at any point: the child's tree is kept as
work in hand before it is measured, and its commit, record and head appear in one transaction.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from avogit import halfway, selection, store, supervisor, teaching
from avogit.budget import Meter, Spent
from avogit.config import Limit
from avogit.context import make_context
from avogit.directions import Direction
from avogit.errors import AvogitError
from avogit.founding import found_population
from avogit.judging import judge
from avogit.operators import MODEL_OPERATORS, NoProposal, load_operator
from avogit.records import Candidate, Evaluation, Halfway, Lineage, Proposal, Status
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


@dataclass(frozen=True, slots=True)
class _Turn:
    """What all parts of one step share."""

    session: Session
    writer: store.Writer
    operator: str
    meter: Meter
    command: str | None = None
    pair: tuple[Candidate, Candidate] | None = None  # to be crossed
    asks: bool = False  # its model is at hand, and may be asked what a child taught


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
    with store.writer(session.repo, session.population, halfway.resumes(operator)) as writer:
        turn = _Turn(session, writer, operator, meter, command, asks=True)
        if (work := writer.unfinished()) is not None:
            result = _finish(turn, work)
        else:
            result = _go_on(turn) or _vary(turn)
    return replace(result, spent=meter.spent_here())


def cross(session: Session, first: Candidate, second: Candidate) -> StepResult:
    """Merge two candidates' changes; the union is evaluated and gated like any child."""
    with free_writer(session) as writer:
        meter = _meter(session, Limit())
        result = _vary(_Turn(session, writer, "cross", meter, pair=(first, second)))
    return with_pruning(session, result)


def submit(session: Session, proposal: Proposal, operator: str) -> StepResult:
    """Evaluate, decide and record a proposal that somebody already made."""
    with free_writer(session) as writer:
        turn = _Turn(session, writer, operator, _meter(session, Limit()))
        if proposal.usage is not None:
            turn.meter.settle(proposal.usage)
        result = _consider(turn, session.lineage(), proposal)
        if result.candidate is None:
            _keep_attempt(turn, _dropped(result, proposal), proposal.parent)
    return with_pruning(session, result)


@contextlib.contextmanager
def free_writer(session: Session) -> Iterator[store.Writer]:
    """A writer with empty hands: what a killed step left in them is finished first."""
    with store.writer(session.repo, session.population) as writer:
        if (work := writer.unfinished()) is not None:
            _finish(_Turn(session, writer, work.operator, _meter(session, Limit())), work)
        yield writer


def with_pruning(session: Session, result: StepResult) -> StepResult:
    """Only a line that was added can make another one superfluous."""
    if result.outcome != str(Status.ACCEPTED):
        return result
    return replace(result, pruned=prune(session))


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


def _meter(session: Session, limit: Limit) -> Meter:
    return Meter(limit, session.config.prices, device_s=lambda: session.device_s)


def _vary(turn: _Turn) -> StepResult:
    """A proposal and its verdict. Made anew where another writer was faster, if it cost nothing."""
    session, meter = turn.session, turn.meter
    lineage, direction = session.lineage(), None
    if turn.pair is None:
        direction = supervisor.steer(session, turn.writer, lineage, meter)
    for _ in range(_TRIES):
        rng = session.rng(lineage, turn.writer.number)
        parent, partner = turn.pair or (_parent(session, lineage, rng, direction), None)
        proposal = _propose(turn, lineage, parent, partner, rng, direction)
        result = _weigh(turn, lineage, parent, proposal)
        if result.outcome != _OVERTAKEN or meter.usage is not None:
            break
        lineage = session.lineage()
    return _kept(turn, proposal, result)


def _go_on(turn: _Turn) -> StepResult | None:
    """Take up a step whose process ended while its operator was at work, if there is one."""
    session, writer = turn.session, turn.writer
    if writer.left is None:
        return None
    lineage = session.lineage()
    found = halfway.take_up(session, writer, lineage, turn.meter)
    if found is None:
        return None
    parent, came = found
    rng = session.rng(lineage, writer.number)
    try:
        proposal = _propose(turn, lineage, parent, None, rng, None, came)
    except (AvogitError, KeyboardInterrupt):
        halfway.give_back(writer, turn.meter, came)
        raise
    result = _kept(turn, proposal, _weigh(turn, lineage, parent, proposal))
    return replace(result, resumed=True)


def _weigh(
    turn: _Turn, lineage: Lineage, parent: Candidate, proposal: Proposal | NoProposal
) -> StepResult:
    """What a proposal comes to. `lineage` is what it was made from."""
    if turn.operator in MODEL_OPERATORS:
        turn.meter.settle(proposal.usage)
    if isinstance(proposal, NoProposal):
        return _keep_attempt(turn, proposal, parent.oid)
    return _consider(turn, lineage, proposal)


def _kept(turn: _Turn, proposal: Proposal | NoProposal, result: StepResult) -> StepResult:
    """The result; a proposal that came to no candidate is recorded as an attempt."""
    if result.candidate is None and isinstance(proposal, Proposal):
        _keep_attempt(turn, _dropped(result, proposal), proposal.parent)
    return result


def _parent(
    session: Session, lineage: Lineage, rng: random.Random, direction: Direction | None
) -> Candidate:
    """The supervisor's parent, where it names one; else the rule's."""
    named = lineage.candidates.get(direction.parent) if direction is not None else None
    if named is not None and not named.distrust:
        return named
    return selection.select_parent(session.config.selection.parent, lineage, rng)


def _propose(
    turn: _Turn,
    lineage: Lineage,
    parent: Candidate,
    partner: Candidate | None,
    rng: random.Random,
    direction: Direction | None,
    came: Halfway | None = None,
) -> Proposal | NoProposal:
    vary = load_operator(turn.operator)
    writer, operator = turn.writer, turn.operator
    turn.meter.journal = halfway.journal(turn.session, writer, operator, parent, came)
    with tempfile.TemporaryDirectory(prefix="avogit-") as workdir:
        turn.session.progress(f"{operator}: varying {parent.oid[:10]}")
        context = make_context(
            turn.session,
            writer,
            lineage,
            parent,
            operator,
            rng=rng,
            workdir=Path(workdir),
            meter=turn.meter,
            command=turn.command,
            partner=partner,
            direction=direction,
            halfway=came,
        )
        try:
            return vary(context)
        except KeyboardInterrupt:
            if halfway.is_left(turn.session, operator, turn.meter):
                raise
            if turn.meter.halfway is not None:
                writer.take_over("")  # its note is recorded, with conversation and workspace
            else:
                stopped = NoProposal("interrupted", "Ctrl-C, while the operator was at work")
                _keep_attempt(turn, stopped, parent.oid)
            raise


def _keep_attempt(turn: _Turn, found: NoProposal, parent: str) -> StepResult:
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


def _consider(turn: _Turn, seen: Lineage, proposal: Proposal) -> StepResult:
    """Keep the proposal's tree, then evaluate and record it, beside what is best by now.

    `seen` is the lineage that the proposal was made from.
    """
    session, operator = turn.session, turn.operator
    lineage = session.lineage()
    base = store.tree_of(session.repo, proposal.parent)
    new = store.NewObjects(session.repo)
    tree = store.add_files(new, base, session.task.path, proposal.files)
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
        usage=turn.meter.usage,
        violations=proposal.violations,
        second_parent=proposal.second_parent,
        attachments=proposal.attachments,
    )
    if not turn.writer.begin(work, new):
        reason = f"another step has this very tree in hand ({work.subject})"
        return StepResult(_OVERTAKEN, reason, operator, parent=proposal.parent)
    return _settle(turn, lineage, work, in_words=turn.asks)


def _finish(turn: _Turn, work: store.WorkInHand) -> StepResult:
    """Take up a child that an earlier process proposed and never finished."""
    session = turn.session
    session.progress(f"resuming {work.subject!r}, which was in hand when an earlier step ended")
    return replace(_settle(turn, session.lineage(), work, in_words=False), resumed=True)


def _settle(turn: _Turn, lineage: Lineage, work: store.WorkInHand, *, in_words: bool) -> StepResult:
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


def _score(lineage: Lineage, oid: str) -> float | None:
    score = lineage.candidates[oid].score
    return score.value if score else None
