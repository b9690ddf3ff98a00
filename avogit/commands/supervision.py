"""`avogit log --supervisor`: every intervention, and what came of it since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from avogit import guidance, store
from avogit.session import read_population


@dataclass(frozen=True, slots=True)
class Followed:
    """A direction, and what came of the steps that were given it."""

    kind: str
    parent: str
    text: str
    steps: int
    result: str
    accepted: tuple[str, ...]  # commit ids


@dataclass(frozen=True, slots=True)
class Intervened:
    """One intervention."""

    time_s: int
    trigger: str
    reason: str
    counts: Mapping[str, int]
    evidence: tuple[str, ...]  # commit ids
    advisor: str
    directions: tuple[Followed, ...]


@dataclass(frozen=True, slots=True)
class Supervision:
    """All interventions of a population, oldest first."""

    population: str
    interventions: tuple[Intervened, ...]
    hint: str  # which command fetches what this clone lacks


def supervision(path: Path, population: str | None) -> Supervision:
    """What the supervisor did."""
    repo = store.open_repository(path)
    lineage = read_population(repo, population)
    seen = guidance.course(lineage, store.events(repo, lineage.population))
    found = tuple(_intervened(intervention) for intervention in seen.interventions)
    return Supervision(lineage.population, found, store.missing_refs_hint(repo))


def _intervened(found: guidance.Intervention) -> Intervened:
    alarm = found.alarm
    followed = tuple(_followed(found, number) for number in range(len(found.directions)))
    return Intervened(
        found.time_s,
        alarm.trigger,
        alarm.reason,
        alarm.counts,
        alarm.evidence,
        found.advisor,
        followed,
    )


def _followed(found: guidance.Intervention, number: int) -> Followed:
    way, steps = found.directions[number], found.followed(number)
    accepted = tuple(step.oid for step in steps if step.kind is guidance.Kind.ACCEPTED)
    result = guidance.result_text(steps)
    return Followed(way.kind, way.parent, way.text, len(steps), result, accepted)
