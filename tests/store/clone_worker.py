"""A clone at work: records, retires and syncs at random. Prints an id once it is recorded."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from store_helpers import POPULATION, Git, child
from store_victim import retire

from avogit import store
from avogit.records import Status
from avogit.store import Repository, locks

HERE = Path(__file__).resolve()


def main(path: Path, number: int, steps: int) -> None:
    """Steps of one clone. Whatever is refused or fails is for the reader of stderr."""
    rng = random.Random(number)
    repo = store.open_repository(path)
    for step in range(steps):
        with store.writer(repo, POPULATION) as writer:
            parent = rng.choice(store.read_lineage(repo, POPULATION).live())
            status = rng.choice((Status.ACCEPTED, Status.ACCEPTED, Status.REJECTED, Status.DRAFT))
            text = f"// {path.name} {number} {step}\n"
            print(child(repo, writer, parent, text, status, 1 + rng.random()).oid, flush=True)
        if rng.random() < 0.3:
            retire(repo)
        if rng.random() < 0.5:
            print(*store.exchange(repo, "origin").refused, sep="\n", end="", file=sys.stderr)


class Clone:
    """A clone of a remote, and the process that works in it."""

    def __init__(self, at: Path, url: str) -> None:
        Git(at.parent)("clone", "-q", url, at.name)
        self.repo = store.open_repository(at)
        self.acknowledged: list[str] = []
        self.errors = ""

    def start(self, number: int, steps: int) -> None:
        """Let it work, in a process group of its own."""
        self.process = subprocess.Popen(
            [sys.executable, str(HERE), str(self.repo.cwd), str(number), str(steps)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, HERE.parents[:3:2]))},
        )

    def end(self, kill_after_s: float | None = None) -> None:
        """Wait for its end, or kill it with all of its gits."""
        if kill_after_s is not None:
            assert self.process.stdout is not None
            self.acknowledged.append(self.process.stdout.readline().strip())  # it is at work now
            time.sleep(kill_after_s)
            os.killpg(self.process.pid, signal.SIGKILL)
        told, errors = self.process.communicate()
        self.acknowledged += [line for line in told.splitlines(keepends=True) if "\n" in line]
        if kill_after_s is None:
            self.errors += errors
        else:  # what `avogit doctor --fix` does; no git is alive here to own a lock
            locks.remove_stale_locks(self.repo, min_age_s=-1)


def settle(clones: list[Clone]) -> None:
    """Everybody exchanges, and the first ones again: what came last reaches them then."""
    for clone in (*clones, *clones[:-1]):
        assert store.exchange(clone.repo, "origin").refused == []


def check(clones: list[Clone]) -> int:
    """The same log everywhere, nothing lost, every record whole; gives how many candidates."""
    lineages = [store.read_lineage(clone.repo, POPULATION) for clone in clones]
    known = set(lineages[0].candidates)
    for clone, lineage in zip(clones, lineages, strict=True):
        assert clone.errors == ""
        assert {oid.strip() for oid in clone.acknowledged} <= known
        assert log(clone.repo) == log(clones[0].repo)
        assert {head.oid for head in lineage.heads} == {head.oid for head in lineages[0].heads}
        assert store.fsck(clone.repo) == ()
        git = Git(clone.repo.cwd)
        git("reflog", "expire", "--expire=now", "--all")
        git("gc", "-q", "--prune=now")
        again = store.open_repository(clone.repo.cwd)
        assert set(store.read_lineage(again, POPULATION).candidates) == known
    return len(known)


def log(repo: Repository) -> list[str]:
    """`avogit log --json`."""
    return list(store.lineage_json_lines(repo, POPULATION))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
