"""Merges in memory: clean, in conflict, and of what shares no history."""

from __future__ import annotations

import pytest
from store_helpers import FOLDER, Git

from avogit import store
from avogit.errors import AvogitError
from avogit.store import Repository

LINES = "first\n\n\n\nlast\n"


def branch(git: Git, name: str, text: str, start: str = "main") -> str:
    """A commit on a branch of its own with another kernel."""
    git("checkout", "-q", "-b", name, start)
    (git.at / FOLDER / "kernel.cpp").write_text(text)
    git("commit", "-q", "-am", name)
    return git("rev-parse", "HEAD")


def test_changes_apart_merge_and_leave_the_user_alone(git: Git, repo: Repository) -> None:
    base = branch(git, "base", LINES)
    one = branch(git, "one", LINES.replace("first", "FIRST"), base)
    other = branch(git, "other", LINES.replace("last", "LAST"), base)
    found = store.merge(repo, one, other)
    assert (found.ancestor, found.conflicts) == (base, ())
    files = store.folder_files(repo, found.tree, FOLDER)
    assert files["kernel.cpp"] == b"FIRST\n\n\n\nLAST\n"
    assert git("status", "--porcelain") == ""
    assert git("rev-parse", "HEAD") == other


def test_changes_of_one_line_conflict_by_name_with_the_ancestor_s_lines(
    git: Git, repo: Repository
) -> None:
    base = branch(git, "base", LINES)
    one = branch(git, "one", LINES.replace("first", "1"), base)
    other = branch(git, "other", LINES.replace("first", "2"), base)
    found = store.merge(repo, one, other)
    assert found.conflicts == (f"{FOLDER}/kernel.cpp",)
    text = store.folder_files(repo, found.tree, FOLDER)["kernel.cpp"].decode()
    assert [line[:7] for line in text.splitlines()[:7]] == [
        "<<<<<<<", "1", "|||||||", "first", "=======", "2", ">>>>>>>",
    ]  # fmt: skip


def test_no_shared_history_is_one_line(git: Git, repo: Repository) -> None:
    alone = git("commit-tree", "-m", "alone", git("rev-parse", "HEAD^{tree}"))
    with pytest.raises(AvogitError, match="share no history"):
        store.merge(repo, git("rev-parse", "HEAD"), alone)
