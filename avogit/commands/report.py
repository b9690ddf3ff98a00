"""`avogit report`: all that a page tells of a lineage; nothing here writes to git.

Owns what is read for each candidate. Leaves the page to `report`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avogit import store
from avogit.commands.transcript import Transcript
from avogit.errors import AvogitError
from avogit.genealogy import Node, nodes
from avogit.records import Candidate, Champion, Lineage, WorkloadTiming
from avogit.session import read_population
from avogit.trajectory import Trajectory, trajectory

_AT_ONCE = 500  # candidates whose diffs and messages are in memory together


@dataclass(frozen=True, slots=True)
class Detail:
    """What a page shows of one candidate beside its row."""

    candidate: Candidate
    message: str
    diff: str  # against its first parent
    workloads: tuple[WorkloadTiming, ...]  # empty where no record is here
    record: str  # the commit that holds its record; empty where none is here
    transcript: Transcript | None
    pruned: str  # why its line was retired; empty where it was not
    champion: Champion | None


@dataclass(frozen=True, slots=True)
class Report:
    """A lineage, drawn and told."""

    lineage: Lineage
    nodes: tuple[Node, ...]
    trajectory: Trajectory
    details: Iterator[Detail]  # in the order of the nodes; read as it is asked for


def report(path: Path, population: str | None) -> Report:
    """Everything about a population."""
    repo = store.open_repository(path)
    lineage = read_population(repo, population)
    if not lineage.candidates:
        raise AvogitError(f"{lineage.population} has no candidate to report: `avogit seed`")
    drawn = nodes(lineage, lineage.candidates)
    return Report(lineage, drawn, trajectory(lineage), _details(repo, lineage, drawn))


def _details(repo: store.Repository, lineage: Lineage, drawn: Sequence[Node]) -> Iterator[Detail]:
    records = {doc["name"]: doc for doc in store.records(repo, lineage.population, "evaluation")}
    champions = {champion.oid: champion for champion in lineage.champions}
    for at in range(0, len(drawn), _AT_ONCE):
        candidates = [node.candidate for node in drawn[at : at + _AT_ONCE]]
        pairs = [(c.oid, c.parents[0]) for c in candidates if c.parents]
        diffs = dict(store.diffs(repo, pairs))
        messages = store.messages(repo, [c.oid for c in candidates])
        for candidate in candidates:
            oid = candidate.oid
            record = records.get(candidate.trailers.get("Avo-Evaluation", ""), {})
            yield Detail(
                candidate,
                messages.get(oid, ""),
                diffs.get(oid, ""),
                _workloads(record),
                record.get("commit", ""),
                _transcript(repo, record),
                lineage.pruned.get(oid, ""),
                champions.get(oid),
            )


def _workloads(record: Mapping[str, Any]) -> tuple[WorkloadTiming, ...]:
    evaluation = record.get("payload", {}).get("evaluation")
    return store.evaluation_from_json(evaluation).workloads if evaluation else ()


def _transcript(repo: store.Repository, record: Mapping[str, Any]) -> Transcript | None:
    name = next((n for n in record.get("blobs", {}) if n.startswith("transcript")), "")
    data = store.attachment(repo, record["commit"], name) if name else None
    return Transcript(name, data) if data is not None else None
