"""What the parts of `bench_gpu.py` stand on: tasks, evaluations by hand, and tables of them."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from avogit.bench.protocol import Order
from avogit.errors import AvogitError
from avogit.evaluation.evaluator import Evaluator, Prepared, Source, conclude
from avogit.records import BASELINE, Evaluation
from avogit.task import Task, parse_task

ROOT = Path(__file__).resolve().parents[1]
CONFIDENCE = 0.99
BUDGET_S = 19.0  # of `avogit init`'s avogit.yaml


class Bench:
    """A place for builds, and one for what comes out."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.state = Path(tempfile.mkdtemp())

    def evaluator(self, task: Task) -> Evaluator:
        return Evaluator(task, state_dir=self.state, confidence=CONFIDENCE)

    def keep(self, name: str, found: Mapping[str, Any]) -> None:
        """Write raw results down."""
        self.out.mkdir(parents=True, exist_ok=True)
        (self.out / f"{name}.json").write_text(json.dumps(found))

    def fresh(self, task: Task) -> Evaluation:
        """The seed beside all that the task names, in burst."""
        with self.evaluator(task) as evaluator:
            ready = prepared(evaluator, seed(task), sample="confirmation")
            return judged(evaluator, ready, replace(ready.order, sustained_s=0.0, audit=False))


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


def only(task: Task, *workloads: str) -> Task:
    return replace(task, workloads=tuple(w for w in task.workloads if w.name in workloads))


def seed(task: Task, changed: Mapping[str, bytes] | None = None) -> Source:
    """The task's own kernel, with some files replaced."""
    return Source("0" * 40, {**task.editable_files(task.files), **(changed or {})})


def prepared(evaluator: Evaluator, candidate: Source, *, sample: str = "quick") -> Prepared:
    """Built and checked, not measured."""
    found = evaluator.prepare(candidate, {}, sample=sample, budget_s=BUDGET_S)
    if isinstance(found, Evaluation):
        raise AvogitError(f"{found.reason}: {found.detail}")
    return found


def judged(evaluator: Evaluator, ready: Prepared, order: Order) -> Evaluation:
    """What an order that was changed by hand gives."""
    return conclude(replace(ready, order=order), evaluator.slot.judge(order, lambda _: None))


def document(found: Evaluation) -> dict[str, Any]:
    """An evaluation as JSON values, raw times included."""
    return dict(json.loads(json.dumps(dataclasses.asdict(found), default=str)))


def tflops(task: Task, workload: str, us: float) -> float:
    params = next(w for w in task.workloads if w.name == workload).params
    seq = params["seq"]
    pairs = seq * (seq + 1) / 2 if params["causal"] else seq**2
    return 4.0 * params["dim"] * params["batch"] * params["heads"] * pairs / us / 1e6


def percent(value: float, low: float, high: float) -> str:
    return f"{(value - 1) * 100:+.2f}% +-{(high - low) / 2 / value * 100:.2f}"


def show(task: Task, found: Evaluation, arms: tuple[str, ...] = (BASELINE,)) -> None:
    """A row a workload: TFLOP/s of every arm, and how the candidate compares with these."""
    stages = {name: round(seconds, 2) for name, seconds in found.stages_s.items()}
    print(f"{found.verdict} {found.reason} {found.detail}".rstrip(), f"stages {stages}")
    print(f"{found.blocks} blocks, void {found.raw.get('voids', [])},", end=" ")
    print(f"an order takes {found.raw.get('overhead_us')} us beside the spin and the launches;")
    print("against each arm", {arm: str(ratio) for arm, ratio in found.versus.items()})
    for timing in found.workloads:
        speeds = {a: round(tflops(task, timing.workload, u)) for a, u in timing.latency_us.items()}
        ratios = {arm: timing.versus[arm] for arm in arms}
        compared = {arm: percent(r.value, r.low, r.high) for arm, r in ratios.items()}
        print(f"  {timing.workload:18} {speeds} {compared}")
    if sustained := _raw(found).get("sustained"):
        print(f"sustained, {len(sustained['blocks'])} blocks: {sustained['versus']}")
        for name, by_arm in sustained["workloads"].items():
            print(f"  {name:18}", {a: percent(*by_arm[a]) for a in arms if a in by_arm})
    _show_card(found)


def _show_card(found: Evaluation) -> None:
    machine = _raw(found).get("machine", {})
    for regime in ("burst", "sustained"):
        readings = [r for r in machine.get("readings", []) if r["regime"] == regime]
        if readings:
            watts, clocks = ([r[name] for r in readings] for name in ("power_w", "sm_mhz"))
            hottest = max(r["temperature_c"] for r in readings)
            print(f"{regime}: {min(watts):.0f} to {max(watts):.0f} W,", end=" ")
            print(f"SM {min(clocks)} to {max(clocks)} MHz, {hottest} C at most")
    print("calls in which the power limit bit:", machine.get("power_limited_calls"))


def _raw(found: Evaluation) -> dict[str, Any]:
    return dict(found.raw)
