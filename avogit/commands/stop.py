"""`avogit stop`: ask the runs at work in this repository to end."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from avogit import store
from avogit.session import Progress

_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Asked:
    """A run that was asked to end."""

    pid: int
    population: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """Every run that was found; `ended` where their end was waited for."""

    runs: tuple[Asked, ...]
    ended: bool


def stop(path: Path, wait: bool, progress: Progress) -> Stopped:
    """Ask every run to end once the steps in hand are done; perhaps wait until they have."""
    repo = store.open_repository(path)
    runs = store.runs_at_work(repo)
    for run in runs:
        run.request.touch()
    waited_for = {(run.lease, run.pid) for run in runs}
    while wait and (left := waited_for & {(r.lease, r.pid) for r in store.runs_at_work(repo)}):
        progress(f"waiting for {len(left)} to end")
        time.sleep(_POLL_S)
    return Stopped(tuple(Asked(run.pid, run.population) for run in runs), ended=wait)
