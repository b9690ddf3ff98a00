"""The tasks that avogit ships: every point of their spaces is right, and their inputs have teeth.

Builds kernels with the machine's compiler and the task's own flags, outside any sandbox, and
compares them in a process of their own (`kernel_worker.py`).
"""

from __future__ import annotations

import functools
import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from avogit.task import Task, Tunable, parse_task, tunables, with_tunable

KERNELS = Path(__file__).parent.parent / "kernels"
GUIDE = Path(__file__).parent.parent / "docs" / "writing-a-task.md"
WORKER = Path(__file__).with_name("kernel_worker.py")
NAMES = ("attention-cpu", "softmax-cpu")
BROKEN = {
    "attention-cpu": ("drops the last key", "bf16", "fp16", "no maximum", "mean of v"),
    "softmax-cpu": ("drops the last column", "bf16", "fp16", "no maximum", "uniform"),
}
Errors = dict[str, dict[str, dict[str, float]]]  # object -> shape -> kind -> worst row


@functools.cache
def load(name: str) -> Task:
    folder = KERNELS / name
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=folder, capture_output=True, check=True, text=True
    ).stdout.split("\0")
    files = {n: (folder / n).read_bytes() for n in names if n}
    return parse_task(f"kernels/{name}", files)


def space(task: Task) -> tuple[Tunable, ...]:
    return tunables(task.editable_files(task.files))


def corners(task: Task) -> list[dict[str, int]]:
    """The seed, every tunable at its first and at its last choice, and every other one."""
    axes = space(task)
    ends = [{t.name: t.choices[end] for t in axes} for end in (0, -1)]
    mixed = [{t.name: t.choices[-((i + odd) % 2)] for i, t in enumerate(axes)} for odd in (0, 1)]
    middle = {t.name: t.choices[len(t.choices) // 2] for t in axes}
    return [{}, *ends, *mixed, middle]


def build(task: Task, point: dict[str, int], where: Path) -> str:
    compiler = shutil.which(os.environ.get("CXX", "g++")) or shutil.which("c++")
    if compiler is None:
        pytest.skip("no C++ compiler: install g++ or clang")
    source = task.files["kernel.cpp"]
    for name, value in point.items():
        source = with_tunable(source, name, value)
    label = "-".join(map(str, point.values())) or "seed"
    path = where / f"{label}.cpp"
    path.write_bytes(source)
    target = path.with_suffix(".so")
    flags = [*task.build.flags, "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, str(path), "-o", str(target)], check=True)
    return str(target)


def compare(task: Task, folder: Path, objects: list[str]) -> Errors:
    """What the worker found; skips where torch is not installed."""
    shapes = {w.name: dict(w.params) for w in task.correctness.shapes}
    request = {
        "problem": str(folder / "problem.py"),
        "entry": task.entry,
        "arguments": task.arguments,
        "shapes": shapes,
        "objects": objects,
        "broken": [f"{task.entry}: {name}" for name in BROKEN.get(task.name, ())],
    }
    command = [sys.executable, "-B", "-W", "ignore", str(WORKER)]
    done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True)
    if "No module named 'torch'" in done.stderr:
        pytest.skip("no torch: install the `oracle` extra")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@functools.cache
def measured(name: str, where: Path) -> tuple[Errors, tuple[str, ...]]:
    task = load(name)
    folder = where / name
    folder.mkdir(exist_ok=True)
    objects = [build(task, point, folder) for point in corners(task)]
    return compare(task, KERNELS / name, objects), tuple(objects)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kernels")


@pytest.mark.parametrize("name", NAMES)
def test_task_declares_a_space_around_its_seed(name: str) -> None:
    task = load(name)
    axes = space(task)
    assert task.name == name
    assert task.editable == ("kernel.cpp",)
    assert task.threads == 1
    assert 3 <= len(axes) <= 6
    assert all(t.value in t.choices for t in axes)
    assert len({t.name for t in axes}) == len(axes)
    assert "-ffast-math" not in task.build.flags


@pytest.mark.parametrize("name", NAMES)
def test_every_declared_tunable_is_parsed(name: str) -> None:
    task = load(name)
    assert len(re.findall(rb"//\s*tune:", task.files["kernel.cpp"])) == len(space(task))


@pytest.mark.parametrize("name", NAMES)
def test_task_explains_itself_to_an_operator(name: str) -> None:
    task = load(name)
    text = b"".join(task.knowledge().values()).decode()
    assert all(t.name in text for t in space(task))
    assert len(text) < 16_000


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_points_of_the_space_are_right_on_every_kind_of_input(name: str, built: Path) -> None:
    task = load(name)
    errors, objects = measured(name, built)
    for path in (*objects, "baseline"):
        for shape, kinds in errors[path].items():
            worst = max(kinds, key=lambda kind: kinds[kind])
            assert kinds[worst] < task.correctness.row_rmse / 2, (path, shape, worst)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_wrong_kernels_fail_the_tolerance_on_mixed_inputs(name: str, built: Path) -> None:
    task = load(name)
    errors, _ = measured(name, built)
    wide = [w.name for w in task.correctness.shapes if max(w.params.values()) >= 63]
    for broken in BROKEN[name]:
        for shape in wide:
            error = errors[f"{task.entry}: {broken}"][shape]["mixed"]
            assert error > task.correctness.row_rmse, (broken, shape)


@pytest.mark.parametrize("name", NAMES)
def test_no_maximum_subtracted_is_not_finite_on_some_kind(name: str, built: Path) -> None:
    task = load(name)
    errors, _ = measured(name, built)
    for shape, kinds in errors[f"{task.entry}: no maximum"].items():
        assert shape.startswith("one") or math.inf in kinds.values(), shape


def test_task_of_the_guide_is_right(tmp_path: Path) -> None:
    blocks = dict(re.findall(r"```(\w+)\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL))
    files = {"task.yaml": "yaml", "problem.py": "python", "kernel.cpp": "cpp"}
    for name, language in files.items():
        (tmp_path / name).write_text(blocks[language], encoding="utf-8")
    task = parse_task("guide", {name: (tmp_path / name).read_bytes() for name in files})
    (axis,) = space(task)
    objects = [build(task, {axis.name: choice}, tmp_path) for choice in axis.choices]
    errors = compare(task, tmp_path, objects)
    for path in objects:
        for kinds in errors[path].values():
            assert max(kinds.values()) < task.correctness.row_rmse
