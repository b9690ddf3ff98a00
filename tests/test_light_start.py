"""An ordinary command is quick to start: it loads no model's library, and nothing of a GPU's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from planted import plant_seed

HEAVY = {"openai", "httpx", "torch", "numpy", "cuda", "pynvml", "triton", "matplotlib", "mcp"}


def loaded(directory: Path, *arguments: str) -> set[str]:
    """The packages that a command imports, as Python itself tells it."""
    command = [sys.executable, "-X", "importtime", "-m", "avogit", *arguments]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("step", "--help")])
def test_help_loads_next_to_nothing(arguments: tuple[str, ...], tmp_path: Path) -> None:
    found = loaded(tmp_path, *arguments)
    assert "click" in found
    assert not found & {*HEAVY, "git", "jinja2", "yaml"}


def test_commands_that_measure_nothing_load_nothing_heavy(project: Path, avogit) -> None:
    assert avogit(project, "init", "--task", "softmax-cpu").returncode == 0
    plant_seed(project)
    for arguments in (("log",), ("log", "--json"), ("show", "best"), ("tree",), ("tasks",)):
        found = loaded(project, *arguments)
        assert "git" in found
        assert not found & HEAVY, arguments


def test_a_gpus_lineage_is_shown_without_what_measures_it(project: Path, avogit, git) -> None:
    assert avogit(project, "init", "--task", "attention-cuda").returncode == 0
    with (project / "avogit.yaml").open("a") as file:
        file.write("bench: {device: h200}\n")
    git(project, "commit", "-q", "-am", "Measured on an H200")
    plant_seed(project)
    assert not loaded(project, "log") & HEAVY
