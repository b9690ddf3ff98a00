"""A long run of scripted steps: is it flat in time and memory, and does it survive kills?

Run `python benchmarks/bench_steps.py [STEPS] [KILLS]` (default 200 and 50). The model is the
tests' scripted server. Every step is a whole one (a plan, an edit, a child that is compiled,
judged and recorded); the children do not compile, so that no step waits for the clock.
First one run of so many steps, watched from outside; then runs that are killed with SIGKILL at
random moments. What the server sent is compared with what git holds.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from planted import plant_seed  # noqa: E402
from scripted_openai import Reply, ScriptedOpenAI, call  # noqa: E402

TOKENS = (100, 10)  # of every reply
CONFIG = "supervisor: {stall_steps: 0, cycle_repeats: 0}\nprices: {scripted-1: {input: 1}}\n"


class Model:
    """Answers a step's requests in turn: a plan, an edit that breaks the kernel, the child."""

    def __init__(self) -> None:
        self.number = itertools.count(1)

    def __call__(self, body: dict[str, Any]) -> Reply:
        turn = sum(message["role"] == "assistant" for message in body["messages"])
        number = next(self.number)
        if turn == 0:
            told = {"hypothesis": f"idea {number}", "kind": "algorithm", "expected_gain_pct": 5}
            return call("plan", tokens=TOKENS, difficulty="easy", confidence=0.5, **told)
        if turn == 1:
            text = f"constexpr int PASSES = broken_{number};\n"
            return call("write_file", tokens=TOKENS, path="kernel.cpp", content=text)
        return call("submit", tokens=TOKENS, subject=f"idea {number}", why="it was planned")


@dataclass(frozen=True)
class Watched:
    """One step of the long run, seen from outside."""

    seconds: float
    resident_mb: float


def make_project(at: Path) -> Path:
    """A repository with the tests' small task and a seed."""
    at.mkdir()
    for words in (
        ["git", "init", "-q", "-b", "main"],
        ["git", "config", "user.name", "Bench"],
        ["git", "config", "user.email", "bench@example.org"],
        ["git", "commit", "-q", "--allow-empty", "-m", "mine"],
        [*AVOGIT, "init", "--task", str(ROOT / "tests" / "tasks" / "polynomial")],
    ):
        subprocess.run(words, cwd=at, check=True, capture_output=True)
    with (at / "avogit.yaml").open("a") as file:
        file.write(CONFIG)
    plant_seed(at)
    return at


AVOGIT = [sys.executable, "-m", "avogit"]


def start(at: Path, server: ScriptedOpenAI, steps: int) -> subprocess.Popen[str]:
    """A run of the agent that asks this server."""
    environ = {**os.environ, "OPENAI_BASE_URL": server.base_url, "AVOGIT_MODEL": "scripted-1"}
    words = ["run", "--operator", "agent", "--steps", str(steps), "--no-confirm"]
    return subprocess.Popen(
        [*AVOGIT, *words],
        cwd=at,
        env={**environ, "PYTHONPATH": str(ROOT), "OPENAI_API_KEY": "none"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def long_run(at: Path, server: ScriptedOpenAI, steps: int) -> list[Watched]:
    """One run; each of its lines is a step that ended."""
    seen, last = [], time.monotonic()
    with start(at, server, steps) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.lstrip()[:1].isdigit() and "rejected" in line:
                now = time.monotonic()
                seen.append(Watched(now - last, resident_mb(process.pid)))
                last = now
    assert process.returncode == 0, process.stderr.read() if process.stderr else ""
    return seen


def resident_mb(pid: int) -> float:
    """What the process holds in memory."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return float("nan")
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def killed_runs(at: Path, server: ScriptedOpenAI, kills: int, most_s: float, seed: int = 1) -> int:
    """Runs that are killed at random moments; gives how many requests were made meanwhile."""
    rng, before = random.Random(seed), len(server.requests)
    for _ in range(kills):
        asked = len(server.requests)
        with start(at, server, 100) as process:
            while len(server.requests) == asked and process.poll() is None:
                time.sleep(0.01)  # it is at work now, not still importing
            time.sleep(rng.random() * most_s)
            process.kill()
    with start(at, server, 1) as process:
        process.communicate()
    return len(server.requests) - before


def told(at: Path, *words: str) -> Any:
    """A command's JSON."""
    done = subprocess.run(
        [*AVOGIT, *words, "--json"], cwd=at, capture_output=True, text=True, check=False
    )
    return json.loads(done.stdout)


def uncounted(at: Path, requests: int) -> int:
    """How many replies git does not know of. Fails where it knows of more than were given."""
    total = told(at, "cost")["total"]
    given, made = total["input_tokens"], total["output_tokens"]
    assert given % TOKENS[0] == 0, given
    assert given // TOKENS[0] == made // TOKENS[1], (given, made)
    lost = requests - given // TOKENS[0]
    assert lost >= 0, f"{-lost} replies are counted twice"
    return lost


def problems(at: Path) -> list[dict[str, str]]:
    """What fsck finds, but for what is only to be known."""
    return [found for found in told(at, "fsck")["problems"] if found["severity"] == "error"]


def main(steps: int, kills: int) -> None:
    os.environ["PYTHONPATH"] = str(ROOT)
    folder = Path(tempfile.mkdtemp(prefix="avogit-bench-"))
    try:
        at = make_project(folder / "project")
        with ScriptedOpenAI(Model()) as server:
            seen = long_run(at, server, steps)
            assert len(seen) == steps, f"{len(seen)} steps of {steps}"
            report(seen)
            assert uncounted(at, len(server.requests)) == 0
            print(f"{len(server.requests)} replies, every one counted once")
            begun = time.monotonic()
            killed_runs(at, server, kills, most_s=1.5)
            lost = uncounted(at, len(server.requests))
            assert lost <= kills, f"{lost} replies lost in {kills} kills"
            print(
                f"{kills} kills in {time.monotonic() - begun:.0f} s: none of "
                f"{len(server.requests)} replies counted twice; {lost} were under way when the "
                f"process died; fsck: {len(problems(at))} problems"
            )
    finally:
        shutil.rmtree(folder)


def report(seen: list[Watched]) -> None:
    """The first and the last quarter, side by side."""
    part = max(len(seen) // 4, 1)
    for name, some in (("first", seen[1 : part + 1]), ("last", seen[-part - 1 : -1])):
        seconds = statistics.median(step.seconds for step in some)
        memory = statistics.median(step.resident_mb for step in some)
        print(f"{name} {len(some)} steps: median {seconds:.2f} s a step, {memory:.1f} MiB resident")
    half = [step.resident_mb * 1024 for step in seen[len(seen) // 2 :]]
    if len(half) > 1:
        slope = statistics.linear_regression(range(len(half)), half).slope
        print(f"memory grows by {slope:.1f} KiB a step in the second half")


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    main(*(numbers + [200, 50][len(numbers) :]))
