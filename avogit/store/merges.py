"""Merges of two commits, made in memory: the user's index and working tree are never touched.

Owns asking git for the merge and reading what conflicts. Leaves to the operators which two to
merge and what to do about a conflict.
"""

from __future__ import annotations

from dataclasses import dataclass

from avogit.errors import AvogitError
from avogit.store import git
from avogit.store.repository import Repository

_CLEAN, _CONFLICTS = 0, 1


@dataclass(frozen=True, slots=True)
class Merge:
    """Two commits' changes since their common ancestor. Conflicting files hold git's markers."""

    ancestor: str
    tree: str
    conflicts: tuple[str, ...]  # paths from the repository's root


def common_ancestor(repo: Repository, one: str, other: str) -> str:
    """The newest commit that both have in their history."""
    found = git.call(repo.cwd, "merge-base", one, other)
    if found.status != 0:
        raise AvogitError(f"{one[:10]} and {other[:10]} share no history: nothing to merge them on")
    return found.out.decode("ascii").strip()


def merge(repo: Repository, one: str, other: str) -> Merge:
    """The merge of two commits, as a tree. A conflict shows the ancestor's lines too."""
    ancestor = common_ancestor(repo, one, other)
    style = ("-c", "merge.conflictStyle=diff3")
    asked = ("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", one, other)
    found = git.call(repo.cwd, *style, *asked)
    if found.status not in (_CLEAN, _CONFLICTS):
        raise _refusal(found)
    tree, *names = found.out.decode("utf-8", "surrogateescape").rstrip("\0").split("\0")
    return Merge(ancestor, tree, tuple(names))


def _refusal(found: git.Result) -> AvogitError:
    if "usage: git merge-tree" in found.error:
        return AvogitError("merging two candidates takes git 2.38 or later: update git")
    return git.GitFailed("merge-tree", found.status, found.error)
