"""Operators: what makes a child from a parent.

Owns what an operator is given (`Context`), what it gives back (`Proposal`, `NoProposal`) and
the registry. Leaves the verdict to `evaluation`, the decision to `acceptance`, and git to
`store`: an operator reaches them through the callables of its context only. A person is the
fifth operator, `manual`: the commands `checkout` and `submit` build that proposal.
"""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from avogit.budget import Meter
from avogit.config import Config
from avogit.errors import UsageError
from avogit.records import (
    Attempt,
    Candidate,
    Evaluation,
    Halfway,
    Lineage,
    Plan,
    Profile,
    Proposal,
    Status,
    Usage,
)
from avogit.task import Task

MANUAL = "manual"
OPERATORS: dict[str, str] = {
    "tune": "avogit.operators.tune:vary",
    "agent": "avogit.operators.agent.operator:vary",
    "command": "avogit.operators.command:vary",
    "cross": "avogit.operators.cross:vary",
    "mcp": "avogit.operators.mcp:vary",  # driven by `avogit mcp`
}
MODEL_OPERATORS = ("agent", "command")  # whatever they do not report was paid unseen
# They tell how far they came, and go on from there in another process; with the version of what
# they tell. Raise it where an older one could not be read: such a step is not gone on with.
GOING_ON = {"agent": 1}


class Evaluate(Protocol):
    """The door to a verdict on a draft; the draft is recorded whatever the verdict."""

    def __call__(
        self,
        files: Mapping[str, bytes],
        subject: str,
        plan: Plan | None,
        parent: str,
        /,
        *,
        full: bool = False,
    ) -> Evaluation:
        """Evaluate these editable files as a child of `parent` (a commit id).

        `full` measures as long as a decision does; else a short sample.
        """


class FindRepeat(Protocol):
    """Whether a change was made before from the same parent, and came to nothing."""

    def __call__(self, files: Mapping[str, bytes], parent: str, /) -> Candidate | None:
        """The candidate that failed or was rejected with the same patch."""


class Profiler(Protocol):
    """What a GPU's counters say of a version; nothing is kept."""

    def __call__(self, files: Mapping[str, bytes], workload: str, /) -> Profile:
        """Profile these editable files on a workload; without a name on the first."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a candidate's record holds beyond its message."""

    evaluation: Evaluation
    plan: Plan | None
    body: str


@dataclass(frozen=True, slots=True)
class Merged:
    """Two candidates' changes since their common ancestor, in the task's editable files."""

    ancestor: str  # commit id
    files: Mapping[str, bytes]
    conflicts: tuple[str, ...]  # the files that hold git's conflict markers


@dataclass(frozen=True, slots=True)
class Context:
    """All that an operator may read and do in one step."""

    task: Task
    config: Config
    lineage: Lineage
    parent: Candidate
    parent_files: Mapping[str, bytes]  # the parent's editable files
    rng: random.Random
    workdir: Path  # private and empty, outside the repository's tree; removed after the step
    evaluate: Evaluate
    read_files: Callable[[str], dict[str, bytes]]  # commit id -> every file of the task folder
    build: Callable[[Mapping[str, bytes]], str]  # the compiler's complaint; empty: it builds
    read_record: Callable[[str], Recorded | None]  # of a candidate; None where it has none
    read_tree: Callable[[str], dict[str, bytes]]  # root tree id -> the same
    attempts: Callable[[], Iterator[Attempt]]  # newest first
    find_repeat: FindRepeat
    knowledge: Callable[[], Mapping[str, bytes]]  # Markdown of task, user and lessons, by name
    progress: Callable[[str], None]
    merge: Callable[[str, str], Merged]  # of two commit ids
    meter: Meter = field(default_factory=Meter)  # charge it with every reply; stop when reached
    command: str | None = None  # `--command`, for the operator of that name
    in_hand: tuple[Mapping[str, bytes], ...] = ()  # editable files that others measure now
    partner: Candidate | None = None  # what `cross` is asked to merge into the parent
    assignment: str = ""  # what the agent is asked for, where that is more than a faster kernel
    directed: bool = False  # the supervisor chose the parent: go on from there
    templates: Mapping[str, str] = field(default_factory=dict)  # the user's, by name
    profile: Profiler | None = None  # of a GPU task's kernels
    halfway: Halfway | None = None  # go on from here: the step began in a process that was killed

    def render(self, template: str, **values: object) -> str:
        """A prompt: the user's template of that name, else ours, filled."""
        from avogit.operators.prompts import render

        return render(template, self.templates, **values)


@dataclass(frozen=True, slots=True)
class NoProposal:
    """An attempt that ended without a child, and the outcome's name (docs/operators.md)."""

    outcome: str
    detail: str
    usage: Usage | None = None
    attachments: Mapping[str, bytes] = field(default_factory=dict)
    parent: str = ""  # commit id; empty: the context's
    plan: Plan | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)  # unfinished work; none: no change
    summary: str = ""  # what was learnt, for whoever goes on from here


class Operator(Protocol):
    """One verb: each operator's module calls it `vary`."""

    def __call__(self, context: Context, /) -> Proposal | NoProposal:
        """Make a child of `context.parent`, or of another candidate, or say why not."""


def load_operator(name: str) -> Operator:
    """The operator of that name; only its own module is imported."""
    if name not in OPERATORS:
        known = ", ".join(OPERATORS)
        raise UsageError(f"no operator is named `{name}`; known: {known}")
    module, _, verb = OPERATORS[name].partition(":")
    operator: Operator = getattr(importlib.import_module(module), verb)
    return operator


def on_a_line(candidate: Candidate) -> bool:
    """Whether a child may have it as parent: it entered a line, unlike drafts and rejects.

    What is not trusted entered none.
    """
    return candidate.status in (Status.SEED, Status.ACCEPTED) and not candidate.distrust
