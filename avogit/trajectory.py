"""A lineage as a curve: what was tried, the best so far, and how that did on each workload.

Owns the numbers that a plot shows. Leaves drawing to `report`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from avogit.records import Candidate, Lineage, Ratio, Status


@dataclass(frozen=True, slots=True)
class Point:
    """A measured candidate. `number` counts all candidates, oldest first, from 0."""

    number: int
    oid: str
    score: Ratio
    entered: bool  # whether it entered a line


@dataclass(frozen=True, slots=True)
class Best:
    """From `number` on, this was the best score of a candidate that entered."""

    number: int
    oid: str
    score: Ratio
    workloads: dict[str, float]  # its score on each


@dataclass(frozen=True, slots=True)
class Trajectory:
    """What a population reached, in the order in which it was tried."""

    population: str
    baselines: tuple[str, ...]  # name and version; the score 1.0 is each one's own speed
    candidates: int
    points: tuple[Point, ...]
    best: tuple[Best, ...]

    @property
    def workloads(self) -> tuple[str, ...]:
        """The names of all workloads that the best ones were scored on."""
        return tuple(dict.fromkeys(name for step in self.best for name in step.workloads))


def trajectory(lineage: Lineage) -> Trajectory:
    """The curve of a lineage. What was not measured on its own tree has no point."""
    numbered = list(enumerate(lineage.candidates.values()))
    points = tuple(
        Point(number, c.oid, c.score, _entered(c))
        for number, c in numbered
        if c.score is not None and c.measured
    )
    named = (c.trailers.get("Avo-Baseline", "") for _, c in numbered)
    baselines = tuple(dict.fromkeys(name for name in named if name))
    best = tuple(_records(lineage, points))
    return Trajectory(lineage.population, baselines, len(numbered), points, best)


def _records(lineage: Lineage, points: tuple[Point, ...]) -> Iterator[Best]:
    highest = 0.0
    for point in points:
        if point.entered and point.score.value > highest:
            highest = point.score.value
            workloads = dict(lineage.candidates[point.oid].workload_scores)
            yield Best(point.number, point.oid, point.score, workloads)


def _entered(candidate: Candidate) -> bool:
    return candidate.status in (Status.SEED, Status.ACCEPTED)
