"""A kernel of two halves, one a workload, whose speeds are set apart; lines made from it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from avogit.records import Candidate, Proposal, Verdict
from avogit.session import Session, open_session
from avogit.step import cross, seed_population, submit

KERNEL = """#include <cstdint>

constexpr int NARROW = 32;

// Rows of the workload `small`.
static void narrow(const float* x, float* out, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        float y = 0;
        for (int pass = 0; pass < NARROW; ++pass) {
            y = x[i] * (1.5f - 0.5f * x[i]);
            asm volatile("" : "+x"(y));
        }
        out[i] = y;
    }
}

constexpr int WIDE = 32;

// Rows of the workload `large`.
static void wide(const float* x, float* out, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        float y = 0;
        for (int pass = 0; pass < WIDE; ++pass) {
            y = x[i] * (1.5f - 0.5f * x[i]);
            asm volatile("" : "+x"(y));
        }
        out[i] = y;
    }
}

// Which half a call takes.
extern "C" void polynomial(const float* x, float* out, int64_t rows, int64_t columns) {
    if (columns > 1024) {
        wide(x, out, rows * columns);
    } else {
        narrow(x, out, rows * columns);
    }
}
"""


def make_halves(root: Path, git: Callable[..., str]) -> None:
    """Give a polynomial project that kernel, and shapes that a cache holds."""
    folder = root / "kernels/polynomial"
    (folder / "kernel.cpp").write_text(KERNEL)
    task = folder / "task.yaml"
    task.write_text(task.read_text().replace("rows: 256", "rows: 64"))
    git(root, "commit", "-q", "-am", "Two halves")


def grow_crossed(root: Path, git: Callable[..., str]) -> None:
    """The seed, a line that is faster on each workload, and their crossover; a tag on each."""
    make_halves(root, git)
    with open_session(root) as session:
        seed = seed_population(session)
        # The second gains more than the first, so that it enters the line on the whole.
        small = grow(session, seed, with_passes(KERNEL, NARROW=8), "fewer passes, narrow")
        large = grow(session, seed, with_passes(KERNEL, WIDE=1), "fewer passes, wide")
        crossed = cross(session, small, large)
    assert crossed.outcome == "accepted", crossed.reason
    assert crossed.candidate is not None
    tags = {"seed": seed, "small": small, "large": large, "crossed": crossed.candidate}
    for name, candidate in tags.items():
        git(root, "tag", name, candidate.oid)


def with_passes(text: str, **passes: int) -> str:
    """The kernel with other numbers of passes: `NARROW=1`."""
    for name, count in passes.items():
        text = re.sub(rf"(constexpr int {name} =) \d+;", rf"\1 {count};", text)
    return text


def grow(session: Session, parent: Candidate, text: str, subject: str) -> Candidate:
    """A child with this kernel, submitted by hand; it must enter a line."""
    for attempt in range(3):  # a machine that is busy with something else gets another chance
        files = {"kernel.cpp": (text + "// again\n" * attempt).encode()}
        made = submit(session, Proposal(parent.oid, files, subject), "manual")
        if made.evaluation is None or made.evaluation.verdict is not Verdict.UNMEASURED:
            break
    assert made.outcome == "accepted", made.reason
    assert made.candidate is not None
    return made.candidate
