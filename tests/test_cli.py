"""Exit codes, streams and words of the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = (
    "best", "build", "checkout", "doctor", "fsck", "hook", "init", "log", "measure", "plot",
    "prune", "report", "restore", "run", "seed", "show", "step", "submit", "tasks", "tree",
    "cross", "compare", "ablate", "blame", "pr",
)  # fmt: skip


def test_help_lists_every_command(avogit, tmp_path: Path) -> None:
    text = avogit(tmp_path, "--help").stdout
    assert all(f"  {name} " in text for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(avogit, tmp_path: Path, name: str) -> None:
    done = avogit(tmp_path, name, "--help")
    assert done.returncode == 0
    assert name == "hook" or "--json" in done.stdout


def test_user_errors_are_one_line_and_exit_1(avogit, tmp_path: Path) -> None:
    done = avogit(tmp_path, "log")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("avogit: ")


def test_usage_errors_exit_2(avogit, project: Path) -> None:
    assert avogit(project, "log", "--no-such-option").returncode == 2
    assert avogit(project, "no-such-command").returncode == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("task: [", "not YAML"),
        ("operator: tune\n", "`task: FOLDER` is missing"),
        ("task: kernels/x\nspeed: 3\n", "unknown field `speed`"),
        ("task: kernels/x\n", "does not hold"),
        ("task: kernels/x\nselection: {max_lines: 0}\n", "max_lines"),
    ],
)
def test_a_bad_config_is_named(avogit, project: Path, text: str, says: str) -> None:
    (project / "avogit.yaml").write_text(text)
    done = avogit(project, "step")
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_tasks_are_listed_with_json(avogit, tmp_path: Path) -> None:
    rows = json.loads(avogit(tmp_path, "tasks", "--json").stdout)
    assert {"attention-cpu", "softmax-cpu"} <= {row["name"] for row in rows}


def test_a_reader_that_stops_early_is_no_error(seeded: Path, avogit_path: str) -> None:
    done = subprocess.run(
        f'"{avogit_path}" log --json | head -c 1',
        shell=True,
        cwd=seeded,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "bug" not in done.stderr


def test_a_missing_compiler_is_one_line(polynomial: Path, avogit, tmp_path: Path) -> None:
    only_git = tmp_path / "bin"
    only_git.mkdir()
    git = subprocess.run(["which", "git"], capture_output=True, text=True, check=True)
    (only_git / "git").symlink_to(git.stdout.strip())
    done = avogit(polynomial, "seed", env={"PATH": str(only_git), "CXX": ""})
    assert done.returncode == 1, done.stdout
    assert "install" in done.stderr
    assert done.stderr.count("\n") == 1


def test_only_the_oracle_imports_torch() -> None:
    """Every module of avogit but the bench imports without torch coming along."""
    code = (
        "import sys, pkgutil, importlib, avogit\n"
        "for module in pkgutil.walk_packages(avogit.__path__, 'avogit.'):\n"
        "    if '.bench' not in module.name and '__main__' not in module.name"
        " and '.kernels' not in module.name:\n"
        "        importlib.import_module(module.name)\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_help_is_quick() -> None:
    """Within 2.5 times of importing click; the planted effect here is an import of git: 3x."""
    lazy = "import sys, avogit.cli; sys.exit(any(m in sys.modules for m in ('git', 'yaml')))"
    assert subprocess.run([sys.executable, "-c", lazy], check=False).returncode == 0


def test_shell_completion(avogit, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "avogit"],
        env={**os.environ, "_AVOGIT_COMPLETE": "bash_complete", "COMP_WORDS": "avogit s",
             "COMP_CWORD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert {"step", "seed", "show", "submit"} <= {
        line.split(",")[-1] for line in done.stdout.split()
    }
