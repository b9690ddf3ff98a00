"""What avogit does in the user's own name: `init`'s one commit, and reading what they staged.

Owns the few git calls that must run as the user's do: with their hooks, signing and config.
Everything else in the store goes through `git`, which switches all of that off.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from avogit.errors import AvogitError
from avogit.store import git
from avogit.store.repository import Repository, head

_UNDER_WAY = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply")
_READING_AIDS = (
    # `git log --pretty=avo` shows scores; avogit's own refs do not clutter decorations.
    ("pretty.avo", "%C(auto)%h %>(8)%(trailers:key=Avo-Score,valueonly,separator=%x20) %s"),
    ("log.excludeDecoration", "refs/avo/"),
)


def under_way(repo: Repository) -> str:
    """The merge, rebase or like that the user has not finished; empty where there is none."""
    folder = Path(git.line(repo.cwd, "rev-parse", "--absolute-git-dir"))
    return next((name for name in _UNDER_WAY if (folder / name).exists()), "")


def changed(repo: Repository, paths: Sequence[str]) -> bool:
    """Whether these paths differ from HEAD, untracked files counted."""
    return bool(git.run(repo.cwd, "status", "--porcelain", "-z", "-uall", "--", *paths))


def commit_paths(repo: Repository, paths: Sequence[str], message: str) -> str:
    """Commit these paths alone, as the user would; what else they staged stays staged."""
    _as_user(repo, "add", "--", *paths)
    _as_user(repo, "commit", "--quiet", "--message", message, "--", *paths)
    oid = head(repo)
    if oid is None:
        raise AvogitError("git said that it committed, and HEAD has no commit: look at `git log`")
    return oid


def config_value(repo: Repository, name: str) -> str:
    """A value of the user's git config; empty where it is not set."""
    found = git.runner(repo.cwd).execute(
        ["git", "config", "--get", name], with_exceptions=False, with_extended_output=True
    )
    return str(found[1]).strip()


def set_reading_aids(repo: Repository) -> None:
    """Local config that makes plain `git log` pleasant; a value of the user's is kept."""
    for name, value in _READING_AIDS:
        if not config_value(repo, name):
            _as_user(repo, "config", "--local", name, value)


def staged_files(repo: Repository, index_file: str | None, folder: str) -> dict[str, bytes]:
    """What the commit that git is making will hold below a folder (its index file, as told)."""
    arguments = ("ls-files", "--stage", "-z", "--", folder)
    runner = git.runner(repo.cwd)
    environment = {"GIT_INDEX_FILE": index_file} if index_file else {}
    listed = runner.execute(["git", *arguments], env=environment, stdout_as_string=False)
    entries = bytes(listed).split(b"\0")
    found = {}
    for entry in filter(None, entries):
        meta, _, path = entry.partition(b"\t")
        mode, oid, _stage = meta.decode().split()
        name = path.decode("utf-8", "surrogateescape").removeprefix(f"{folder}/")
        if mode.startswith("100"):
            found[name] = git.run(repo.cwd, "cat-file", "blob", oid)
    return found


def git_version() -> str:
    """`git version 2.39.5`."""
    return git.line(Path.cwd(), "version")


def _as_user(repo: Repository, *arguments: str) -> None:
    """Run git with the user's hooks, signing and config; its refusal is told in its words."""
    git.forget_hook_variables()
    status, out, error = git.runner(repo.cwd).execute(
        ["git", *arguments], with_exceptions=False, with_extended_output=True
    )
    if status != 0:
        words = " ".join(f"{error} {out}".split())[:600] or "it gave no reason"
        raise AvogitError(f"`git {arguments[0]}` did not go through: {words}")
