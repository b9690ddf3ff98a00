"""What a writer is given: work in hand, before a measurement, and an entry, after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from avogit.records import CrossGains, Decision, Evaluation, Plan, Usage


@dataclass(frozen=True, slots=True)
class WorkInHand:
    """A child that was proposed and has no verdict yet. Survives a kill whole."""

    parent: str  # commit id of the candidate it was made from
    tree: str
    subject: str
    operator: str
    body: str = ""
    plan: Plan | None = None
    usage: Usage | None = None
    violations: tuple[str, ...] = ()
    second_parent: str = ""  # of a crossover
    attachments: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """A candidate with its verdict and the decision about it."""

    task: str
    task_version: str  # sha256:... of the trusted files
    config: str  # sha256:... of avogit.yaml
    decision: Decision
    parents: tuple[str, ...]  # git parents: the candidates it was made from; a seed's: the user's
    tree: str
    subject: str
    operator: str
    generation: int
    evaluation: Evaluation
    body: str = ""
    plan: Plan | None = None
    usage: Usage | None = None
    crossed: CrossGains | None = None
    wall_s: float = 0.0  # of the whole step; 0 where nobody watched
    device_s: float = 0.0  # of this candidate's evaluations
    lesson: Mapping[str, object] | None = None  # what its measurement taught
    attachments: Mapping[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.evaluation.tree != self.tree:
            raise ValueError(f"evaluated {self.evaluation.tree}, to be recorded for {self.tree}")
        if not self.parents:
            raise ValueError("a candidate has a parent; a seed's is the user's own commit")
