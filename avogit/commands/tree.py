"""`avogit tree`: the lineage in the order in which it is drawn; nothing here writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from avogit import store
from avogit.genealogy import Node, Standings, ancestry, nodes
from avogit.records import Candidate, Lineage
from avogit.session import find_candidate, read_population


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which candidates to show. What is empty or None does not restrict."""

    statuses: tuple[str, ...] = ()  # any of genealogy.STANDINGS
    line: str = ""  # a revision: only what it was made from, and itself
    operator: str = ""
    min_score: float | None = None
    since: str = ""  # a date as git reads it
    limit: int | None = None  # the newest so many


@dataclass(frozen=True, slots=True)
class Tree:
    """A lineage's candidates, drawn from the top down."""

    population: str
    nodes: tuple[Node, ...]
    candidates: int  # in the population, shown or not
    incumbent: Candidate | None
    hint: str  # which command fetches what this clone lacks; empty where nothing is missing


def tree(path: Path, population: str | None, wanted: Wanted) -> Tree:
    """The lineage, or what is wanted of it."""
    repo = store.open_repository(path)
    lineage = read_population(repo, population)
    shown = _chosen(repo, lineage, wanted)
    return Tree(
        lineage.population,
        nodes(lineage, shown),
        len(lineage.candidates),
        lineage.incumbent(),
        store.missing_refs_hint(repo),
    )


def pager(path: Path) -> str:
    """The user's pager by git's rules; empty where they want none."""
    return store.pager(store.open_repository(path))


def _chosen(repo: store.Repository, lineage: Lineage, wanted: Wanted) -> frozenset[str]:
    pool = lineage.candidates.values()
    standings = Standings(lineage)
    statuses = set(wanted.statuses)
    since_s = store.timestamp(repo, wanted.since) if wanted.since else None
    line = None
    if wanted.line:
        line = ancestry(lineage, find_candidate(repo, lineage, wanted.line).oid)
    found = [
        c.oid
        for c in pool
        if (line is None or c.oid in line)
        and (not statuses or not statuses.isdisjoint(standings.of(c)))
        and (not wanted.operator or c.operator == wanted.operator)
        and (wanted.min_score is None or (c.score and c.score.value >= wanted.min_score))
        and (since_s is None or c.time_s >= since_s)
    ]
    return frozenset(found if wanted.limit is None else found[-wanted.limit :])
