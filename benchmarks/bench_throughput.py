"""Candidates an hour of avogit, OpenEvolve and ShinkaEvolve; and how busy the device is.

Run `python benchmarks/bench_throughput.py [--candidates N] [--without-peers]`. Everybody gets the
same kernel, the same scripted model, the same compiler that takes its time, and a device that one
measurement at a time holds for as long as the build took: a stand-in that sleeps, so that what is
measured is who waits for whom. The rate is from the end of one measurement to the end of the last
one, so nobody pays for starting up. The peers go into an environment of their own in a temporary
folder; one that cannot be installed or run is said to have failed, and why.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "benchmarks")]

from peers import PEERS, PeerFailed, install, run_peer  # noqa: E402
from stand_in import Model, StandInSlot, slow_compiler  # noqa: E402

from avogit import __version__, store  # noqa: E402
from avogit.founding import found_population  # noqa: E402
from avogit.loop import Course, Limits  # noqa: E402
from avogit.session import open_session  # noqa: E402
from avogit.step import StepResult  # noqa: E402
from avogit.workers import run_workers  # noqa: E402

from conftest import make_polynomial  # noqa: E402  isort: skip
from scripted_openai import ScriptedOpenAI  # noqa: E402  isort: skip

LATENCY_S, BUILD_S, MEASURE_S = 2.0, 1.0, 1.0  # of the comparison
EQUAL_S = 3.0  # build and measurement, where the device's share is looked at
TARGET_BUSY = 0.9
PEER_WORKERS = (1, 2, 3)  # avogit's two are three under way: one more is at the device


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    system: str
    workers: int
    candidates: int
    per_hour: float
    busy: float
    load: float  # of the machine in its last minute

    def __str__(self) -> str:
        cells = (self.system, self.workers, self.candidates, f"{self.per_hour:.0f}")
        return (
            "| " + " | ".join(map(str, cells)) + f" | {100 * self.busy:.0f} % | {self.load:.1f} |"
        )


class Quiet:
    """A watcher that says nothing."""

    def begins(self, course: Course, /) -> None:
        pass

    def said(self, worker: int, text: str, /) -> None:
        pass

    def stepped(self, course: Course, worker: int, result: StepResult, /) -> None:
        if result.candidate is None or result.candidate.score is None:
            raise AssertionError(f"a step came to nothing: {result}")


def avogit(folder: Path, operator: str, workers: int, candidates: int, measure_s: float) -> Row:
    """A run in a new repository."""
    slot = StandInSlot(measure_s)
    project = make_polynomial(folder / f"{operator}-{workers}")
    command = str(folder / "edit") if operator == "command" else None
    with open_session(project, slot=slot) as session:
        found_population(session)
        before = len(slot.ends_s)
        limits = Limits(steps=candidates)
        run_workers(session, operator, limits, workers, command=command, watcher=Quiet())
        problems = store.fsck(session.repo)
    assert problems == (), problems
    return row(f"avogit ({operator})", workers, slot.ends_s[before:], measure_s)


def row(system: str, workers: int, ends_s: Sequence[float], measure_s: float) -> Row:
    """Rate and device's share, from when each measurement ended."""
    spent_s, count = ends_s[-1] - ends_s[0], len(ends_s) - 1
    rate, busy = 3600 * count / spent_s, count * measure_s / spent_s
    return Row(system, workers, len(ends_s), rate, busy, os.getloadavg()[0])


def peers(folder: Path, environment: Path, url: str, candidates: int) -> None:
    """What the peers came to; those that failed are said."""
    try:
        programs = install(environment)
    except PeerFailed as failure:
        print(f"the peers could not be installed: {failure}")
        return
    for name, workers in itertools.product(PEERS, PEER_WORKERS):
        at = folder / f"{name}-{workers}"
        try:
            ends_s = run_peer(name, programs, at, url, workers, candidates, MEASURE_S)
        except PeerFailed as failure:
            print(f"{name} with {workers}: {failure}")
            continue
        print(row(f"{name} {PEERS[name]}", workers, ends_s, MEASURE_S), flush=True)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--candidates", type=int, default=20)
    options.add_argument("--without-peers", action="store_true")
    options.add_argument("--environment", type=Path, help="of the peers, to be kept and used again")
    chosen = options.parse_args()
    print(f"avogit {__version__}, Python {platform.python_version()}, {os.cpu_count()} processors,"
          f" load {os.getloadavg()[0]:.1f}")  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="avogit-bench-") as name:
        folder = Path(name)
        os.environ["XDG_CACHE_HOME"] = name
        print("| system | workers | candidates | candidates/h | device busy | load |")
        print("|---|---|---|---|---|---|")
        environment = None if chosen.without_peers else chosen.environment or folder / "peers"
        compare(folder, chosen.candidates, environment)
        return busy_share(folder, chosen.candidates)


def compare(folder: Path, candidates: int, environment: Path | None) -> None:
    """Everybody with the same model, compiler and device."""
    os.environ["CXX"] = slow_compiler(folder, BUILD_S)
    with ScriptedOpenAI(Model(LATENCY_S)) as server:
        os.environ |= {
            "OPENAI_BASE_URL": server.base_url,
            "OPENAI_API_KEY": "none",
            "AVOGIT_MODEL": "scripted",
        }
        for workers in (1, 2):
            print(avogit(folder, "agent", workers, candidates, MEASURE_S), flush=True)
        if environment is not None:
            peers(folder, environment, server.base_url, candidates)


def busy_share(folder: Path, candidates: int) -> int:
    """Builds that take as long as measurements: does the device wait?"""
    os.environ["CXX"] = slow_compiler(folder, EQUAL_S)
    program = folder / "edit"
    program.write_text('#!/bin/sh\necho "// $(date +%N)" >> kernel.cpp\n', encoding="utf-8")
    program.chmod(0o755)
    print(f"a build of {EQUAL_S:g} s and the compiler's own time, measurements of {EQUAL_S:g} s:")
    rows = [avogit(folder, "command", workers, candidates, EQUAL_S) for workers in (1, 2)]
    print(*rows, sep="\n")
    met = rows[-1].busy >= TARGET_BUSY
    print(f"target with 2 workers {100 * TARGET_BUSY:.0f} %: {'met' if met else 'MISSED'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
