"""One variation step: choose a parent, vary it, evaluate, decide, record, prune.

Owns the order of things, and taking up first what a killed step left. Leaves what becomes of a
proposal to `settling`.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from avogit import halfway, selection, store, supervisor
from avogit.budget import Meter
from avogit.config import Limit
from avogit.context import make_context
from avogit.directions import Direction
from avogit.errors import AvogitError
from avogit.founding import found_population
from avogit.operators import NoProposal, load_operator
from avogit.records import Candidate, Halfway, Lineage, Proposal, Status
from avogit.session import Session
from avogit.settling import (
    OVERTAKEN,
    StepResult,
    Turn,
    consider,
    finish,
    keep_attempt,
    kept,
    weigh,
)

_TRIES = 5


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
        turn = Turn(session, writer, operator, meter, command, asks=True)
        if (work := writer.unfinished()) is not None:
            result = finish(turn, work)
        else:
            result = _go_on(turn) or _vary(turn)
    return replace(result, spent=meter.spent_here())


def cross(session: Session, first: Candidate, second: Candidate) -> StepResult:
    """Merge two candidates' changes; the union is evaluated and gated like any child."""
    with free_writer(session) as writer:
        meter = _meter(session, Limit())
        result = _vary(Turn(session, writer, "cross", meter, pair=(first, second)))
    return with_pruning(session, result)


def submit(session: Session, proposal: Proposal, operator: str) -> StepResult:
    """Evaluate, decide and record a proposal that somebody already made."""
    with free_writer(session) as writer:
        turn = Turn(session, writer, operator, _meter(session, Limit()))
        if proposal.usage is not None:
            turn.meter.settle(proposal.usage)
        result = kept(turn, proposal, consider(turn, session.lineage(), proposal))
    return with_pruning(session, result)


@contextlib.contextmanager
def free_writer(session: Session) -> Iterator[store.Writer]:
    """A writer with empty hands: what a killed step left in them is finished first."""
    with store.writer(session.repo, session.population) as writer:
        if (work := writer.unfinished()) is not None:
            finish(Turn(session, writer, work.operator, _meter(session, Limit())), work)
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


def _vary(turn: Turn) -> StepResult:
    """A proposal and its verdict. Made anew where another writer was faster, if it cost nothing."""
    session, meter = turn.session, turn.meter
    lineage, direction = session.lineage_of_late(), None
    if turn.pair is None:
        direction = supervisor.steer(session, turn.writer, lineage, meter)
    for _ in range(_TRIES):
        rng = session.rng(lineage, turn.writer.number)
        parent, partner = turn.pair or (_parent(session, lineage, rng, direction), None)
        proposal = _propose(turn, lineage, parent, partner, rng, direction)
        result = weigh(turn, lineage, parent, proposal)
        if result.outcome != OVERTAKEN or meter.usage is not None:
            break
        lineage = session.lineage()
    return kept(turn, proposal, result)


def _go_on(turn: Turn) -> StepResult | None:
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
    result = kept(turn, proposal, weigh(turn, lineage, parent, proposal))
    return replace(result, resumed=True)


def _parent(
    session: Session, lineage: Lineage, rng: random.Random, direction: Direction | None
) -> Candidate:
    """The supervisor's parent, where it names one; else the rule's."""
    named = lineage.candidates.get(direction.parent) if direction is not None else None
    if named is not None and not named.distrust:
        return named
    return selection.select_parent(session.config.selection.parent, lineage, rng)


def _propose(
    turn: Turn,
    lineage: Lineage,
    parent: Candidate,
    partner: Candidate | None,
    rng: random.Random,
    direction: Direction | None,
    came: Halfway | None = None,
) -> Proposal | NoProposal:
    vary = load_operator(turn.operator)
    writer, operator = turn.writer, turn.operator
    turn.meter.journal = halfway.journal(turn.session, writer, lineage, operator, parent, came)
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
                keep_attempt(turn, stopped, parent.oid)
            raise


def _score(lineage: Lineage, oid: str) -> float | None:
    score = lineage.candidates[oid].score
    return score.value if score else None
