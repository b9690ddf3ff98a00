"""What happened to a population, in the order in which it was recorded.

Owns reading the chains of records as a sequence of events, and that a further look costs only
what is new. A chain's order is exact; several writers' chains are joined by date.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from avogit.store import documents, reader
from avogit.store.lineage import recent_record_tips
from avogit.store.population import chain_patterns, checked_name
from avogit.store.records_log import RECORD, RecordCommit, newest_records
from avogit.store.refs import read_refs
from avogit.store.repository import Repository

_WHOLE = ("attempt", "intervention")  # small, and told nowhere else


@dataclass(frozen=True, slots=True)
class Event:
    """One record. The payload of an evaluation is left out: its candidate's message has it."""

    kind: str
    name: str  # sha256:...
    time_s: int
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Seen:
    tips: frozenset[str]
    events: tuple[Event, ...]


def events(repo: Repository, population: str) -> tuple[Event, ...]:
    """Every record of a population, oldest first."""
    key = f"\0history {checked_name(population)}"
    seen = repo.memory.get(key)
    before = seen if isinstance(seen, _Seen) else _Seen(frozenset(), ())
    tips = recent_record_tips(repo, population)
    if tips is None:
        tips = frozenset(read_refs(repo, *chain_patterns("records", population)).values())
    if tips == before.tips:
        return before.events
    commits = list(newest_records(repo, tips, before.tips))[::-1]
    now = _Seen(tips, (*before.events, *_read(repo, commits)))
    repo.memory[key] = now
    return now.events


def _read(repo: Repository, commits: list[RecordCommit]) -> list[Event]:
    whole = [found.commit for found in commits if found.kind in _WHOLE]
    blobs = reader.read_objects(repo, [f"{commit}:{RECORD}" for commit in whole])
    told = {
        commit: documents.parse_document(blob[2], f"record {commit[:10]}")["payload"]
        for commit, blob in zip(whole, blobs, strict=True)
        if blob is not None
    }
    return [Event(c.kind, c.name, c.time_s, told.get(c.commit, {})) for c in commits]
