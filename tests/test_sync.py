"""`avogit sync` as a user runs it: clones grow one population, and plain git stays theirs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Avogit = Callable[..., subprocess.CompletedProcess[str]]
Git = Callable[..., str]


def users_view(root: Path, git: Git) -> list[str]:
    """What the user's own push and fetch would do, and all that sync must leave alone."""
    fetched = subprocess.run(
        ["git", "fetch", "--dry-run"], cwd=root, capture_output=True, text=True, check=True
    )
    return [
        git(root, "push", "--dry-run", "--porcelain"),
        "\n".join(line for line in fetched.stderr.splitlines() if "avo/" not in line),
        git(root, "status", "--porcelain=v2", "--branch"),
        git(root, "symbolic-ref", "HEAD"),
        git(root, "branch", "--list", "main", "-vv"),
        (root / ".git" / "config").read_text(),
        str((root / ".git" / "FETCH_HEAD").exists()),
    ]


@pytest.mark.slow
def test_a_clone_takes_up_what_another_accepted(
    seeded: Path, tmp_path: Path, git: Git, avogit: Avogit
) -> None:
    remote, other = tmp_path / "remote.git", tmp_path / "other"
    git(tmp_path, "init", "-q", "--bare", "-b", "main", str(remote))
    refused = avogit(seeded, "sync")
    assert refused.returncode == 1
    assert "git remote add" in refused.stderr
    git(seeded, "remote", "add", "origin", str(remote))
    git(seeded, "push", "-q", "-u", "origin", "main")
    git(tmp_path, "clone", "-q", str(remote), str(other))
    first = avogit(seeded, "sync", "--json")
    assert first.returncode == 0, first.stderr
    assert len(json.loads(first.stdout)["published"]) == 4  # line, tried, records, base
    for root, text in ((other, "theirs"), (seeded, "mine")):
        (root / "notes.txt").write_text(f"{text}\n")
        git(root, "commit", "-q", "-am", text)
    git(other, "push", "-q", "origin", "main:theirs")
    before = users_view(seeded, git)

    told = avogit(other, "sync")
    assert told.returncode == 0, told.stderr
    assert "1 new of 1 candidates, 1 live line; best " in told.stdout
    step = json.loads(avogit(other, "step", "--operator", "tune", "--json").stdout)
    seed = git(seeded, "for-each-ref", "--format=%(objectname)", "refs/heads/avo/")
    assert step["step"]["candidate"]["parents"] == [seed]
    made = step["step"]["candidate"]["oid"]
    for root in (other, seeded):
        done = avogit(root, "sync", "origin")
        assert done.returncode == 0, done.stderr
    assert users_view(seeded, git) == before
    logs = [avogit(root, "log", "--json").stdout for root in (seeded, other)]
    assert logs[0] == logs[1]
    assert made in logs[0]
    for root in (seeded, other):
        assert avogit(root, "fsck").stdout == "2 candidates, no problem found\n"
