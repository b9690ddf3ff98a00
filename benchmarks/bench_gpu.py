"""What the evaluator tells of a GPU: run on the machine that has it, `bench_gpu.py PART...`.

Parts: `aa` (one kernel as candidate and incumbent, all workloads, burst and sustained), `power`
(100 such evaluations of causal-4k by a tuned CUDA kernel, 20 with it slowed by half a percent),
`same` (one cubin in a launcher and beside the oracle), `doors` (cuDNN through torch and through
its own package), `published` (cuDNN on the shapes that NVIDIA publishes figures for), `table` and
`table-gqa` (the seeds and the baselines in one interleaved run, on either preset), `cost` (seconds
of evaluations, good and bad), `usual` (the same with an extension build and a fresh process, as
benchmarks of this field do it). Each prints a table and writes its raw times as JSON.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from gpu_bench import (  # noqa: E402
    BUDGET_S,
    Bench,
    document,
    judged,
    load,
    only,
    prepared,
    seed,
    show,
    tflops,
)

from avogit.bench.protocol import ArmSpec  # noqa: E402
from avogit.errors import AvogitError  # noqa: E402
from avogit.evaluation.evaluator import Evaluator, Source  # noqa: E402
from avogit.records import BASELINE, INCUMBENT, Evaluation  # noqa: E402
from avogit.statistics import proportion_interval  # noqa: E402
from avogit.task import Task, Workload  # noqa: E402

EVALUATION_S, WORKLOADS = 20.0, 8  # what a full evaluation may take
HALF_PERCENT = 0.005
# TFLOP/s of cuDNN 9.19 on an H200, batch 1, 64 query and 8 key heads, as NVIDIA published them.
PUBLISHED = {
    ("full", 4096): 671,
    ("full", 8192): 691,
    ("full", 16384): 702,
    ("causal", 4096): 591,
    ("causal", 8192): 644,
    ("causal", 16384): 673,
}


def aa(bench: Bench) -> None:
    """A confirmation of the Triton seed beside itself."""
    task = load("attention-triton")
    with bench.evaluator(task) as evaluator:
        own = seed(task)
        evaluator.evaluate(own, {}, sample="quick", budget_s=10)  # warms the oracle
        found = evaluator.evaluate(own, {INCUMBENT: own}, sample="confirmation", budget_s=BUDGET_S)
    show(task, found, (INCUMBENT, BASELINE))
    bench.keep("aa", document(found))


SLOWER = """
extern "C" __global__ void wait_cycles(long long cycles) {
    const long long begun = clock64();
    while (clock64() - begun < cycles) {}
}
"""
LATER = """

_plan = plan


def plan(workload, device):
    found = _plan(workload, device)
    wait = {"kernel": "wait_cycles", "grid": [1, 1, 1], "block": [1, 1, 1]}
    return {"launches": [*found["launches"], {**wait, "arguments": [{"i64": CYCLES}]}]}
"""


def slowed(task: Task, cycles: int) -> Source:
    """A tuned kernel, and after it a wait of so many cycles. Both arms have the second launch.

    Its calls scatter less than the seed's, so that half a percent can be told in its share of time.
    """
    files = task.editable_files(task.files)
    config = files["config.h"].replace(b"WARPS = 4;", b"WARPS = 8;")
    config = config.replace(b"KEYS = 64;", b"KEYS = 128;")
    later = LATER.replace("CYCLES", str(cycles)).encode()
    kernel, launch = files["attention.cu"] + SLOWER.encode(), files["launch.py"] + later
    return seed(task, {"attention.cu": kernel, "launch.py": launch, "config.h": config})


def power(bench: Bench) -> None:
    """How often a difference is called where there is none, and where there is one."""
    task = only(load("attention-cuda"), "causal-4k")
    share = EVALUATION_S / WORKLOADS
    with bench.evaluator(task) as evaluator:
        plain = slowed(task, 0)
        first = evaluator.evaluate(plain, {}, sample="quick", budget_s=10)
        call_us = first.workloads[0].latency_us["candidate"]
        cycles = round(HALF_PERCENT * call_us * 1980)
        print(f"one call {call_us:.1f} us; half a percent of it is {cycles} cycles at 1.98 GHz")
        found: dict[str, Any] = {"cycles": cycles, "call_us": call_us, "slower": [], "same": []}
        later = slowed(task, cycles)
        for _ in range(20):
            found["slower"].append(_once(evaluator, later, plain, share))
        _told("slower", found["slower"], "slower")
        for _ in range(5):
            found["same"] += [_once(evaluator, plain, plain, share) for _ in range(20)]
            _told("same", found["same"], "faster", "slower")
            bench.keep("power", found)


def _once(
    evaluator: Evaluator, candidate: Source, rival: Source, budget_s: float
) -> dict[str, Any]:
    begun = time.monotonic()
    found = evaluator.evaluate(candidate, {INCUMBENT: rival}, budget_s=budget_s)
    ratio = found.versus.get(INCUMBENT)
    return {
        "call": _call(found),
        "ratio": [ratio.value, ratio.low, ratio.high] if ratio else None,
        "blocks": found.blocks,
        "seconds": time.monotonic() - begun,
        "raw": found.raw.get("blocks"),
    }


def _call(found: Evaluation) -> str:
    ratio = found.versus.get(INCUMBENT)
    if ratio is None:
        return found.reason or found.verdict.value
    if ratio.low > 1:
        return "faster"
    return "slower" if ratio.high < 1 else "equal"


def _told(name: str, rows: Sequence[dict[str, Any]], *wanted: str) -> None:
    ratios = [row["ratio"] for row in rows if row["ratio"]]
    mean = sum(value for value, _, _ in ratios) / len(ratios)
    width = sum((high - low) / 2 for _, low, high in ratios) / len(ratios)
    seconds = sorted(row["seconds"] for row in rows)[len(rows) // 2]
    told = sum(row["call"] in wanted for row in rows)
    low, high = proportion_interval(told, len(rows), 0.95)
    print(f"{name}: {dict(Counter(row['call'] for row in rows))};", end=" ")
    print(f"mean {mean:.5f}, mean half width {width:.5f}, {seconds:.2f} s (median);", end=" ")
    print(f"called {' or '.join(wanted)}: {told} of {len(rows)} ({low:.3f} to {high:.3f})")


SAME = '''

def same_cubin(w, inputs):
    """The very cubin that is the candidate, launched in this process."""
    from pathlib import Path
    from avogit.bench.gpu.launching import Program
    from avogit.bench.plan_checks import checked_plan
    from avogit.bundle import read_bundle
    from avogit.devices import find_device
    bundle = read_bundle(Path(BUNDLE))
    tensors = {**inputs, "out": torch.empty_like(inputs["q"])}
    name = next(n for n, params in WORKLOADS.items() if params == w)
    sizes = {n: t.nbytes for n, t in tensors.items()}
    plan = checked_plan(bundle.plans[name], bundle.kernels, sizes, find_device(DEVICE).architecture)
    bound = Program(bundle).bind(plan, {n: t.data_ptr() for n, t in tensors.items()}, {})
    def call():
        bound.enqueue(torch.cuda.current_stream().cuda_stream)
        return tensors["out"]
    return call


BASELINES = {**BASELINES, "same-cubin": same_cubin}
'''


def same(bench: Bench) -> None:
    """One cubin, launched by a launcher and by the oracle's own process."""
    plain = load("attention-triton")
    with bench.evaluator(plain) as evaluator:
        bundle = prepared(evaluator, seed(plain)).order.arms[0].artefact
        device = evaluator.spec().device
    workloads = {w.name: dict(w.params) for w in plain.workloads}
    facts = f"\nBUNDLE, DEVICE, WORKLOADS = {bundle!r}, {device!r}, {workloads!r}\n"
    task = load("attention-triton", problem=SAME + facts, beside=("same-cubin",))
    found = bench.fresh(task)
    show(task, found, ("same-cubin", BASELINE))
    bench.keep("same", document(found))


def doors(bench: Bench) -> None:
    """cuDNN through torch, and through its own package."""
    task = load("attention-triton", beside=("cudnn-frontend",))
    found = bench.fresh(task)
    show(task, found)
    for timing in found.workloads:
        ours, other = (timing.latency_us[arm] for arm in (BASELINE, "cudnn-frontend"))
        print(
            f"  {timing.workload:18} torch {ours:.1f} us, cudnn-frontend {other:.1f} us,", end=" "
        )
        print(f"{(ours / other - 1) * 100:+.2f} %")
    bench.keep("doors", document(found))


def published(bench: Bench) -> None:
    """cuDNN on its maker's shapes."""
    shape = {"batch": 1, "heads": 64, "kv_heads": 8, "dim": 128, "fp16": 0}
    workloads = tuple(
        Workload(f"{mask}-{seq // 1024}k", {**shape, "seq": seq, "causal": int(mask == "causal")})
        for mask, seq in PUBLISHED
    )
    task = replace(load("attention-triton"), workloads=workloads)
    found = bench.fresh(task)
    show(task, found)
    for timing, wanted in zip(found.workloads, PUBLISHED.values(), strict=True):
        speed = tflops(task, timing.workload, timing.latency_us[BASELINE])
        print(f"  {timing.workload:12} cuDNN {speed:.1f}, published {wanted}:", end=" ")
        print(f"{(speed / wanted - 1) * 100:+.1f} %")
    bench.keep("published", document(found))


def table(bench: Bench) -> None:
    """Both seeds and the baselines on `paper-mha`, each call of an arm next to the others'."""
    doors = ("cudnn-frontend",) if _has("cudnn") else ()
    _table(bench, "paper-mha", doors, sample="fresh", budget_s=BUDGET_S)


def table_gqa(bench: Bench) -> None:
    """The same on `paper-gqa`, cuDNN by one door: long calls, so three sets of processes."""
    _table(bench, "paper-gqa", (), sample="quick", budget_s=100.0)


def _table(
    bench: Bench, preset: str, doors: tuple[str, ...], *, sample: str, budget_s: float
) -> None:
    triton = load("attention-triton", preset=preset)
    with bench.evaluator(triton) as evaluator:
        bundle = prepared(evaluator, seed(triton)).order.arms[0].artefact
    beside = ("flash2", *doors, *(("fa4",) if _has("flash_attn") else ()))
    task = load("attention-cuda", preset=preset, beside=beside)
    with bench.evaluator(task) as evaluator:
        ready = prepared(evaluator, seed(task))
        arms = (*ready.order.arms, ArmSpec("triton", bundle))
        first = replace(ready.order, arms=arms, beside=beside, budget_s=100.0)
        judged(evaluator, ready, first)  # compiles what is compiled at its first call
        order = replace(first, sample=sample, budget_s=budget_s)
        found = judged(evaluator, ready, order)
    show(task, found)
    bench.keep(f"table-{preset}", document(found))


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


CRASH = b"const float share = 1.0f / all; if (row == 0) *(volatile int*)8 = 1;"
WRONG = b"const float share = 1.02f / all;"
NORMAL = b"const float share = 1.0f / all;"


def cost(bench: Bench) -> None:
    """With the oracle warm; what a bad kernel costs is from its files to its verdict."""
    task = load("attention-cuda")
    kernel = task.files["attention.cu"]
    bad = {
        "does not compile": kernel + b"\nint;int(\n",
        "is wrong": kernel.replace(NORMAL, WRONG),
        "crashes": kernel.replace(NORMAL, CRASH),
    }
    rows: dict[str, Any] = {}
    for of in (load("attention-triton"), task):
        own, screening = seed(of), {"sample": "quick", "budget_s": 5}
        name = of.path.rpartition("/")[2]
        with bench.evaluator(of) as evaluator:
            evaluator.evaluate(own, {}, sample="quick", budget_s=10)  # warms the oracle
            runs: list[tuple[str, Source, dict[str, Any]]] = [
                ("screening", own, screening),
                ("burst, deciding", own, {"budget_s": BUDGET_S}),
                ("burst, whole budget", own, {"sample": "fresh", "budget_s": BUDGET_S}),
            ]
            if of is task:
                sources = {what: seed(of, {"attention.cu": text}) for what, text in bad.items()}
                runs += [(what, source, screening) for what, source in sources.items()]
            for what, source, how in runs:
                rivals = {} if what in bad else {INCUMBENT: own}
                begun = time.monotonic()
                found = evaluator.evaluate(source, rivals, **how)
                rows[f"{name}: {what}"] = _cost(f"{name}: {what}", found, time.monotonic() - begun)
    bench.keep("cost", rows)


def _cost(what: str, found: Evaluation, seconds: float) -> dict[str, Any]:
    stages = {stage: round(s, 2) for stage, s in found.stages_s.items()}
    print(f"  {what:40} {seconds:6.2f} s  {found.verdict} {found.reason}", end=" ")
    print(f"{found.blocks} blocks {stages}")
    verdict = {"verdict": found.verdict.value, "reason": found.reason, "blocks": found.blocks}
    return {**verdict, "seconds": seconds, "stages": stages}


def usual(bench: Bench) -> None:
    """An extension build in a fresh process, 5 checks and 100 timed calls a workload."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        script, seed_of = ROOT / "benchmarks" / "usual_way.py", ROOT / "kernels" / "attention-cuda"
        command = [sys.executable, str(script), str(seed_of), folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AvogitError(f"the usual way failed: {done.stderr[-3000:]}")
    seconds = time.monotonic() - begun
    print(done.stdout + f"  {seconds:.1f} s in all")
    bench.keep("usual", {"text": done.stdout, "seconds": seconds})


PARTS: dict[str, Callable[[Bench], None]] = {
    part.__name__.replace("_", "-"): part
    for part in (aa, power, same, doors, published, table, table_gqa, cost, usual)
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="+", choices=list(PARTS))
    parser.add_argument("--out", type=Path, default=Path("gpu-results"))
    options = parser.parse_args()
    bench = Bench(options.out)
    for name in options.parts:
        begun = time.monotonic()
        print(f"== {name}", flush=True)
        PARTS[name](bench)
        print(f"== {name} took {time.monotonic() - begun:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
