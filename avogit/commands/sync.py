"""`avogit sync`, `bundle` and `import`: lineages that come and go, and what that came to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from avogit import store
from avogit.records import Candidate
from avogit.session import Progress, choose_population, read_population, silent


@dataclass(frozen=True, slots=True)
class Arrived:
    """A population after an exchange."""

    population: str
    candidates: int
    new: int
    lines: int
    incumbent: Candidate | None
    distrusted: dict[str, str]  # live lines whose numbers are not taken, and why


@dataclass(frozen=True, slots=True)
class Synced:
    """What one exchange with a remote came to."""

    remote: str
    populations: tuple[Arrived, ...]
    published: tuple[str, ...]  # refs that the remote got or that went forward there
    retired: tuple[str, ...]  # lines that left the remote: an archive names them
    refused: tuple[str, ...]  # refs that stayed as they were, each with the reason


@dataclass(frozen=True, slots=True)
class Bundled:
    """A lineage that was written to one file."""

    file: str
    refs: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Imported:
    """A lineage that was read from one file."""

    name: str  # the remote that it is kept as
    populations: tuple[Arrived, ...]
    refused: tuple[str, ...]


def sync(path: Path, remote: str | None, progress: Progress = silent) -> Synced:
    """Fetch from a remote and publish to it."""
    repo = store.open_repository(path)
    name = store.choose_remote(repo, remote)
    before = known_candidates(repo)
    progress(f"exchanging with {name}")
    done = store.exchange(repo, name)
    return Synced(
        name, arrived(repo, before), tuple(done.published), tuple(done.retired), tuple(done.refused)
    )


def bundle(path: Path, file: Path, population: str | None) -> Bundled:
    """Write a lineage, or all of them, to one file."""
    repo = store.open_repository(path)
    name = choose_population(repo, population) if population else None
    refs = store.write_bundle(repo, file, name)
    return Bundled(str(file), refs, file.stat().st_size)


def import_bundle(path: Path, file: Path, name: str | None) -> Imported:
    """Read lineages from a bundle, as from a remote of this name, or of the file's."""
    repo = store.open_repository(path)
    before = known_candidates(repo)
    name = name or re.sub(r"[^a-z0-9]+", "-", file.stem.lower()).strip("-") or "bundle"
    refused = store.read_bundle(repo, file, name)
    stayed = tuple(f"{ref}: {why}" for ref, why in refused)
    return Imported(name, arrived(repo, before), stayed)


def arrived(repo: store.Repository, before: dict[str, frozenset[str]]) -> tuple[Arrived, ...]:
    """Every population now, beside what was known of it."""
    found = []
    for population in store.populations(repo):
        lineage = read_population(repo, population)
        new = len(lineage.candidates.keys() - before.get(population, frozenset()))
        tips = [lineage.candidates[h.oid] for h in lineage.heads if h.oid in lineage.candidates]
        found.append(
            Arrived(
                population,
                len(lineage.candidates),
                new,
                len(lineage.live()),
                lineage.incumbent(),
                {tip.oid: tip.distrust for tip in tips if tip.distrust},
            )
        )
    return tuple(found)


def known_candidates(repo: store.Repository) -> dict[str, frozenset[str]]:
    """The ids of all candidates, by population."""
    names = store.populations(repo)
    return {name: frozenset(store.read_lineage(repo, name).candidates) for name in names}
