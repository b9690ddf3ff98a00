"""The shape of a lineage: who hangs under whom, which child continues a line, how each stands.

Owns the order in which a lineage is drawn, for the terminal and for the report alike. Leaves
what is drawn to `report`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from avogit.records import Candidate, Lineage, Status

LIVE = "live"
PRUNED = "pruned"
CHAMPION = "champion"
STANDINGS = (*map(str, Status), LIVE, PRUNED, CHAMPION)

_Weight = tuple[bool, float]  # whether it leads to the incumbent; the best score below
_NOTHING: _Weight = (False, 0.0)


@dataclass(frozen=True, slots=True)
class Node:
    """A candidate in its place. A line keeps its depth; what branches off is one deeper."""

    candidate: Candidate
    standing: str  # the most telling of `Standings.of`
    depth: int
    under: str  # the id of the shown candidate that it hangs under; empty for a root
    continues: bool  # whether it is the next of the line of `under`


class Standings:
    """How each candidate of a lineage stands now."""

    def __init__(self, lineage: Lineage) -> None:
        self._live = {head.oid for head in lineage.heads}
        # The head of a candidate with a live descendant is retired too, but nothing ended there.
        self._ended = lineage.pruned.keys() - ancestry(lineage, *self._live)
        self._champions = {champion.oid for champion in lineage.champions}

    def of(self, candidate: Candidate) -> tuple[str, ...]:
        """All words that hold for it, the most telling one first."""
        oid, status = candidate.oid, str(candidate.status)
        held = ((CHAMPION, oid in self._champions), (LIVE, oid in self._live))
        found = [word for word, holds in held if holds]
        ended = [PRUNED] if oid in self._ended else []
        seed_first = candidate.status is Status.SEED
        return (*found, *([status, *ended] if seed_first else [*ended, status]))


def nodes(lineage: Lineage, shown: Collection[str]) -> tuple[Node, ...]:
    """The shown candidates from top to bottom: side branches first, then the line goes on.

    One whose parent is not shown hangs under its nearest ancestor that is.
    """
    under = _anchors(lineage, shown)
    weights = _weights(lineage, under)
    children: dict[str, list[str]] = {}
    for oid, above in under.items():
        children.setdefault(above, []).append(oid)
    standings = Standings(lineage)
    # A stack, since a lineage can be deeper than Python's recursion limit.
    found, stack = [], [(oid, 0, False) for oid in reversed(children.get("", []))]
    while stack:
        oid, depth, continues = stack.pop()
        candidate = lineage.candidates[oid]
        standing = standings.of(candidate)[0]
        found.append(Node(candidate, standing, depth, under[oid], continues))
        below = children.get(oid, [])
        heir = max(below, key=weights.__getitem__, default="")
        if heir and weights[heir] > _NOTHING:
            stack.append((heir, depth, True))
        else:
            heir = ""
        stack += [(o, depth + 1, False) for o in reversed(below) if o != heir]
    return tuple(found)


def ancestry(lineage: Lineage, *oids: str) -> frozenset[str]:
    """These candidates and all that they were made from."""
    found, todo = set(), list(oids)
    while todo:
        candidate = lineage.candidates.get(todo.pop())
        if candidate is not None and candidate.oid not in found:
            found.add(candidate.oid)
            todo += candidate.parents
    return frozenset(found)


def _anchors(lineage: Lineage, shown: Collection[str]) -> dict[str, str]:
    """Every shown candidate's nearest shown ancestor along first parents; oldest first."""
    nearest: dict[str, str] = {}
    anchors = {}
    for candidate in lineage.candidates.values():
        oid = candidate.oid
        above = next((nearest[p] for p in candidate.parents if p in nearest), "")
        nearest[oid] = oid if oid in shown else above
        if oid in shown:
            anchors[oid] = above
    return anchors


def _weights(lineage: Lineage, under: Mapping[str, str]) -> dict[str, _Weight]:
    """What a subtree leads to: the incumbent, or else the best score of an accepted one."""
    incumbent = lineage.incumbent()
    best = incumbent.oid if incumbent else ""
    weights: dict[str, _Weight] = {}
    for oid in reversed(list(under)):
        own = _own_weight(lineage.candidates[oid], best)
        weights[oid] = max(own, weights.get(oid, _NOTHING))
        if under[oid]:
            weights[under[oid]] = max(weights[oid], weights.get(under[oid], _NOTHING))
    return weights


def _own_weight(candidate: Candidate, best: str) -> _Weight:
    lasting = candidate.status in (Status.ACCEPTED, Status.SEED) and candidate.score is not None
    return candidate.oid == best, candidate.score.value if lasting and candidate.score else 0.0


def guides(drawn: Collection[Node]) -> Iterator[tuple[str, ...]]:
    """What stands left of each node, one of "line", "fork", "end" and "gap" a level."""
    found, is_open = [], [False]
    for node in reversed(list(drawn)):
        is_open[node.depth + 1 :] = []
        is_open += [False] * (node.depth + 1 - len(is_open))
        row = ["line" if level else "gap" for level in is_open[: node.depth]]
        if node.depth:
            row[-1] = "fork" if is_open[node.depth - 1] else "end"
            if node.continues:
                row[-1] = "line" if is_open[node.depth - 1] else "gap"
        found.append(tuple(row))
        is_open[node.depth] = node.continues
        if node.depth and not node.continues:
            is_open[node.depth - 1] = True
    return reversed(found)
