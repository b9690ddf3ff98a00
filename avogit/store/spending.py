"""What a step has paid so far, kept in git until the step is recorded.

Owns the note's form: a commit on the parent whose tree holds `spending.json`, where the writer's
work in hand will be. A record of the step takes its place in one transaction, so what was paid
is counted once, whenever the process dies.
"""

from __future__ import annotations

from dataclasses import dataclass

from avogit.records import Usage
from avogit.store import documents, message, reader, work
from avogit.store.objects import REGULAR, NewObjects, TreeEntry
from avogit.store.repository import Repository

_FILE = "spending.json"


@dataclass(frozen=True, slots=True)
class Spending:
    """A step that is under way, and what its model was paid for up to now."""

    operator: str
    parent: str  # commit id of the candidate that is varied
    usage: Usage


def add_spending(new: NewObjects, item: Spending, population: str, time_s: int) -> str:
    """Take the commit of a note in among new objects; gives its id."""
    document = {
        "format": documents.FORMAT,
        "population": population,
        "operator": item.operator,
        "parent": item.parent,
        "usage": work.usage_to_json(item.usage),
    }
    tree = new.tree({_FILE: TreeEntry(REGULAR, new.blob(documents.to_bytes(document)))})
    text = f"{work.PAYS}{message.one_line(item.operator)} on {item.parent}\n"
    return new.commit(tree, [item.parent], text, time_s)


def read_spending(repo: Repository, tip: str) -> Spending | None:
    """The note that a wip ref's commit holds; None where it holds something else."""
    commit, blob = reader.read_objects(repo, [tip, f"{tip}:{_FILE}"])
    if commit is None or blob is None:
        return None
    document = documents.parse_document(blob[2], f"spending {tip[:10]}")
    usage = work.usage_from_json(document["usage"])
    return Spending(document["operator"], document["parent"], usage or Usage())


def interrupted(item: Spending) -> dict[str, object]:
    """The attempt that a step was whose process did not live to record it."""
    return {
        "operator": item.operator,
        "parent": item.parent,
        "outcome": "interrupted",
        "detail": "the process ended in mid-step; a request under way then is not counted",
        "usage": work.usage_to_json(item.usage),
    }
