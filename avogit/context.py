"""What an operator is given in one step: its `Context`, and the doors behind it.

Owns how drafts, files and earlier work are reached from inside a step. Leaves what to do with
them to the operators, and the order of a step to `step`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from avogit import store
from avogit.evaluation import Source
from avogit.operators import Context, Evaluate, Merged
from avogit.records import Candidate, Decision, Evaluation, Lineage, Plan, Status
from avogit.session import Session


def make_context(
    session: Session,
    writer: store.Writer,
    lineage: Lineage,
    parent: Candidate,
    operator: str,
    *,
    rng: random.Random,
    workdir: Path,
    command: str | None = None,
    partner: Candidate | None = None,
) -> Context:
    """Everything that `operator` may read and do, to vary `parent`."""
    return Context(
        task=session.task,
        config=session.config,
        lineage=lineage,
        parent=parent,
        parent_files=session.source(parent.oid).files,
        rng=rng,
        workdir=workdir,
        evaluate=_draft_door(session, writer, lineage, operator),
        read_files=_file_reader(session),
        progress=session.progress,
        merge=_merger(session),
        command=command,
        in_hand=tuple(session.source(tree).files for tree in writer.seen_in_hand),
        partner=partner,
    )


def _draft_door(
    session: Session, writer: store.Writer, lineage: Lineage, operator: str
) -> Evaluate:
    """What an operator calls to have a draft evaluated; every draft becomes a commit."""

    def evaluate(
        files: Mapping[str, bytes], subject: str, plan: Plan | None, against: str, /
    ) -> Evaluation:
        rival = lineage.candidates[against]
        base = store.tree_of(session.repo, rival.oid)
        tree = store.with_files(session.repo, base, session.task.path, files)
        source = Source(tree, session.task.editable_files(files))
        rivals = session.rivals(lineage, rival)
        evaluation = session.evaluate(source, rivals, "quick", session.config.measure.budget_s / 2)
        entry = session.entry(
            evaluation,
            Decision(Status.DRAFT, "a draft inside a step", "draft"),
            (rival.oid,),
            operator,
            subject=subject,
            generation=rival.generation + 1,
        )
        writer.record(replace(entry, plan=plan))
        return evaluation

    return evaluate


def _file_reader(session: Session) -> Callable[[str], dict[str, bytes]]:
    def read_files(rev: str) -> dict[str, bytes]:
        oid = store.resolve(session.repo, rev)
        return store.folder_files(session.repo, oid, session.task.path)

    return read_files


def _merger(session: Session) -> Callable[[str, str], Merged]:
    def merge(first: str, second: str) -> Merged:
        found = store.merge(session.repo, first, second)
        files = store.folder_files(session.repo, found.tree, session.task.path)
        inside = f"{session.task.path}/"
        names = (path.removeprefix(inside) for path in found.conflicts if path.startswith(inside))
        return Merged(found.ancestor, session.task.editable_files(files), tuple(names))

    return merge
