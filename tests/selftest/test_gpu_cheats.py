"""The cheats and the honest oddities for a GPU.

Without one: what the builder refuses, what a plan may not hold, and that all others compile, with
sound plans. With one (`-m gpu`): each is evaluated, and gets its exact status.
"""

from __future__ import annotations

import json
import runpy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from avogit.bench.plan import PlanRefused
from avogit.bench.plan_checks import checked_plans
from avogit.bench.protocol import Defences
from avogit.build import BUILDERS, BuildFailure
from avogit.bundle import Bundle, Kernel, read_bundle
from avogit.commands.selftest import BUDGETS_S, beside_honest, evaluate, is_faster
from avogit.corpus import Specimen, gpu_specimens, gpu_task, is_met
from avogit.devices import find_device
from avogit.errors import AvogitError
from avogit.evaluation import Evaluator, Source
from avogit.evaluation.compiling import (
    buffer_sizes,
    compile_candidate,
    every_workload,
    order_for,
)
from avogit.evaluation.device import gpu_device
from avogit.records import INCUMBENT, Evaluation
from avogit.resources import resource
from avogit.task import parse_task

TASK, ALL, DEVICE = gpu_task(), gpu_specimens(), find_device("h200")
SEED = Specimen("seed", (), TASK.editable_files(TASK.files), "PASSED")
IN_BUILD = ("COMPILE_ERROR compile-error", "COMPILE_ERROR launch-error")
NOT_IN_BUILD = [kernel for kernel in (SEED, *ALL) if kernel.expect not in IN_BUILD]


def name(value: object) -> str:
    return value.name if isinstance(value, Specimen) else str(value)


def test_the_table_and_the_folders_are_of_the_same_names() -> None:
    folders = {p.name for p in (resource("cheats") / "gpu").iterdir() if p.is_dir()}
    assert folders == {kernel.name for kernel in ALL}
    for kernel in ALL:
        assert kernel.files != SEED.files, f"{kernel.name} is the task's own kernel"
        assert kernel.honest == kernel.name.startswith("honest_")


@pytest.mark.parametrize("kernel", [k for k in ALL if k.expect in IN_BUILD], ids=name)
def test_the_builder_refuses(kernel: Specimen, tmp_path: Path) -> None:
    files = dict(kernel.files)
    if kernel.expect.endswith("launch-error"):  # launch.py comes last: the rest may be short
        files["kernel.cu"] = b'extern "C" __global__ void attention() {}\n'
    try:
        found = compile_candidate(TASK, files, DEVICE, tmp_path)
    except AvogitError as error:
        pytest.skip(str(error))
    assert isinstance(found, BuildFailure)
    assert is_met(kernel.expect, "COMPILE_ERROR", found.reason), found.output


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Kernel, ...]:
    """The kernels of all candidates, each in a namespace of its own, from one compilation."""
    sources = {kernel.name: kernel.files["kernel.cu"] for kernel in NOT_IN_BUILD}
    together = '#include "honest.h"\n#include "cache.h"\n' + "".join(
        f"namespace {label} {{\n#define attention attention_{label}\n"
        f'#include "{label}.h"\n#undef attention\n}}\n'
        for label in {source: label for label, source in sources.items()}.values()
    )
    headers = {f"{label}.h": source for label, source in sources.items()}
    files = {"kernel.cu": together.encode(), "launch.py": b"def plan(*_): return {}\n"}
    order = order_for(parse_task(TASK.path, {**TASK.files, **headers}), files, DEVICE)
    try:
        built = BUILDERS["cuda"](order, tmp_path_factory.mktemp("artefacts"))
    except AvogitError as error:
        pytest.skip(str(error))
    assert not isinstance(built, BuildFailure), built.output
    return read_bundle(built.path).kernels


def kernels_of(kernel: Specimen, compiled: tuple[Kernel, ...]) -> tuple[Kernel, ...]:
    """What its plan may launch. Equal sources were compiled once."""
    same = [k.name for k in NOT_IN_BUILD if k.files["kernel.cu"] == kernel.files["kernel.cu"]]
    own = {f"attention_{label}" for label in same}
    return tuple(
        replace(found, name="attention") if found.name in own else found
        for found in compiled
        if found.name in own or not found.name.startswith("attention_")
    )


def plans_of(kernel: Specimen, folder: Path) -> dict[str, Any]:
    """What its launch.py plans, as the builder would write it down."""
    path = folder / "launch.py"
    path.write_bytes(kernel.files["launch.py"])
    plan = runpy.run_path(str(path))["plan"]
    plans = {w.name: plan(dict(w.params), DEVICE.facts()) for w in every_workload(TASK)}
    return dict(json.loads(json.dumps(plans)))


@pytest.mark.parametrize("kernel", NOT_IN_BUILD, ids=name)
def test_it_compiles_and_its_plan_is_judged(
    kernel: Specimen,
    compiled: tuple[Kernel, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(resource("cheats") / "gpu-task")
    target = DEVICE.architecture.target
    bundle = Bundle(target, {}, kernels_of(kernel, compiled), plans_of(kernel, tmp_path))
    buffers = {w.name: buffer_sizes(TASK, w) for w in every_workload(TASK)}
    found = ""
    try:
        checked_plans(bundle, buffers, DEVICE.architecture)
    except PlanRefused as refused:
        found = f"COMPILE_ERROR plan-{refused.reason}"
    assert found == (kernel.expect if "plan-" in kernel.expect else "")


def rules() -> list[tuple[Specimen, str, str]]:
    """(kernel, defences off, verdict and reason)."""
    return [
        (kernel, off, want)
        for kernel in (SEED, *ALL)
        for off, want in {"": kernel.expect, **kernel.without}.items()
    ]


def judge(
    evaluator: Evaluator,
    kernel: Specimen,
    off: str = "",
    rivals: Mapping[str, Source] | None = None,
) -> Evaluation:
    device = gpu_device(TASK)
    assert device is not None
    if device.architecture.capability < kernel.capability:
        pytest.skip(f"{device.name} is older than what {kernel.name} is made for")
    evaluator.defences = replace(Defences(), **dict.fromkeys(off.split(), False))
    try:
        return evaluate(evaluator, kernel, rivals or {}, BUDGETS_S["gpu"])
    finally:
        evaluator.defences = Defences()


@pytest.mark.gpu
@pytest.mark.parametrize(("kernel", "off", "want"), rules(), ids=name)
def test_it_gets_its_status(
    gpu_evaluator: Evaluator, kernel: Specimen, off: str, want: str
) -> None:
    found = judge(gpu_evaluator, kernel, off)
    assert is_met(want, found.verdict.value, found.reason), f"{found.reason}: {found.detail}"


@pytest.mark.gpu
@pytest.mark.parametrize("kernel", [k for k in ALL if k.harmless], ids=name)
def test_it_gains_nothing(gpu_evaluator: Evaluator, kernel: Specimen) -> None:
    found = judge(gpu_evaluator, kernel, rivals=beside_honest(kernel, TASK))
    assert INCUMBENT in found.versus, f"{found.reason}: {found.detail}"
    assert not is_faster(found, "gpu")
