"""What a step has paid so far, and how far it came, kept in git until the step is recorded.

Owns the note's form: a commit on the parent whose tree holds `spending.json`, where the writer's
work in hand will be; of a step that can be gone on with also its conversation (`said/`, a file a
message, so that what was kept before is not written again) and its `workspace`. A record of the
step takes its place in one transaction, so what was paid is counted once, whenever the process
dies.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from avogit.records import Halfway, Usage
from avogit.store import documents, message, reader, work
from avogit.store.attempts import ATTEMPT, attempt_payload
from avogit.store.objects import REGULAR, TREE, NewObjects, TreeEntry, parse_tree
from avogit.store.repository import Repository

TRANSCRIPT = "transcript.json.gz"
_FILE = "spending.json"
_SAID, _WORKSPACE = "said", "workspace"
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
        "halfway": _halfway_to_json(item.halfway),
    }
    entries = {_FILE: TreeEntry(REGULAR, new.blob(documents.to_bytes(document)))}
    if item.halfway is not None and item.halfway.said:
        said = enumerate(item.halfway.said)
        files = {f"{number:05}.json": TreeEntry(REGULAR, new.blob(data)) for number, data in said}
        entries[_SAID] = TreeEntry(TREE, new.tree(files))
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
        halfway=_halfway(repo, halfway, said) if halfway is not None else None,
        tree=tree[0] if tree is not None else "",
        goes_on=document.get("goes_on", False),
        tries=document.get("tries", 0),
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
    said = b"[%s]" % b",\n".join(halfway.said)
    return payload, {TRANSCRIPT: gzip.compress(said, mtime=0)} if halfway.said else {}


def _halfway_to_json(item: Halfway | None) -> dict[str, Any] | None:
    if item is None:
        return None
    return {
        "parent": item.parent,
        "state": item.state,
        "plan": work.plan_to_json(item.plan),
        "summary": item.summary,
    }


def _halfway(repo: Repository, told: dict[str, Any], said: reader.Object | None) -> Halfway:
    messages: list[bytes] = []
    if said is not None:
        entries = parse_tree(said[2], repo.object_format)
        found = reader.read_objects(repo, [entries[name].oid for name in sorted(entries)])
        messages = [item[2] for item in found if item is not None]
    plan = work.plan_from_json(told["plan"])
    return Halfway(told["parent"], tuple(messages), told["state"], {}, plan, told["summary"])
