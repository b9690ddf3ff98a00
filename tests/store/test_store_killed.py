"""SIGKILL at random moments: what was acknowledged stays, and the next process just works."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from store_helpers import POPULATION, Git, child, kernel_tree

from avogit import store
from avogit.records import Status
from avogit.store import Repository, lease, locks

KILLS = 12
VICTIM = Path(__file__).with_name("store_victim.py")


def run_and_kill(at: Path, number: int, rng: random.Random, whole_group: bool) -> list[str]:
    """Start a victim, kill it after a while; gives what it acknowledged."""
    paths = os.pathsep.join([str(VICTIM.parent), str(VICTIM.parents[2])])
    with subprocess.Popen(
        [sys.executable, str(VICTIM), str(at), str(number)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": paths},
    ) as victim:
        assert victim.stdout is not None
        first = victim.stdout.readline()  # it is at work now, not still importing
        time.sleep(rng.random() * 0.12)
        if whole_group:
            os.killpg(victim.pid, signal.SIGKILL)
        else:
            victim.kill()
        told = first + victim.stdout.read()
    assert victim.returncode == -signal.SIGKILL, told
    return [line.strip() for line in told.splitlines(keepends=True) if line.endswith("\n")]


@pytest.mark.parametrize("whole_group", [False, True], ids=["avogit", "avogit and its git"])
def test_nothing_acknowledged_is_lost(git: Git, repo: Repository, whole_group: bool) -> None:
    rng = random.Random(3 + whole_group)
    acknowledged: list[str] = []
    for number in range(KILLS):
        acknowledged += run_and_kill(git.at, number, rng, whole_group)
        if whole_group:  # what `avogit doctor --fix` does; no git is alive to own a lock
            wait_for_leases(repo)
            locks.remove_stale_locks(repo, min_age_s=-1)
    lineage = store.read_lineage(repo, POPULATION)
    assert set(acknowledged) <= set(lineage.candidates)
    assert len(acknowledged) >= KILLS
    finish_what_is_left(repo)
    git("reflog", "expire", "--expire=now", "--all")
    git("gc", "-q", "--prune=now")
    assert store.fsck(repo) == ()
    again = store.open_repository(git.at)
    assert set(acknowledged) <= set(store.read_lineage(again, POPULATION).candidates)
    assert git("status", "--porcelain") == ""


def wait_for_leases(repo: Repository) -> None:
    """A killed git may hold its parent's lease for a moment: between its fork and its exec."""
    deadline = time.monotonic() + 5
    while lease.held(repo) and time.monotonic() < deadline:
        time.sleep(0.01)


def finish_what_is_left(repo: Repository) -> None:
    """The next process takes up the work in hand, and can prune and record."""
    with store.writer(repo, POPULATION) as writer:
        lineage = store.read_lineage(repo, POPULATION)
        left = writer.unfinished()
        parent = lineage.candidates[left.parent] if left else lineage.incumbent()
        assert parent is not None
        text = left.subject if left else "// next\n"
        if left:
            assert left.tree == kernel_tree(repo, left.parent, text)
        child(repo, writer, parent, text, Status.REJECTED)
        assert writer.unfinished() is None
    with store.pruner(repo, POPULATION) as held:
        assert held
