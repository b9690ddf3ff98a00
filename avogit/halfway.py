"""A step under way, kept in git: what it has paid, how far it came, and taking it up again.

Owns when an earlier process's step is gone on with, and the files that are kept of it. Leaves
what its conversation means to the operator, and the note's form to `store`.
"""

from __future__ import annotations

from dataclasses import replace

from avogit import genealogy, store
from avogit.budget import Journal, Meter
from avogit.operators import GOING_ON
from avogit.records import Candidate, Halfway, Lineage, Usage
from avogit.session import Session


def journal(
    session: Session,
    writer: store.Writer,
    lineage: Lineage,
    operator: str,
    parent: Candidate,
    came: Halfway | None = None,
) -> Journal:
    """What a meter calls after each reply: it keeps the sum so far, and how far the step came.

    `came`: where another process left it; until it comes further, that counts as one try.
    """
    tries = writer.left.tries + 1 if came is not None and writer.left is not None else 0
    living = _living(lineage)

    def note(meter: Meter) -> None:
        new, tree, halfway = store.NewObjects(session.repo), "", meter.halfway
        if halfway is not None and halfway.files:
            base = store.tree_of(session.repo, halfway.parent)
            tree = store.add_files(new, base, session.task.path, halfway.files)
        item = store.Spending(
            operator=operator,
            parent=parent.oid,
            usage=meter.usage or Usage(),
            wall_s=meter.spent().wall_s,
            halfway=halfway,
            tree=tree,
            goes_on=_goes_on(session, operator),
            tries=tries if halfway is came else 0,
            revives=halfway is not None and halfway.parent not in living,
        )
        writer.spend(item, new)

    return note


def resumes(operator: str) -> str:
    """Whose steps a writer of this operator may find and go on with."""
    return operator if operator in GOING_ON else ""


def is_left(session: Session, operator: str, meter: Meter) -> bool:
    """Whether a step that ends here, unrecorded, can be gone on with."""
    return _goes_on(session, operator) and meter.halfway is not None


def take_up(
    session: Session, writer: store.Writer, lineage: Lineage, meter: Meter
) -> tuple[Candidate, Halfway] | None:
    """The step that an earlier process left, with its parent; what it paid is on the meter.

    One that cannot be gone on with is recorded as an attempt.
    """
    left = writer.left
    if left is None or left.halfway is None:
        return None
    parent = lineage.candidates.get(left.parent)
    if parent is None or parent.distrust or not _is_worth_it(session, lineage, left, left.halfway):
        writer.record_interrupted(left)
        return None
    session.progress(f"going on with {parent.oid[:10]} where an earlier process ended")
    writer.spend(left.taken_up())
    files = store.folder_files(session.repo, left.tree, session.task.path) if left.tree else {}
    halfway = replace(left.halfway, files=session.task.editable_files(files))
    meter.go_on(left.usage, halfway, left.wall_s)
    return parent, halfway


def give_back(writer: store.Writer, meter: Meter, came: Halfway) -> None:
    """Take no try for a process that the user ended, or that could not begin, and came no further.

    A step is given up for ending its processes, not for a key that was not set.
    """
    if writer.left is not None and meter.halfway is came:
        paid = meter.usage or writer.left.usage
        writer.spend(replace(writer.left, usage=paid, wall_s=meter.spent().wall_s))


def _goes_on(session: Session, operator: str) -> bool:
    return operator in GOING_ON and session.config.agent.carry


def _is_worth_it(
    session: Session, lineage: Lineage, left: store.Spending, halfway: Halfway
) -> bool:
    """Whether the step can be read, is wanted, and its line has not ended meanwhile."""
    if halfway.version != GOING_ON.get(left.operator) or not session.config.agent.carry:
        return False
    varied = lineage.candidates.get(halfway.parent)
    if varied is None or varied.distrust:
        return False
    return left.revives or varied.oid in _living(lineage)


def _living(lineage: Lineage) -> frozenset[str]:
    """All that live lines are, and were made from: a retired head with a live child is no end."""
    return genealogy.ancestry(lineage, *(head.oid for head in lineage.heads))
