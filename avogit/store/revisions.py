"""Names of commits and trees, as a person or another module gives them.

Owns resolving them safely: what looks like an option never reaches git as one.
"""

from __future__ import annotations

import re

from avogit.errors import AvogitError
from avogit.store import git, reader
from avogit.store.repository import Repository

_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_HEAD_NAME = re.compile(r"g\d{4,}-[0-9a-f]{10}(?:-r\d+)?")


def resolve(repo: Repository, rev: str) -> str:
    """The commit that `rev` names: any revision, or the short name of a live line."""
    if is_oid(rev) and (found := _peeled(repo, rev, "commit")):
        return found
    if rev and not rev.startswith("-") and "\0" not in rev and "\n" not in rev:
        oid = _verify(repo, f"{rev}^{{commit}}")
        if oid is None and _HEAD_NAME.fullmatch(rev):
            oid = _by_head_name(repo, rev)
        if oid is not None:
            return oid
    raise AvogitError(f"{rev!r} names no commit here: `avogit log` lists the candidates")


def timestamp(repo: Repository, date: str) -> int:
    """A date in any form that git reads (`2 days ago`, `2026-08-01`), as Unix time."""
    answer = git.line(repo.cwd, "rev-parse", f"--since={date}")
    return int(answer.removeprefix("--max-age="))


def tree_of(repo: Repository, oid: str) -> str:
    """The root tree of a commit (a tree gives itself)."""
    tree = _peeled(repo, oid, "tree") if is_oid(oid) else _verify(repo, f"{oid}^{{tree}}")
    if tree is None:
        raise AvogitError(f"{oid!r} names no commit and no tree here")
    return tree


def head(repo: Repository) -> str | None:
    """The commit that the user has checked out; None while their branch is unborn."""
    return _verify(repo, "HEAD^{commit}")


def branch(repo: Repository) -> str | None:
    """The short name of the branch that is checked out, born or not; None when detached."""
    found = git.call(repo.cwd, "symbolic-ref", "--quiet", "--short", "HEAD")
    name = found.out.decode("utf-8", "surrogateescape").strip()
    return name if found.status == 0 else None


def is_oid(text: str) -> bool:
    """Whether this is a whole object id."""
    return _OID.fullmatch(text) is not None


def _verify(repo: Repository, rev: str) -> str | None:
    if rev.startswith("-") or "\0" in rev:
        return None
    found = git.call(repo.cwd, "rev-parse", "--verify", "--quiet", "--end-of-options", rev)
    oid = found.out.decode("ascii", "replace").strip()
    return oid if found.status == 0 and is_oid(oid) else None


def _peeled(repo: Repository, oid: str, kind: str) -> str | None:
    found = reader.read_object(repo, f"{oid}^{{{kind}}}")
    return found[0] if found else None


def _by_head_name(repo: Repository, name: str) -> str | None:
    patterns = (f"refs/heads/avo/*/{name}", f"refs/remotes/**/avo/*/{name}")
    out = git.line(repo.cwd, "for-each-ref", "--format=%(objectname)", *patterns)
    oids = set(out.split())
    return oids.pop() if len(oids) == 1 else None
