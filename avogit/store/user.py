"""What avogit does in the user's own name: `init`'s one commit, and reading what they staged.

Owns the few git calls that must run as the user's do, with their hooks, signing and config.
Everything else in the store goes through `git.run`, which switches all of that off.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from avogit.errors import AvogitError
from avogit.store import git, reader
from avogit.store.repository import Repository
from avogit.store.revisions import head

_BUSY = (
    ("MERGE_HEAD", "merge"),
    ("rebase-merge", "rebase"),
    ("rebase-apply", "rebase"),
    ("CHERRY_PICK_HEAD", "cherry-pick"),
    ("REVERT_HEAD", "revert"),
    ("BISECT_LOG", "bisect"),
)
_AIDS = {
    "pretty.avo": "%C(auto)%h %>(8)%(trailers:key=Avo-Score,valueonly,separator=%x20) %s",
    "log.excludeDecoration": "refs/avo/",
}


def git_version() -> str:
    """`git version x.y.z`."""
    return git.line(Path("/"), "version")


def config_value(repo: Repository, name: str) -> str:
    """A setting as the user's git has it; empty where it is unset."""
    found = git.ordinary(repo.cwd, "config", "--get", name)
    return found.out.decode("utf-8", "surrogateescape").rstrip("\n")


def pager(repo: Repository) -> str:
    """The command that git would page with: GIT_PAGER, core.pager, PAGER, its default."""
    found = git.ordinary(repo.cwd, "var", "GIT_PAGER")
    command = found.out.decode("utf-8", "surrogateescape").strip()
    return "" if found.status != 0 or command == "cat" else command


def set_reading_aids(repo: Repository) -> None:
    """`git log --pretty=avo`, and decorations without avogit's own refs. Kept if set already."""
    for name, value in _AIDS.items():
        if not config_value(repo, name):
            _checked(git.ordinary(repo.cwd, "config", "--local", name, value), "config")


def under_way(repo: Repository) -> str:
    """What the user is in the middle of (merge, rebase, ...); empty for nothing."""
    paths = git.line(
        repo.cwd, "rev-parse", *(word for name, _ in _BUSY for word in ("--git-path", name))
    )
    found = zip(paths.splitlines(), (what for _, what in _BUSY), strict=True)
    return next((what for path, what in found if (repo.cwd / path).exists()), "")


def changed(repo: Repository, paths: Sequence[str]) -> bool:
    """Whether HEAD lacks these paths as they stand in the working tree."""
    found = git.run(
        repo.cwd, "--literal-pathspecs", "status", "--porcelain", "-z", "-uall", "--", *paths
    )
    return found != b""


def commit_paths(repo: Repository, paths: Sequence[str], message: str) -> str:
    """Commit these paths alone, as the user would; what else they staged stays staged."""
    _checked(git.ordinary(repo.cwd, "--literal-pathspecs", "add", "--", *paths), "add")
    done = git.ordinary(
        repo.cwd, "--literal-pathspecs", "commit", "-q", "-m", message, "--only", "--", *paths
    )
    if done.status != 0:
        git.ordinary(repo.cwd, "--literal-pathspecs", "reset", "-q", "--", *paths)
        _checked(done, "commit")
    oid = head(repo)
    if oid is None:
        raise AvogitError("git committed and HEAD names no commit: `git status` says more")
    return oid


def push(repo: Repository, remote: str, refspec: str, options: Sequence[str] = ()) -> None:
    """Push as the user would, with their hooks and credentials; `options` are push options."""
    chosen = [word for option in options for word in ("-o", option)]
    _checked(git.ordinary(repo.cwd, "push", *chosen, remote, refspec), "push")


def remote_url(repo: Repository, remote: str) -> str:
    """Where a remote is pushed to."""
    found = git.ordinary(repo.cwd, "remote", "get-url", "--push", remote)
    _checked(found, "remote get-url")
    return found.out.decode("utf-8", "surrogateescape").strip()


def staged_files(repo: Repository, index_file: str | None, folder: str) -> dict[str, bytes]:
    """The files of a folder as an index holds them; a hook's index is named by its caller."""
    index = str((Path.cwd() / index_file).resolve()) if index_file else ""
    asked = ("--literal-pathspecs", "ls-files", "--full-name", "-s", "-z", "--", f"{folder}/")
    found = git.ordinary(repo.cwd, *asked, index_file=index)
    _checked(found, "ls-files")
    oids = {}
    for entry in found.out.decode("utf-8", "surrogateescape").split("\0")[:-1]:
        meta, path = entry.split("\t", 1)
        mode, oid, stage = meta.split(" ")
        if mode.startswith("100") and stage == "0":
            oids[path[len(folder) + 1 :]] = oid
    contents = reader.read_objects(repo, list(oids.values()))
    return {name: item[2] for name, item in zip(oids, contents, strict=True) if item}


def _checked(result: git.Result, command: str) -> None:
    if result.status != 0:
        raise git.GitFailed(command, result.status, result.error or result.out.decode())
