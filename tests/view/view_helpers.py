"""A lineage without measurements: two lines, a rejected try, a compile error, a pruned end."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from store_helpers import (
    POPULATION,
    Git,
    child,
    kernel_tree,
    make_entry,
    make_repository,
    seed,
)

from avogit import store
from avogit.records import Candidate, Plan, Status

HOSTILE = "</script><img src=x onerror=alert(1)> & 'quoted' <!--"
CHAT = [
    {"role": "user", "content": "make it faster </script>"},
    {"role": "assistant", "content": None, "tool_calls": [
        {"function": {"name": "edit", "arguments": '{"file": "kernel.cpp"}'}}]},
]  # fmt: skip


@dataclass(frozen=True)
class Family:
    """The repository at `at`, and its candidates by the names that the tests use."""

    at: Path
    git: Git
    members: dict[str, Candidate]

    def __getitem__(self, name: str) -> Candidate:
        return self.members[name]


def make_family(at: Path) -> Family:
    """seed -> (other, first -> (rejected, second -> (broken, best))); other was pruned.

    No two candidates that could change places have the same generation: within a second, that
    is what orders them.
    """
    git = make_repository(at)
    repo = store.open_repository(at)
    found: dict[str, Candidate] = {}
    plan: list[tuple[str, str, Status, float]] = [
        ("first", "seed", Status.ACCEPTED, 1.05),
        ("rejected", "first", Status.REJECTED, 0.9),
        ("other", "seed", Status.ACCEPTED, 1.2),
        ("second", "first", Status.ACCEPTED, 1.1),
        ("broken", "second", Status.REJECTED, 0),
        ("best", "second", Status.ACCEPTED, 1.4),
    ]
    with store.writer(repo, POPULATION) as writer:
        found["seed"] = seed(repo, writer)
        for name, parent, status, ratio in plan:
            found[name] = child(repo, writer, found[parent], name, status, ratio)
    with store.pruner(repo, POPULATION):
        gone = [("first", "superseded"), ("seed", "superseded"), ("second", "superseded")]
        gone.append(("other", "beyond 1 line"))
        rows = [(found[name].oid, why, 1.0) for name, why in gone]
        store.retire(repo, POPULATION, rows)
    return Family(at, git, found)


def make_told(at: Path) -> Family:
    """The same with a candidate whose every text is hostile, and with a transcript."""
    family = make_family(at)
    repo = store.open_repository(at)
    parent = family["best"]
    tree = kernel_tree(repo, parent.oid, f"// {HOSTILE}\n")
    entry = make_entry(tree, [parent.oid], Status.REJECTED, subject=HOSTILE, generation=4)
    entry = replace(
        entry,
        body=f"Because\n\n{HOSTILE}",
        plan=Plan(f"hope {HOSTILE}", 4.0),
        attachments={"transcript.json": json.dumps(CHAT).encode()},
    )
    with store.writer(repo, POPULATION) as writer:
        family.members["hostile"] = writer.record(entry)
    return family
