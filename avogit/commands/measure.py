"""`avogit measure`: time one revision beside another, or confirm one, or judge a bisect."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path

from avogit import store
from avogit.confirm import Confirmation, confirm
from avogit.errors import AvogitError
from avogit.records import INCUMBENT, Evaluation, Ratio, Verdict
from avogit.session import Progress, Session, find_candidate, find_revision, open_session


class Speed(enum.IntEnum):
    """One kernel beside another, as `git bisect run` understands it; errors use 128 and up."""

    AS_FAST = 0
    SLOWER = 1
    UNDECIDED = 125


@dataclass(frozen=True, slots=True)
class Measured:
    """A re-measurement. `record` names it in the population's records."""

    rev: str
    against: str
    evaluation: Evaluation
    record: str


@dataclass(frozen=True, slots=True)
class Bisected:
    """One answer for `git bisect run`."""

    verdict: Speed
    reason: str
    evaluation: Evaluation


def measure(path: Path, rev: str, against: str | None, progress: Progress) -> Measured:
    """Measure a revision's kernel afresh, beside the baseline and another revision."""
    with open_session(path, progress) as session:
        oid = find_revision(session, rev)
        rival = find_revision(session, against) if against else ""
        rivals = {INCUMBENT: session.source(rival)} if rival else {}
        budget_s = session.config.measure.budget_s
        evaluation = session.measure(session.source(oid), rivals, "confirmation", budget_s)
        return Measured(rev, against or "", evaluation, keep(session, oid, rival, evaluation))


def confirm_revision(path: Path, rev: str, progress: Progress) -> Confirmation:
    """Confirm a candidate afresh; a champion is tagged."""
    with open_session(path, progress) as session:
        return confirm(session, find_candidate(session.repo, session.lineage(), rev))


def bisect(path: Path, good: str, tolerance: float, progress: Progress) -> Bisected:
    """Is the checked-out kernel as fast as the one at `good`?"""
    repo = store.open_repository(path)
    commit = store.head(repo)
    if commit is None:
        raise AvogitError("nothing is checked out here: `git bisect` checks out what to measure")
    # The good commit says what the task is: a bisected one may have broken it.
    with open_session(path, progress, at=good) as session:
        found = _bisect_once(session, commit, tolerance, "deciding", 1)
        if found.verdict is Speed.UNDECIDED and found.evaluation.score is not None:
            progress("undecided: measuring longer")
            found = _bisect_once(session, commit, tolerance, "confirmation", 2)
    return found


def _bisect_once(
    session: Session, commit: str, tolerance: float, sample: str, times_budget: float
) -> Bisected:
    rivals = {INCUMBENT: session.source(session.base)}
    budget_s = times_budget * session.config.measure.budget_s
    return _judge(session.evaluate(session.source(commit), rivals, sample, budget_s), tolerance)


def _judge(evaluation: Evaluation, tolerance: float) -> Bisected:
    if evaluation.verdict is not Verdict.PASSED:
        reason = f"{evaluation.verdict} {evaluation.reason}".strip()
        return Bisected(Speed.UNDECIDED, reason, evaluation)
    ratio = evaluation.versus[INCUMBENT]
    verdict = speed(ratio, tolerance)
    words = {
        Speed.AS_FAST: "as fast",
        Speed.SLOWER: "slower",
        Speed.UNDECIDED: "undecided",
    }
    text = f"{words[verdict]}: {ratio}"
    return Bisected(verdict, text, evaluation)


def speed(ratio: Ratio, tolerance: float) -> Speed:
    """As fast as the other one, slower, or neither shown."""
    if ratio.high < 1 - tolerance:
        return Speed.SLOWER
    if ratio.low > 1 - tolerance:
        return Speed.AS_FAST
    return Speed.UNDECIDED


def keep(session: Session, oid: str, rival: str, evaluation: Evaluation) -> str:
    """A re-measurement of a candidate belongs in the population's records."""
    if oid not in session.lineage().candidates:
        return ""
    payload = {
        "candidate": oid,
        "against": rival,
        "evaluation": store.evaluation_to_json(evaluation),
    }
    with store.writer(session.repo, session.population) as writer:
        return writer.append("measurement", payload, {})
