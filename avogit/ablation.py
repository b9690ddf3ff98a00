"""Which hunks of a lineage's difference earn their keep.

Owns the finding on each part, and the kernel without what earns nothing. Leaves taking parts back
and timing what remains to `trial`, and whether the minimal kernel enters a line to `step`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from avogit import store
from avogit.errors import AvogitError
from avogit.records import Candidate, Proposal, Ratio, Verdict
from avogit.session import Session
from avogit.settling import StepResult
from avogit.step import free_writer, submit
from avogit.store import Hunk
from avogit.trial import OPERATOR, Removal, Trial

EARNS, COSTS, NOTHING, NEEDED, UNKNOWN = "earns", "costs", "nothing", "needed", "unknown"


@dataclass(frozen=True, slots=True)
class Part:
    """Hunks that were taken back together. `gain`: how much faster the kernel is with them."""

    hunks: tuple[Hunk, ...]
    draft: str  # commit id of the kernel without them
    verdict: Verdict
    gain: Ratio | None  # its interval holds for all parts at once
    finding: str

    @property
    def places(self) -> str:
        """Where they are."""
        return " and ".join(hunk.place for hunk in self.hunks)

    @property
    def lesson(self) -> str:
        """The finding as a sentence."""
        said = {
            EARNS: f"earns its keep: {self.gain} with it",
            COSTS: f"makes the kernel slower: {self.gain} with it",
            NOTHING: f"is not shown to make any difference: {self.gain} with it",
            NEEDED: f"is needed: without it the rest gives {self.verdict}",
            UNKNOWN: "could not be timed",
        }
        return f"{self.places} {said[self.finding]}"


@dataclass(frozen=True, slots=True)
class Ablation:
    """A candidate's difference since a base, part by part, and the kernel without the idle ones."""

    candidate: Candidate
    since: str
    parts: tuple[Part, ...]
    dropped: tuple[int, ...]  # hunk numbers that the minimal kernel lacks
    minimal: StepResult | None  # None where there is nothing to drop
    kernel: str  # the minimal kernel's commit id: new, or measured before; empty without one
    confidence: float  # of all intervals together


def ablate(session: Session, candidate: Candidate, since: str, context: int) -> Ablation:
    """Measure every hunk since a base, and propose the kernel without what earns nothing."""
    trial = Trial(session, candidate, since, context)
    if not trial.hunks:
        raise AvogitError(
            f"no editable file differs between {since[:10]} and {candidate.oid[:10]}: "
            "name an older commit with --since"
        )
    removals = trial.removals()
    gains = trial.gains(removals)
    parts = tuple(_part(removal, gains.by_arm.get(removal.arm)) for removal in removals)
    dropped = _idle(parts, trial.hunks)
    minimal = _propose(session, trial, parts, dropped) if dropped else None
    kernel = session.lineage().by_tree().get(trial.tree(dropped)) if dropped else None
    found = Ablation(
        candidate,
        since,
        parts,
        _numbers(dropped),
        minimal,
        kernel.oid if kernel else "",
        session.config.acceptance.confidence,
    )
    with free_writer(session) as writer:
        timings = {
            f"timing-{number}.json": store.evaluation_bytes(evaluation)
            for number, evaluation in enumerate(gains.evaluations, start=1)
        }
        writer.append("ablation", _payload(found, trial.hunks), timings)
    return found


def _part(removal: Removal, gain: Ratio | None) -> Part:
    verdict = removal.evaluation.verdict
    return Part(removal.hunks, removal.draft, verdict, gain, _finding(removal, gain))


def _finding(removal: Removal, gain: Ratio | None) -> str:
    if gain is None:
        return NEEDED if removal.fails else UNKNOWN
    return EARNS if gain.low > 1 else COSTS if gain.high < 1 else NOTHING


def _idle(parts: Sequence[Part], hunks: Iterable[Hunk]) -> tuple[Hunk, ...]:
    """What may go: hunks of a part that earns nothing, and of none that does."""
    kept = {
        hunk.number for part in parts if part.finding in (EARNS, UNKNOWN) for hunk in part.hunks
    }
    idle = {
        hunk.number
        for part in parts
        if part.finding in (NOTHING, COSTS) and not any(h.number in kept for h in part.hunks)
        for hunk in part.hunks
    }
    return tuple(hunk for hunk in hunks if hunk.number in idle)


def _propose(
    session: Session, trial: Trial, parts: Sequence[Part], dropped: Sequence[Hunk]
) -> StepResult:
    count, whole = len(dropped), len(trial.hunks)
    said = "\n".join(f"- {part.lesson}" for part in parts)
    proposal = Proposal(
        parent=trial.candidate.oid,
        files=trial.files(dropped),
        subject=f"minimal: without {count} of {whole} hunks",
        body=f"What each part of {trial.candidate.oid[:10]} was found to be worth:\n\n{said}",
    )
    session.progress(f"measuring the kernel without {count} of {whole} hunks")
    return submit(session, proposal, OPERATOR)


def _numbers(hunks: Iterable[Hunk]) -> tuple[int, ...]:
    return tuple(hunk.number for hunk in hunks)


def _payload(found: Ablation, hunks: Iterable[Hunk]) -> dict[str, object]:
    return {
        "candidate": found.candidate.oid,
        "since": found.since,
        "confidence": found.confidence,
        "hunks": [_hunk_to_json(hunk) for hunk in hunks],
        "parts": [_part_to_json(part) for part in found.parts],
        "dropped": list(found.dropped),
        "minimal": found.kernel,
    }


def _hunk_to_json(hunk: Hunk) -> Mapping[str, object]:
    return {"number": hunk.number, "place": hunk.place, "file": hunk.file, "text": hunk.text}


def _part_to_json(part: Part) -> Mapping[str, object]:
    gain = part.gain
    return {
        "hunks": list(_numbers(part.hunks)),
        "draft": part.draft,
        "verdict": str(part.verdict),
        "gain": {"value": gain.value, "low": gain.low, "high": gain.high} if gain else None,
        "finding": part.finding,
        "lesson": part.lesson,
    }
