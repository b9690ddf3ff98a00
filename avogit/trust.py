"""Which candidates' numbers count here: those of unsigned records, where a team demands
signatures, and of fetched lines that changed more than their task's files, do not.

Owns marking them, with the reason. Leaves signatures and trees to `store`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from avogit import store
from avogit.config import Config
from avogit.errors import AvogitError
from avogit.records import Candidate, Lineage, Status
from avogit.task import Task

TaskAt = Callable[[str], Task]  # the task as a commit of the user's holds it
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


def trusted(repo: store.Repository, lineage: Lineage, config: Config, task_at: TaskAt) -> Lineage:
    """The lineage with everything that is not trusted marked, and so unmeasured."""
    marks = dict(_strange_trees(repo, lineage, task_at))
    if config.signing.required:
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


def _strange_trees(
    repo: store.Repository, lineage: Lineage, task_at: TaskAt
) -> Iterator[tuple[str, str]]:
    """Fetched lines whose tip differs from the user's commit in more than the task's files."""
    seen = repo.memory.setdefault(_MEMORY, {})
    assert isinstance(seen, dict)
    for head in lineage.heads:
        tip = lineage.candidates.get(head.oid)
        if tip is None or head.ref.startswith("refs/heads/"):
            continue
        if tip.oid not in seen:
            seen[tip.oid] = _strange(repo, lineage, tip, task_at)
        if seen[tip.oid]:
            yield tip.oid, seen[tip.oid]


def _strange(repo: store.Repository, lineage: Lineage, tip: Candidate, task_at: TaskAt) -> str:
    seed = _seed_of(lineage, tip)
    if seed is None or not seed.parents:
        return "it stands on no seed"
    try:
        task = task_at(seed.parents[0])
    except AvogitError as error:
        return f"its seed's task cannot be read: {error}"
    if seed.trailers.get("Avo-Task", "").split(" ")[-1] != task.version:
        return "its seed stands on another version of the task"
    found = store.tree_violations(repo, seed.parents[0], tip.oid, task.path, task.is_editable)
    return f"it changed more than its task's files ({', '.join(found[:3])})" if found else ""


def _seed_of(lineage: Lineage, candidate: Candidate) -> Candidate | None:
    at: Candidate | None = candidate
    while at is not None and at.status is not Status.SEED:
        at = lineage.candidates.get(at.parents[0]) if at.parents else None
    return at
