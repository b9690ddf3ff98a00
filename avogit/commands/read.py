"""`avogit log`, `show`, `best` and `tasks`: read the lineage; nothing here writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from avogit import resources, store
from avogit.errors import AvogitError
from avogit.records import Candidate, Champion, Lineage, Profile
from avogit.session import choose_population, find_candidate, found_config, read_population
from avogit.task import TASK_FILE, parse_task
from avogit.trust import allowed_signers


@dataclass(frozen=True, slots=True)
class Log:
    """A population's candidates, oldest first."""

    lineage: Lineage
    signatures: Mapping[str, store.Signature]  # of records; empty where nobody's are known
    hint: str  # which command fetches what this clone lacks; empty where nothing is missing


@dataclass(frozen=True, slots=True)
class Shown:
    """One candidate with its record and what may have happened to it since."""

    candidate: Candidate
    message: str
    live: bool
    pruned: str
    champion: str
    record: Mapping[str, object]
    signature: store.Signature | None  # None where nobody's are known
    profile: Profile | None  # the newest of a GPU's counters


@dataclass(frozen=True, slots=True)
class Best:
    """The incumbent, and the champions so far."""

    population: str
    incumbent: Candidate | None
    seed: Candidate | None
    champions: tuple[Champion, ...]


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task that `avogit init` can commit, or that this repository holds."""

    name: str
    where: str
    summary: str
    workloads: int


def log(path: Path, population: str | None) -> Log:
    """Every candidate of a population."""
    repo = store.open_repository(path)
    lineage = read_population(repo, population)
    return Log(lineage, _signatures(repo, lineage.population), store.missing_refs_hint(repo))


def _signatures(repo: store.Repository, population: str) -> Mapping[str, store.Signature]:
    """Who signed what, where the repository names signers."""
    config = found_config(repo)
    allowed = allowed_signers(repo, config) if config else b""
    return store.signatures(repo, population, allowed) if allowed else {}


def log_json(path: Path, population: str | None) -> Iterator[str]:
    """The same as JSON, a line each, without building a value for every candidate."""
    repo = store.open_repository(path)
    return store.lineage_json_lines(repo, choose_population(repo, population))


def show(path: Path, population: str | None, rev: str) -> Shown:
    """One candidate, whole."""
    repo = store.open_repository(path)
    lineage = read_population(repo, population)
    candidate = find_candidate(repo, lineage, rev)
    signatures = _signatures(repo, lineage.population)
    name = candidate.trailers.get("Avo-Evaluation", "")
    record = store.read_record(repo, lineage.population, name) if name else {}
    champion = next((c.ref for c in lineage.champions if c.oid == candidate.oid), "")
    return Shown(
        candidate,
        store.message_of(repo, candidate.oid),
        any(h.oid == candidate.oid for h in lineage.heads),
        lineage.pruned.get(candidate.oid, ""),
        champion,
        record,
        signatures.get(candidate.oid, store.UNSIGNED) if signatures else None,
        store.newest_profile(repo, lineage.population, candidate.oid),
    )


def best(path: Path, population: str | None) -> Best:
    """The incumbent and the champions."""
    repo = store.open_repository(path)
    lineage = read_population(repo, population)
    return Best(lineage.population, lineage.incumbent(), lineage.seed(), lineage.champions)


def tasks(path: Path) -> tuple[TaskRow, ...]:
    """The tasks that ship with avogit, and the repository's own."""
    folders = [("avogit", folder) for folder in resources.task_folders().values()]
    try:
        root = store.open_repository(path).root
    except AvogitError:
        root = None
    if root is not None and (root / "kernels").is_dir():
        own = sorted(p.parent for p in (root / "kernels").glob(f"*/{TASK_FILE}"))
        folders += [("this repository", folder) for folder in own]
    return tuple(_task_row(where, folder) for where, folder in folders)


def _task_row(where: str, folder: Path) -> TaskRow:
    task = parse_task(f"kernels/{folder.name}", resources.folder_files(folder))
    return TaskRow(task.name, where, task.summary, len(task.workloads))
