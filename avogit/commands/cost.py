"""`avogit cost`: what a population cost; read from the records and notes that git holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from avogit import ledger, store
from avogit.session import read_population


@dataclass(frozen=True, slots=True)
class Cost:
    """The whole sum, and the same by model, line and outcome."""

    population: str
    total: ledger.Sum
    by_model: tuple[ledger.Sum, ...]
    by_line: tuple[ledger.Sum, ...]
    by_outcome: tuple[ledger.Sum, ...]
    hint: str  # which command fetches what this clone lacks


def cost(path: Path, population: str | None) -> Cost:
    """Everything that was spent on a population."""
    repo = store.open_repository(path)
    lineage = read_population(repo, population)
    recorded = list(store.records(repo, lineage.population))  # first: what is noted may be next
    noted = store.unrecorded(repo, lineage.population)
    found = ledger.charges(lineage, [*recorded, *noted])
    by_model, by_line, by_outcome = (
        ledger.sums(found, key) for key in ("model", "line", "outcome")
    )
    whole = ledger.total("all", found)
    hint = store.missing_refs_hint(repo)
    return Cost(lineage.population, whole, by_model, by_line, by_outcome, hint)
