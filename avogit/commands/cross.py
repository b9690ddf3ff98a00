"""`avogit cross`: join what two candidates gained apart."""

from __future__ import annotations

from pathlib import Path

from avogit import step
from avogit.commands.step import Stepped
from avogit.errors import AvogitError
from avogit.records import Candidate
from avogit.session import Progress, Session, find_candidate, open_session


def cross(path: Path, first: str, second: str, progress: Progress) -> Stepped:
    """Merge two candidates' changes; the union is evaluated and gated like any child."""
    with open_session(path, progress) as session:
        one, other = (_parent(session, rev) for rev in (first, second))
        result = step.cross(session, one, other)
        if result.outcome in ("conflict", "no-pair"):
            raise AvogitError(f"not crossed: {result.reason}")
        baseline = result.evaluation.baseline if result.evaluation else ""
        return Stepped(session.population, baseline, result)


def _parent(session: Session, rev: str) -> Candidate:
    candidate = find_candidate(session.repo, session.lineage(), rev)
    if candidate.score is None or not candidate.measured:
        raise AvogitError(f"{rev} ({candidate.oid[:10]}) has no score: cross two that passed")
    return candidate
