"""Where a search that stands still could go: the directions that rules find in a lineage.

Owns the rules, which are pure functions. Leaves when to steer to `guidance`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from avogit.genealogy import ancestry
from avogit.records import PLAN_KINDS, Candidate, Lineage, Status

_SHORT = 10


@dataclass(frozen=True, slots=True)
class Direction:
    """Where the next steps go."""

    kind: str  # ancestor | revive | line | workload | change | advice
    parent: str  # commit id; empty: the usual choice
    text: str  # for the operator


def directions(lineage: Lineage) -> tuple[Direction, ...]:
    """Where rules would go: back, to another line, or at the same kernel from another side."""
    incumbent = lineage.incumbent()
    if incumbent is None:
        return ()
    ways = (_ancestor, _revived, _other_line, _workload, _change)
    found = (way(lineage, incumbent) for way in ways)
    return tuple(direction for direction in found if direction is not None)


def _ancestor(lineage: Lineage, incumbent: Candidate) -> Direction | None:
    """The ancestor that was varied least; the nearest one of equals."""
    above = list(_line_above(lineage, incumbent))
    if not above:
        return None
    children = Counter(
        oid
        for c in lineage.candidates.values()
        if c.status is not Status.DRAFT
        for oid in c.parents
    )
    chosen = min(above, key=lambda c: (children[c.oid], -c.generation))
    text = (
        f"Go back to {_named(chosen)}, an ancestor of the best candidate that had only "
        f"{children[chosen.oid]} children, and take another way than its line did."
    )
    return Direction("ancestor", chosen.oid, text)


def _line_above(lineage: Lineage, incumbent: Candidate) -> Iterator[Candidate]:
    at = incumbent
    while at.parents and at.parents[0] in lineage.candidates:
        at = lineage.candidates[at.parents[0]]
        if not at.distrust:
            yield at


def _revived(lineage: Lineage, incumbent: Candidate) -> Direction | None:
    """The best pruned line that nothing live goes on from."""
    held = ancestry(lineage, incumbent.oid, *(head.oid for head in lineage.heads))
    ended = [lineage.candidates[o] for o in lineage.pruned if o in lineage.candidates]
    chosen = _best(c for c in ended if c.oid not in held)
    if chosen is None:
        return None
    text = (
        f"Revive a pruned line: go on from {_named(chosen)}. It left: {lineage.pruned[chosen.oid]}."
    )
    return Direction("revive", chosen.oid, text)


def _other_line(lineage: Lineage, incumbent: Candidate) -> Direction | None:
    """The best live line beside the incumbent's."""
    chosen = next((c for c in lineage.live() if c.oid != incumbent.oid), None)
    if chosen is None:
        return None
    text = f"Leave the best line alone for now: go on from {_named(chosen)}, another live line."
    return Direction("line", chosen.oid, text)


def _workload(_lineage: Lineage, incumbent: Candidate) -> Direction | None:
    """Where the incumbent is weakest."""
    scores = incumbent.workload_scores
    if len(scores) < 2:
        return None
    name = min(scores, key=lambda workload: (scores[workload], workload))
    text = (
        f"Work on one workload: {name} is the best candidate's weakest, at {scores[name]:.3f} of "
        "the baseline. Ask what it needs that the others do not."
    )
    return Direction("workload", "", text)


def _change(lineage: Lineage, _incumbent: Candidate) -> Direction | None:
    """The kind of change that was planned least."""
    tried = Counter(c.trailers.get("Avo-Plan-Kind", "") for c in lineage.candidates.values())
    kinds = [kind for kind in PLAN_KINDS if kind not in ("tuning", "other")]
    rarest = min(kinds, key=lambda kind: (tried[kind], kinds.index(kind)))
    text = (
        f"Change something of another kind: {rarest} ({tried[rarest]} plans so far). "
        "No more small variations of what was tried."
    )
    return Direction("change", "", text)


def _best(candidates: Iterator[Candidate]) -> Candidate | None:
    scored = [c for c in candidates if c.measured and c.score is not None]
    return max(scored, key=lambda c: (c.score.value if c.score else 0.0, c.oid), default=None)


def _named(candidate: Candidate) -> str:
    score = f", {candidate.score.value:.3f} of the baseline" if candidate.score else ""
    return f"{candidate.oid[:_SHORT]} ({candidate.subject}{score})"
