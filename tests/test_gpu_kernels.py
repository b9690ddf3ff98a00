"""The GPU tasks that avogit ships, as far as a machine without a GPU can tell.

Both seeds are compiled for Blackwell, every launch plan is checked, and their arithmetic runs on
the CPU: the CUDA C++ one in an emulator of its primitives, the Triton one in Triton's interpreter.
So does the small attention that the cheats for a GPU stand on.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from avogit.bench.protocol import Hello, Report
from avogit.bench.slot import Judged
from avogit.build import BuildFailure
from avogit.build.counting import with_instructions
from avogit.build.inspecting import find_tool
from avogit.corpus import gpu_specimens, gpu_task
from avogit.devices import find_device
from avogit.errors import AvogitError
from avogit.evaluation import Evaluator, Source
from avogit.evaluation.compiling import Compiled, compile_candidate
from avogit.evaluation.evaluator import Prepared, conclude
from avogit.records import BASELINE, CANDIDATE
from avogit.resources import folder_files
from avogit.task import Correctness, Task, parse_task, tunables, with_tunable

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("attention-cuda", "attention-triton")


def load(name: str) -> Task:
    return parse_task(f"kernels/{name}", folder_files(ROOT / "kernels" / name))


def papers(task: Task) -> Task:
    """The task with the paper's 24 workloads, and no odd shapes."""
    workloads = (*task.presets["paper-mha"], *task.presets["paper-gqa"])
    return replace(
        task, workloads=workloads, correctness=Correctness(task.correctness.row_rmse, ())
    )


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("artefacts")


def compiled(task: Task, device: str, where: Path) -> Compiled:
    try:
        found = compile_candidate(task, task.editable_files(task.files), find_device(device), where)
    except AvogitError as error:
        pytest.skip(str(error))
    assert not isinstance(found, BuildFailure), found
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_task_has_the_papers_workloads(name: str) -> None:
    task = load(name)
    assert {preset: len(of) for preset, of in task.presets.items()} == {
        "paper-mha": 8,
        "paper-gqa": 16,
    }
    assert len(task.correctness.held_out) == 5
    assert task.workloads == task.presets["paper-mha"]
    for workload in (*task.workloads, *task.presets["paper-gqa"]):
        assert workload.params["batch"] * workload.params["seq"] == 32768
    assert not task.is_editable("problem.py")
    assert {t.name for t in tunables(task.editable_files(task.files))} >= {"KEYS", "WARPS"}
    text = b"".join(task.knowledge().values()).decode()
    assert all(t.name in text for t in tunables(task.files))


def test_both_tasks_pose_the_same_problem() -> None:
    cuda, triton = (load(name) for name in NAMES)
    assert cuda.files["problem.py"] == triton.files["problem.py"]
    assert (cuda.presets, cuda.buffers) == (triton.presets, triton.buffers)
    assert cuda.correctness == triton.correctness


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_compiles_for_blackwell_with_sound_plans(name: str, artefacts: Path) -> None:
    task = papers(load(name))
    found = compiled(task, "sm_100a", artefacts)
    assert len(found.plans) == 24
    assert set(found.plans) == {workload.name for workload in task.workloads}
    for workload in task.workloads:
        (launch,) = found.plans[workload.name].launches
        assert launch.grid[1:] == (workload.params["heads"], workload.params["batch"])
        assert len(launch.arguments) >= 8


def test_the_cuda_seed_compiles_for_hopper_without_spills(artefacts: Path) -> None:
    found = compiled(papers(load("attention-cuda")), "h200", artefacts)
    for kernel in with_instructions(found.kernels, found.artefact):
        if kernel.resources is not None:
            assert kernel.resources.registers <= 255
            assert not {"LDL", "STL"} & set(kernel.resources.instructions)


def test_instructions_are_in_the_record_of_a_kernel_that_passed(tmp_path: Path) -> None:
    """And not of one that failed: counting takes longer than its verdict."""
    task = load("attention-cuda")
    times = {CANDIDATE: (1000, 1001), BASELINE: (2000, 2003)}
    block = {workload.name: times for workload in task.workloads}
    passed = Report("PASSED", blocks=(block,) * 3, confidence=0.99, stages_s={"start": 0.5})
    failed = Report("RUNTIME_ERROR", reason="crashed", stages_s={"start": 0.5})
    h200 = Hello("cudnn 9.19.0", "NVIDIA H200", ("no-new-privs",), True)
    source = Source("0" * 40, task.editable_files(task.files))
    try:
        with Evaluator(task, state_dir=tmp_path, confidence=0.99, device="h200") as evaluator:
            prepared = evaluator.prepare(source, {}, sample="quick", budget_s=5.0)
    except AvogitError as error:
        pytest.skip(str(error))
    assert isinstance(prepared, Prepared), prepared

    def told(report: Report) -> list[bool]:
        kernels = conclude(prepared, Judged(report, h200, 1.0)).raw["kernels"]
        assert isinstance(kernels, list)
        assert len(kernels) == 8
        known = [kernel["resources"] for kernel in kernels if kernel["resources"]]
        return [bool(resources["instructions"]) for resources in known]

    assert not any(told(failed))
    assert all(told(passed)) or find_tool("nvdisasm") is None


def test_a_point_too_large_for_the_device_is_refused_by_its_plan(artefacts: Path) -> None:
    task = load("attention-cuda")
    config = with_tunable(task.files["config.h"], "KEYS", 128)
    files = {**task.editable_files(task.files), "config.h": config}
    files["attention.cu"] = b"".join(
        b'extern "C" __global__ void attention_%d_%s_%s(const void*, const void*, const void*,'
        b" void*, int, int, int, float) {}\n" % (dim, mask, dtype)
        for dim in (64, 128) for mask in (b"full", b"causal") for dtype in (b"bf16", b"fp16")
    )  # fmt: skip
    try:
        found = compile_candidate(task, files, find_device("l40s"), artefacts)
    except AvogitError as error:
        pytest.skip(str(error))
    assert isinstance(found, BuildFailure)
    assert found.reason == "plan-shared-memory"
    assert "full-4k" in found.output


def shape(seq: int, dim: int, causal: int, fp16: int, kv_heads: int = 1) -> dict[str, int]:
    return {"batch": 1, "seq": seq, "heads": 2, "kv_heads": kv_heads, "dim": dim,
            "causal": causal, "fp16": fp16}  # fmt: skip


def errors(folder: Path, built: str, shapes: dict[str, dict[str, int]], **env: str) -> dict:
    """The worker's reply: shape -> kind -> worst row."""
    request = {"folder": str(folder), "object": built, "shapes": shapes, "kinds": ["mixed"]}
    done = subprocess.run(
        [sys.executable, "-B", "-W", "ignore", str(ROOT / "tests" / "gpu_worker.py")],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **env},
    )
    if "No module named 'torch'" in done.stderr:
        pytest.skip("no torch: install the `oracle` extra")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def emulation(folder: Path, source: str) -> str:
    """The shared object of a task's kernel, whose primitives are the emulator's."""
    compiler = shutil.which(os.environ.get("CXX", "g++"))
    if compiler is None:
        pytest.skip("no g++")
    flags = ["-x", "c++", "-O2", "-std=c++20", "-Wno-unknown-pragmas", "-shared", "-fPIC"]
    emulator = f"-I{ROOT / 'tests' / 'emulator'}"
    command = [compiler, *flags, emulator, source, "-o", "kernel.so"]
    subprocess.run(command, cwd=folder, check=True)
    return str(folder / "kernel.so")


def assert_right(found: dict, fp16: bool) -> None:
    for label, kinds in found.items():
        if "dropped" in label:
            assert kinds["mixed"] > 1e-2, label
        else:
            assert kinds["mixed"] < (1.5e-3 if fp16 else 6e-3), label


@pytest.mark.parametrize("point", [{}, {"WARPS": 2, "KEYS": 32}], ids=["seed", "small"])
def test_the_cuda_seed_computes_attention(point: dict[str, int], tmp_path: Path) -> None:
    folder = tmp_path / "task"
    shutil.copytree(ROOT / "kernels" / "attention-cuda", folder)
    config = (folder / "config.h").read_bytes()
    for name, value in point.items():
        config = with_tunable(config, name, value)
    (folder / "config.h").write_bytes(config)
    shutil.copyfile(ROOT / "tests" / "emulator" / "primitives.h", folder / "primitives.h")
    built = emulation(folder, "attention.cu")
    shapes = {"causal-65": shape(65, 64, 1, 0), "full-129": shape(129, 128, 0, 0, 2)}
    assert_right(errors(folder, built, shapes), fp16=False)


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("seed", True),
        ("honest_polynomial", True),
        ("h25_drop_last_key", False),
        ("h27_fp8_values", False),
    ],
)
def test_the_attention_of_the_cheats(name: str, right: bool, tmp_path: Path) -> None:
    task, kernels = gpu_task(), {kernel.name: kernel.files for kernel in gpu_specimens()}
    for file, data in {**task.files, **kernels.get(name, {})}.items():
        (tmp_path / file).write_bytes(data)
    emulated = ROOT / "tests" / "emulator" / "small" / "primitives.h"
    shutil.copyfile(emulated, tmp_path / "primitives.h")
    shapes = {"causal-65": shape(65, 64, 1, 0), "full-129": shape(129, 64, 0, 0)}
    found = errors(tmp_path, emulation(tmp_path, "kernel.cu"), shapes)
    if right:
        assert_right(found, fp16=False)
    else:
        assert max(found[label]["mixed"] for label in shapes) > task.correctness.row_rmse


def test_the_triton_seed_computes_attention(tmp_path: Path) -> None:
    for needed in ("triton", "numpy"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"no {needed}: install the `triton` extra")
    folder = tmp_path / "task"
    shutil.copytree(ROOT / "kernels" / "attention-triton", folder)
    # float16 alone: Triton's interpreter gets products of bfloat16 wrong.
    shapes = {"causal-65": shape(65, 64, 1, 1), "full-129": shape(129, 128, 0, 1, 2)}
    assert_right(errors(folder, "", shapes, TRITON_INTERPRET="1"), fp16=True)
