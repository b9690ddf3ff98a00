"""Which hunks of a lineage's difference earn their keep.

Each hunk is taken back on top of the candidate and the result is measured beside it, as a draft
of its own. Where the rest does not build or pass without a hunk, it is taken back together with
another. Owns that search, the verdict on each part, and the kernel without what earns nothing.
Leaves splitting to `store`, and whether the minimal kernel enters a line to `step`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from avogit import store
from avogit.errors import AvogitError
from avogit.records import (
    INCUMBENT,
    PARENT,
    Candidate,
    Decision,
    Evaluation,
    Proposal,
    Ratio,
    Status,
    Verdict,
)
from avogit.session import Session
from avogit.statistics import inverse, widened
from avogit.step import StepResult, free_writer, submit
from avogit.store import Hunk

OPERATOR = "ablate"
EARNS, COSTS, NOTHING, NEEDED, UNKNOWN = "earns", "costs", "nothing", "needed", "unknown"
_MAX_PARTNERS = 8  # of a hunk that cannot go alone


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
    trial = _Trial(session, candidate, since, context)
    if not trial.hunks:
        raise AvogitError(
            f"no editable file differs between {since[:10]} and {candidate.oid[:10]}: "
            "name an older commit with --since"
        )
    parts = _judged(trial.parts(), session.config.acceptance.confidence)
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
        writer.append("ablation", _payload(found, trial.hunks), {})
    return found


class _Trial:
    """One candidate's hunks, and what the kernel is without some of them."""

    def __init__(self, session: Session, candidate: Candidate, since: str, context: int) -> None:
        self.session = session
        self.candidate = candidate
        self.before = session.source(since).files
        self.after = session.source(candidate.oid).files
        self.hunks = store.hunks(session.repo, self.before, self.after, context)

    def files(self, hunks: Collection[Hunk]) -> dict[str, bytes]:
        return store.without_hunks(hunks, self.before, self.after)

    def tree(self, hunks: Collection[Hunk]) -> str:
        """The root tree of the kernel without these hunks."""
        repo, folder = self.session.repo, self.session.task.path
        whole = store.tree_of(repo, self.candidate.oid)
        return store.with_files(repo, whole, folder, self.files(hunks))

    def parts(self) -> list[tuple[tuple[Hunk, ...], str, Evaluation]]:
        """Each hunk alone, then with others where the rest does not hold without it."""
        found = [self.without((hunk,)) for hunk in self.hunks]
        failing = [hunks[0] for hunks, _, evaluation in found if _fails(evaluation)]
        joined: set[int] = set()
        for hunk in failing:
            if hunk.number not in joined and (group := self._group(hunk, failing)) is not None:
                found.append(group)
                joined |= {member.number for member in group[0]}
        return found

    def _group(
        self, hunk: Hunk, failing: Sequence[Hunk]
    ) -> tuple[tuple[Hunk, ...], str, Evaluation] | None:
        """The hunk with the nearest others that let it go."""
        others = [other for other in self.hunks if other.number != hunk.number]
        others.sort(key=lambda other: (other not in failing, abs(other.number - hunk.number)))
        groups: list[tuple[Hunk, ...]] = [(hunk, other) for other in others[:_MAX_PARTNERS]]
        if len(failing) > 2:
            groups.append(tuple(failing))
        for group in groups:
            found = self.without(tuple(sorted(group, key=lambda member: member.number)))
            if not _fails(found[2]):
                return found
        return None

    def without(self, hunks: tuple[Hunk, ...]) -> tuple[tuple[Hunk, ...], str, Evaluation]:
        """The kernel without these hunks, measured beside the whole one and kept as a draft."""
        session, oid = self.session, self.candidate.oid
        places = " and ".join(hunk.place for hunk in hunks)
        session.progress(f"without {places} ({hunks[0].number} of {len(self.hunks)})")
        evaluation = self._measured(self.tree(hunks))
        entry = session.entry(
            evaluation,
            Decision(Status.DRAFT, f"{oid[:10]} without a part, to see its worth", "draft"),
            (oid,),
            OPERATOR,
            subject=f"without {places}",
            generation=self.candidate.generation + 1,
        )
        with free_writer(session) as writer:
            return hunks, writer.record(entry).oid, evaluation

    def _measured(self, tree: str) -> Evaluation:
        session = self.session
        whole, source = session.source(self.candidate.oid), session.source(tree)
        budget_s = session.config.measure.confirm_s
        arms = {INCUMBENT: whole, PARENT: whole}
        return session.measure(source, arms, "confirmation", budget_s)


def _fails(evaluation: Evaluation) -> bool:
    """Whether the rest does not hold; a machine too busy to time it says nothing of the sort."""
    return evaluation.verdict not in (Verdict.PASSED, Verdict.UNMEASURED)


def _judged(
    measured: Sequence[tuple[tuple[Hunk, ...], str, Evaluation]], confidence: float
) -> tuple[Part, ...]:
    """A finding on each part; the more parts are looked at, the wider their intervals."""
    timed = sum(evaluation.score is not None for _, _, evaluation in measured)
    parts = []
    for hunks, draft, evaluation in measured:
        gain = _gain(evaluation, confidence, timed)
        finding = _finding(evaluation, gain)
        parts.append(Part(hunks, draft, evaluation.verdict, gain, finding))
    return tuple(parts)


def _gain(evaluation: Evaluation, confidence: float, parts: int) -> Ratio | None:
    if evaluation.score is None:
        return None
    joint = widened(evaluation.versus[PARENT], max(evaluation.blocks, 2), confidence, parts)
    return inverse(joint)


def _finding(evaluation: Evaluation, gain: Ratio | None) -> str:
    if gain is None:
        return NEEDED if _fails(evaluation) else UNKNOWN
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
    session: Session, trial: _Trial, parts: Sequence[Part], dropped: Sequence[Hunk]
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
