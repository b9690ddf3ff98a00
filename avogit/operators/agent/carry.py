"""What the last step from this parent left unfinished: its files and what it learnt.

Owns finding it. A step that gave up, or a child that was measured and is slower, closed its
idea; one that ran out of time or met an error did not. Everything comes from git.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from avogit.operators import Context
from avogit.records import Attempt, Candidate, Status, Verdict

_CLOSED = "gave-up"
_REPAIRABLE = (
    Verdict.COMPILE_ERROR,
    Verdict.RUNTIME_ERROR,
    Verdict.TIMEOUT,
    Verdict.INCORRECT_NUMERICAL,
)


@dataclass(frozen=True, slots=True)
class Carried:
    """Unfinished work."""

    files: Mapping[str, bytes]
    ended: str  # how the step that left it ended
    summary: str


def unfinished_work(context: Context) -> Carried | None:
    """What the newest step of the agent from this parent left; None where it is closed.

    A step with an assignment (a conflict to resolve, a new direction) has its own beginning.
    """
    if context.assignment or not context.config.agent.carry:
        return None
    child, attempt = _last_child(context), _last_attempt(context)
    if attempt is not None and (child is None or attempt.time_s >= child.time_s):
        return _of_attempt(context, attempt)
    return _of_child(context, child) if child is not None else None


def _of_attempt(context: Context, attempt: Attempt) -> Carried | None:
    files = context.task.editable_files(context.read_tree(attempt.tree)) if attempt.tree else {}
    if attempt.outcome == _CLOSED or not files:
        return None
    return Carried(files, f"{attempt.outcome}: {attempt.detail}", attempt.summary)


def _of_child(context: Context, child: Candidate) -> Carried | None:
    if child.verdict not in _REPAIRABLE:
        return None
    files = context.task.editable_files(context.read_tree(child.tree))
    plan = child.trailers.get("Avo-Plan", "")
    return Carried(
        files,
        f"{child.verdict} {child.trailers.get('Avo-Failure', '')} ({child.oid[:10]})",
        f"Its plan: {plan}" if plan else "",
    )


def _last_attempt(context: Context) -> Attempt | None:
    """The newest that changed something or gave up: one that met a dead endpoint says nothing."""
    return next(
        (
            attempt
            for attempt in context.attempts()
            if attempt.operator == "agent"
            and attempt.parent == context.parent.oid
            and (attempt.tree or attempt.outcome == _CLOSED)
        ),
        None,
    )


def _last_child(context: Context) -> Candidate | None:
    return next(
        (
            candidate
            for candidate in reversed(tuple(context.lineage.candidates.values()))
            if candidate.operator == "agent"
            and candidate.status is not Status.DRAFT
            and candidate.parents[:1] == (context.parent.oid,)
        ),
        None,
    )
