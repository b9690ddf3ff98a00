"""A population whose evaluations are data made by hand: for tests in which nothing is timed."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

sys.path.append(str(Path(__file__).parent / "store"))

from store_helpers import passed

from avogit import store
from avogit.lessons import distil
from avogit.records import Candidate, Decision, Plan, Status
from avogit.session import open_session


def plant_seed(root: Path) -> Candidate:
    """Found the population of a project's task."""
    with open_session(root) as session:
        tree = store.tree_of(session.repo, session.base)
        found = replace(passed(tree, 0.5, None), stages_s={"timing": 1.5, "build": 2.0})
        decision = Decision(Status.SEED, "it passes", "seed")
        entry = session.entry(
            found, decision, (session.base,), "seed", subject="seed", generation=0
        )
        with store.writer(session.repo, session.population) as writer:
            store.add_base(session.repo, session.population, session.base)
            return writer.record(replace(entry, device_s=1.5))


def plant_child(
    root: Path,
    parent: Candidate,
    text: str,
    *,
    ratio: float = 1.1,
    status: Status = Status.ACCEPTED,
    plan: Plan | None = None,
) -> Candidate:
    """Record a child whose kernel is the parent's with `text` for its last line."""
    with open_session(root) as session:
        files = session.source(parent.oid).files
        changed = {name: data + f"// {text}\n".encode() for name, data in files.items()}
        base = store.tree_of(session.repo, parent.oid)
        tree = store.with_files(session.repo, base, session.task.path, changed)
        entry = session.entry(
            passed(tree, 0.5 * ratio, ratio),
            Decision(status, "as planted", "improved"),
            (parent.oid,),
            "agent",
            subject=text,
            generation=parent.generation + 1,
        )
        before = session.source(parent.oid).files
        lesson = distil(text, plan, entry.evaluation, entry.decision, before, changed)
        with store.writer(session.repo, session.population) as writer:
            return writer.record(replace(entry, plan=plan, lesson=lesson))
