"""32 processes stepping at once on one repository: is every step in git, and nothing else?

Run `python benchmarks/bench_writers.py [PROCESSES] [STEPS]` (default 32 and 20). First the store
alone: every process keeps work in hand, records and retires, as fast as it can. Then whole
`avogit step` processes, three of four with a kernel that does not compile, since those
that do wait for the one device. Exits with 1 where anything was lost, refused or left behind.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "store")]

from conftest import AVOGIT, make_polynomial, run_avogit, run_git  # noqa: E402
from crowd import Crowd, all_at_once, faults, writers_at_once  # noqa: E402
from store_helpers import POPULATION, make_repository, seed  # noqa: E402

from avogit import store  # noqa: E402

EDIT = """#!/bin/sh
number=$(od -An -N4 -tu4 /dev/urandom)
echo "// $number" >> kernel.cpp
test $((number % 4)) = 0 || echo "does not compile" >> kernel.cpp
"""


def store_alone(folder: Path, processes: int, steps: int) -> list[str]:
    """Writers that do nothing but write."""
    git = make_repository(folder / "store")
    repo = store.open_repository(git.at)
    with store.writer(repo, POPULATION) as writer:
        seed(repo, writer)
    crowd = writers_at_once(git.at, processes, steps)
    found = faults(git.at, crowd, processes * steps)
    tell(f"{processes} writers, {steps} steps each", crowd, found)
    return found


def whole_steps(folder: Path, processes: int) -> list[str]:
    """`avogit step`, as a user runs it."""
    project = make_polynomial(folder / "project")
    seeded = run_avogit(project, "seed", "--json")
    assert seeded.returncode == 0, seeded.stderr
    population = json.loads(seeded.stdout)["population"]
    program = folder / "edit"
    program.write_text(EDIT)
    program.chmod(0o755)
    words = [AVOGIT, "step", "--command", str(program), "--json"]
    crowd = all_at_once([words] * processes, project, {})
    crowd = replace(crowd, acknowledged=tuple(candidates(crowd)))
    found = faults(project, crowd, processes, population)
    if status := run_git(project, "status", "--porcelain"):
        found.append(f"the user's working tree: {status}")
    tell(f"{processes} `avogit step`", crowd, found)
    return found


def candidates(crowd: Crowd) -> list[str]:
    """The ids in what the steps printed, a JSON document each."""
    steps = [json.loads(text)["step"] for text in crowd.told]
    return [step["candidate"]["oid"] for step in steps if step["candidate"]]


def tell(what: str, crowd: Crowd, found: list[str]) -> None:
    """One line, and what is wrong below it."""
    count = len(set(crowd.acknowledged))
    print(f"{what}: {count} candidates in {crowd.seconds:.1f} s, {len(found)} faults")
    for fault in found:
        print(f"  {fault}")


def main() -> int:
    """Both parts, in a folder that goes away."""
    processes, steps = [*map(int, sys.argv[1:]), *(32, 20)[len(sys.argv) - 1 :]]
    with tempfile.TemporaryDirectory(prefix="avogit-bench-") as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        found = store_alone(Path(folder), processes, steps)
        found += whole_steps(Path(folder), processes)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
