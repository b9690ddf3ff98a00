"""What avogit does in the user's own name, and only when `init` asks for it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from store_helpers import FOLDER, Git

from avogit import store
from avogit.errors import AvogitError
from avogit.store import Repository


def test_commits_these_paths_alone(git: Git, repo: Repository) -> None:
    (git.at / "new é.txt").write_text("new\n")
    (git.at / "staged.txt").write_text("staged\n")
    git("add", "staged.txt")
    (git.at / "README").write_text("dirty\n")
    assert store.changed(repo, ["new é.txt"])
    oid = store.commit_paths(repo, ["new é.txt"], "add a file")
    assert oid == git("rev-parse", "HEAD")
    assert git("diff-tree", "-z", "--name-only", "--no-commit-id", "-r", oid) == "new é.txt\0"
    assert git("diff", "--cached", "--name-only") == "staged.txt"
    assert git("diff", "--name-only") == "README"
    assert not store.changed(repo, ["new é.txt"])
    assert git("log", "-1", "--format=%an <%ae>") == "Ada Lovelace <ada@example.org>"


def test_the_first_commit_of_an_unborn_branch(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    git = Git(tmp_path / "new")
    git("init", "-q")
    git("config", "user.name", "A")
    git("config", "user.email", "a@example.org")
    (git.at / "a").write_text("a")
    repo = store.open_repository(git.at)
    assert store.commit_paths(repo, ["a"], "first") == git("rev-parse", "HEAD")


def test_the_users_hooks_may_refuse(git: Git, repo: Repository) -> None:
    hook = git.at / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\necho not on a Friday >&2\nexit 1\n")
    hook.chmod(0o755)
    (git.at / "new").write_text("new\n")
    before = git("status", "--porcelain=v2")
    with pytest.raises(AvogitError, match="not on a Friday"):
        store.commit_paths(repo, ["new"], "x")
    assert git("status", "--porcelain=v2") == before


def test_an_unset_identity_is_told(git: Git, repo: Repository) -> None:
    git("config", "--unset", "user.email")
    git("config", "user.useConfigOnly", "true")
    (git.at / "new").write_text("new\n")
    with pytest.raises(AvogitError, match=r"user\.email"):
        store.commit_paths(repo, ["new"], "x")


def test_config_is_the_users(git: Git, repo: Repository) -> None:
    assert store.config_value(repo, "core.hooksPath") == ""
    git("config", "core.hooksPath", "my hooks")
    assert store.config_value(repo, "core.hooksPath") == "my hooks"
    git("config", "log.excludeDecoration", "refs/mine/")
    store.set_reading_aids(repo)
    assert git("config", "log.excludeDecoration") == "refs/mine/"
    assert "Avo-Score" in git("config", "pretty.avo")
    assert git("log", "-1", "--pretty=avo").endswith("my project")
    assert store.git_version().startswith("git version ")


def test_what_is_under_way(git: Git, repo: Repository) -> None:
    assert store.under_way(repo) == ""
    git("checkout", "-q", "-b", "side")
    (git.at / "README").write_text("side\n")
    git("commit", "-q", "-a", "-m", "side")
    git("checkout", "-q", "main")
    (git.at / "README").write_text("main\n")
    git("commit", "-q", "-a", "-m", "main")
    git("merge", "-q", "side", ok=False)
    assert store.under_way(repo) == "merge"


def test_reads_the_index_that_a_hook_is_told_of(git: Git, repo: Repository) -> None:
    (git.at / FOLDER / "kernel.cpp").write_text("// staged\n")
    private = git.at / ".git" / "private.index"
    index = git.at / ".git" / "index"
    private.write_bytes(index.read_bytes())
    os.environ["GIT_INDEX_FILE"] = str(private)
    git("add", FOLDER)
    del os.environ["GIT_INDEX_FILE"]
    assert store.staged_files(repo, str(private), FOLDER)["kernel.cpp"] == b"// staged\n"
    assert store.staged_files(repo, None, FOLDER)["kernel.cpp"] == b"// seed\n"
