"""`avogit plot`: the trajectory of a population; nothing here writes."""

from __future__ import annotations

from pathlib import Path

from avogit import store
from avogit.errors import AvogitError
from avogit.session import read_population
from avogit.trajectory import Trajectory, trajectory


def plot(path: Path, population: str | None) -> Trajectory:
    """The curve to draw."""
    repo = store.open_repository(path)
    lineage = read_population(repo, population)
    found = trajectory(lineage)
    if not found.best:
        raise AvogitError(f"{lineage.population} has no measured candidate yet: `avogit log`")
    return found
