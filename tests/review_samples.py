"""A kernel of two halves, one a workload, whose speeds are set apart; lines made from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from avogit.founding import seed_population
from avogit.records import Candidate, Proposal
from avogit.session import Session, open_session
from avogit.step import cross, submit

KERNEL = """#include <cstdint>

// Two halves, each for the calls of one workload. Every pass of a half gives the same values, so
// all but one are done for nothing.
//
// There is room between what the tests change: changes that lie apart are hunks of their own.
//
// The first half:

constexpr int NARROW = 64;

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

constexpr int WIDE = 8;

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

# Against KERNEL: a helper and its use, which make no difference and need each other; far faster on
# `small`; far slower on `large`.
_HELPER = "static float same(float y) { return y; }\n"
_USE = "        out[i] = y;\n"
_CALL = "        wide(x, out, rows * columns);\n"
PLANTED = (
    KERNEL.replace("#include <cstdint>\n", f"#include <cstdint>\n{_HELPER}")
    .replace("NARROW = 64", "NARROW = 4")
    .replace(_USE, "        out[i] = same(y);\n", 1)
    .replace(_CALL, f"        for (int again = 0; again < 16; ++again)\n    {_CALL}")
)


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
        for _ in range(3):  # a machine that is busy with something else gets another chance
            small = grow(session, seed, PLANTED, "NARROW = 4;")
            large = grow(session, seed, KERNEL.replace("WIDE = 8;", "WIDE = 1;"), "WIDE = 1;")
            made = cross(session, small, large)
            if made.candidate is not None and made.candidate.score is not None:
                break
    assert made.candidate is not None
    if made.candidate.score is None:
        busy(made.reason)
    assert made.candidate.score is not None, made.reason
    tags = {"seed": seed, "small": small, "large": large, "crossed": made.candidate}
    for name, candidate in tags.items():
        git(root, "tag", name, candidate.oid)


def grow(session: Session, parent: Candidate, text: str, changed: str) -> Candidate:
    """A child with this kernel, submitted by hand; it must pass, whatever is decided on it."""
    for _ in range(3):
        count = len(session.lineage().candidates)  # another tree each time
        again = text.replace(changed, f"{changed}  // {count}")
        proposal = Proposal(parent.oid, {"kernel.cpp": again.encode()}, f"fewer passes: {changed}")
        made = submit(session, proposal, "manual")
        if made.candidate is not None and made.candidate.score is not None:
            return made.candidate
    busy(made.reason)
    raise AssertionError(made.reason)


def busy(said: str) -> None:
    """Skip where what was said is that this machine is too busy to time anything, again and again.

    Anything else that goes wrong is a failure.
    """
    if "too-noisy" in said:
        pytest.skip(f"this machine is too busy: {said}")
