"""Attempts: steps that ended without a child, read back from their records.

Owns the fields of an attempt's record. Writing is the writer's: `append("attempt", ...)`.
"""

from __future__ import annotations

from collections.abc import Iterator

from avogit.errors import AvogitError
from avogit.records import Attempt, Plan
from avogit.store import work
from avogit.store.history import Event, events
from avogit.store.repository import Repository

ATTEMPT = "attempt"


def attempts(repo: Repository, population: str) -> Iterator[Attempt]:
    """A population's attempts, newest first. A further look reads only what is new."""
    known = reversed(events(repo, population))
    return (_attempt(event) for event in known if event.kind == ATTEMPT)


def attempt_payload(
    operator: str,
    parent: str,
    outcome: str,
    detail: str,
    plan: Plan | None,
    tree: str,
    summary: str,
) -> dict[str, object]:
    """What an attempt's record says of it."""
    return {
        "operator": operator,
        "parent": parent,
        "outcome": outcome,
        "detail": detail,
        "plan": work.plan_to_json(plan),
        "tree": tree,
        "summary": summary,
    }


def _attempt(event: Event) -> Attempt:
    """An older record says less."""
    told = event.payload
    try:
        return Attempt(
            name=event.name,
            time_s=event.time_s,
            operator=told["operator"],
            parent=told["parent"],
            outcome=told["outcome"],
            detail=told["detail"],
            plan=work.plan_from_json(told.get("plan")),
            tree=told.get("tree", ""),
            summary=told.get("summary", ""),
        )
    except (KeyError, TypeError) as error:
        raise AvogitError(f"attempt {event.name[:19]} cannot be read ({error})") from error
