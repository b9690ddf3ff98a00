"""Real repositories, and evaluations built by hand as data: what the store's tests are made of."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from avogit import store
from avogit.records import (
    BASELINE,
    CANDIDATE,
    PARENT,
    Candidate,
    Decision,
    Evaluation,
    Ratio,
    Status,
    Verdict,
    WorkloadTiming,
)
from avogit.statistics import score
from avogit.store import Entry, Repository, Writer

POPULATION = "attention-cpu-test-abc123"
FOLDER = "kernels/attention-cpu"
WORKLOADS = ("full-512", "causal-1024")


@dataclass(frozen=True)
class Git:
    """Plain git in a folder, as a user runs it."""

    at: Path

    def __call__(self, *arguments: str, stdin: str | None = None, ok: bool = True) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.at, input=stdin, capture_output=True, text=True
        )
        if ok and done.returncode != 0:
            raise AssertionError(f"git {arguments}: {done.stderr}")
        return done.stdout.rstrip("\n")


def make_repository(at: Path, identity: bool = True) -> Git:
    """A user's repository with one commit that holds a task."""
    at.mkdir(parents=True)
    git = Git(at)
    git("init", "-q", "-b", "main")
    (at / FOLDER).mkdir(parents=True)
    (at / FOLDER / "kernel.cpp").write_text("// seed\n")
    (at / FOLDER / "problem.py").write_text("# trusted\n")
    (at / "README").write_text("mine\n")
    git("add", ".")
    git("-c", "user.name=U", "-c", "user.email=u@example.org", "commit", "-q", "-m", "my project")
    if identity:
        git("config", "user.name", "Ada Lovelace")
        git("config", "user.email", "ada@example.org")
    return git


def passed(tree: str, ratio: float = 1.05, parent: float | None = 1.013) -> Evaluation:
    """A passed evaluation whose score is what its raw times give."""
    blocks = []
    for block in range(4):
        noise = 1 + 0.002 * (block - 1.5)
        arms = {CANDIDATE: [1_000_000, 1_010_000, 990_000]}
        arms[BASELINE] = [round(ns * ratio * noise) for ns in arms[CANDIDATE]]
        if parent is not None:
            arms[PARENT] = [round(ns * parent * noise) for ns in arms[CANDIDATE]]
        blocks.append({"workloads": dict.fromkeys(WORKLOADS, arms)})
    total = _score(blocks, BASELINE)
    versus = {BASELINE: total}
    latency = {BASELINE: 1000.0 * ratio, CANDIDATE: 1000.0}
    if parent is not None:
        versus[PARENT] = _score(blocks, PARENT)
        latency[PARENT] = 1000.0 * parent
    timings = tuple(WorkloadTiming(name, latency, versus) for name in WORKLOADS)
    return replace(
        failed(tree),
        verdict=Verdict.PASSED,
        reason="",
        detail="",
        workloads=timings,
        score=total,
        versus=versus,
        blocks=4,
        raw={"blocks": blocks, "confidence": 0.99, "correctness": {"checked_calls": 9}},
    )


def failed(tree: str, verdict: Verdict = Verdict.COMPILE_ERROR) -> Evaluation:
    """An evaluation without timings."""
    return Evaluation(
        verdict,
        tree,
        reason="compiler",
        detail="kernel.cpp:3: error: 'x' was not declared\n#include <x>",
        device="Test CPU",
        baseline="torch-flash 2.13.0",
        evaluator="sha256:" + "e" * 64,
        sandbox=("landlock", "seccomp"),
        certified=True,
        stages_s={"build": 0.5},
    )


def _score(blocks: Sequence[dict[str, dict[str, dict[str, list[int]]]]], arm: str) -> Ratio:
    def ratio(arms: dict[str, list[int]]) -> float:
        return sorted(math.log(o / c) for o, c in zip(arms[arm], arms[CANDIDATE], strict=True))[1]

    return score({n: [ratio(b["workloads"][n]) for b in blocks] for n in WORKLOADS}, 0.99)


def make_entry(
    tree: str,
    parents: Sequence[str],
    status: Status = Status.ACCEPTED,
    evaluation: Evaluation | None = None,
    subject: str = "unroll twice",
    generation: int = 1,
) -> Entry:
    """An entry with sensible values."""
    return Entry(
        task="attention-cpu",
        task_version="sha256:" + "a" * 64,
        config="sha256:" + "c" * 64,
        decision=Decision(status, "1.3% faster than the incumbent", "match-or-improve"),
        parents=tuple(parents),
        tree=tree,
        subject=subject,
        operator="tune",
        generation=generation,
        evaluation=evaluation or passed(tree),
    )


def kernel_tree(repo: Repository, on: str, text: str) -> str:
    """The tree of a commit with another kernel."""
    tree = store.tree_of(repo, on)
    return store.with_files(repo, tree, FOLDER, {"kernel.cpp": text.encode()})


def seed(repo: Repository, writer: Writer) -> Candidate:
    """The population's first candidate, on the user's own commit."""
    base = store.head(repo)
    assert base is not None
    store.add_base(repo, writer.population, base)
    tree = store.tree_of(repo, base)
    evaluation = passed(tree, 0.5, None)
    return writer.record(make_entry(tree, [base], Status.SEED, evaluation, "seed", 0))


def child(
    repo: Repository,
    writer: Writer,
    parent: Candidate,
    text: str,
    status: Status = Status.ACCEPTED,
    ratio: float = 1.05,
) -> Candidate:
    """A recorded child of a candidate, with a kernel of this text."""
    tree = kernel_tree(repo, parent.oid, text)
    evaluation = passed(tree, ratio) if ratio else failed(tree)
    entry = make_entry(tree, [parent.oid], status, evaluation, f"try {text}", parent.generation + 1)
    return writer.record(entry)
