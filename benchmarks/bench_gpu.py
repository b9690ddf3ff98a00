"""What the evaluator tells of a GPU: run on the machine that has it, `bench_gpu.py PART... --out DIR`.

Parts: `aa` (one kernel as candidate and incumbent, all workloads, burst and sustained), `power`
(100 such evaluations of causal-4k, and 20 with a kernel slowed by half a percent), `same` (one
cubin in a launcher and beside the oracle), `doors` (cuDNN through torch and through its own
package), `published` (cuDNN on the shapes that NVIDIA publishes figures for), `table` (the seeds
and the baselines in one interleaved run), `cost` (seconds of evaluations, good and bad), `usual`
(the same with an extension build and a fresh process, as benchmarks of this field do it).
Each part prints a table and writes its raw times as JSON.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from avogit.bench.protocol import ArmSpec  # noqa: E402
from avogit.errors import AvogitError  # noqa: E402
from avogit.evaluation.evaluator import Evaluator, Prepared, Source, conclude  # noqa: E402
from avogit.records import BASELINE, INCUMBENT, Evaluation  # noqa: E402
from avogit.statistics import proportion_interval  # noqa: E402
from avogit.task import Task, Workload, parse_task  # noqa: E402

CONFIDENCE = 0.99
EVALUATION_S = 20.0  # what a full evaluation may take
BUDGET_S, SUSTAINED_S = 18.0, 52.0
HALF_PERCENT = 0.005
# TFLOP/s of cuDNN 9.19 on an H200, batch 1, 64 query and 8 key heads, as NVIDIA published them.
# At 32K (693 and 688) one call is so long that the card's power limit bites: no burst.
PUBLISHED = {
    ("full", 4096): 671,
    ("full", 8192): 691,
    ("full", 16384): 702,
    ("causal", 4096): 591,
    ("causal", 8192): 644,
    ("causal", 16384): 673,
}


def load(name: str, *, problem: str = "", preset: str = "", beside: tuple[str, ...] = ()) -> Task:
    """A task that ships, with more in its problem.py, or other workloads."""
    root = ROOT / "kernels" / name
    files = {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    files["problem.py"] += problem.encode()
    task = parse_task(f"kernels/{name}", files)
    workloads = task.presets[preset] if preset else task.workloads
    return replace(task, workloads=workloads, beside=beside)


class Bench:
    """A place for builds, and one for what comes out."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.state = Path(tempfile.mkdtemp())

    def evaluator(self, task: Task) -> Evaluator:
        return Evaluator(task, state_dir=self.state, confidence=CONFIDENCE)

    def keep(self, name: str, found: Mapping[str, Any]) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        (self.out / f"{name}.json").write_text(json.dumps(found))


def seed(task: Task, **changed: bytes) -> Source:
    """The task's own kernel, with some files replaced."""
    files = task.editable_files(task.files)
    return Source("0" * 40, {**files, **{n.replace("__", "."): d for n, d in changed.items()}})


def document(found: Evaluation) -> dict[str, Any]:
    """An evaluation as JSON values, raw times included."""
    return json.loads(json.dumps(dataclasses.asdict(found), default=str))


def tflops(task: Task, workload: str, us: float) -> float:
    w = next(w for w in task.workloads if w.name == workload).params
    pairs = w["seq"] * (w["seq"] + 1) / 2 if w["causal"] else w["seq"] ** 2
    return 4.0 * w["dim"] * w["batch"] * w["heads"] * pairs / us / 1e6


def show(task: Task, found: Evaluation, arms: tuple[str, ...]) -> None:
    """A row a workload: TFLOP/s of every arm, and how the candidate compares."""
    print(f"{found.verdict} {found.reason} {found.detail} stages {dict(found.stages_s)}")
    print(f"voids {found.raw.get('voids', [])}, {found.blocks} blocks, overhead ", end="")
    print(
        found.raw.get("overhead_us"),
        "us; against each arm",
        {k: str(v) for k, v in found.versus.items()},
    )
    for timing in found.workloads:
        speeds = {
            a: round(tflops(task, timing.workload, us), 1) for a, us in timing.latency_us.items()
        }
        ratios = {
            a: percent(timing.versus[a].value, timing.versus[a].low, timing.versus[a].high)
            for a in arms
        }
        print(f"  {timing.workload:18} {speeds} {ratios}")
    if sustained := found.raw.get("sustained"):
        print(f"sustained, {len(sustained['blocks'])} blocks: {sustained['versus']}")
        for name, by_arm in sustained["workloads"].items():
            print(f"  {name:18}", {a: percent(*by_arm[a]) for a in arms if a in by_arm})
    readings = found.raw.get("machine", {}).get("readings", [])
    for regime in ("burst", "sustained"):
        some = [r for r in readings if r["regime"] == regime]
        if some:
            print(
                f"{regime}: {min(r['power_w'] for r in some):.0f} to {max(r['power_w'] for r in some):.0f} W,"
                f" SM {min(r['sm_mhz'] for r in some)} to {max(r['sm_mhz'] for r in some)} MHz,"
                f" {max(r['temperature_c'] for r in some)} C at most"
            )


def percent(value: float, low: float, high: float) -> str:
    return f"{(value - 1) * 100:+.2f}% +-{(high - low) / 2 / value * 100:.2f}"


def with_regimes(
    evaluator: Evaluator, candidate: Source, rivals: Mapping[str, Source]
) -> Evaluation:
    """A confirmation with the default budget in burst, and its share when sustained."""
    ready = evaluator.prepare(candidate, rivals, sample="confirmation", budget_s=BUDGET_S)
    assert isinstance(ready, Prepared), ready
    order = replace(
        ready.order, sustained_s=SUSTAINED_S, budget_s=float(os.environ.get("BURST_S", BUDGET_S))
    )
    return conclude(replace(ready, order=order), evaluator.slot.judge(order, quiet))


def quiet(text: str) -> None:
    """No progress."""


def aa(bench: Bench) -> None:
    task = load("attention-triton")
    with bench.evaluator(task) as evaluator:
        found = with_regimes(evaluator, seed(task), {INCUMBENT: seed(task)})
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
    wait = {"kernel": "wait_cycles", "grid": [1, 1, 1], "block": [1, 1, 1], "arguments": [{"i64": CYCLES}]}
    return {"launches": [*found["launches"], wait]}
"""


def slowed(task: Task, cycles: int) -> Source:
    """The kernel, and after it a wait of so many cycles. Both arms have the second launch."""
    files = task.editable_files(task.files)
    later = LATER.replace("CYCLES", str(cycles)).encode()
    kernel, launch = files["attention.cu"] + SLOWER.encode(), files["launch.py"] + later
    return seed(task, attention__cu=kernel, launch__py=launch)


def power(bench: Bench) -> None:
    _power(bench, 100, 20)


def seen(bench: Bench) -> None:
    _power(bench, 4, 20)


def _power(bench: Bench, evaluations: int, slow: int) -> None:
    task = load("attention-cuda")
    causal = tuple(w for w in task.workloads if w.name == "causal-4k")
    task = replace(task, workloads=causal)
    share = EVALUATION_S / 8
    with bench.evaluator(task) as evaluator:
        plain = slowed(task, 0)
        first = evaluator.evaluate(plain, {}, sample="quick", budget_s=10)
        call_us = first.workloads[0].latency_us["candidate"]
        cycles = round(HALF_PERCENT * call_us * 1980)
        print(f"one call {call_us:.1f} us; half a percent of it is {cycles} cycles at 1.98 GHz")
        same = repeat(evaluator, plain, plain, evaluations, share)
        slower = repeat(evaluator, slowed(task, cycles), plain, slow, share)
    for name, rows in (("same", same), ("slower", slower)):
        calls = Counter(row["call"] for row in rows)
        ratios = [row["ratio"] for row in rows if row["ratio"]]
        mean = sum(r[0] for r in ratios) / len(ratios)
        width = sum((r[2] - r[1]) / 2 for r in ratios) / len(ratios)
        seconds = sorted(row["seconds"] for row in rows)
        print(
            f"{name}: {dict(calls)}; mean {mean:.5f}, mean half width {width:.5f}, {seconds[len(rows) // 2]:.2f} s median"
        )
    wrong = sum(row["call"] != "equal" for row in same)
    print("called different:", wrong, "of", len(same), proportion_interval(wrong, len(same), 0.95))
    told = sum(row["call"] == "slower" for row in slower)
    print("called slower:", told, "of", len(slower), proportion_interval(told, len(slower), 0.95))
    bench.keep(
        "power" if evaluations > 20 else "seen",
        {"cycles": cycles, "call_us": call_us, "same": same, "slower": slower},
    )


def repeat(
    evaluator: Evaluator, candidate: Source, rival: Source, count: int, budget_s: float
) -> list[dict[str, Any]]:
    rows = []
    for _ in range(count):
        begun = time.monotonic()
        found = evaluator.evaluate(candidate, {INCUMBENT: rival}, budget_s=budget_s)
        ratio = found.versus.get(INCUMBENT)
        call = (
            str(found.reason or found.verdict)
            if ratio is None
            else "faster"
            if ratio.low > 1
            else "slower"
            if ratio.high < 1
            else "equal"
        )
        rows.append(
            {
                "call": call,
                "ratio": [ratio.value, ratio.low, ratio.high] if ratio else None,
                "blocks": found.blocks,
                "seconds": time.monotonic() - begun,
                "raw": found.raw.get("blocks"),
            }
        )
    return rows


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
    plain = load("attention-triton")
    with bench.evaluator(plain) as evaluator:
        prepared = evaluator.prepare(seed(plain), {}, sample="quick", budget_s=5)
        assert isinstance(prepared, Prepared), prepared
        bundle, device = prepared.order.arms[0].artefact, evaluator.spec().device
    workloads = {w.name: dict(w.params) for w in plain.workloads}
    facts = f"\nBUNDLE, DEVICE, WORKLOADS = {bundle!r}, {device!r}, {workloads!r}\n"
    task = load("attention-triton", problem=SAME + facts, beside=("same-cubin",))
    found = fresh(bench, task, {}, {})
    show(task, found, ("same-cubin", BASELINE))
    bench.keep("same", document(found))


def fresh(
    bench: Bench, task: Task, rivals: Mapping[str, Source], more: Mapping[str, str]
) -> Evaluation:
    """The seed beside everything that the task names, and beside more bundles, in burst."""
    with bench.evaluator(task) as evaluator:
        prepared = evaluator.prepare(seed(task), rivals, sample="confirmation", budget_s=BUDGET_S)
        assert isinstance(prepared, Prepared), prepared
        arms = (*prepared.order.arms, *(ArmSpec(name, path) for name, path in more.items()))
        order = replace(prepared.order, sustained_s=0.0, audit=False, arms=arms)
        return conclude(replace(prepared, order=order), evaluator.slot.judge(order, quiet))


def doors(bench: Bench) -> None:
    task = load("attention-triton", beside=("cudnn-frontend",))
    found = fresh(bench, task, {}, {})
    show(task, found, (BASELINE,))
    for timing in found.workloads:
        ours, other = (timing.latency_us[a] for a in (BASELINE, "cudnn-frontend"))
        print(
            f"  {timing.workload:18} torch {ours:.1f} us, cudnn-frontend {other:.1f} us, {(ours / other - 1) * 100:+.2f} %"
        )
    bench.keep("doors", document(found))


def published(bench: Bench) -> None:
    task = load("attention-triton")
    shape = {"batch": 1, "heads": 64, "kv_heads": 8, "dim": 128, "fp16": 0}
    workloads = tuple(
        Workload(f"{mask}-{seq // 1024}k", {**shape, "seq": seq, "causal": int(mask == "causal")})
        for mask, seq in PUBLISHED
    )
    task = replace(task, workloads=workloads)
    found = fresh(bench, task, {}, {})
    show(task, found, (BASELINE,))
    for timing, wanted in zip(found.workloads, PUBLISHED.values(), strict=True):
        speed = tflops(task, timing.workload, timing.latency_us[BASELINE])
        print(
            f"  {timing.workload:12} cuDNN {speed:.1f}, published {wanted}: {(speed / wanted - 1) * 100:+.1f} %"
        )
    bench.keep("published", document(found))


def table(bench: Bench) -> None:
    installed = [n for n, m in (("cudnn-frontend", "cudnn"), ("fa4", "flash_attn")) if has(m)]
    for preset, sample in (("paper-mha", "fresh"), ("paper-gqa", "quick")):
        try:
            tabulate(bench, preset, sample, ("flash2", *installed))
        except AvogitError as error:
            print(f"{preset}: {error}; once more with what torch has")
            tabulate(bench, preset, sample, ("flash2",))


def tabulate(bench: Bench, preset: str, sample: str, beside: tuple[str, ...]) -> None:
    """Both seeds and the baselines, each call of an arm next to the others'."""
    triton = load("attention-triton", preset=preset)
    with bench.evaluator(triton) as evaluator:
        bundle = prepared(evaluator, seed(triton), "quick").order.arms[0].artefact
    task = load("attention-cuda", preset=preset, beside=beside)
    with bench.evaluator(task) as evaluator:
        ready = prepared(evaluator, seed(task), sample)
        arms = (*ready.order.arms, ArmSpec("triton", bundle))
        order = replace(ready.order, arms=arms, beside=beside, budget_s=120.0, sample="quick")
        judged = evaluator.slot.judge(order, quiet)  # what is compiled at its first call, is now
        if sample != "quick":
            order = replace(order, sample=sample, budget_s=BUDGET_S)
            judged = evaluator.slot.judge(order, quiet)
        found = conclude(replace(ready, order=order), judged)
    show(task, found, (BASELINE,))
    bench.keep(f"table-{preset}", document(found))


def prepared(evaluator: Evaluator, candidate: Source, sample: str) -> Prepared:
    found = evaluator.prepare(candidate, {}, sample=sample, budget_s=BUDGET_S)
    if isinstance(found, Evaluation):
        raise AvogitError(f"{found.reason}: {found.detail}")
    return found


def has(module: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(module) is not None


CRASH = b"const float share = 1.0f / all; if (row == 0) *(volatile int*)8 = 1;"
WRONG = b"const float share = 1.02f / all;"
NORMAL = b"const float share = 1.0f / all;"


def cost(bench: Bench) -> None:
    """With the oracle warm; what a bad kernel costs is from its files to its verdict."""
    task = load("attention-cuda")
    files = task.editable_files(task.files)
    bad = {
        "does not compile": files["attention.cu"] + b"\nint;int(\n",
        "is wrong": files["attention.cu"].replace(NORMAL, WRONG),
        "crashes": files["attention.cu"].replace(NORMAL, CRASH),
    }
    rows = {}
    triton = load("attention-triton")
    for name, task_of in (("attention-triton", triton), ("attention-cuda", task)):
        with bench.evaluator(task_of) as evaluator:
            own = seed(task_of)
            evaluator.evaluate(own, {}, sample="quick", budget_s=10)  # warms the oracle
            runs: dict[str, Callable[[], Evaluation]] = {
                "screening": lambda: evaluator.evaluate(
                    own, {INCUMBENT: own}, sample="quick", budget_s=5
                ),
                "burst, deciding": lambda: evaluator.evaluate(
                    own, {INCUMBENT: own}, budget_s=BUDGET_S
                ),
                "burst, whole budget": lambda: evaluator.evaluate(
                    own, {INCUMBENT: own}, sample="fresh", budget_s=BUDGET_S
                ),
            }
            if task_of is task:
                for what, kernel in bad.items():
                    source = seed(task, attention__cu=kernel)
                    runs[what] = lambda source=source: evaluator.evaluate(
                        source, {}, sample="quick", budget_s=5
                    )
            for what, run in runs.items():
                begun = time.monotonic()
                found = run()
                stages = dict(found.stages_s)
                rows[f"{name}: {what}"] = {
                    "seconds": time.monotonic() - begun,
                    "stages": stages,
                    "verdict": str(found.verdict),
                    "reason": found.reason,
                    "blocks": found.blocks,
                }
                print(
                    f"  {name}: {what:22} {time.monotonic() - begun:6.2f} s  {found.verdict} {found.reason} {found.blocks} blocks {stages}"
                )
    bench.keep("cost", rows)


USUAL = '''
import sys, time, torch, importlib.util
from torch.utils.cpp_extension import load_inline
begun = time.time()
source = open(sys.argv[1] + "/config.h").read().replace("#pragma once", "") + open(sys.argv[1] + "/primitives.h").read().replace("#pragma once", "")
kernel = open(sys.argv[1] + "/attention.cu").read().replace('#include "config.h"', "").replace('#include "primitives.h"', "")
host = r"""
#include <torch/extension.h>
torch::Tensor run(torch::Tensor q, torch::Tensor k, torch::Tensor v, bool causal) {
    auto out = torch::empty_like(q);
    const int batch = q.size(0), seq = q.size(1), heads = q.size(2), kv = k.size(2);
    const int shared = (ROWS + 4 * KEYS) * 128 * 2;
    auto f = causal ? attention_128_causal_bf16 : attention_128_full_bf16;
    cudaFuncSetAttribute(f, cudaFuncAttributeMaxDynamicSharedMemorySize, shared);
    f<<<dim3((seq + ROWS - 1) / ROWS, heads, batch), THREADS, shared>>>((const Element*)q.data_ptr(), (const Element*)k.data_ptr(), (const Element*)v.data_ptr(), (Element*)out.data_ptr(), seq, heads, kv, 1.4426950408889634f / sqrtf(128.0f));
    return out;
}
"""
module = load_inline("usual", cpp_sources="torch::Tensor run(torch::Tensor q, torch::Tensor k, torch::Tensor v, bool causal);", cuda_sources=source + kernel + host, functions=["run"], extra_cuda_cflags=["-O3", "-gencode=arch=compute_90a,code=sm_90a"], build_directory=sys.argv[2])
built = time.time()
from torch.nn.functional import scaled_dot_product_attention as sdpa
for causal in (False, True):
    for batch, seq in ((8, 4096), (4, 8192), (2, 16384), (1, 32768)):
        for trial in range(5):
            torch.manual_seed(trial)
            q, k, v = (torch.randn(batch, seq, 16, 128, device="cuda", dtype=torch.bfloat16) for _ in range(3))
            with torch.no_grad():
                want = sdpa(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=causal).transpose(1, 2)
            assert torch.allclose(module.run(q, k, v, causal), want, atol=1e-2, rtol=1e-2)
        def times(f):
            for _ in range(3): f()
            found = []
            for _ in range(100):
                a, b = (torch.cuda.Event(enable_timing=True) for _ in range(2))
                a.record(); f(); b.record(); torch.cuda.synchronize()
                found.append(a.elapsed_time(b))
            return sum(found) / len(found)
        t = tuple(x.transpose(1, 2) for x in (q, k, v))
        with torch.no_grad():
            theirs = times(lambda: sdpa(*t, is_causal=causal))
        ours = times(lambda: module.run(q, k, v, causal))
        print(f"  causal={causal} seq={seq}: {ours:.3f} ms, torch {theirs:.3f} ms, {theirs / ours:.4f}x")
print(f"  build {built - begun:.1f} s, all the rest {time.time() - built:.1f} s")
'''


def usual(bench: Bench) -> None:
    """An extension build in a fresh process, 5 checks and 100 timed calls a workload."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "usual.py"
        script.write_text(USUAL)
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, script, ROOT / "kernels" / "attention-cuda", folder],
            capture_output=True,
            text=True,
            check=False,
        )
        print(
            done.stdout,
            done.stderr[-3000:] if done.returncode else "",
            f"{time.monotonic() - begun:.1f} s in all",
        )
        bench.keep("usual", {"text": done.stdout, "seconds": time.monotonic() - begun})


PARTS = {f.__name__: f for f in (aa, power, seen, same, doors, published, table, cost, usual)}


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
