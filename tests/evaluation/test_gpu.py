"""The tasks' own kernels, measured on this machine's GPU. Skipped where there is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from avogit.devices import device_called
from avogit.errors import AvogitError
from avogit.evaluation import Evaluator, Source
from avogit.evaluation.device import gpu_device
from avogit.records import BASELINE, CANDIDATE, INCUMBENT, Evaluation, Ratio, Verdict
from avogit.resources import folder_files
from avogit.task import Task, Workload, parse_task

pytestmark = pytest.mark.gpu

KERNELS = Path(__file__).resolve().parents[2] / "kernels"
BUDGET_S = 60.0
# A false call in a thousand comparisons; what is planted is far outside such an interval too.
CONFIDENCE = 0.999


def shipped(name: str, preset: str) -> Task:
    """A task that ships, with other workloads."""
    task = parse_task(f"kernels/{name}", folder_files(KERNELS / name))
    return replace(task, workloads=task.presets[preset])


PAPERS = [
    pytest.param(shipped(name, preset), id=f"{name}-{preset}")
    for name in ("attention-cuda", "attention-triton")
    for preset in ("paper-mha", "paper-gqa")
]
ONE = shipped("attention-triton", "paper-mha")
ONE = replace(ONE, workloads=tuple(w for w in ONE.workloads if w.name == "causal-4k"))
TINY = Workload(
    "tiny", {**ONE.workloads[0].params, "batch": 1, "seq": 128, "heads": 2, "kv_heads": 2}
)
# A quarter of the heads is computed once more: the same answers, and about 25 % more work.
AGAIN = b"""

_once = plan


def plan(workload, device):
    (launch,) = _once(workload, device)["launches"]
    rows, heads, batch = launch["grid"]
    return {"launches": [launch, {**launch, "grid": [rows, -(-heads // 4), batch]}]}
"""


def seed(task: Task, more: bytes = b"") -> Source:
    """The task's own kernel, with more at the end of its launch.py."""
    files = task.editable_files(task.files)
    return Source("0" * 40, {**files, "launch.py": files["launch.py"] + more})


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gpu-state")


@pytest.fixture
def gpu_evaluator(request: pytest.FixtureRequest, state: Path) -> Iterator[Evaluator]:
    """Of the task that a test names. Its oracle ends with the test: it holds much of the card."""
    try:
        gpu_device(request.param)
        with Evaluator(request.param, state_dir=state, confidence=CONFIDENCE) as found:
            assert found.build(seed(request.param)) == ""
            yield found
    except AvogitError as error:
        pytest.skip(str(error))


def evaluate(
    evaluator: Evaluator, candidate: Source, rivals: Mapping[str, Source], sample: str
) -> Evaluation:
    """Where others were on the card, or the machine was not itself, once more."""
    for _ in range(2):
        found = evaluator.evaluate(candidate, rivals, sample=sample, budget_s=BUDGET_S)
        if found.verdict is not Verdict.UNMEASURED:
            break
    assert found.verdict is Verdict.PASSED, f"{found.verdict} {found.reason}: {found.detail}"
    return found


@pytest.mark.parametrize("gpu_evaluator", PAPERS, indirect=True)
def test_a_seed_passes_on_the_papers_workloads(
    gpu_evaluator: Evaluator, request: pytest.FixtureRequest
) -> None:
    task: Task = request.node.callspec.params["gpu_evaluator"]
    found = evaluate(gpu_evaluator, seed(task), {}, "quick")
    assert found.score is not None
    assert found.blocks >= 2
    assert [timing.workload for timing in found.workloads] == [w.name for w in task.workloads]
    for timing in found.workloads:
        assert set(timing.latency_us) == {CANDIDATE, BASELINE}
        assert min(timing.latency_us.values()) > 0
    assert device_called(found.device) == gpu_device(task)
    assert found.baseline.startswith(task.baseline)
    correctness = found.raw["correctness"]
    assert isinstance(correctness, dict)
    assert 0 < correctness["worst_row_rmse"] <= task.correctness.row_rmse
    machine = found.raw["machine"]
    assert isinstance(machine, dict)
    assert len(machine["readings"]) >= found.blocks
    for arms in machine["clock"]["calls_mhz"]["burst"].values():
        assert set(arms) == {CANDIDATE, BASELINE}
        assert all(500 < mhz < 3000 for mhz in arms.values())


@pytest.mark.parametrize(
    "gpu_evaluator", [pytest.param(replace(ONE, workloads=(TINY,)), id="tiny")], indirect=True
)
def test_the_clock_of_calls_of_some_microseconds_is_believed(gpu_evaluator: Evaluator) -> None:
    """It is proved by thousands of them in a row."""
    found = evaluate(gpu_evaluator, seed(ONE), {}, "quick")
    assert found.workloads[0].latency_us[CANDIDATE] < 50


def against_the_seed(evaluator: Evaluator, more: bytes) -> Ratio:
    """The seed, with more in its launch.py, beside the seed as its incumbent."""
    found = evaluate(evaluator, seed(ONE, more), {INCUMBENT: seed(ONE)}, "deciding")
    assert found.blocks >= 6
    return found.versus[INCUMBENT]


@pytest.mark.parametrize("gpu_evaluator", [pytest.param(ONE, id="causal-4k")], indirect=True)
def test_a_kernel_is_not_another_than_itself(gpu_evaluator: Evaluator) -> None:
    ratio = against_the_seed(gpu_evaluator, b"")
    assert ratio.low <= 1 <= ratio.high
    assert ratio.high / ratio.low < 1.05  # and that is not because nothing can be told


@pytest.mark.parametrize("gpu_evaluator", [pytest.param(ONE, id="causal-4k")], indirect=True)
def test_a_planted_slow_down_is_called_slower(gpu_evaluator: Evaluator) -> None:
    ratio = against_the_seed(gpu_evaluator, AGAIN)
    assert ratio.high < 1
    assert 0.7 < ratio.value < 0.9  # a quarter more work
