"""`avogit step`, `run` and `seed`: grow the population."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path

from avogit import store
from avogit.confirm import Confirmation, confirm
from avogit.errors import AvogitError
from avogit.founding import seed_population
from avogit.loop import Limits, RunResult, Watcher, run_steps
from avogit.records import Candidate, Status
from avogit.session import Progress, Session, open_session
from avogit.settling import StepResult
from avogit.step import take_step
from avogit.workers import run_workers

STOP_FILE = "stop"


@dataclass(frozen=True, slots=True)
class Stepped:
    """One step of one population."""

    population: str
    baseline: str
    step: StepResult


@dataclass(frozen=True, slots=True)
class Ran:
    """A run, and the confirmation of its best where that was asked for."""

    population: str
    run: RunResult
    confirmation: Confirmation | None


@dataclass(frozen=True, slots=True)
class Seeded:
    """A population's seeds, measured."""

    population: str
    candidates: tuple[Candidate, ...]
    already: bool


def step(path: Path, operator: str | None, command: str | None, progress: Progress) -> Stepped:
    """Take one step."""
    with open_session(path, progress) as session:
        _seeded_or_new(session)
        result = take_step(session, operator or session.config.operator, command)
        baseline = result.evaluation.baseline if result.evaluation else ""
        return Stepped(session.population, baseline, result)


def run(
    path: Path,
    operator: str | None,
    command: str | None,
    limits: Limits,
    workers: int,
    confirm_best: bool,
    progress: Progress,
    watcher: Watcher,
) -> Ran:
    """Take steps until a limit is met, then confirm the incumbent."""
    with contextlib.ExitStack() as stack:
        session = stack.enter_context(open_session(path, progress))
        lease = stack.enter_context(store.run_lease(session.repo, session.population))
        _seeded_or_new(session)
        stop_file = limits.stop_file or session.repo.state_dir / STOP_FILE
        limits = replace(limits, stop_file=stop_file, stop_request=lease.request)
        chosen = operator or session.config.operator
        if workers == 1:
            result = run_steps(session, chosen, limits, command=command, watcher=watcher)
        else:
            result = run_workers(session, chosen, limits, workers, command=command, watcher=watcher)
        confirmation = _confirm_incumbent(session) if confirm_best else None
        return Ran(session.population, result, confirmation)


def seed(path: Path, from_revs: tuple[str, ...], progress: Progress) -> Seeded:
    """Found a population on HEAD's kernel, or on kernels of chosen commits, measured anew."""
    with open_session(path, progress) as session:
        known = session.lineage().candidates.values()
        found = next((c for c in known if c.status is Status.SEED and not c.distrust), None)
        if found is not None and not from_revs:
            return Seeded(session.population, (found,), already=True)
        made = tuple(seed_population(session, rev) for rev in from_revs or (None,))
        return Seeded(session.population, made, already=False)


def _seeded_or_new(session: Session) -> None:
    """Refuse to found a second population of a task by the way: it would start from nothing."""
    if session.lineage().seed() is not None:
        return
    others = [p for p in store.populations(session.repo) if p.startswith(f"{session.task.name}-")]
    if others:
        raise AvogitError(
            f"the task or the device changed since {others[0]} was founded, so its scores do not "
            f"compare: `avogit seed` founds {session.population} from your HEAD, "
            "`avogit seed --from REV` from a candidate"
        )


def _confirm_incumbent(session: Session) -> Confirmation | None:
    lineage = session.lineage()
    incumbent = lineage.incumbent()
    if incumbent is None or any(c.oid == incumbent.oid for c in lineage.champions):
        return None
    if session.config.measure.confirm == "strict":
        return None
    return confirm(session, incumbent)
