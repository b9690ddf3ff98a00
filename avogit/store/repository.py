"""`Repository`: the frozen handle that every function of the store takes.

Owns finding a repository (by GitPython) and resolving names in it. Leaves commands to `git`,
and what the refs mean to `population`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from avogit.errors import AvogitError
from avogit.store import git

_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_HEAD_NAME = re.compile(r"g\d{4,}-[0-9a-f]{10}(?:-r\d+)?")


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository. `root` is None for a bare one."""

    root: Path | None
    common_dir: Path
    object_format: str = "sha1"
    # What was read before, kept while the handle lives; may be emptied at any time.
    memory: dict[str, object] = field(default_factory=dict, compare=False, repr=False)

    @property
    def cwd(self) -> Path:
        """Where git processes run."""
        return self.root or self.common_dir

    @property
    def state_dir(self) -> Path:
        """Leases, locks and caches: nothing here is truth, all may be deleted when idle."""
        return self.common_dir / "avogit"


def open_repository(path: Path) -> Repository:
    """The repository that holds `path`."""
    git.forget_hook_variables()
    top = _find(path)
    found = git.call(
        top,
        "rev-parse",
        "--is-shallow-repository",
        "--show-object-format",
        "--path-format=absolute",
        "--git-common-dir",
    )
    if found.status != 0:
        raise AvogitError(f"git refuses to work in {top}: {' '.join(found.error.split())}")
    text = found.out.decode("utf-8", "surrogateescape")
    shallow, object_format, common_dir = text.rstrip("\n").split("\n", 2)
    if shallow == "true":
        raise AvogitError(
            f"{top} is a shallow clone, which cuts parents off: run `git fetch --unshallow` first"
        )
    common = Path(common_dir)
    return Repository(None if top == common else top, common, object_format)


def _find(path: Path) -> Path:
    """The top of the working tree that holds `path`, or the folder of a bare repository."""
    git.runner(path)
    from git.exc import InvalidGitRepositoryError, NoSuchPathError
    from git.repo import Repo

    try:
        with Repo(path, search_parent_directories=True) as found:
            top = found.common_dir if found.bare else found.working_dir
    except (InvalidGitRepositoryError, NoSuchPathError) as error:
        raise AvogitError(
            f"{path} is in no git repository: run `git init` there, or name one with -C"
        ) from error
    return Path(top).resolve()


def resolve(repo: Repository, rev: str) -> str:
    """The commit that `rev` names: any revision, or the short name of a live line."""
    if rev and not rev.startswith("-") and "\0" not in rev and "\n" not in rev:
        oid = _verify(repo, f"{rev}^{{commit}}")
        if oid is None and _HEAD_NAME.fullmatch(rev):
            oid = _by_head_name(repo, rev)
        if oid is not None:
            return oid
    raise AvogitError(f"{rev!r} names no commit here: `avogit log` lists the candidates")


def tree_of(repo: Repository, oid: str) -> str:
    """The root tree of a commit (a tree gives itself)."""
    tree = _verify(repo, f"{oid}^{{tree}}") if not oid.startswith("-") else None
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
    found = git.call(repo.cwd, "rev-parse", "--verify", "--quiet", "--end-of-options", rev)
    oid = found.out.decode("ascii", "replace").strip()
    return oid if found.status == 0 and is_oid(oid) else None


def _by_head_name(repo: Repository, name: str) -> str | None:
    patterns = (f"refs/heads/avo/*/{name}", f"refs/remotes/**/avo/*/{name}")
    out = git.line(repo.cwd, "for-each-ref", "--format=%(objectname)", *patterns)
    oids = set(out.split())
    return oids.pop() if len(oids) == 1 else None
