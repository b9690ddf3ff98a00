"""A population's beginning: its seed, measured before anything is compared with it.

Owns when a population is founded and on which kernel. Leaves what comes after to `step`.
"""

from __future__ import annotations

from dataclasses import replace

from avogit import acceptance, store
from avogit.errors import AvogitError
from avogit.evaluation import Source
from avogit.records import Candidate, Status
from avogit.session import Session


def found_population(session: Session) -> None:
    """Seed a population that has no seed. Of several processes that find none, one does it."""
    if session.founded or session.lineage_of_late().seed() is not None:
        session.founded = True
        return
    with store.alone(session.repo, "founding"):
        if session.lineage().seed() is None:
            seed_population(session)


def seed_population(session: Session, from_rev: str | None = None) -> Candidate:
    """Measure HEAD's kernel, or another commit's in HEAD's place, and make it a line's first."""
    before_s = session.device_s
    source, body = session.source(session.base), ""
    if from_rev is not None:
        source, body = _transplanted(session, from_rev)
    session.progress("measuring the seed")
    evaluation = session.measure(source, {}, "fresh", session.config.measure.budget_s)
    decision = acceptance.decide_seed(evaluation)
    if decision.status is not Status.SEED:
        raise AvogitError(
            f"the seed ({session.task.path} at {session.base[:10]}) does not pass: "
            f"{evaluation.verdict} {evaluation.reason}: {_first_line(evaluation.detail)}"
        )
    entry = session.entry(
        evaluation, decision, (session.base,), "seed", subject="seed", generation=0
    )
    with store.writer(session.repo, session.population) as writer:
        store.add_base(session.repo, session.population, session.base)
        return writer.record(replace(entry, body=body, device_s=session.device_s - before_s))


def _transplanted(session: Session, rev: str) -> tuple[Source, str]:
    """Another commit's editable files on HEAD's tree, and where they came from."""
    oid = store.resolve(session.repo, rev)
    files = session.source(oid).files
    tree = store.tree_of(session.repo, session.base)
    tree = store.with_files(session.repo, tree, session.task.path, files)
    return Source(tree, files), f"The kernel of {oid}, measured anew."


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else "no more is known"
