"""What avogit adds to one candidate, beside raw git plumbing, and how fast it starts.

The added time of a step is its wall time less compiling, checking and timing, with a warm
oracle: git, starting runners, choosing, deciding, recording, pruning. The plumbing row is the
least that a commit costs (hash-object, mktree, commit-tree, update-ref), measured in the same
minute on the same repository.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from avogit.commands.init import init
from avogit.founding import seed_population
from avogit.session import open_session
from avogit.step import take_step

STEPS = 12
TARGET_MS = 60.0


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "repository"
        _repository(root)
        init(root, "softmax-cpu")
        _commit(root, "measure: {budget_s: 2.0, fresh_s: 1.0}\n")
        added = _added_ms(root)
        raw = [_timed_ms(lambda: _plumbing(root)) for _ in range(30)]
    _start_up()
    median, floor = statistics.median(added), statistics.median(raw)
    print(f"added to one candidate   {median:6.1f} ms median of {len(added)} steps")
    print(f"raw git plumbing         {floor:6.1f} ms median of {len(raw)} commits")
    print(f"ratio                    {median / floor:6.1f}")
    verdict = "met" if median < TARGET_MS else "MISSED"
    print(f"target                   under {TARGET_MS:.0f} ms: {verdict}")
    return 0 if median < TARGET_MS else 1


def _repository(root: Path) -> None:
    for name in ("AUTHOR", "COMMITTER"):
        os.environ[f"GIT_{name}_NAME"] = "bench"
        os.environ[f"GIT_{name}_EMAIL"] = "bench@example.org"
    root.mkdir()
    _git(root, "init", "-q", "-b", "main")
    _git(root, "commit", "-q", "--allow-empty", "-m", "empty")


def _commit(root: Path, text: str) -> None:
    with (root / "avogit.yaml").open("a", encoding="utf-8") as file:
        file.write(text)
    _git(root, "commit", "-q", "-am", "Short measurements")


def _added_ms(root: Path) -> list[float]:
    added = []
    with open_session(root) as session:
        seed_population(session)
        take_step(session, "tune")  # warms git's caches and ours
        for _ in range(STEPS):
            begun, measured_s = time.perf_counter(), session.measuring_s
            result = take_step(session, "tune")
            elapsed_s = time.perf_counter() - begun
            if result.candidate is None:
                break
            added.append(1e3 * (elapsed_s - (session.measuring_s - measured_s)))
    print(" ".join(f"{ms:.0f}" for ms in added))
    return added


def _plumbing(root: Path) -> None:
    blob = _git(root, "hash-object", "-w", "--stdin", text=f"{time.time_ns()}")
    tree = _git(root, "mktree", text=f"100644 blob {blob}\tkernel.cpp\n")
    commit = _git(root, "commit-tree", "-m", "raw", tree)
    _git(root, "update-ref", "refs/bench/raw", commit)


def _git(root: Path, *arguments: str, text: str | None = None) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], input=text, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def _timed_ms(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - begun)


def _start_up() -> None:
    help_call = [sys.executable, "-m", "avogit", "--help"]
    click_call = [sys.executable, "-c", "import click"]
    pairs = []
    for _ in range(15):
        ours = _timed_ms(lambda: subprocess.run(help_call, capture_output=True, check=True))
        theirs = _timed_ms(lambda: subprocess.run(click_call, capture_output=True, check=True))
        pairs.append(ours / theirs)
    print(f"avogit --help            {statistics.median(pairs):6.2f} x `import click` (target 2.5)")


if __name__ == "__main__":
    sys.exit(main())
