"""Packing what a lineage grows: refs, loose objects, packs, the commit-graph.

Owns `avogit gc`. It is git's own maintenance, of the tasks that drop nothing: an object that no
ref holds yet may be a running step's.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from avogit.errors import AvogitError
from avogit.store import git
from avogit.store.lease import try_lock
from avogit.store.repository import Repository

_ROUNDS = 50  # a round packs 50,000 loose objects
_USAGE = 129  # a git before 2.32 does not know the option
_LOCK = "objects/maintenance.lock"


@dataclass(frozen=True, slots=True)
class Stock:
    """What lies in a repository."""

    loose_objects: int
    packs: int
    kilobytes: int
    loose_refs: int


def pack(repo: Repository) -> tuple[Stock, Stock]:
    """Pack everything; gives what lay there before and after."""
    descriptor = try_lock(repo.state_dir / "gc.lock")
    if descriptor is None:
        raise AvogitError("another `avogit gc` is at work in this clone: wait until it is done")
    try:
        if (repo.common_dir / _LOCK).exists():
            raise AvogitError(
                f"git's own maintenance is at work, or died and left {repo.common_dir / _LOCK}:"
                " `avogit doctor --fix` removes a stale one"
            )
        before = stock(repo)
        _pack_loose(repo, before.loose_objects)
        _join_packs(repo)
        _run(repo, "commit-graph", "pack-refs")
        return before, stock(repo)
    finally:
        os.close(descriptor)


def _pack_loose(repo: Repository, loose: int) -> None:
    """A run packs some, and removes what the one before has packed."""
    for _ in range(_ROUNDS):
        _run(repo, "loose-objects")
        left = stock(repo).loose_objects
        if left == 0 or left > loose:  # none, or a step writes faster than we pack
            return
        loose = left


def _join_packs(repo: Repository) -> None:
    """Few packs, reachable or not. No multi-pack-index: an open reader would not see it change."""
    found = git.call(repo.cwd, "repack", "-d", "-l", "-q", "--geometric=2")
    if found.status not in (0, _USAGE):
        raise git.GitFailed("repack", found.status, found.error)


def stock(repo: Repository) -> Stock:
    """Count what lies in the repository."""
    out = git.line(repo.cwd, "count-objects", "-v")
    told = dict(text.split(": ", 1) for text in out.splitlines() if ": " in text)
    loose_refs = sum(len(files) for _, _, files in os.walk(repo.common_dir / "refs"))
    size = int(told["size"]) + int(told["size-pack"])
    return Stock(int(told["count"]), int(told["packs"]), size, loose_refs)


def _run(repo: Repository, *tasks: str) -> None:
    git.run(repo.cwd, "maintenance", "run", "--quiet", *(f"--task={task}" for task in tasks))
