"""`avogit job`: have candidates measured on a machine without git, and take the verdicts back.

Owns which candidates go and what a result must match. The order is prepared here a second time
when a result comes back: only what is the same, file for file, is recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from avogit.bench.job import Result, Verdict, export_job, fingerprint, read_result
from avogit.bench.protocol import Order
from avogit.bench.slot import Judged
from avogit.bench.version import evaluator_version
from avogit.commands.measure import keep
from avogit.devices import device_called
from avogit.errors import AvogitError
from avogit.evaluation.evaluator import Prepared, conclude
from avogit.processor import processor_name
from avogit.records import INCUMBENT, Candidate, Evaluation
from avogit.session import Progress, Session, find_candidate, open_session

_SAMPLE = "confirmation"


@dataclass(frozen=True, slots=True)
class Exported:
    """A job's folder, and the candidates in it."""

    folder: Path
    candidates: tuple[str, ...]
    device: str  # the GPU that it is for; empty: a CPU


@dataclass(frozen=True, slots=True)
class Recorded:
    """One verdict that was taken: of which candidate, and the record that holds it."""

    candidate: str
    evaluation: Evaluation
    record: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What a result gave."""

    population: str
    recorded: tuple[Recorded, ...]


def export(
    path: Path,
    revs: Sequence[str],
    against: str | None,
    folder: Path,
    device: str,
    progress: Progress,
) -> Exported:
    """Write a job that measures these candidates, each beside another where one is named.

    `device`: the GPU that a GPU task is built for; it need not be here.
    """
    with open_session(path, progress, device=device) as session:
        lineage = session.lineage()
        candidates = [find_candidate(session.repo, lineage, rev) for rev in revs]
        rival = find_candidate(session.repo, lineage, against) if against else None
        rivals = {INCUMBENT: rival.tree} if rival else {}
        orders: dict[str, tuple[Mapping[str, str], Order]] = {
            c.tree: (rivals, _prepare(session, c.tree, rivals).order) for c in candidates
        }
        spec = session.evaluator.spec()
        export_job(folder, session.task.name, spec, orders)
        return Exported(folder, tuple(c.oid for c in candidates), spec.device)


def record(path: Path, result_path: Path, progress: Progress) -> Taken:
    """Record the verdicts of a result; all of them, or none where one does not match."""
    result = read_result(result_path)
    with open_session(path, progress, device=result.device) as session:
        _same_setting(session, result)
        by_tree = session.lineage().by_tree()
        found = [_verdict(session, result, verdict, by_tree) for verdict in result.verdicts]
        taken = tuple(
            Recorded(oid, evaluation, keep(session, oid, rival, evaluation))
            for oid, rival, evaluation in found
        )
        return Taken(session.population, taken)


def _prepare(session: Session, tree: str, rivals: Mapping[str, str]) -> Prepared:
    sources = {name: session.source(rival) for name, rival in rivals.items()}
    budget_s = session.config.measure.budget_s
    prepared = session.evaluator.prepare(
        session.source(tree), sources, sample=_SAMPLE, budget_s=budget_s
    )
    if isinstance(prepared, Evaluation):
        raise AvogitError(f"{tree[:10]} cannot be measured: {prepared.verdict} {prepared.reason}")
    return prepared


def _same_setting(session: Session, result: Result) -> None:
    """A result of other code, another task or another device is about other numbers."""
    measured = result.oracle.device
    there = device_called(measured).name if result.device else measured
    for what, theirs, ours in (
        ("task", result.task, session.task.name),
        ("evaluator's code", result.evaluator, evaluator_version()),
        ("device", there, result.device or processor_name()),
    ):
        if theirs != ours:
            raise AvogitError(
                f"nothing recorded: the result's {what} is {theirs}, this population's is {ours};"
                f" {session.population} takes verdicts of its own kind only"
            )


def _verdict(
    session: Session, result: Result, verdict: Verdict, by_tree: Mapping[str, Candidate]
) -> tuple[str, str, Evaluation]:
    """The candidate, its rival, and the evaluation that the verdict makes."""
    for tree in (verdict.tree, *verdict.rivals.values()):
        if tree not in by_tree:
            raise AvogitError(
                f"nothing recorded: no candidate of {session.population} has the tree {tree[:10]}"
            )
    prepared = _prepare(session, verdict.tree, verdict.rivals)
    if fingerprint(session.evaluator.spec(), prepared.order) != verdict.fingerprint:
        raise AvogitError(
            f"nothing recorded: what was measured as {verdict.tree[:10]} is not what that tree"
            " gives here: other files, compiler or settings"
        )
    try:
        evaluation = conclude(prepared, Judged(verdict.report, result.oracle, verdict.seconds))
    except (ArithmeticError, LookupError, StopIteration, ValueError) as error:
        raise AvogitError(
            f"nothing recorded: the times for {verdict.tree[:10]} make no sense ({error!r})"
        ) from error
    rival = next(iter(verdict.rivals.values()), "")
    return by_tree[verdict.tree].oid, by_tree[rival].oid if rival else "", evaluation
