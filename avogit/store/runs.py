"""The runs at work in this clone: a lease each, and a place where one is asked to end.

A lease is a flock, so a run that was killed is no run. What its file says is for people.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from avogit.store.lease import try_lock
from avogit.store.repository import Repository


@dataclass(frozen=True, slots=True)
class RunAtWork:
    """A run that holds its lease."""

    pid: int
    population: str
    lease: Path

    @property
    def request(self) -> Path:
        """The file that asks it to end."""
        return self.lease.with_suffix(".stop")


@contextlib.contextmanager
def run_lease(repo: Repository, population: str) -> Iterator[RunAtWork]:
    """Be a run for as long as the block is at work. What asked an earlier one to end is void."""
    path, descriptor = _take(repo)
    run = RunAtWork(os.getpid(), population, path)
    try:
        run.request.unlink(missing_ok=True)
        os.truncate(descriptor, 0)
        os.write(descriptor, json.dumps({"pid": run.pid, "population": population}).encode())
        yield run
    finally:
        run.request.unlink(missing_ok=True)
        os.close(descriptor)


def _take(repo: Repository) -> tuple[Path, int]:
    """The first free lease, and the descriptor that holds it."""
    for number in itertools.count():
        path = _folder(repo) / f"{number}.lease"
        if (descriptor := try_lock(path)) is not None:
            return path, descriptor
    raise AssertionError("unreachable")


def runs_at_work(repo: Repository) -> tuple[RunAtWork, ...]:
    """The runs whose leases are held now."""
    found = (_at_work(path) for path in sorted(_folder(repo).glob("*.lease")))
    return tuple(run for run in found if run is not None)


def _at_work(path: Path) -> RunAtWork | None:
    descriptor = try_lock(path)
    if descriptor is not None:
        os.close(descriptor)
        return None
    with contextlib.suppress(OSError, ValueError, KeyError):
        said = json.loads(path.read_text(encoding="utf-8"))
        return RunAtWork(said["pid"], said["population"], path)
    return RunAtWork(0, "", path)  # it began this moment


def _folder(repo: Repository) -> Path:
    return repo.state_dir / "runs"
