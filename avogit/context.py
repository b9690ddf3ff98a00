"""What an operator is given in one step: its `Context`, and the doors behind it.

Owns how drafts, files and earlier work are reached from inside a step. Leaves what to do with
them to the operators, and the order of a step to `step`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from avogit import lessons, store
from avogit.budget import Meter
from avogit.directions import Direction
from avogit.evaluation import Source
from avogit.evaluation.profiling import profile as profile_files
from avogit.operators import Context, Evaluate, FindRepeat, Merged, Profiler, Recorded
from avogit.operators.knowledge import user_documents
from avogit.operators.prompts import USER_TEMPLATES
from avogit.records import (
    Candidate,
    Decision,
    Evaluation,
    Halfway,
    Lineage,
    Plan,
    Profile,
    Status,
    Verdict,
)
from avogit.session import Session

LESSONS = "lessons.md"


def make_context(
    session: Session,
    writer: store.Writer,
    lineage: Lineage,
    parent: Candidate,
    operator: str,
    *,
    rng: random.Random,
    workdir: Path,
    meter: Meter,
    command: str | None = None,
    partner: Candidate | None = None,
    direction: Direction | None = None,
    halfway: Halfway | None = None,
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
        build=_builder(session),
        read_record=_record_reader(session, lineage),
        read_tree=lambda tree: store.folder_files(session.repo, tree, session.task.path),
        attempts=lambda: store.attempts(session.repo, session.population),
        find_repeat=_repeat_finder(session, lineage),
        knowledge=lambda: all_knowledge(session),
        progress=session.progress,
        merge=_merger(session),
        meter=meter,
        command=command,
        in_hand=tuple(session.source(tree).files for tree in writer.seen_in_hand),
        partner=partner,
        assignment=direction.text if direction else "",
        directed=direction is not None and direction.parent == parent.oid,
        templates=user_templates(session),
        profile=_profiler(session) if session.task.buffers else None,
        halfway=halfway,
    )


def all_knowledge(session: Session) -> dict[str, bytes]:
    """The task's notes as committed, and the user's as they lie in their folders."""
    own = user_documents(session.repo.root, session.config.knowledge)
    return {**_lessons(session), **own, **session.task.knowledge()}


def _lessons(session: Session) -> dict[str, bytes]:
    """What measurements taught, in this population and others, as one more document."""
    found = lessons.joined(store.lessons(session.repo))
    return {LESSONS: lessons.document(found, session.task.name).encode()} if found else {}


def user_templates(session: Session) -> dict[str, str]:
    """The user's prompts as committed: what a step was told can be found again."""
    files = store.folder_files(session.repo, session.base, USER_TEMPLATES)
    return {name: data.decode("utf-8", "replace") for name, data in files.items()}


def _draft_door(
    session: Session, writer: store.Writer, lineage: Lineage, operator: str
) -> Evaluate:
    """What an operator calls to have a draft evaluated; every draft becomes a commit."""

    def evaluate(
        files: Mapping[str, bytes],
        subject: str,
        plan: Plan | None,
        against: str,
        /,
        *,
        full: bool = False,
    ) -> Evaluation:
        before_s = session.device_s
        rival = lineage.candidates[against]
        base = store.tree_of(session.repo, rival.oid)
        tree = store.with_files(session.repo, base, session.task.path, files)
        source = Source(tree, session.task.editable_files(files))
        rivals = session.rivals(lineage, rival)
        budget_s = session.config.measure.budget_s
        sample, budget_s = ("deciding", budget_s) if full else ("quick", budget_s / 2)
        evaluation = session.evaluate(source, rivals, sample, budget_s)
        entry = session.entry(
            evaluation,
            Decision(Status.DRAFT, "a draft inside a step", "draft"),
            (rival.oid,),
            operator,
            subject=subject,
            generation=rival.generation + 1,
        )
        device_s = session.device_s - before_s
        writer.record(replace(entry, plan=plan, device_s=device_s))
        return evaluation

    return evaluate


def _builder(session: Session) -> Callable[[Mapping[str, bytes]], str]:
    """The compiler alone: nothing is measured, nothing is kept."""

    def build(files: Mapping[str, bytes]) -> str:
        return session.evaluator.build(Source("", session.task.editable_files(files)))

    return build


def _profiler(session: Session) -> Profiler:
    """A GPU's counters; what they take is time of the device."""

    def profile(files: Mapping[str, bytes], workload: str, /) -> Profile:
        own = session.task.editable_files(files)
        begun = time.monotonic()
        try:
            state = session.repo.state_dir
            return profile_files(session.task, own, workload, state, session.progress)
        finally:
            session.device_s += time.monotonic() - begun

    return profile


def _record_reader(session: Session, lineage: Lineage) -> Callable[[str], Recorded | None]:
    def read_record(oid: str) -> Recorded | None:
        name = lineage.candidates[oid].trailers.get("Avo-Evaluation", "")
        if not name:
            return None
        payload = store.read_record(session.repo, session.population, name)["payload"]
        return Recorded(
            store.evaluation_from_json(payload["evaluation"]),
            store.plan_from_json(payload["plan"]),
            payload["body"],
        )

    return read_record


def _repeat_finder(session: Session, lineage: Lineage) -> FindRepeat:
    """Which earlier child of a parent was the same patch, and failed."""

    def find_repeat(files: Mapping[str, bytes], parent: str, /) -> Candidate | None:
        failed = [c.oid for c in lineage.candidates.values() if _came_to_nothing(c, parent)]
        if not failed:
            return None
        base = store.tree_of(session.repo, parent)
        tree = store.with_files(session.repo, base, session.task.path, files)
        wanted = store.patch_id(session.repo, base, tree)
        known = store.patch_ids(session.repo, failed)
        same = [oid for oid in reversed(failed) if wanted and known.get(oid) == wanted]
        return lineage.candidates[same[0]] if same else None

    return find_repeat


def _came_to_nothing(candidate: Candidate, parent: str) -> bool:
    """Rejected, or a draft that failed; what the machine could not measure may be tried again."""
    if candidate.parents != (parent,) or candidate.verdict in (None, Verdict.UNMEASURED):
        return False
    rejected = candidate.status is Status.REJECTED
    return rejected or candidate.verdict is not Verdict.PASSED


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
