"""Reading a population: from refs and one `git log` to a `Lineage`, or to JSON lines.

Owns which commits are read and that a read costs what is new since the last one. What is live
and what is pruned comes from refs that a clone gets, so every clone gives the same answer.
"""

from __future__ import annotations

import contextlib
import gc
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from avogit.errors import AvogitError
from avogit.records import Candidate, Champion, Head, Lineage
from avogit.store import cache, git, reader, rows
from avogit.store.graveyard import Graveyard, short_name
from avogit.store.population import chain_patterns, checked_name, lineage_patterns
from avogit.store.repository import Repository
from avogit.store.rows import Grave, LogEntry, Row
from avogit.store.walk import walk, walk_few

_ATTEMPTS = 8
_RECORDS = "/records/"
_REF_FORMAT = (
    "%(refname)%00%(objecttype)%00%(objectname)%00%(*objecttype)%00%(*objectname)%00"
    "%(taggerdate:unix)%00%(if)%(*objectname)%(then)%(contents)%(end)%00"
)


@dataclass(frozen=True, slots=True)
class Refs:
    """What the refs of a population say."""

    heads: tuple[Head, ...]  # our own first; not yet compared with the prune log
    champions: tuple[Champion, ...]
    tips: frozenset[str]  # every commit that the lineage is read from
    bases: frozenset[str]  # the user's commits that bound it below
    records: frozenset[str]  # the ends of the chains of records


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was read from a set of tips, kept in the handle's memory."""

    tips: frozenset[str]
    candidates: dict[str, Candidate]
    graveyard: Graveyard


def read_lineage(repo: Repository, population: str) -> Lineage:
    """Everything known of one population, oldest candidate first."""
    refs = read_refs(repo, checked_name(population))
    repo.memory[_records_key(population)] = (repo.moment(), refs.records)
    seen = repo.memory.get(population)
    snapshot = seen if isinstance(seen, Snapshot) else None
    if snapshot is None or snapshot.tips != refs.tips:
        snapshot = _refreshed(repo, population, refs, snapshot)
        repo.memory[population] = snapshot
    heads = snapshot.graveyard.live(refs.heads)
    pruned = snapshot.graveyard.pruned(heads)
    return Lineage(population, snapshot.candidates, heads, refs.champions, pruned)


def recent_record_tips(repo: Repository, population: str) -> frozenset[str] | None:
    """The ends of the chains of records, where a lineage was read a moment ago."""
    seen = repo.memory.get(_records_key(population))
    if isinstance(seen, tuple):
        moment, tips = seen
        if repo.is_still(moment):
            return frozenset(tips)
    return None


def _records_key(population: str) -> str:
    return f"\0records {population}"


def lineage_json_lines(repo: Repository, population: str) -> Iterator[str]:
    """One compact JSON object a candidate, oldest first.

    A live tip has its line's name in `head`, a pruned one the reason in `pruned`.
    """
    refs = read_refs(repo, checked_name(population))
    with cache.connect(repo, population) as connection:
        _fill(repo, population, connection, refs)
        graveyard = Graveyard().with_rows(cache.graves(connection))
        endings = _endings(graveyard.live(refs.heads), graveyard)
        for oid, line in cache.lines(connection):
            yield line if oid not in endings else line[:-1] + endings[oid]


def read_refs(repo: Repository, population: str) -> Refs:
    """One look at all refs of a population."""
    patterns = (*lineage_patterns(population), *chain_patterns("records", population))
    out = git.run(repo.cwd, "for-each-ref", f"--format={_REF_FORMAT}", *patterns)
    fields = out.decode("utf-8", "replace").split("\0")
    heads, champions, tips, bases, records = [], {}, set(), set(), set()
    for at in range(0, len(fields) - 1, 7):
        ref, kind, oid, peeled_kind, peeled, date, text = fields[at : at + 7]
        ref = ref.lstrip("\n")
        commit = oid if kind == "commit" else peeled if peeled_kind == "commit" else ""
        if not commit:
            continue
        if ref.startswith(("refs/avo/records/", "refs/avo-remote/")) and _RECORDS in ref:
            records.add(commit)
            continue
        if "/base/" in ref:
            bases.add(commit)
            continue
        tips.add(commit)
        if ref.startswith(("refs/heads/", "refs/remotes/")):
            heads.append(Head(ref, commit))
        elif peeled and "/champion-" in ref:  # a tag, or a fetched copy of it, which comes first
            champions[oid] = Champion(ref, commit, int(date or 0), text)
    ordered = sorted(champions.values(), key=lambda found: (found.time_s, found.ref))
    ends = (frozenset(tips), frozenset(bases), frozenset(records))
    return Refs(tuple(heads), tuple(ordered), *ends)


@dataclass(slots=True)
class News:
    """What a walk found, and which of the old tips it did not come upon as a parent."""

    missing: set[str]
    rows: list[Row] = field(default_factory=list)
    graves: list[Grave] = field(default_factory=list)

    def take(self, found: Iterable[LogEntry], population: str) -> None:
        """Sort the commits of a walk: candidates, prune log, and what only leads to them."""
        for entry in found:
            if self.missing:
                self.missing.difference_update(entry.parents)
            self.graves.extend(rows.graves(entry))
            if (values := rows.row(entry, population)) is not None:
                self.rows.append(rows.kept(values))


def _refreshed(repo: Repository, population: str, refs: Refs, seen: Snapshot | None) -> Snapshot:
    with cache.connect(repo, population) as connection:
        before, news = _fill(repo, population, connection, refs, seen)
        if seen is None or seen.tips != before:
            lines = cache.lines(connection)
            found = {oid: rows.from_line(line) for oid, line in lines}
            return Snapshot(refs.tips, found, Graveyard().with_rows(cache.graves(connection)))
    fresh = [rows.from_line(row.line) for row in news.rows]
    candidates = _merged(seen.candidates, fresh)
    return Snapshot(refs.tips, candidates, seen.graveyard.with_rows(news.graves))


def _merged(known: dict[str, Candidate], fresh: list[Candidate]) -> dict[str, Candidate]:
    """Known and fresh candidates in order. Fresh ones come last, give or take a few."""
    merged = dict(known)
    moving = [found for found in fresh if found.oid not in known]
    first = min(map(_place, moving), default=None)
    while first and merged and _place(next(reversed(merged.values()))) > first:
        moving.append(merged.popitem()[1])
    for found in sorted(moving, key=_place):
        merged[found.oid] = found
    return merged


def _fill(
    repo: Repository,
    population: str,
    connection: sqlite3.Connection,
    refs: Refs,
    seen: Snapshot | None = None,
) -> tuple[frozenset[str], News]:
    """Bring the cache up to these refs; gives the tips before, and what was added."""
    for _ in range(_ATTEMPTS):
        known = cache.tips(connection)
        if known == refs.tips:
            return known, News(set())
        usable = existing(repo, known - refs.tips) | (known & refs.tips)
        near = seen if seen is not None and seen.tips == known else None
        news = News(set(known - refs.tips))
        with _no_collection():
            news.take(_new_commits(repo, refs, usable, near), population)
        if usable != known or not _all_held(repo, news.missing, refs.tips):
            cache.clear(connection)
        elif cache.store(connection, known, refs.tips, news.rows, news.graves):
            return known, news
    raise AvogitError("the lineage kept changing while it was read: try again")


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Rows hold no cycles; looking for some, again and again, takes a tenth of a long read."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _new_commits(
    repo: Repository, refs: Refs, known: frozenset[str], near: Snapshot | None
) -> Iterable[LogEntry]:
    """What the refs hold beyond `known`: read one by one where it is little, else by a log."""
    tips, without = refs.tips - known, known | refs.bases
    few = walk_few(repo, tips, (without, near.candidates)) if near else None
    return few if few is not None else walk(repo, tips, without)


def existing(repo: Repository, oids: frozenset[str]) -> frozenset[str]:
    """Those of the ids that still name an object here."""
    if not oids:
        return frozenset()
    return frozenset(item[0] for item in reader.read_objects(repo, sorted(oids)) if item)


def _all_held(repo: Repository, old: set[str], tips: frozenset[str]) -> bool:
    """Whether all that was reachable before still is."""
    if not old:
        return True
    asked = "".join([*(f"{oid}\n" for oid in old), *(f"^{oid}\n" for oid in tips)]).encode()
    return git.run(repo.cwd, "rev-list", "--max-count=1", "--stdin", stdin=asked) == b""


def _endings(heads: tuple[Head, ...], graveyard: Graveyard) -> dict[str, str]:
    """What a tip's JSON line ends with, in place of its closing brace."""
    shown = graveyard.shown.items()
    endings = {oid: f',"pruned":{rows.to_line(grave.reason)}}}' for oid, grave in shown}
    return endings | {head.oid: f',"head":{rows.to_line(short_name(head))}}}' for head in heads}


def _place(found: Candidate) -> tuple[int, int, str]:
    return found.time_s, found.generation, found.oid
