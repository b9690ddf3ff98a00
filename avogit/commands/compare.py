"""`avogit compare`: two candidates workload by workload, from records or measured afresh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from avogit import store
from avogit.commands.measure import measure
from avogit.errors import AvogitError
from avogit.records import (
    BASELINE,
    CANDIDATE,
    INCUMBENT,
    PARENT,
    SECOND_PARENT,
    Candidate,
    Evaluation,
    Ratio,
)
from avogit.session import Progress, find_candidate, read_population
from avogit.statistics import inverse, quotient

FRESH, PAIRED, RECORDS = "fresh", "paired", "records"
_NAMES = ("best", "incumbent", "seed")


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: what it is, and what its own record says of it."""

    oid: str
    subject: str
    population: str
    device: str
    baseline: str
    score: Ratio | None
    evaluator: str


@dataclass(frozen=True, slots=True)
class Row:
    """One workload. `ratio`: the first's time / the second's, above 1 the second is faster."""

    workload: str
    first_us: float | None
    second_us: float | None
    ratio: Ratio | None


@dataclass(frozen=True, slots=True)
class Compared:
    """Two candidates beside each other, and how their times came to be."""

    first: Side
    second: Side
    how: str  # fresh | paired | records
    rows: tuple[Row, ...]
    total: Ratio | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Known:
    side: Side
    candidate: Candidate
    evaluation: Evaluation


def compare(path: Path, population: str | None, first: str, second: str) -> Compared:
    """The two as their records have them."""
    repo = store.open_repository(path)
    one, other = (_known(repo, population, rev) for rev in (first, second))
    paired = _paired(one, other)
    if paired is not None:
        return paired
    notes = _obstacles(one.side, other.side)
    if notes:
        return Compared(one.side, other.side, RECORDS, _apart(one, other), None, notes)
    rows = tuple(
        Row(row.workload, row.first_us, row.second_us, _of_scores(one, other, row.workload))
        for row in _apart(one, other)
    )
    assert one.side.score is not None
    assert other.side.score is not None
    total = quotient(other.side.score, one.side.score)
    said = ("from two runs of their own: `--fresh` times both in one",)
    return Compared(one.side, other.side, RECORDS, rows, total, said)


def compare_fresh(
    path: Path, population: str | None, first: str, second: str, progress: Progress
) -> Compared:
    """The two timed interleaved in one run, on this device."""
    repo = store.open_repository(path)
    one, other = (_known(repo, population, rev) for rev in (first, second))
    found = measure(path, other.candidate.oid, one.candidate.oid, progress).evaluation
    if found.score is None:
        raise AvogitError(
            f"{second} could not be timed beside {first}: {found.verdict} {found.reason}: "
            f"{found.detail or 'no more is known'}"
        )
    rows, total = _beside(found, INCUMBENT)
    notes = (f"timed interleaved over {found.blocks} sets of processes on {found.device}",)
    return Compared(one.side, other.side, FRESH, rows, total, notes)


def _known(repo: store.Repository, population: str | None, rev: str) -> _Known:
    name, candidate = _find(repo, population, rev)
    record = store.read_record(repo, name, candidate.trailers.get("Avo-Evaluation", ""))
    found = store.evaluation_from_json(record["payload"]["evaluation"])
    if found.score is None:
        raise AvogitError(f"{rev} ({candidate.oid[:10]}) has no times: {candidate.verdict}")
    side = Side(
        candidate.oid,
        candidate.subject,
        name,
        found.device,
        found.baseline,
        found.score,
        found.evaluator,
    )
    return _Known(side, candidate, found)


def _find(repo: store.Repository, population: str | None, rev: str) -> tuple[str, Candidate]:
    """A candidate of the population; of any, where none is named and the revision is a commit."""
    if population is None and rev not in _NAMES:
        oid = store.resolve(repo, rev)
        for name in store.populations(repo):
            known = read_population(repo, name).candidates
            if oid in known:
                return name, known[oid]
    lineage = read_population(repo, population)
    return lineage.population, find_candidate(repo, lineage, rev)


def _paired(one: _Known, other: _Known) -> Compared | None:
    """A parent and its child were timed beside each other when the child was judged."""
    if (arm := _arm_of(one, other)) is not None:
        rows, total = _beside(other.evaluation, arm)
    elif (arm := _arm_of(other, one)) is not None:
        rows, total = _turned(*_beside(one.evaluation, arm))
    else:
        return None
    notes = ("timed interleaved in one run, when the child was judged",)
    return Compared(one.side, other.side, PAIRED, rows, total, notes)


def _arm_of(parent: _Known, child: _Known) -> str | None:
    """The arm under which a candidate ran beside its child."""
    arms = zip(child.candidate.parents, (PARENT, SECOND_PARENT), strict=False)
    named = {oid: arm for oid, arm in arms if arm in child.evaluation.versus}
    return named.get(parent.candidate.oid)


def _beside(found: Evaluation, arm: str) -> tuple[tuple[Row, ...], Ratio]:
    """An arm (first) and the candidate (second) of one run."""
    rows = tuple(
        Row(t.workload, t.latency_us[arm], t.latency_us[CANDIDATE], t.versus[arm])
        for t in found.workloads
    )
    return rows, found.versus[arm]


def _turned(rows: tuple[Row, ...], total: Ratio) -> tuple[tuple[Row, ...], Ratio]:
    turned = (
        Row(row.workload, row.second_us, row.first_us, inverse(row.ratio) if row.ratio else None)
        for row in rows
    )
    return tuple(turned), inverse(total)


def _obstacles(one: Side, other: Side) -> tuple[str, ...]:
    """Why the times of two runs may not be compared; empty where they may."""
    pairs = (
        ("devices", one.device, other.device),
        ("baselines", one.baseline, other.baseline),
        ("populations", one.population, other.population),
        ("evaluators", one.evaluator[:19], other.evaluator[:19]),
    )
    return tuple(
        f"not compared: they were measured with different {what}: {mine} and {theirs}"
        for what, mine, theirs in pairs
        if mine != theirs
    )


def _apart(one: _Known, other: _Known) -> tuple[Row, ...]:
    """Each one's own times, workload by workload."""
    mine, theirs = _times(one.evaluation), _times(other.evaluation)
    return tuple(Row(name, mine.get(name), theirs.get(name), None) for name in {**mine, **theirs})


def _times(found: Evaluation) -> Mapping[str, float]:
    return {timing.workload: timing.latency_us[CANDIDATE] for timing in found.workloads}


def _of_scores(one: _Known, other: _Known, workload: str) -> Ratio:
    """Both were timed beside the baseline: its times stand in for what the runs do not share."""
    mine, theirs = (
        next(t.versus[BASELINE] for t in known.evaluation.workloads if t.workload == workload)
        for known in (one, other)
    )
    return quotient(theirs, mine)
