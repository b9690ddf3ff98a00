"""The frozen values that avogit's modules exchange.

Owns the vocabulary (design words, verdicts, decisions). Leaves parsing to the modules at
the edge (`config`, `task`, `store.message`, `evaluation.protocol`): a value that exists
here is well formed. Quantities carry their units in their names.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BASELINE = "baseline"
CANDIDATE = "candidate"
INCUMBENT = "incumbent"
PARENT = "parent"
SECOND_PARENT = "second-parent"  # of a crossover
ANCESTOR = "ancestor"  # the newest one that a crossover's parents share
SEED = "seed"

TRANSCRIPT = "transcript.json.gz"  # the attachment that holds what was said in a step

# How an accepted candidate entered, as its `Avo-Rule` trailer says.
IMPROVED = "improved"  # faster than the incumbent
MATCHED = "matched"  # as fast as the incumbent, within the margin
SPECIALIST = "specialist"  # best of all on one workload: it founds a line of its own
EXTENDED = "extended"  # faster than its parent, on a line that a specialist founded


class Verdict(str, enum.Enum):
    """What one evaluation found. The only vocabulary for it; finer reasons are text beside it."""

    PASSED = "PASSED"
    COMPILE_ERROR = "COMPILE_ERROR"
    RUNTIME_ERROR = "RUNTIME_ERROR"
    TIMEOUT = "TIMEOUT"
    INCORRECT_NUMERICAL = "INCORRECT_NUMERICAL"
    REWARD_HACK = "REWARD_HACK"
    REFUSED = "REFUSED"  # the tree holds what its task does not allow; it was never built
    UNMEASURED = "UNMEASURED"  # correct, but the machine gave no usable timing

    def __str__(self) -> str:
        return self.value


class Status(str, enum.Enum):
    """What was decided about a candidate."""

    SEED = "seed"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    DRAFT = "draft"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Ratio:
    """A speed ratio with its confidence interval: other time / this time, above 1 is faster."""

    value: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not (0 < self.low <= self.value <= self.high < math.inf):
            raise ValueError(f"not an interval around a positive ratio: {self!r}")

    def __str__(self) -> str:
        return f"{self.value:.3f}x ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True, slots=True)
class WorkloadTiming:
    """One workload's timings. `versus[arm]` is arm time / candidate time."""

    workload: str
    latency_us: Mapping[str, float]  # arm -> median over all timed calls
    versus: Mapping[str, Ratio]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The verdict on one tree. Has timings exactly when it passed."""

    verdict: Verdict
    tree: str  # root tree id of what was measured
    reason: str = ""  # short code, e.g. "untouched-output"; empty when passed
    detail: str = ""  # for people: compiler output, where it differs, and by how much
    workloads: tuple[WorkloadTiming, ...] = ()
    score: Ratio | None = None  # against the baseline, geometric mean over workloads
    versus: Mapping[str, Ratio] = field(default_factory=dict)  # arm -> aggregate ratio
    blocks: int = 0  # sets of fresh processes
    sample: str = "deciding"  # deciding | fresh | confirmation | quick
    device: str = ""
    baseline: str = ""  # name and version
    evaluator: str = ""  # sha256:... of the evaluator's code
    sandbox: tuple[str, ...] = ()  # layers in force, as probed
    certified: bool = False  # False where the sandbox could not be shown to hold
    stages_s: Mapping[str, float] = field(default_factory=dict)  # build, correctness, timing, ...
    raw: Mapping[str, object] = field(default_factory=dict)  # raw times, kept in the record

    def __post_init__(self) -> None:
        timed = bool(self.workloads) and self.score is not None
        if timed != (self.verdict is Verdict.PASSED):
            raise ValueError(f"{self.verdict} evaluation {'with' if timed else 'without'} timings")


# What a plan changes, and how hard it is thought to be: few words, so that plans can be compared.
PLAN_KINDS = ("algorithm", "memory", "parallelism", "instructions", "tuning", "other")
DIFFICULTIES = ("easy", "medium", "hard")


@dataclass(frozen=True, slots=True)
class Plan:
    """What an operator says it will try, and what it expects of it."""

    hypothesis: str
    expected_gain_pct: float | None = None
    kind: str = ""  # one of PLAN_KINDS; empty where nobody said
    difficulty: str = ""  # one of DIFFICULTIES
    confidence: float | None = None  # that the expected gain is reached, 0 to 1


@dataclass(frozen=True, slots=True)
class Usage:
    """What a model was paid for."""

    model: str = ""
    input_tokens: int = 0  # all of them, cached ones too
    output_tokens: int = 0
    cached_tokens: int = 0  # of the input
    unreported: int = 0  # replies whose usage the provider did not tell
    cost_usd: float | None = None  # None: no price is known

    def __add__(self, other: Usage) -> Usage:
        """Both together; the cost is known where both are."""
        known = self.cost_usd is not None and other.cost_usd is not None
        return Usage(
            other.model or self.model,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.unreported + other.unreported,
            (self.cost_usd or 0.0) + (other.cost_usd or 0.0) if known else None,
        )


@dataclass(frozen=True, slots=True)
class Halfway:
    """How far a step came: what its operator goes on from where the process was killed."""

    parent: str  # commit id of what is varied by now
    said: tuple[Mapping[str, Any], ...]  # its conversation, message by message, JSON values
    state: Mapping[str, Any]  # the operator's own, JSON values
    files: Mapping[str, bytes] = field(default_factory=dict)  # its workspace; none: no change
    plan: Plan | None = None
    summary: str = ""  # for whoever does not go on from here, but starts anew
    version: int = 0  # of `state`: another one is not gone on with


@dataclass(frozen=True, slots=True)
class Attempt:
    """A step that ended without a child, as its record tells it."""

    name: str  # of its record, sha256:...
    time_s: int
    operator: str
    parent: str  # commit id
    outcome: str  # a name of docs/operators.md
    detail: str
    plan: Plan | None = None
    tree: str = ""  # the root tree that its workspace came to; empty where nothing changed
    summary: str = ""  # what it learned, in its own words


@dataclass(frozen=True, slots=True)
class Proposal:
    """An operator's child: editable files of a parent, changed. Paths relative to the task."""

    parent: str  # commit id
    files: Mapping[str, bytes]  # every editable file of the child
    subject: str  # first line of the message, without scores
    body: str = ""  # why, in the operator's words
    plan: Plan | None = None
    usage: Usage | None = None
    violations: tuple[str, ...] = ()  # what it changed beyond editable files, named
    second_parent: str = ""  # of a crossover: the commit whose changes came in too
    attachments: Mapping[str, bytes] = field(default_factory=dict)  # e.g. a transcript


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a candidate enters a line, and why."""

    status: Status
    reason: str
    rule: str  # how it entered, or what was said against it
    workload: str = ""  # the one that a specialist won


@dataclass(frozen=True, slots=True)
class CrossGains:
    """What a crossover joined: speed over the common ancestor, all timed in one run.

    By workload, and over all of them under the name "all": of the first parent, of the second,
    and of their union.
    """

    ancestor: str  # commit id
    gains: Mapping[str, tuple[Ratio, Ratio, Ratio]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One commit of a population, as its message and its tree tell it."""

    oid: str
    tree: str
    parents: tuple[str, ...]
    time_s: int  # committer date, Unix
    subject: str
    population: str
    status: Status
    verdict: Verdict | None
    measured_tree: str  # Avo-Tree
    score: Ratio | None
    workload_scores: Mapping[str, float]
    operator: str
    generation: int
    trailers: Mapping[str, str]
    distrust: str = ""  # why its numbers are not taken here, though they are about its tree

    @property
    def measured(self) -> bool:
        """Whether the numbers in the message are about this commit's tree, and are taken."""
        return self.tree == self.measured_tree and not self.distrust


@dataclass(frozen=True, slots=True)
class Head:
    """A live line: a branch and the candidate at its tip."""

    ref: str
    oid: str


@dataclass(frozen=True, slots=True)
class Champion:
    """A confirmed candidate."""

    ref: str
    oid: str
    time_s: int
    message: str


@dataclass(frozen=True, slots=True)
class Lineage:
    """Everything known of one population. `candidates` is oldest first."""

    population: str
    candidates: Mapping[str, Candidate]
    heads: tuple[Head, ...]
    champions: tuple[Champion, ...]
    pruned: Mapping[str, str]  # oid of a pruned tip -> why

    def live(self) -> tuple[Candidate, ...]:
        """Measured candidates at live heads, best score first."""
        tips = {h.oid: self.candidates[h.oid] for h in self.heads if h.oid in self.candidates}
        scored = [c for c in tips.values() if c.measured and c.score is not None]
        return tuple(sorted(scored, key=_best_first))

    def incumbent(self) -> Candidate | None:
        """The best live candidate."""
        live = self.live()
        return live[0] if live else None

    def seed(self) -> Candidate | None:
        """The oldest seed."""
        return next((c for c in self.candidates.values() if c.status is Status.SEED), None)

    def by_tree(self) -> Mapping[str, Candidate]:
        """The first measured candidate of every tree that was evaluated."""
        found: dict[str, Candidate] = {}
        for candidate in self.candidates.values():
            if candidate.measured and candidate.verdict is not None:
                found.setdefault(candidate.tree, candidate)
        return found


def _best_first(candidate: Candidate) -> tuple[float, int, str]:
    score = candidate.score.value if candidate.score else 0.0
    return (-score, candidate.time_s, candidate.oid)


@dataclass(frozen=True, slots=True)
class KernelProfile:
    """What a GPU's counters said of one launch. None, where the profiler knew no such counter."""

    kernel: str
    grid: str
    block: str
    duration_us: float | None
    sm_pct: float | None  # of the peak, as all that follow
    dram_pct: float | None
    tensor_pct: float | None
    occupancy_pct: float | None
    l2_hit_pct: float | None
    registers: int | None  # of a thread
    shared_bytes: int | None  # of a block
    stalls: tuple[tuple[str, float], ...]  # what a warp waits for, in cycles an instruction


@dataclass(frozen=True, slots=True)
class Profile:
    """One call of a workload under the profiler, launch by launch."""

    workload: str
    device: str
    tool: str
    kernels: tuple[KernelProfile, ...]
