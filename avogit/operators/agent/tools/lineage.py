"""Tools on the lineage: what was tried, what it came to, and how two versions differ."""

from __future__ import annotations

from avogit.operators.agent.session import Session
from avogit.operators.agent.tools.results import MAX_DETAIL, Arguments
from avogit.operators.text import (
    SHORT,
    best,
    bounded,
    failure_lines,
    files_diff,
    log_lines,
    newest,
    score_text,
)

MAX_LOG = 50


def lineage_log(session: Session, arguments: Arguments) -> str:
    """The lineage's candidates, with scores."""
    count = min(max(1, arguments.get("count", 20)), MAX_LOG)
    lineage = session.context.lineage
    chosen = best if arguments.get("order") == "best" else newest
    found = chosen(lineage, count)
    return "\n".join([*log_lines(found), f"[{len(found)} of {len(lineage.candidates)} candidates]"])


def lineage_show(session: Session, arguments: Arguments) -> str:
    """One candidate's message in names and numbers, and its evaluation from the record."""
    candidate = session.candidate(arguments["revision"])
    recorded = session.context.read_record(candidate.oid)
    return session.context.render(
        "agent/candidate.md.j2",
        candidate=candidate,
        parents=[oid[:SHORT] for oid in candidate.parents],
        score=score_text(candidate),
        recorded=recorded,
        detail=bounded(recorded.evaluation.detail, MAX_DETAIL) if recorded else "",
    )


def lineage_diff(session: Session, arguments: Arguments) -> str:
    """What differs between two revisions' editable files."""
    sides = [
        session.task.editable_files(session.files_at(arguments[key])) for key in ("from", "to")
    ]
    return files_diff(*sides) or "no difference in editable files"


def lineage_failures(session: Session, arguments: Arguments) -> str:
    """What came to nothing, newest first, and why."""
    count = min(max(1, arguments.get("count", 20)), MAX_LOG)
    lines = failure_lines(session.context.lineage, session.context.attempts())
    cut = [f"[{len(lines) - count} more]"] if len(lines) > count else []
    return "\n".join([*lines[:count], *cut]) or "nothing failed so far"
