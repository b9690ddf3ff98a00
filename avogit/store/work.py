"""Work in hand: the commit that keeps a proposal while it is measured.

Owns its form: a commit on the proposal's parent whose tree holds `work.json`, the proposed
`tree` and its `attachments`. It is no candidate; its ref moves on when the verdict is there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

from avogit.errors import AvogitError
from avogit.records import Plan, Usage
from avogit.store import documents, git, message, reader
from avogit.store.entry import WorkInHand
from avogit.store.objects import REGULAR, TREE, NewObjects, TreeEntry
from avogit.store.population import chain_ref
from avogit.store.repository import Repository

CHAINS = ("wip", "tried", "records", "lessons")
PAYS = "avogit pays for: "  # what `spending` notes begin with
HALFWAY = "avogit is halfway with: "  # and those of a step that can be gone on with
_SUBJECT = "avogit has in hand: "
_WORK = "work.json"


def add_work(new: NewObjects, item: WorkInHand, population: str, time_s: int) -> str:
    """Take the commit of a work in hand in among new objects; gives its id."""
    names = list(item.attachments)
    kept = {
        str(n): TreeEntry(REGULAR, new.blob(item.attachments[name])) for n, name in enumerate(names)
    }
    document = {
        "format": documents.FORMAT,
        "population": population,
        "parent": item.parent,
        "subject": item.subject,
        "operator": item.operator,
        "body": item.body,
        "plan": plan_to_json(item.plan),
        "usage": usage_to_json(item.usage),
        "violations": list(item.violations),
        "second_parent": item.second_parent,
        "attachments": names,
    }
    entries = {
        _WORK: TreeEntry(REGULAR, new.blob(documents.to_bytes(document))),
        "tree": TreeEntry(TREE, item.tree),
    }
    if kept:
        entries["attachments"] = TreeEntry(TREE, new.tree(kept))
    text = f"{_SUBJECT}{message.one_line(item.subject, message.MAX_SUBJECT)}\n"
    return new.commit(new.tree(entries), [item.parent], text, time_s)


def read_work(repo: Repository, tip: str) -> WorkInHand | None:
    """The work that a wip ref's commit holds; None where it is a finished candidate."""
    commit, blob, tree = reader.read_objects(repo, [tip, f"{tip}:{_WORK}", f"{tip}:tree"])
    if commit is None or blob is None or tree is None or not _is_work(commit[2]):
        return None
    document = documents.parse_document(blob[2], f"work in hand {tip[:10]}")
    names: list[str] = document["attachments"]
    found = reader.read_objects(repo, [f"{tip}:attachments/{n}" for n in range(len(names))])
    try:
        return WorkInHand(
            parent=document["parent"],
            tree=tree[0],
            subject=document["subject"],
            operator=document["operator"],
            body=document["body"],
            plan=plan_from_json(document["plan"]),
            usage=usage_from_json(document["usage"]),
            violations=tuple(document["violations"]),
            second_parent=document.get("second_parent", ""),
            attachments={n: item[2] for n, item in zip(names, found, strict=True) if item},
        )
    except (KeyError, TypeError) as error:
        raise AvogitError(f"work in hand {tip[:10]} cannot be read ({error})") from error


def in_hand(repo: Repository, population: str) -> dict[str, str]:
    """The wip refs of this clone's writers whose last step is not recorded yet.

    With each the operator that alone may go on with it; empty where anybody may.
    """
    pattern = chain_ref("wip", population, "*")
    out = git.line(repo.cwd, "for-each-ref", "--format=%(refname) %(contents:subject)", pattern)
    found = {}
    for ref, _, subject in (text.partition(" ") for text in out.splitlines()):
        if subject.startswith(HALFWAY):
            found[ref] = subject[len(HALFWAY) :].partition(" ")[0]
        elif subject.startswith((_SUBJECT, PAYS)):
            found[ref] = ""
    return found


def unfinished_numbers(wip: Collection[str], population: str, host: str) -> list[int]:
    """Which of this host's writers those refs in hand belong to."""
    stem = chain_ref("wip", population, f"{host}-")
    numbers = [ref[len(stem) :] for ref in wip if ref.startswith(stem)]
    return sorted(int(number) for number in numbers if number.isdigit())


def proposed_trees(repo: Repository, wip: Collection[str]) -> frozenset[str]:
    """The trees that are proposed under these refs."""
    found = reader.read_objects(repo, [f"{ref}:tree" for ref in sorted(wip)])
    return frozenset(tree[0] for tree in found if tree is not None)


def plan_to_json(plan: Plan | None) -> dict[str, Any] | None:
    """A plan as JSON values."""
    return dataclasses.asdict(plan) if plan else None


def plan_from_json(document: dict[str, Any] | None) -> Plan | None:
    """The plan that a document holds; an older one says less."""
    return Plan(**document) if document else None


def usage_to_json(usage: Usage | None) -> dict[str, Any] | None:
    """What a model was paid for, as JSON values."""
    return dataclasses.asdict(usage) if usage else None


def usage_from_json(document: dict[str, Any] | None) -> Usage | None:
    """The usage that a document holds; an older one says less."""
    return Usage(**document) if document else None


def _is_work(commit: bytes) -> bool:
    text = commit.partition(b"\n\n")[2]
    return text.startswith(_SUBJECT.encode())
