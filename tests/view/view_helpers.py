"""A lineage without measurements: two lines, a rejected try, a compile error, a pruned end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from store_helpers import POPULATION, Git, child, make_repository, seed

from avogit import store
from avogit.records import Candidate, Status


@dataclass(frozen=True)
class Family:
    """The repository at `at`, and its candidates by the names that the tests use."""

    at: Path
    git: Git
    members: dict[str, Candidate]

    def __getitem__(self, name: str) -> Candidate:
        return self.members[name]


def make_family(at: Path) -> Family:
    """seed -> first -> (rejected, broken, second -> best), seed -> other, which was pruned."""
    git = make_repository(at)
    repo = store.open_repository(at)
    found: dict[str, Candidate] = {}
    plan: list[tuple[str, str, Status, float]] = [
        ("first", "seed", Status.ACCEPTED, 1.05),
        ("rejected", "first", Status.REJECTED, 0.9),
        ("broken", "first", Status.REJECTED, 0),
        ("other", "seed", Status.ACCEPTED, 1.2),
        ("second", "first", Status.ACCEPTED, 1.1),
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
