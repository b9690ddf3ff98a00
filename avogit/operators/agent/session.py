"""The state of one agent step: its workspace, parent, plan and drafts.

Owns what may be done with them, and names for revisions. Leaves wording to `tools` and the
conversation to `loop`.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from avogit.operators import Context, on_a_line
from avogit.operators.redaction import Redaction
from avogit.records import INCUMBENT, PARENT, Candidate, Evaluation, Plan, Status, Verdict
from avogit.workspace import (
    WorkspaceState,
    changed,
    is_inside,
    read_back,
    write_file,
    write_workspace,
)

WORKSPACE = "workspace"
_SHORTEST_REVISION = 4


class Refused(Exception):
    """A tool cannot do what it was asked to; the text is for the model, which may go on."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A version that was evaluated in this step."""

    number: int
    parent: Candidate
    files: Mapping[str, bytes]
    subject: str
    plan: Plan | None
    evaluation: Evaluation
    full: bool = False  # measured as long as a decision

    @property
    def passed(self) -> bool:
        """Whether it builds, is right, and was timed."""
        return self.evaluation.verdict is Verdict.PASSED

    @property
    def may_be_submitted(self) -> bool:
        """Whether nothing speaks against it; a busy machine may have given no timing."""
        return self.evaluation.verdict in (Verdict.PASSED, Verdict.UNMEASURED)

    @property
    def gain(self) -> float | None:
        """Speed against the parent, 1.0 is equal; None without timings."""
        return gain_over(self.evaluation, self.parent)


class Session:
    """One step's work in progress."""

    def __init__(
        self,
        context: Context,
        redaction: Redaction,
        notes: Mapping[str, bytes] | None = None,
        ignored: Collection[str] = (),
        plan_first: bool = True,
    ) -> None:
        """`notes` are read-only files beside the task's; see `read_back` for `ignored`."""
        self._plan_first = plan_first
        self.context = context
        self._notes = dict(notes or {})
        self._ignored = ignored
        self.redaction = redaction
        self.task = context.task
        self.folder = context.workdir / WORKSPACE
        self.scratch = context.workdir / "scratch"  # the shell's temporary files
        self.scratch.mkdir()
        self.parent = context.parent
        self.parent_files = dict(context.parent_files)
        self.plan: Plan | None = None
        self.words = ""  # the model's own summary of what went before
        self.drafts: list[Draft] = []
        self.replays = False  # what is done now, an earlier process may have done already
        self._fill(self.parent_files)

    def _fill(self, files: Mapping[str, bytes]) -> None:
        """Write the task folder with these editable files, over nothing."""
        if self.folder.exists():
            shutil.rmtree(self.folder)
        trusted = {n: d for n, d in self.task.files.items() if not self.task.is_editable(n)}
        self._before = {**trusted, **files, **self._notes}
        write_workspace(self.folder, self._before, protected=(*trusted, *self._notes))

    def path(self, name: str) -> Path:
        """A file of the workspace."""
        if not (is_inside(name) and name.isprintable()):
            raise Refused(f"{name!r} is not a path inside the workspace")
        return self.folder / name

    def state(self) -> WorkspaceState:
        """What the workspace holds now, and what was changed that may not be."""
        return read_back(self.folder, self.task, self._before, self._ignored)

    def files(self) -> dict[str, bytes]:
        """The workspace's editable files."""
        state = self.state()
        if state.violations:
            raise Refused(f"not allowed in the workspace: {'; '.join(state.violations)}; undo it")
        if held := self._secret_in(state.files):
            raise Refused(f"{held}: a secret is never committed")
        return state.files

    def _secret_in(self, files: Mapping[str, bytes]) -> str:
        """Which file of ours has come to hold a secret; empty where none has."""
        names = changed(self.parent_files, files)
        return self.redaction.held_by({name: files.get(name, b"") for name in names})

    def violations(self) -> tuple[str, ...]:
        """What was changed in the workspace beyond editable files, named."""
        return self.state().violations

    def need_plan(self, what: str) -> None:
        """A plan comes first, so that it cannot follow from the result."""
        if self._plan_first and self.plan is None:
            raise Refused(f"state a plan first (tool `plan`), then {what}")

    def write(self, name: str, data: bytes) -> None:
        """Write an editable file."""
        self.need_plan("edit")
        self.path(name)
        if not self.task.is_editable(name):
            editable = ", ".join(self.task.editable)
            raise Refused(f"{name} is protected; editable: {editable}")
        try:
            write_file(self.folder, name, data)
        except OSError as error:
            raise Refused(f"cannot write {name}: {error.strerror}") from error

    def files_at(self, revision: str) -> dict[str, bytes]:
        """All files of the task folder at a revision, a draft or the workspace."""
        if revision == WORKSPACE:
            return {**self._before, **self.files()}
        if revision.startswith("draft-"):
            return {**self._before, **self._draft(revision).files}
        return self.context.read_files(self.candidate(revision).oid)

    def _draft(self, name: str) -> Draft:
        found = [draft for draft in self.drafts if name == f"draft-{draft.number}"]
        if not found:
            raise Refused(f"there is no {name}; evaluated in this step: {len(self.drafts)}")
        return found[0]

    def candidate(self, revision: str) -> Candidate:
        """The candidate that a name or an abbreviated commit id means."""
        lineage = self.context.lineage
        named = {"parent": self.parent, "best": lineage.incumbent(), "seed": lineage.seed()}
        known = named.get(revision)
        if known is not None:
            return known
        long_enough = len(revision) >= _SHORTEST_REVISION
        found = [
            c for oid, c in lineage.candidates.items() if long_enough and oid.startswith(revision)
        ]
        if len(found) != 1:
            what = "is ambiguous" if found else "is no candidate of this lineage"
            raise Refused(f"revision {revision!r} {what}; tool `lineage_log` lists them")
        return found[0]

    def carry(self, files: Mapping[str, bytes], words: str) -> None:
        """Go on with what an earlier step from this parent left."""
        self.words = words
        self._fill(files)

    def take_up(
        self, parent: Candidate, files: Mapping[str, bytes], plan: Plan | None, words: str
    ) -> None:
        """Be what another process's step came to."""
        self.parent, self.plan, self.words = parent, plan, words
        self.parent_files = self.task.editable_files(self.context.read_files(parent.oid))
        self._fill(files or self.parent_files)

    def restart_from(self, revision: str) -> Candidate:
        """Go on from a revision; the new parent is it, or where it left its line."""
        start = self.candidate(revision)
        files = self.task.editable_files(self.context.read_files(start.oid))
        self.parent = self._on_line(start)
        self.parent_files = self.task.editable_files(self.context.read_files(self.parent.oid))
        self._fill(files)
        return start

    def _on_line(self, candidate: Candidate) -> Candidate:
        """The candidate, or for a draft or a reject the nearest ancestor that is on a line."""
        known = self.context.lineage.candidates
        while not on_a_line(candidate):
            above = [known[oid] for oid in candidate.parents if oid in known]
            if not above:
                raise Refused(f"{candidate.oid[:10]} has no ancestor on a line")
            candidate = above[0]
        return candidate

    def evaluated(self, files: Mapping[str, bytes], *, full: bool = False) -> Draft | None:
        """The draft that held just these files, if any, against the same parent.

        A longer sample is asked for only of what passed a short one.
        """
        same = [d for d in self.drafts if d.files == files and d.parent.oid == self.parent.oid]
        final = (d for d in reversed(same) if d.full or not full or not d.passed)
        return next(final, None)

    def evaluate(self, files: Mapping[str, bytes], subject: str, *, full: bool = False) -> Draft:
        """Evaluate the files as a draft of the current parent."""
        if len(self.drafts) >= self.context.config.agent.max_evaluations:
            raise Refused("no evaluations are left in this step: submit, or give up")
        evaluation = self.context.evaluate(files, subject, self.plan, self.parent.oid, full=full)
        return self._add(files, subject, evaluation, full=full)

    def take_over(self, files: Mapping[str, bytes], subject: str, *, full: bool) -> Draft | None:
        """The draft of these files that an earlier process recorded, and did not live to tell of.

        It is neither timed again nor held against the step as a patch that failed before.
        """
        if not self.replays:
            return None
        for candidate in reversed(tuple(self.context.lineage.candidates.values())):
            if candidate.status is not Status.DRAFT or not candidate.measured:
                continue
            if candidate.parents != (self.parent.oid,):
                continue
            if self.task.editable_files(self.context.read_tree(candidate.tree)) != files:
                continue
            recorded = self.context.read_record(candidate.oid)
            if recorded is not None and (not full or recorded.evaluation.sample == "deciding"):
                return self._add(files, subject, recorded.evaluation, full=full)
        return None

    def _add(
        self, files: Mapping[str, bytes], subject: str, evaluation: Evaluation, *, full: bool
    ) -> Draft:
        number = len(self.drafts) + 1
        draft = Draft(number, self.parent, files, subject, self.plan, evaluation, full)
        self.drafts.append(draft)
        return draft

    def is_changed(self, files: Mapping[str, bytes]) -> bool:
        """Whether these files are another version than the parent."""
        return bool(changed(self.parent_files, files))

    def unfinished(self) -> dict[str, bytes]:
        """The editable files where they differ from the parent's; none where they may not be."""
        files = self.state().files
        whole = all(name in files for name in self.parent_files)
        keep = whole and self.is_changed(files) and not self._secret_in(files)
        return files if keep else {}

    def best_draft(self) -> Draft | None:
        """The draft that beat its parent by most, if any did."""
        gains = [(draft.gain, draft) for draft in self.drafts]
        faster = [(gain, draft) for gain, draft in gains if gain is not None and gain > 1]
        return max(faster, key=lambda entry: entry[0])[1] if faster else None


def gain_over(evaluation: Evaluation, parent: Candidate) -> float | None:
    """How much faster than the parent: timed beside it, else from both scores."""
    if evaluation.verdict is not Verdict.PASSED or evaluation.score is None:
        return None
    for arm in (PARENT, INCUMBENT):
        if arm in evaluation.versus:
            return evaluation.versus[arm].value
    return evaluation.score.value / parent.score.value if parent.score else None
