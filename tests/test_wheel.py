"""The wheel carries templates, hooks and tasks, and works outside a checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    source = tmp_path_factory.mktemp("source") / "avogit"
    # A copy, so that setuptools leaves no build folder in the checkout.
    subprocess.run(["git", "init", "-q", str(source)], check=True)
    files = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True,
        capture_output=True,
    ).stdout.split(b"\0")
    for name in filter(None, files):
        path = ROOT / os.fsdecode(name)
        if path.is_file():
            target = source / os.fsdecode(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
            target.chmod(path.stat().st_mode)
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "-w", str(out), str(source)], check=True)
    return next(out.glob("*.whl"))


def test_the_wheel_carries_what_it_needs(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for needed in (
        "avogit/cheats/gpu-task/honest.h",
        "avogit/cheats/gpu/cheats.json",
        "avogit/cheats/gpu/h22_constant/kernel.cu",
        "avogit/cheats/h05_patched_clock.cpp",
        "avogit/cheats/honest/throws.cpp",
        "avogit/cheats/task/kernel.cpp",
        "avogit/hooks/pre-push",
        "avogit/kernels/attention-cpu/task.yaml",
        "avogit/kernels/attention-cpu/knowledge",
        "avogit/kernels/attention-cuda/attention.cu",
        "avogit/kernels/attention-triton/knowledge",
        "avogit/kernels/softmax-cpu/kernel.cpp",
        "avogit/templates",
    ):
        assert any(name.startswith(needed) for name in names), needed
    assert not any("__pycache__" in name or name.startswith("tests/") for name in names)


@pytest.mark.slow
def test_init_and_a_step_from_the_wheel(wheel: Path, project: Path, tmp_path: Path, git) -> None:
    home = tmp_path / "environment"
    venv.create(home, with_pip=False)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(home)}))
    install = [sys.executable, "-m", "pip", "--python", str(home / "bin/python"), "install"]
    subprocess.run([*install, "-q", "--no-deps", "--no-index", str(wheel)], check=True)
    # The dependencies come from this environment; its avogit does not, for a path that a
    # .pth file adds stands behind the wheel's, and its own .pth files are not read.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    avogit = str(home / "bin/avogit")
    found = subprocess.run(
        [home / "bin/python", "-c", "import avogit; print(avogit.__file__)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=project,
    ).stdout
    assert str(home) in found

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [avogit, *arguments], cwd=project, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("init", "--task", "softmax-cpu")
    with (project / "avogit.yaml").open("a") as file:
        file.write("measure: {budget_s: 4, fresh_s: 1}\n")
    git(project, "commit", "-q", "-am", "Short measurements")
    step = json.loads(run("step", "--json"))["step"]
    assert step["candidate"]["verdict"] == "PASSED", step
