"""The archive: pruned lines go onto a chain of commits that says why, and can come back.

Owns retiring, restoring, and finishing what a dead pruner left. A head that the archive names
is dead wherever it turns up; its commits stay reachable from the archive for good. Leaves to
`selection` which lines go.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

from avogit.errors import AvogitError
from avogit.records import Candidate, Head, Lineage
from avogit.store import git, message, refs, rows
from avogit.store.graveyard import short_name
from avogit.store.lease import pruner_lock
from avogit.store.lineage import Snapshot, read_lineage, read_refs
from avogit.store.locks import clear_own_locks
from avogit.store.objects import NewObjects
from avogit.store.population import chain_ref, checked_name, head_name, head_ref, host_name
from avogit.store.refs import Conflict, Update
from avogit.store.repository import Repository

_ATTEMPTS = 5
_MAX_TIPS = 200  # parents of one archive commit

Leaving = tuple[str, str, "float | None"]  # (oid, reason, score)


@contextlib.contextmanager
def pruner(repo: Repository, population: str) -> Iterator[bool]:
    """Whether this process may prune. Finishes first what a dead pruner left half done."""
    with pruner_lock(repo) as held:
        if held:
            clear_own_locks(repo, [chain_ref("archive", checked_name(population), host_name(repo))])
            repair(repo, population)
        yield held


def retire(repo: Repository, population: str, leaving: Sequence[Leaving]) -> tuple[str, ...]:
    """Take these candidates' heads away, into the archive. Call it as the `pruner`.

    A head that a working tree has checked out stays, and so does one that moved meanwhile.
    Gives the ids that went.
    """
    gone: list[str] = []
    for at in range(0, len(leaving), _MAX_TIPS):
        gone += _retire_some(repo, population, leaving[at : at + _MAX_TIPS])
    return tuple(gone)


def restore(repo: Repository, population: str, oid: str) -> str:
    """A new head at a candidate, under a name that no archive holds; gives the ref."""
    lineage = read_lineage(repo, population)
    for head in lineage.heads:
        if head.oid == oid and head.ref.startswith("refs/heads/"):
            return head.ref
    if oid not in lineage.candidates:
        raise AvogitError(f"{oid[:10]} is no candidate of {population}: `avogit log` lists them")
    stem = head_name(lineage.candidates[oid].generation, oid)
    taken = {name for name, _ in dead(repo, population)}
    taken |= {short_name(head) for head in lineage.heads}
    names = (stem, *(f"{stem}-r{n}" for n in range(1, 10_000)))
    ref = head_ref(population, next(name for name in names if name not in taken))
    refs.transact(repo, [Update(ref, oid, None)])
    return ref


def repair(repo: Repository, population: str) -> tuple[str, ...]:
    """Delete the heads that the archive already names; gives the refs."""
    found = read_refs(repo, checked_name(population))
    named = dead(repo, population)
    left = [h for h in found.heads if (short_name(h), h.oid) in named and _ours(h)]
    if not left:
        return ()
    stays = refs.checked_out(repo, [f"refs/heads/avo/{population}/"])
    updates = [Update(head.ref, None, head.oid) for head in left if head.ref not in stays]
    refs.transact(repo, updates)
    return tuple(update.ref for update in updates)


def add_base(repo: Repository, population: str, oid: str) -> None:
    """Note the user's commit that a seed stands on: readers walk no further down.

    Where that commit already holds candidates of the population (a line was merged), it must
    not bound the walk, and is not noted.
    """
    ref = chain_ref("base", checked_name(population), oid[:10])
    if refs.read_refs(repo, ref):
        return
    wanted = ["-F", f"--grep=Avo-Population: {population}", "--max-count=1"]
    if git.run(repo.cwd, "log", "--format=%H", *wanted, oid, "--"):
        return
    with contextlib.suppress(Conflict):
        refs.transact(repo, [Update(ref, oid, None)])


def _retire_some(repo: Repository, population: str, leaving: Sequence[Leaving]) -> list[str]:
    for _ in range(_ATTEMPTS):
        lineage = read_lineage(repo, population)
        stays = refs.checked_out(repo, [f"refs/heads/avo/{population}/"])
        heads = _heads_of(lineage, leaving, stays)
        if not heads:
            return []
        ref = chain_ref("archive", population, host_name(repo))
        previous = refs.read_refs(repo, ref).get(ref)
        commit = _bury(repo, lineage, heads, leaving, previous)
        updates = [Update(ref, commit, previous)]
        updates += [Update(head.ref, None, head.oid) for head in heads if _ours(head)]
        try:
            refs.transact(repo, updates)
        except Conflict:
            continue
        return list(dict.fromkeys(head.oid for head in heads))
    raise AvogitError(f"the heads of {population} kept moving: `avogit prune` again later")


def _heads_of(lineage: Lineage, leaving: Sequence[Leaving], stays: Mapping[str, str]) -> list[Head]:
    """All heads at the leaving candidates, but for candidates that are checked out."""
    wanted = {oid for oid, _, _ in leaving}
    kept = {head.oid for head in lineage.heads if head.ref in stays}
    return [head for head in lineage.heads if head.oid in wanted - kept]


def _bury(
    repo: Repository,
    lineage: Lineage,
    heads: Sequence[Head],
    leaving: Sequence[Leaving],
    previous: str | None,
) -> str:
    """Write the archive's next commit; its date follows its newest tip, for fast walks."""
    why = {oid: (reason, score) for oid, reason, score in leaving}
    lines = []
    for head in heads:
        reason, score = why[head.oid]
        stated = message.number(score) if score else "-"
        name = short_name(head)
        lines.append(f"    {head.oid} {name} {stated} {message.one_line(reason) or 'no reason'}")
    tips = list(dict.fromkeys(head.oid for head in heads))
    times = [_time_s(lineage.candidates.get(oid)) for oid in tips]
    if previous:
        times.append(int(git.line(repo.cwd, "log", "--no-walk", "--format=%ct", previous)) - 1)
    plural = "line" if len(tips) == 1 else "lines"
    text = f"{rows.ARCHIVE}{len(tips)} {plural}\n\n" + "\n".join(lines) + "\n"
    new = NewObjects(repo)
    parents = [*([previous] if previous else []), *tips]
    commit = new.commit(new.tree({}), parents, text, max(times) + 1)
    new.write()
    return commit


def dead(repo: Repository, population: str) -> frozenset[tuple[str, str]]:
    """(short name, id) of every head that some clone's prune log names."""
    read_lineage(repo, population)
    seen = repo.memory.get(population)
    return seen.graveyard.dead if isinstance(seen, Snapshot) else frozenset()


def _ours(head: Head) -> bool:
    return head.ref.startswith("refs/heads/")


def _time_s(found: Candidate | None) -> int:
    return found.time_s if found else 0
