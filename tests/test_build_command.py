"""`avogit build`, and what a GPU task says on a machine that cannot measure it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from avogit.bench.plan import Launch, LaunchPlan
from avogit.build.inspecting import find_tool
from avogit.bundle import Kernel, Resources
from avogit.commands.build import Compilation
from avogit.report.build import build_text

ROOT = Path(__file__).resolve().parent.parent


def test_build_compiles_the_configured_task(polynomial: Path, avogit, git) -> None:
    before = git(polynomial, "for-each-ref")
    done = avogit(polynomial, "build")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("polynomial: built by ")
    assert git(polynomial, "for-each-ref") == before
    assert git(polynomial, "status", "--porcelain") == ""


def test_build_tells_the_compilers_words_and_exits_1(polynomial: Path, avogit) -> None:
    kernel = next((polynomial / "kernels").rglob("kernel.cpp"))
    kernel.write_text("int f( {\n")
    done = avogit(polynomial, "build", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert found["reason"] == "compile-error"
    assert "kernel.cpp:1" in found["detail"]


def test_build_needs_a_folder_or_a_config(project: Path, avogit) -> None:
    for arguments in ((), ("nowhere",)):
        done = avogit(project, "build", *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.count("\n") == 1


def test_an_unknown_device_is_named(project: Path, avogit) -> None:
    folder = str(ROOT / "kernels" / "attention-cuda")
    done = avogit(project, "build", folder, "--device", "h300")
    assert done.returncode == 1
    assert "no GPU called 'h300'" in done.stderr


def test_a_gpu_task_says_in_one_line_that_it_cannot_be_measured_here(project: Path, avogit) -> None:
    assert avogit(project, "init", "--task", "attention-cuda").returncode == 0
    done = avogit(project, "seed")
    assert (done.returncode, done.stdout) == (1, "")
    assert "attention-cuda runs on an NVIDIA GPU" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_gpu_build_tells_what_its_kernels_are_made_of(project: Path, avogit) -> None:
    if find_tool("nvcc") is None or find_tool("nvdisasm") is None:
        pytest.skip("no nvcc or nvdisasm: pip install 'avogit[cuda]'")
    folder = str(ROOT / "kernels" / "attention-cuda")
    done = avogit(project, "build", folder, "--device", "h200", "--json")
    assert done.returncode == 0, done.stderr
    counts = [kernel["resources"]["instructions"] for kernel in json.loads(done.stdout)["kernels"]]
    assert len(counts) == 8
    assert all(count["HMMA"] > 0 for count in counts)


def test_kernels_and_launches_are_shown() -> None:
    instructions = {"HGMMA": 16, "MUFU": 66, "LDL": 2, "STL": 1, "FFMA": 9}
    kernels = (
        Kernel("fast", "fast", "a.cubin", (8,), Resources(168, 16, 512, 0, instructions)),
        Kernel("bare", "bare", "a.cubin", (8,)),
    )
    launch = Launch("fast", (132, 1, 1), (384, 1, 1), (2, 1, 1), 1024, ())
    plans = {"full-4k": LaunchPlan({}, {}, (launch,))}
    text = build_text(Compilation("t", "h200", "sm_90a", "nvcc", "", "", kernels, plans))
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line}
    assert rows["fast"] == ["168", "16", "512", "16", "66", "3"]
    assert rows["bare"] == ["?"] * 6
    assert rows["full-4k"] == ["fast", "132x1x1", "384x1x1", "1024"]
