"""A small task, a lineage and a context for operators, made by hand."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from avogit.budget import Meter
from avogit.config import Config
from avogit.operators import Context, Merged, Profiler, Recorded
from avogit.records import (
    PARENT,
    Attempt,
    Candidate,
    Evaluation,
    Halfway,
    Head,
    Lineage,
    Plan,
    Ratio,
    Status,
    Verdict,
    WorkloadTiming,
)
from avogit.task import Task, parse_task, tunables

KERNEL = b"""#include <cstdint>
constexpr int BLOCK = 4;  // tune: 1 2 4 8
constexpr int PASSES = 8;  // tune: 1 2 4 8

extern "C" void twice(const float* x, float* out, int64_t n) {
    for (int64_t i = 0; i < n; ++i) out[i] = x[i] + x[i];
}
"""
TASK = b"""
format: 1
name: twice
summary: doubles every number
editable: [kernel.cpp, "*.h"]
build: {language: cpp, sources: [kernel.cpp], flags: [-O2]}
entry: twice
arguments: [x, out, n]
workloads: [{name: small, n: 64}, {name: large, n: 4096}]
correctness: {row_rmse: 1.0e-6, shapes: [{name: one, n: 1}]}
baseline: torch
"""
FOLDER = {
    "task.yaml": TASK,
    "problem.py": b"# the reference\n",
    "kernel.cpp": KERNEL,
    "knowledge/notes.md": b"# Notes\nFewer passes are faster.\n",
}


def sample_task(files: Mapping[str, bytes] = FOLDER) -> Task:
    return parse_task("kernels/twice", files)


def near(value: float, width: float = 0.005) -> Ratio:
    return Ratio(value, value * (1 - width), value * (1 + width))


@dataclass
class History:
    """Candidates and their files, grown by hand."""

    candidates: dict[str, Candidate] = field(default_factory=dict)
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    trees: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def add(
        self,
        kernel: bytes,
        score: float | None,
        status: Status = Status.ACCEPTED,
        *,
        parent: str | None = None,
        verdict: Verdict = Verdict.PASSED,
        subject: str = "a change",
    ) -> Candidate:
        number = len(self.candidates) + 1
        oid = f"{number:x}".rjust(4, "c") + "0" * 36
        candidate = Candidate(
            oid=oid,
            tree=f"{number:x}".rjust(40, "7"),
            parents=(parent,) if parent else (),
            time_s=number,
            subject=subject,
            population="twice-cpu-123456",
            status=status,
            verdict=verdict,
            measured_tree=f"{number:x}".rjust(40, "7"),
            score=near(score) if score else None,
            workload_scores={"small": score} if score else {},
            operator="tune",
            generation=number,
            trailers={"Avo-Verdict": str(verdict)},
        )
        self.candidates[oid] = candidate
        self.files[oid] = {**FOLDER, "kernel.cpp": kernel}
        return candidate

    def lineage(self) -> Lineage:
        heads = tuple(
            Head(f"refs/heads/avo/{c.oid}", c.oid)
            for c in self.candidates.values()
            if c.status in (Status.SEED, Status.ACCEPTED)
        )
        return Lineage("twice-cpu-123456", self.candidates, heads, (), {})

    def record(self, oid: str) -> Recorded | None:
        candidate = self.candidates[oid]
        if candidate.score is None:
            found = Evaluation(Verdict.COMPILE_ERROR, candidate.tree, "g++", "expected ';'")
        else:
            found = passed(candidate.tree, candidate.score.value, 1.0)
        return Recorded(found, None, "because")

    def repeat(self, files: Mapping[str, bytes], parent: str) -> Candidate | None:
        """As the real door, by equal bytes."""
        for oid, candidate in self.candidates.items():
            failed = candidate.verdict is not Verdict.PASSED or candidate.status is Status.REJECTED
            same = self.files[oid]["kernel.cpp"] == files["kernel.cpp"]
            if failed and same and candidate.parents == (parent,):
                return candidate
        return None

    def tree(self, tree: str) -> dict[str, bytes]:
        if tree in self.trees:
            return self.trees[tree]
        return next(self.files[c.oid] for c in self.candidates.values() if c.tree == tree)

    def read(self, oid: str) -> dict[str, bytes]:
        self.reads.append(oid)
        return dict(self.files[oid])


def seeded(kernel: bytes = KERNEL, score: float = 1.0) -> History:
    history = History()
    history.add(kernel, score, Status.SEED, subject="seed")
    return history


Judge = Callable[[Mapping[str, bytes], str, Plan | None, str], Evaluation]


def never_judge(
    files: Mapping[str, bytes],
    subject: str,
    plan: Plan | None,
    parent: str,
    *,
    full: bool = False,
) -> Evaluation:
    raise AssertionError("this operator evaluates no drafts")


def never_merge(first: str, second: str) -> Merged:
    raise AssertionError("this operator merges nothing")


def sample_context(
    workdir: Path,
    history: History,
    *,
    parent: Candidate | None = None,
    config: Config | None = None,
    command: str | None = None,
    evaluate: Judge = never_judge,
    progress: Callable[[str], None] = lambda text: None,
    rng_seed: int = 0,
    merge: Callable[[str, str], Merged] = never_merge,
    partner: Candidate | None = None,
    build: Callable[[Mapping[str, bytes]], str] | None = None,
    templates: Mapping[str, str] | None = None,
    assignment: str = "",
    profile: Profiler | None = None,
    meter: Meter | None = None,
    halfway: Halfway | None = None,
) -> Context:
    lineage = history.lineage()
    parent = parent or lineage.incumbent()
    assert parent is not None
    task = sample_task()
    return Context(
        task=task,
        config=config or Config("kernels/twice"),
        lineage=lineage,
        parent=parent,
        parent_files=task.editable_files(history.files[parent.oid]),
        rng=random.Random(rng_seed),
        workdir=workdir,
        evaluate=evaluate,
        read_files=history.read,
        build=build or (lambda files: ""),
        read_record=history.record,
        read_tree=history.tree,
        attempts=lambda: iter(history.attempts),
        find_repeat=history.repeat,
        knowledge=task.knowledge,
        progress=progress,
        merge=merge,
        command=command,
        partner=partner,
        templates=templates or {},
        assignment=assignment,
        profile=profile,
        meter=meter or Meter(),
        halfway=halfway,
    )


@dataclass
class CompilingJudge:
    """Compiles with g++ for real; the speed of what compiles is read from its PASSES."""

    folder: Path
    history: History
    calls: list[tuple[str, Plan | None, str, Verdict]] = field(default_factory=list)

    def __call__(
        self,
        files: Mapping[str, bytes],
        subject: str,
        plan: Plan | None,
        parent: str,
        *,
        full: bool = False,
    ) -> Evaluation:
        source = self.folder / "kernel.cpp"
        source.write_bytes(files["kernel.cpp"])
        done = subprocess.run(
            ["g++", "-fsyntax-only", str(source)], capture_output=True, text=True, check=False
        )
        tree = f"{len(self.calls):040x}"
        if done.returncode:
            found = Evaluation(Verdict.COMPILE_ERROR, tree, reason="g++", detail=done.stderr)
        else:
            found = passed(tree, speed(files), speed(self.history.files[parent]))
        self.calls.append((subject, plan, parent, found.verdict))
        return found


def speed(files: Mapping[str, bytes]) -> float:
    """Eight passes have speed 1."""
    (passes,) = (t.value for t in tunables({"k": files["kernel.cpp"]}) if t.name == "PASSES")
    return 8 / passes


def passed(tree: str, score: float, parent_score: float) -> Evaluation:
    versus = {PARENT: near(score / parent_score)}
    timings = tuple(
        WorkloadTiming(name, {"candidate": 10 / score, "baseline": 10.0}, versus)
        for name in ("small", "large")
    )
    return Evaluation(Verdict.PASSED, tree, workloads=timings, score=near(score), versus=versus)
