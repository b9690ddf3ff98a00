"""Many writers at once: no lost update, no lock error, nothing unreachable."""

from __future__ import annotations

from crowd import faults, writers_at_once
from store_helpers import POPULATION, Git, seed

from avogit import store
from avogit.store import Repository


def test_eight_processes_record_at_once(git: Git, repo: Repository) -> None:
    with store.writer(repo, POPULATION) as writer:
        seed(repo, writer)
    crowd = writers_at_once(git.at, processes=8, steps=4)
    assert faults(git.at, crowd, expected=32) == []
    assert git("status", "--porcelain") == ""
