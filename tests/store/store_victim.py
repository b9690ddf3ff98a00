"""A process that records and retires, so often or until it is killed.

Prints an id once it is recorded.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from store_helpers import POPULATION, child, kernel_tree, seed

from avogit import store
from avogit.records import Status


def main(path: Path, number: int, steps: int = 10_000) -> None:
    rng = random.Random(number)
    repo = store.open_repository(path)
    with store.writer(repo, POPULATION) as writer:
        lineage = store.read_lineage(repo, POPULATION)
        parent = lineage.incumbent() or seed(repo, writer)
        for step in range(steps):
            text = f"// {number} {step}\n"
            tree = kernel_tree(repo, parent.oid, text)
            writer.begin(store.WorkInHand(parent.oid, tree, text, "tune"))
            status = rng.choice((Status.ACCEPTED, Status.REJECTED, Status.DRAFT))
            made = child(repo, writer, parent, text, status, 1 + rng.random())
            print(made.oid, flush=True)
            parent = made if status is Status.ACCEPTED else parent
            if step % 3 == 0:
                retire(repo)


def retire(repo: store.Repository) -> None:
    with store.pruner(repo, POPULATION) as held:
        if held:
            worst = store.read_lineage(repo, POPULATION).live()[2:]
            store.retire(repo, POPULATION, [(c.oid, "beyond two lines", None) for c in worst])


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
