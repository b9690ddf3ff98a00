"""Does a crossover pass both gains on, and does an ablation tell hunks apart, on a CPU task?

The softmax kernel is written out twice, for short and for long rows, each half with tunables of
its own. Crossover: one line tunes the short half, another the long half, and both are crossed.
Ablation: three hunks against a mixed start, one that speeds the short half up, one comment, and
one that slows the long half down, attributed again and again; `--lanes 4` plants smaller effects.
Prints what was found, with the rate's 95 % interval (Wilson), and fails where a target is missed.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from avogit.ablation import COSTS, EARNS, NOTHING, ablate
from avogit.commands.init import init
from avogit.founding import seed_population
from avogit.records import Candidate, Proposal
from avogit.session import Session, open_session
from avogit.statistics import proportion_interval
from avogit.step import cross, submit
from avogit.store import read_record

FAST, SLOW_DEGREE = (16, 5), 9  # LANES and DEGREE
RIGHT_PER_10 = 9
Point = tuple[int, int]
_CALLS = """
extern "C" void softmax(const float* x, float* out, int64_t rows, int64_t cols) {
    if (cols <= 1024) {
        short_rows::run(x, out, rows, cols);
    } else {
        long_rows::run(x, out, rows, cols);
    }
}
"""


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        slow = (options.lanes, SLOW_DEGREE)
        _project(root, slow, options.budget_s)
        with open_session(root) as session:
            print(f"softmax-cpu in halves on {session.evaluator.device()}", flush=True)
            passed_on, tuned = _crossover(session, slow)
            right = _ablations(session, tuned, slow, options.runs)
    print(f"load {os.getloadavg()[0]:.1f}")
    low, high = proportion_interval(right, options.runs, 0.95)
    print(f"ablation: {right} of {options.runs} rightly attributed ({low:.0%} to {high:.0%})")
    fine = passed_on and right * 10 >= RIGHT_PER_10 * options.runs
    print("targets met" if fine else "TARGETS MISSED")
    return 0 if fine else 1


def halves(kernel: str) -> str:
    """The kernel written out twice, for short and for long rows."""
    head, entry = kernel.split('extern "C" void softmax', 1)
    body = head.replace("#include <cstdint>\n", "") + "void run" + entry
    body = body.replace("#define WRITE_OUT", "#undef WRITE_OUT\n#define WRITE_OUT")
    parts = (f"namespace {name} {{\n{body}\n}}\n" for name in ("short_rows", "long_rows"))
    return "#include <cstdint>\n" + "\n".join(parts) + _CALLS


def _project(root: Path, slow: Point, budget_s: float) -> None:
    root.mkdir()
    _git(root, "init", "-q", "-b", "main")
    _git(root, "config", "user.name", "bench")
    _git(root, "config", "user.email", "bench@example.org")
    _git(root, "commit", "-q", "--allow-empty", "-m", "An empty project")
    init(root, "softmax-cpu")
    kernel = root / "kernels/softmax-cpu/kernel.cpp"
    kernel.write_text(_tuned(halves(kernel.read_text()), slow))
    with (root / "avogit.yaml").open("a") as file:
        file.write(
            f"measure: {{budget_s: {budget_s}, fresh_s: {budget_s}, confirm_s: {budget_s}}}\n"
        )
    _git(root, "commit", "-q", "-am", "The kernel in halves")


def _git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(root), *arguments], check=True)


def _kernel(session: Session, short: Point, long: Point, comment: str = "") -> str:
    """The committed kernel's halves with other tunables."""
    text = session.source(session.base).files["kernel.cpp"].decode()
    first, second = text.split("namespace long_rows", 1)
    first = _tuned(first, short)
    if comment:
        first = first.replace("// ln(2)^n / n!", f"// {comment}\n// ln(2)^n / n!")
    return first + "namespace long_rows" + _tuned(second, long)


def _tuned(half: str, point: Point) -> str:
    for name, value in zip(("LANES", "DEGREE"), point, strict=True):
        half = re.sub(rf"(constexpr int {name} =) \d+;", rf"\1 {value};", half)
    return half


def _child(session: Session, parent: Candidate, text: str, subject: str) -> Candidate:
    made = submit(session, Proposal(parent.oid, {"kernel.cpp": text.encode()}, subject), "manual")
    if made.candidate is None or made.candidate.score is None:
        raise SystemExit(f"{subject}: {made.outcome}: {made.reason}")
    return made.candidate


def _crossover(session: Session, slow: Point) -> tuple[bool, Candidate]:
    """Whether both gains passed on, and the line that tuned the long half."""
    seed = seed_population(session)
    short = _child(session, seed, _kernel(session, FAST, slow), "short rows")
    long = _child(session, seed, _kernel(session, slow, FAST), "long rows")
    made = cross(session, short, long)
    print(f"crossover: {made.outcome}: {made.reason}")
    if made.candidate is None:
        return False, long
    name = made.candidate.trailers["Avo-Evaluation"]
    crossed = read_record(session.repo, session.population, name)["payload"]["crossed"]
    print("  over the ancestor: the first parent, the second, both")
    for workload, gains in crossed["gains"].items():
        shown = "  ".join(f"{g['value']:.3f} ({g['low']:.3f} to {g['high']:.3f})" for g in gains)
        print(f"  {workload:<12} {shown}")
    first, second, both = (gain["value"] for gain in crossed["gains"]["all"])
    return made.outcome == "accepted" and both > max(first, second), long


def _ablations(session: Session, start: Candidate, slow: Point, runs: int) -> int:
    """How often three hunks are told apart, where the start has the long half tuned."""
    text = _kernel(session, FAST, slow, "these values are exact to the last bit")
    whole = _child(session, start, text, "three hunks")
    right = 0
    for number in range(1, runs + 1):
        found = ablate(session, whole, start.oid, 3)
        findings = [part.finding for part in found.parts]
        good = findings == [EARNS, NOTHING, COSTS] and found.dropped == (2, 3)
        right += good
        gains = ", ".join(f"{part.finding} {part.gain}" for part in found.parts)
        ending = found.minimal.outcome if found.minimal else "nothing dropped"
        print(
            f"  {number:2d} {'right' if good else 'WRONG'}: {gains}; minimal: {ending}", flush=True
        )
    return right


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="ablations (default 10)")
    parser.add_argument("--lanes", type=int, default=1, help="of the slow halves (default 1)")
    parser.add_argument("--budget-s", type=float, default=8.0, help="one evaluation (default 8)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
