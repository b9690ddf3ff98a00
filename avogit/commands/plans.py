"""`avogit plans`: what was expected of plans, and what was measured; read from the lineage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from avogit import calibration, store
from avogit.session import read_population


@dataclass(frozen=True, slots=True)
class Plans:
    """Every plan of a population with its outcome, and the sums."""

    population: str
    rows: tuple[calibration.Row, ...]
    plans: tuple[calibration.Outcome, ...]


def plans(path: Path, population: str | None) -> Plans:
    """Expected against measured."""
    repo = store.open_repository(path)
    lineage = read_population(repo, population)
    found = calibration.outcomes(lineage)
    return Plans(lineage.population, calibration.calibrate(found), found)
