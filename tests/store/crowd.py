"""Many processes at once on one repository: what they told, and what git holds afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from store_helpers import POPULATION

from avogit import store

VICTIM = Path(__file__).with_name("store_victim.py")


@dataclass(frozen=True)
class Crowd:
    """What a crowd of processes came to."""

    told: tuple[str, ...]  # each one's stdout
    acknowledged: tuple[str, ...]  # ids of candidates
    statuses: tuple[int, ...]
    errors: tuple[str, ...]
    seconds: float


def writers_at_once(at: Path, processes: int, steps: int) -> Crowd:
    """So many writers, each recording and retiring so often, started together."""
    paths = os.pathsep.join([str(VICTIM.parent), str(VICTIM.parents[2])])
    words = [[sys.executable, str(VICTIM), str(at), str(n), str(steps)] for n in range(processes)]
    return all_at_once(words, at, {"PYTHONPATH": paths})


def all_at_once(commands: Sequence[Sequence[str]], cwd: Path, env: dict[str, str]) -> Crowd:
    """Start all, then wait for all; each word of their stdout is taken for an id."""
    begun = time.monotonic()
    pipe = subprocess.PIPE
    started = [
        subprocess.Popen(
            words, cwd=cwd, env={**os.environ, **env}, stdout=pipe, stderr=pipe, text=True
        )
        for words in commands
    ]
    ended = [process.communicate() for process in started]
    told = tuple(out for out, _ in ended)
    ids = tuple(word for out in told for word in out.split())
    errors = tuple(error for _, error in ended if error)
    statuses = tuple(process.returncode for process in started)
    return Crowd(told, ids, statuses, errors, time.monotonic() - begun)


def reachable(at: Path) -> set[str]:
    """Every commit that some ref leads to."""
    done = subprocess.run(
        ["git", "rev-list", "--all"], cwd=at, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def faults(at: Path, crowd: Crowd, expected: int, population: str = POPULATION) -> list[str]:
    """What is wrong with a repository after a crowd; nothing, where every promise held."""
    repo = store.open_repository(at)
    lineage = store.read_lineage(repo, population)
    told = set(crowd.acknowledged)
    found = [f"exit status {status}" for status in crowd.statuses if status]
    found += [f"on stderr: {error.strip()[:200]}" for error in crowd.errors]
    if len(told) != expected:
        found.append(f"{len(told)} of {expected} steps ended in a commit")
    found += [f"{oid} is unreachable" for oid in told - reachable(at)]
    found += [f"{oid} is not in the lineage" for oid in told - set(lineage.candidates)]
    found += [f"fsck: {problem}" for problem in store.fsck(repo)]
    found += [f"left behind: {path}" for path in store.stale_locks(repo, 0.0)]
    return found
