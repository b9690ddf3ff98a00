"""Does the evaluator tell a difference where there is none, and see one where there is?

A/A: one kernel as candidate and as incumbent, evaluated again and again; every call of
"faster" or "slower" is false. A/B: the same kernel, slowed by a known share of its own time.
Prints both rates with their 95 % intervals (Wilson), and fails where a target is missed.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from avogit.evaluation import Evaluator, Source
from avogit.records import INCUMBENT, Evaluation, Verdict
from avogit.resources import folder_files, task_folders
from avogit.statistics import proportion_interval
from avogit.task import Task, parse_task

# What a search finds in minutes. The seed's calls are twice as long: fewer fit, less is seen.
TUNED = {"LANES": 16, "BLOCK_Q": 4, "UNROLL": 1, "BLOCK_K": 64, "Q_TILE": 64}
FALSE_CALLS_PER_100 = 3
SEEN_PER_20 = 18


def main() -> int:
    options = _options()
    folder = task_folders()[options.task]
    task = parse_task(f"kernels/{options.task}", folder_files(folder))
    with tempfile.TemporaryDirectory() as state:
        evaluator = Evaluator(task, state_dir=Path(state), confidence=options.confidence)
        with evaluator:
            print(f"{options.task} on {evaluator.device()}, {options.budget_s:g} s an evaluation")
            equal = _rates(evaluator, task, 0.0, options.evaluations, options.budget_s)
            slowed = _rates(evaluator, task, options.slow_by, options.slowed, options.budget_s)
    false_calls = equal["faster"] + equal["slower"]
    _say("A/A: called faster or slower", false_calls, equal.total())
    _say(f"slowed by {options.slow_by:.0%}: called slower", slowed["slower"], slowed.total())
    fine = false_calls * 100 <= FALSE_CALLS_PER_100 * equal.total()
    fine = fine and slowed["slower"] * 20 >= SEEN_PER_20 * slowed.total()
    print("targets met" if fine else "TARGETS MISSED")
    return 0 if fine else 1


def tuned(kernel: str) -> str:
    """The kernel with the tunables of `TUNED`, as far as it declares them."""
    for tunable, value in TUNED.items():
        kernel = re.sub(rf"(constexpr int {tunable} =) \d+;", rf"\1 {value};", kernel)
    return kernel


def slowed_source(task: Task, kernel: bytes, share: float) -> bytes:
    """The kernel, and after each call a wait of this share of the time that it took."""
    cut = task.arguments.index("out")
    types = ["const float*"] * cut + ["float*"] + ["int64_t"] * (len(task.arguments) - cut - 1)
    declared = ", ".join(f"{t} {n}" for t, n in zip(types, task.arguments, strict=True))
    wrapper = f"""
#undef {task.entry}
#include <chrono>
#include <cstdint>
extern "C" void {task.entry}({declared}) {{
    using Clock = std::chrono::steady_clock;
    const auto begun = Clock::now();
    unslowed({", ".join(task.arguments)});
    const auto until = begun + (Clock::now() - begun) * {1 + share};
    while (Clock::now() < until) {{}}
}}
"""
    return f"#define {task.entry} unslowed\n".encode() + kernel + wrapper.encode()


def _rates(
    evaluator: Evaluator, task: Task, share: float, count: int, budget_s: float
) -> Counter[str]:
    (name,) = task.build.sources
    files = task.editable_files(task.files)
    # Both arms have the wrapper: compilers lay out a wrapped kernel otherwise, and that alone
    # can be worth some percent.
    kernel = tuned(files[name].decode()).encode()
    arms = [{**files, name: slowed_source(task, kernel, s)} for s in (share, 0.0)]
    candidate, rival = Source("0" * 40, arms[0]), Source("1" * 40, arms[1])
    calls: Counter[str] = Counter()
    ratios, seconds = [], []
    for number in range(count):
        begun = time.monotonic()
        found = evaluator.evaluate(candidate, {INCUMBENT: rival}, budget_s=budget_s)
        seconds.append(time.monotonic() - begun)
        calls[_call(found)] += 1
        ratios += [found.versus[INCUMBENT].value] if found.versus else []
        print(f"  {number + 1}/{count} {_line(found)} {seconds[-1]:.1f} s", flush=True)
    if len(ratios) > 1:
        spread = statistics.stdev(ratios) * 100
        print(
            f"  ratio {statistics.fmean(ratios):.4f} on average, spread {spread:.2f} %;"
            f" {statistics.median(seconds):.1f} s median, {max(seconds):.1f} s longest"
        )
    return calls


def _call(found: Evaluation) -> str:
    if found.verdict is not Verdict.PASSED:
        return str(found.verdict)
    ratio = found.versus[INCUMBENT]
    if ratio.low > 1:
        return "faster"
    return "slower" if ratio.high < 1 else "equal"


def _line(found: Evaluation) -> str:
    if found.verdict is not Verdict.PASSED:
        return f"{found.verdict} {found.reason}: {found.detail}"
    ratio = found.versus[INCUMBENT]
    numbers = f"{ratio.value:.4f} ({ratio.low:.4f} to {ratio.high:.4f}), {found.blocks} blocks"
    return f"{_call(found)}: {numbers}, {found.raw['repeated_rounds']} rounds repeated"


def _say(what: str, k: int, n: int) -> None:
    if n:
        low, high = proportion_interval(k, n, 0.95)
        print(f"{what}: {k} of {n}, {k / n:.1%} ({low:.1%} to {high:.1%})")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="attention-cpu")
    parser.add_argument("--evaluations", type=int, default=100)
    parser.add_argument("--slowed", type=int, default=20)
    parser.add_argument("--slow-by", type=float, default=0.03)
    parser.add_argument("--budget-s", type=float, default=8.0)
    parser.add_argument("--confidence", type=float, default=0.99)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
