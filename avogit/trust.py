"""Which candidates' numbers count here: those of unsigned records, where a team demands
signatures, and of fetched lines that changed more than their task's files, do not.

Owns marking them, with the reason. Leaves signatures and trees to `store`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from avogit import store
from avogit.config import Config
from avogit.errors import AvogitError
from avogit.records import Candidate, Lineage, Status
from avogit.task import TASK_FILE, Task, parse_task

_MEMORY = "\0trust"


def allowed_signers(repo: store.Repository, config: Config) -> bytes:
    """The allowed-signers file as HEAD has it: not the working tree's, nor a candidate's."""
    path, commit = config.signing.allowed_signers, store.head(repo)
    if not path or commit is None:
        return b""
    data = store.file_at(repo, commit, path)
    if data is None and config.signing.required:
        raise AvogitError(
            f"signing.allowed_signers names {path}, which {commit[:10]} does not hold: commit it"
        )
    return data or b""


def trusted(repo: store.Repository, lineage: Lineage, config: Config | None) -> Lineage:
    """The lineage with everything that is not trusted marked, and so unmeasured."""
    marks = dict(_strange_trees(repo, lineage))
    if config is not None and config.signing.required:
        signed = store.signatures(repo, lineage.population, allowed_signers(repo, config))
        states = {oid: signed.get(oid, store.UNSIGNED) for oid in lineage.candidates}
        marks |= {oid: why for oid, state in states.items() if (why := _why(state))}
    if not marks:
        return lineage
    candidates = {
        oid: replace(found, distrust=marks[oid]) if oid in marks else found
        for oid, found in lineage.candidates.items()
    }
    champions = tuple(c for c in lineage.champions if c.oid not in marks)
    return replace(lineage, candidates=candidates, champions=champions)


def _why(signature: store.Signature) -> str:
    return "" if signature.state == store.SIGNED else f"its record: {signature}"


def _strange_trees(repo: store.Repository, lineage: Lineage) -> Iterator[tuple[str, str]]:
    """Fetched lines whose tip differs from the user's commit in more than the task's files."""
    seen = repo.memory.setdefault(_MEMORY, {})
    assert isinstance(seen, dict)
    for head in lineage.heads:
        tip = lineage.candidates.get(head.oid)
        if tip is None or head.ref.startswith("refs/heads/"):
            continue
        if tip.oid not in seen:
            seen[tip.oid] = _strange(repo, lineage, tip)
        if seen[tip.oid]:
            yield tip.oid, seen[tip.oid]


def _strange(repo: store.Repository, lineage: Lineage, tip: Candidate) -> str:
    seed = _seed_of(lineage, tip)
    if seed is None or not seed.parents:
        return "it stands on no seed"
    version = seed.trailers.get("Avo-Task", "").rpartition(" ")[2]
    task = _task(repo, seed.parents[0], version)
    if task is None:
        return "its seed stands on a commit that does not hold its task"
    found = store.tree_violations(repo, seed.parents[0], tip.oid, task.path, task.is_editable)
    return f"it changed more than its task's files ({', '.join(found[:3])})" if found else ""


def _task(repo: store.Repository, commit: str, version: str) -> Task | None:
    """The task of this version that a commit of the user's holds."""
    for path in store.paths_named(repo, commit, TASK_FILE):
        folder = path.rpartition("/")[0]
        with contextlib.suppress(AvogitError):
            task = parse_task(folder, store.folder_files(repo, commit, folder))
            if task.version == version:
                return task
    return None


def _seed_of(lineage: Lineage, candidate: Candidate) -> Candidate | None:
    at: Candidate | None = candidate
    while at is not None and at.status is not Status.SEED:
        at = lineage.candidates.get(at.parents[0]) if at.parents else None
    return at
