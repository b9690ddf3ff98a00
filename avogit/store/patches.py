"""Patch ids: whether two changes are the same one, whatever their place and spacing.

Owns asking `git patch-id` for a change between two trees, and for commits against their first
parent. The user's diff settings and attributes do not matter here.
"""

from __future__ import annotations

from collections.abc import Sequence

from avogit.store import git
from avogit.store.repository import Repository

_MEMORY = "\0patch-ids"
_DIFF = (
    "diff-tree",
    "-r",
    "-p",
    "-U3",
    "--text",
    "--no-ext-diff",
    "--no-textconv",
    "--no-renames",
    "--no-color",
    "--full-index",
    "--diff-algorithm=myers",
    "--src-prefix=a/",
    "--dst-prefix=b/",
)


def patch_id(repo: Repository, before: str, after: str) -> str:
    """The id of the change from one tree to another; empty where they are equal."""
    diff = git.run(repo.cwd, *_DIFF, before, after)
    return next((found for found, _ in _ids(repo, diff)), "")


def patch_ids(repo: Repository, commits: Sequence[str]) -> dict[str, str]:
    """commit -> id of its change against its parent; empty for merges and empty changes.

    Known ones are remembered: a long run asks for all that failed, again in every step.
    """
    known = repo.memory.setdefault(_MEMORY, {})
    assert isinstance(known, dict)
    if fresh := [oid for oid in commits if oid not in known]:
        asked = "".join(f"{oid}\n" for oid in fresh).encode()
        diffs = git.run(repo.cwd, *_DIFF, "--stdin", stdin=asked)
        known |= dict.fromkeys(fresh, "")
        known |= {commit: found for found, commit in _ids(repo, diffs)}
    return {oid: known[oid] for oid in commits}


def _ids(repo: Repository, diffs: bytes) -> list[tuple[str, str]]:
    """(patch id, commit) of every diff."""
    out = git.run(repo.cwd, "patch-id", "--stable", stdin=diffs).decode("ascii")
    return [(found, oid) for found, _, oid in (line.partition(" ") for line in out.splitlines())]
