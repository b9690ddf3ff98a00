"""Refs: read by `for-each-ref`, moved by one compare-and-swap transaction.

Owns the transaction and how git's refusals are told apart. Leaves names to `population`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from avogit.errors import AvogitError
from avogit.store import git
from avogit.store.repository import Repository


@dataclass(frozen=True, slots=True)
class Update:
    """One ref's move. `old` None: it must not exist yet. `new` None: it goes away."""

    ref: str
    new: str | None
    old: str | None


class Conflict(AvogitError):
    """Somebody else moved one of the refs first; nothing was changed."""


def transact(repo: Repository, updates: Sequence[Update]) -> None:
    """Move all of these refs, or none."""
    if not updates:
        return
    repo.moves[0] += 1
    result = git.call(
        repo.cwd,
        "update-ref",
        "-m",
        "avogit",
        "--no-deref",
        "--stdin",
        "-z",
        stdin=b"".join(_command(update) for update in updates),
    )
    if result.status != 0:
        raise _refusal(result)


def read_refs(repo: Repository, *patterns: str) -> dict[str, str]:
    """The object id of every ref below these patterns, by its whole name."""
    out = git.line(repo.cwd, "for-each-ref", "--format=%(objectname) %(refname)", *patterns)
    pairs = (text.split(" ", 1) for text in out.splitlines())
    return {ref: oid for oid, ref in pairs}


def checked_out(repo: Repository, patterns: Sequence[str]) -> Mapping[str, str]:
    """The refs below these patterns that a working tree has checked out, and where."""
    out = git.line(repo.cwd, "for-each-ref", "--format=%(refname)%00%(worktreepath)", *patterns)
    pairs = (text.split("\0", 1) for text in out.splitlines() if "\0" in text)
    return {ref: path for ref, path in pairs if path}


def _command(update: Update) -> bytes:
    if update.new is None:
        words = f"delete {update.ref}\0{update.old or ''}\0"
    elif update.old is None:
        words = f"create {update.ref}\0{update.new}\0"
    else:
        words = f"update {update.ref}\0{update.new}\0{update.old}\0"
    return words.encode()


def _refusal(result: git.Result) -> AvogitError:
    text = " ".join(result.error.split())
    if "but expected" in text or "reference already exists" in text or "unable to resolve" in text:
        return Conflict(f"a ref was moved by another process meanwhile: {text}")
    if ".lock" in text:
        return AvogitError(
            f"a lock stands in the way ({text}): `avogit doctor` tells which is stale"
        )
    if "exists; cannot create" in text:
        return AvogitError(f"a ref of yours stands where avogit keeps its own: {text}; rename it")
    return git.GitFailed("update-ref", result.status, result.error)
