"""When a search stands still, and what came of it.

Owns the counters of steps, the two detectors (stall and cycle), and what came of a direction;
all are pure functions of what git tells. Leaves the directions that rules find to `directions`,
and asking a model, and recording, to `supervisor`.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from avogit.calibration import measured_gain_pct
from avogit.config import Supervisor
from avogit.directions import Direction
from avogit.records import Candidate, Lineage, Status, Verdict
from avogit.store import Event

INTERVENTION = "intervention"
STALL, CYCLE = "stall", "cycle"
_CLIMB_PCT = 0.25  # what the later half of the steps must have come nearer by
_PATIENCE = 2  # a line that climbs gets so many times the usual steps
_NO_STEP = ("interrupted", "worker-died")  # tell nothing of the search
_UNCHANGED = ("no-change", "gave-up", "exhausted", "no-tunables", "overtaken", "left")
_SHORT = 10


class Kind(str, enum.Enum):
    """What a step came to, as far as the supervisor is concerned."""

    ACCEPTED = "accepted"
    REFUSED = "refused"  # it changed what it may not
    FAILED = "failed"  # it does not build, run or compute right, or the operator failed
    UNCHANGED = "unchanged"  # nothing was proposed
    WORSE = "worse"  # measured, and not good enough
    REMEASURED = "re-measured"  # a tree that was known, or that gave no usable timing

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Step:
    """One step that ended."""

    kind: Kind
    parent: str
    what: str  # the same for the same patch or failure; empty for what may well come twice
    oid: str = ""  # its candidate; empty where there is none
    gain_pct: float | None = None  # against its parent


@dataclass(frozen=True, slots=True)
class Alarm:
    """That a search stands still, and why one thinks so."""

    trigger: str  # stall | cycle
    reason: str
    counts: Mapping[str, int]  # of the steps since the last acceptance or intervention
    evidence: tuple[str, ...]  # the candidates among them


@dataclass(frozen=True, slots=True)
class Intervention:
    """An alarm that was answered, with the steps that followed it so far."""

    name: str  # of its record
    time_s: int
    alarm: Alarm
    directions: tuple[Direction, ...]
    advisor: str  # a model, or "rules"
    per_direction: int
    steps: tuple[Step, ...]

    def followed(self, number: int) -> tuple[Step, ...]:
        """The steps that were given this direction."""
        return self.steps[number * self.per_direction : (number + 1) * self.per_direction]

    def current(self) -> Direction | None:
        """What the next step is given; None when every direction had its steps."""
        number = len(self.steps) // self.per_direction
        return self.directions[number] if number < len(self.directions) else None


@dataclass(frozen=True, slots=True)
class Course:
    """The search so far: its steps in order, and the interventions among them."""

    quiet: tuple[Step, ...]  # since the last acceptance or intervention
    interventions: tuple[Intervention, ...]


def course(lineage: Lineage, events: Sequence[Event]) -> Course:
    """What the records tell, read in their order."""
    by_record = {c.trailers.get("Avo-Evaluation", ""): c for c in lineage.candidates.values()}
    quiet: list[Step] = []
    found: list[tuple[Event, list[Step]]] = []
    for event in events:
        if event.kind == INTERVENTION:
            found.append((event, []))
            quiet = []
        elif (step := _step(event, by_record)) is not None:
            quiet = [] if step.kind is Kind.ACCEPTED else [*quiet, step]
            if found:
                found[-1][1].append(step)
    return Course(tuple(quiet), tuple(_intervention(event, steps) for event, steps in found))


def alarm(quiet: Sequence[Step], settings: Supervisor) -> Alarm | None:
    """Whether these steps without an acceptance are a cycle or a stall."""
    why = _cycle(quiet, settings.cycle_repeats) or _stall(quiet, settings.stall_steps)
    if why is None:
        return None
    counts = Counter(str(step.kind) for step in quiet)
    return Alarm(*why, dict(counts), tuple(step.oid for step in quiet if step.oid))


def result_text(steps: Sequence[Step]) -> str:
    """What came of a direction so far."""
    if not steps:
        return "not tried yet"
    entered = [step for step in steps if step.kind is Kind.ACCEPTED]
    if entered:
        gain = entered[-1].gain_pct
        return f"accepted {entered[-1].oid[:_SHORT]}" + (f" ({gain:+.1f}%)" if gain else "")
    gains = [step.gain_pct for step in steps if step.gain_pct is not None]
    best = f", best {max(gains):+.1f}%" if gains else ""
    kinds = Counter(str(step.kind) for step in steps)
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items()) + best


def intervention_payload(
    found: Alarm, ways: Sequence[Direction], advisor: str, per_direction: int
) -> dict[str, object]:
    """What an intervention's record says of it."""
    return {
        "trigger": found.trigger,
        "reason": found.reason,
        "counts": dict(found.counts),
        "evidence": list(found.evidence),
        "directions": [{"kind": w.kind, "parent": w.parent, "text": w.text} for w in ways],
        "advisor": advisor,
        "per_direction": per_direction,
    }


# Reading.


def _step(event: Event, by_record: Mapping[str, Candidate]) -> Step | None:
    if event.kind == "attempt":
        return _attempt(event.payload)
    candidate = by_record.get(event.name) if event.kind == "evaluation" else None
    if candidate is None or candidate.distrust:  # what is not trusted steers nothing
        return None
    if candidate.status not in (Status.ACCEPTED, Status.REJECTED):
        return None
    return _decided(candidate)


def _decided(candidate: Candidate) -> Step:
    parent = candidate.parents[0] if candidate.parents else ""
    gain = measured_gain_pct(candidate)
    if candidate.status is Status.ACCEPTED:
        return Step(Kind.ACCEPTED, parent, "", candidate.oid, gain)
    kind = Kind.FAILED
    if candidate.verdict in (Verdict.REFUSED, Verdict.REWARD_HACK):
        kind = Kind.REFUSED
    elif candidate.verdict is Verdict.UNMEASURED:
        kind = Kind.REMEASURED
    elif candidate.verdict is Verdict.PASSED:
        return Step(Kind.WORSE, parent, f"tree {candidate.measured_tree}", candidate.oid, gain)
    what = f"{candidate.verdict} {candidate.trailers.get('Avo-Failure', '')} from {parent}"
    return Step(kind, parent, what, candidate.oid)


def _attempt(payload: Mapping[str, Any]) -> Step | None:
    outcome, detail = payload.get("outcome", ""), payload.get("detail", "")
    if outcome in _NO_STEP:
        return None
    kind = Kind.UNCHANGED if outcome in _UNCHANGED else Kind.FAILED
    if outcome == "already-measured":
        kind = Kind.REMEASURED
    return Step(kind, payload.get("parent", ""), f"{outcome}: {detail}")


def _intervention(event: Event, steps: Sequence[Step]) -> Intervention:
    told = event.payload
    found = Alarm(told["trigger"], told["reason"], told["counts"], tuple(told["evidence"]))
    ways = tuple(Direction(w["kind"], w["parent"], w["text"]) for w in told["directions"])
    per = told["per_direction"]
    followed = tuple(steps)
    return Intervention(event.name, event.time_s, found, ways, told["advisor"], per, followed)


# Detecting.


def _cycle(quiet: Sequence[Step], repeats: int) -> tuple[str, str] | None:
    counted = Counter(step.what for step in quiet if step.what)
    what, count = counted.most_common(1)[0] if counted else ("", 0)
    if not repeats or count < repeats:
        return None
    return CYCLE, f"{count} steps came to the same: {what[:200]}"


def _stall(quiet: Sequence[Step], most: int) -> tuple[str, str] | None:
    if not most or len(quiet) < most or (_climbs(quiet) and len(quiet) < _PATIENCE * most):
        return None
    return STALL, f"nothing was accepted in {len(quiet)} steps"


def _climbs(quiet: Sequence[Step]) -> bool:
    """Whether the later half of the timed steps came clearly nearer than the earlier one."""
    gains = [step.gain_pct for step in quiet if step.gain_pct is not None]
    middle = len(gains) // 2
    return middle > 0 and max(gains[middle:]) > max(gains[:middle]) + _CLIMB_PCT
