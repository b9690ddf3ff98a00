"""Clones that sync at random while two of four are killed, round after round: what gets lost?

Run `python benchmarks/bench_clones.py [ROUNDS] [STEPS]` (default 8 rounds of 20 steps). Ends with
an assertion where a candidate is missing anywhere, two logs differ or fsck finds anything.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "store")]

from clone_worker import Clone, check, settle  # noqa: E402
from git_http import GitServer  # noqa: E402
from store_helpers import POPULATION, Git, make_repository, seed  # noqa: E402

from avogit import store  # noqa: E402


def one_series(folder: Path, rounds: int = 8, steps: int = 20) -> None:
    """Rounds of four clones at work, two of them killed in each; then everything is compared."""
    rng = random.Random(1)
    git = make_repository(folder / "first")
    repo = store.open_repository(git.at)
    Git(folder)("init", "-q", "--bare", "-b", "main", str(folder / "served" / "remote.git"))
    with GitServer(folder / "served") as server:
        url = f"{server.url}/remote.git"
        git("remote", "add", "origin", url)
        git("push", "-q", "origin", "main")
        with store.writer(repo, POPULATION) as writer:
            seed(repo, writer)
        store.exchange(repo, "origin")
        clones = [Clone(folder / f"clone{n}", url) for n in range(4)]
        begun = time.perf_counter()
        for turn in range(rounds):
            victims = rng.sample(range(4), 2)
            for number, clone in enumerate(clones):
                clone.start(100 * turn + number, steps)
            for number in sorted(range(4), key=lambda n: n not in victims):
                clones[number].end(rng.random() * 3 if number in victims else None)
        settle(clones)
        found = check(clones)
    acknowledged = sum(len(clone.acknowledged) for clone in clones)
    print(
        f"{rounds} rounds, {2 * rounds} kills, {found} candidates ({acknowledged} acknowledged) in "
        f"{time.perf_counter() - begun:.0f} s: none lost, four equal logs, fsck clean"
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="avogit-bench-") as name:
        one_series(Path(name), *map(int, sys.argv[1:3]))
