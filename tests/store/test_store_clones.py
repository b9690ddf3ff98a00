"""Four clones and a remote, syncing at random, two of them killed: everything is everywhere."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from clone_worker import Clone, check, settle
from git_http import GitServer
from store_helpers import POPULATION, Git, seed

from avogit import store
from avogit.store import Repository

STEPS = 4


def test_four_clones_and_a_remote(git: Git, repo: Repository, tmp_path: Path) -> None:
    if not (Path(git("--exec-path")) / "git-http-backend").exists():
        pytest.skip("this git has no http-backend")
    served = tmp_path / "served"
    Git(tmp_path)("init", "-q", "--bare", "-b", "main", str(served / "remote.git"))
    rng = random.Random(7)
    with GitServer(served) as server:
        git("remote", "add", "origin", f"{server.url}/remote.git")
        git("push", "-q", "origin", "main")
        with store.writer(repo, POPULATION) as writer:
            first = seed(repo, writer)
        store.exchange(repo, "origin")
        clones = [Clone(tmp_path / f"clone{n}", f"{server.url}/remote.git") for n in range(4)]
        for number, clone in enumerate(clones):
            clone.start(number, STEPS)
        for number, clone in enumerate(clones):
            clone.end(kill_after_s=rng.random() * 0.5 if number < 2 else None)
        settle(clones)
        found = check(clones)
    assert found >= 2 * STEPS + 3
    assert store.read_lineage(clones[3].repo, POPULATION).seed() == first
