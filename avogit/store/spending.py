"""What a step has paid so far, and how far it came, kept in git until the step is recorded.

Owns the note's form: a commit on the parent whose tree holds `spending.json`, where the writer's
work in hand will be; beside it the conversation and the `workspace` of a step that can be gone on
with. A record of the step takes its place in one transaction, so what was paid is counted once,
whenever the process dies. A long run leaves many notes, so that one is few objects, and a message
is the same blob in all of them: a conversation is not written again with each of its replies.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from avogit.records import TRANSCRIPT, Halfway, Usage
from avogit.store import documents, message, reader, work
from avogit.store.attempts import ATTEMPT, attempt_payload
from avogit.store.objects import REGULAR, TREE, NewObjects, TreeEntry, parse_tree
from avogit.store.repository import Repository

_FILE = "spending.json"
_WORKSPACE, _SAID = "workspace", "said"
_MOST_TRIES = 3  # a conversation that ends every process that goes on with it is left alone


@dataclass(frozen=True, slots=True)
class Spending:
    """A step that is under way, and what its model was paid for up to now."""

    operator: str
    parent: str  # commit id of the candidate that is varied
    usage: Usage
    wall_s: float = 0.0
    halfway: Halfway | None = None  # as read back, without `files`: they are in `tree`
    tree: str = ""  # the root tree that its workspace came to; empty where nothing changed
    goes_on: bool = False  # its operator can go on with it in another process
    tries: int = 0  # processes that went on from here and came no further
    revives: bool = False  # the line that it varies had ended when this process began

    @property
    def can_go_on(self) -> bool:
        """Whether a process may take it up."""
        return self.goes_on and self.halfway is not None and self.tries < _MOST_TRIES

    def taken_up(self) -> Spending:
        """As it is noted by a process that goes on from here."""
        return replace(self, tries=self.tries + 1)


def add_spending(new: NewObjects, item: Spending, population: str, time_s: int) -> str:
    """Take the commit of a note in among new objects; gives its id."""
    document = {
        "format": documents.FORMAT,
        "population": population,
        "operator": item.operator,
        "parent": item.parent,
        "usage": work.usage_to_json(item.usage),
        "wall_s": item.wall_s,
        "goes_on": item.goes_on,
        "tries": item.tries,
        "revives": item.revives,
        "halfway": _halfway_to_json(item.halfway),
    }
    entries = {_FILE: TreeEntry(REGULAR, new.blob(documents.to_bytes(document)))}
    if item.halfway is not None and item.halfway.said:
        entries[_SAID] = TreeEntry(TREE, _add_said(new, item.halfway))
    if item.tree:
        entries[_WORKSPACE] = TreeEntry(TREE, item.tree)
    subject = work.HALFWAY if item.can_go_on else work.PAYS
    text = f"{subject}{message.one_line(item.operator)} on {item.parent}\n"
    return new.commit(new.tree(entries), [item.parent], text, time_s)


def read_spending(repo: Repository, tip: str) -> Spending | None:
    """The note that a wip ref's commit holds; None where it holds something else."""
    names = [tip, f"{tip}:{_FILE}", f"{tip}:{_WORKSPACE}", f"{tip}:{_SAID}"]
    commit, blob, tree, said = reader.read_objects(repo, names)
    if commit is None or blob is None:
        return None
    document = documents.parse_document(blob[2], f"spending {tip[:10]}")
    halfway = document.get("halfway")
    return Spending(
        operator=document["operator"],
        parent=document["parent"],
        usage=work.usage_from_json(document["usage"]) or Usage(),
        wall_s=document.get("wall_s", 0.0),
        halfway=_halfway(halfway, _said(repo, said)) if halfway is not None else None,
        tree=tree[0] if tree is not None else "",
        goes_on=document.get("goes_on", False),
        tries=document.get("tries", 0),
        revives=document.get("revives", False),
    )


def unrecorded(repo: Repository, population: str) -> Iterator[dict[str, Any]]:
    """What steps have paid that are not recorded yet, in the form of records."""
    for ref in work.in_hand(repo, population):
        item = read_spending(repo, ref) or work.read_work(repo, ref)
        if item is not None and item.usage is not None:
            payload = {
                "parent": item.parent,
                "outcome": "under-way",
                "usage": work.usage_to_json(item.usage),
            }
            yield {"kind": ATTEMPT, "name": "", "payload": payload}


def interrupted(item: Spending) -> tuple[dict[str, object], dict[str, bytes]]:
    """The attempt that a step was whose process did not live to record it; its attachments."""
    halfway = item.halfway or Halfway(item.parent, (), {})
    detail = "the process ended in mid-step; a request under way then is not counted"
    payload = attempt_payload(
        item.operator, halfway.parent, "interrupted", detail, halfway.plan, item.tree,
        halfway.summary,
    )  # fmt: skip
    payload |= {"usage": work.usage_to_json(item.usage), "wall_s": item.wall_s}
    said = gzip.compress(documents.to_bytes(halfway.said), mtime=0)
    return payload, {TRANSCRIPT: said} if halfway.said else {}


def _add_said(new: NewObjects, halfway: Halfway) -> str:
    """Take the messages in, each as a blob of its own; gives the id of their folder."""
    blobs = (new.blob(documents.to_bytes(message)) for message in halfway.said)
    return new.tree({f"{n:05}": TreeEntry(REGULAR, oid) for n, oid in enumerate(blobs)})


def _said(repo: Repository, folder: reader.Object | None) -> Iterator[dict[str, Any]]:
    """The messages of that folder, in their order."""
    entries = parse_tree(folder[2], repo.object_format) if folder is not None else {}
    blobs = reader.read_objects(repo, [entry.oid for entry in entries.values()])
    return (json.loads(blob[2]) for blob in blobs if blob is not None)


def _halfway_to_json(item: Halfway | None) -> dict[str, Any] | None:
    if item is None:
        return None
    return {
        "parent": item.parent,
        "state": item.state,
        "plan": work.plan_to_json(item.plan),
        "summary": item.summary,
        "version": item.version,
    }


def _halfway(told: dict[str, Any], said: Iterable[dict[str, Any]]) -> Halfway:
    """What was noted. One of another version may lack anything, and is read to be recorded."""
    return Halfway(
        parent=told["parent"],
        said=tuple(said),
        state=told.get("state", {}),
        plan=work.plan_from_json(told.get("plan")),
        summary=told.get("summary", ""),
        version=told.get("version", 0),
    )
