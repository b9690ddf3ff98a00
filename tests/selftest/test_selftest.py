"""`avogit selftest` on this machine, and on a copy of avogit with a cheat that is none."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.measures  # it times kernels


@pytest.mark.slow
def test_what_is_caught_and_what_passes(avogit, tmp_path: Path) -> None:
    names = ("h25_drop_last_key", "h05_patched_clock", "throws")
    chosen = [word for name in names for word in ("--only", name)]
    done = avogit(tmp_path, "selftest", *chosen, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    found = {tried["name"]: tried["found"] for tried in result["tried"]}
    assert found == {
        "h05_patched_clock": "PASSED",
        "h25_drop_last_key": "INCORRECT_NUMERICAL row-error",
        "throws": "PASSED",
    }
    assert all(tried["ok"] for tried in result["tried"])
    assert result["device"]
    assert result["sandbox"]


def test_a_cheat_that_gets_through_is_told(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "avogit", tmp_path / "avogit")
    cheats = tmp_path / "avogit" / "cheats"
    shutil.copytree(ROOT / "tests" / "cheats", cheats)
    honest = (cheats / "task" / "kernel.cpp").read_text()
    rule = "// expect: INCORRECT_NUMERICAL row-error\n"
    (cheats / "h25_drop_last_key.cpp").write_text(rule + honest)
    done = subprocess.run(
        [sys.executable, "-m", "avogit", "selftest", "--only", "h25_drop_last_key"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("h25"))
    assert line.split() == [
        "h25_drop_last_key", "H25", "INCORRECT_NUMERICAL", "row-error", "PASSED", "NOT", "CAUGHT",
    ]  # fmt: skip
    assert "0 of 1 as expected" in done.stdout


def test_an_unknown_name_is_told_with_those_like_it(avogit, tmp_path: Path) -> None:
    done = avogit(tmp_path, "selftest", "--only", "drop_last_key")
    assert done.returncode == 1
    assert "no cheat or honest kernel is called drop_last_key" in done.stderr
    assert "h25_drop_last_key" in done.stderr


def test_without_a_gpu_one_line_says_so(avogit, tmp_path: Path) -> None:
    if shutil.which("nvidia-smi"):
        pytest.skip("there may be a GPU here")
    done = avogit(tmp_path, "selftest", "--device", "gpu")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "NVIDIA GPU" in done.stderr
