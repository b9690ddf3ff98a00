"""What every test stands on: a git that knows nothing of the machine's owner."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def private_environment(tmp_path_factory: pytest.TempPathFactory, monkeypatch) -> None:
    """No user config, no inherited hook variables, no endpoint and no key."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in [n for n in os.environ if n.startswith(("OPENAI_", "AVOGIT_", "GIT_DIR"))]:
        monkeypatch.delenv(name)
    (home / ".gitconfig").write_text(
        "[user]\n\tname = Tester\n\temail = tester@example.org\n[init]\n\tdefaultBranch = main\n"
    )


Git = Callable[..., str]


@pytest.fixture
def git() -> Git:
    """Run git in a directory and give its output; a failure fails the test."""

    def run(directory: Path, *arguments: str, **options: object) -> str:
        done = subprocess.run(
            ["git", "-C", str(directory), *arguments],
            capture_output=True,
            text=True,
            check=False,
            **options,
        )
        assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr}"
        return done.stdout.strip()

    return run


@pytest.fixture
def avogit() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `python -m avogit` in a directory as a user would."""

    def run(
        directory: Path, *arguments: str, env: dict[str, str] | None = None, **options: object
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "avogit", *arguments],
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **(env or {})},
            **options,
        )

    return run


@pytest.fixture
def project(tmp_path: Path, git: Git) -> Path:
    """A user's repository with one commit and a file of their own."""
    root = tmp_path / "a project"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    (root / "notes.txt").write_text("the user's own file\n")
    git(root, "add", "notes.txt")
    git(root, "commit", "-q", "-m", "A file of mine")
    return root


TASKS = Path(__file__).resolve().parent / "tasks"


@pytest.fixture
def polynomial(project: Path, git: Git, avogit) -> Path:
    """A repository with the test task initialised and short measurements configured."""
    done = avogit(project, "init", "--task", str(TASKS / "polynomial"))
    assert done.returncode == 0, done.stderr
    with (project / "avogit.yaml").open("a") as file:
        file.write("measure: {budget_s: 1.5, fresh_s: 1.0, confirm_s: 1.5}\n")
    git(project, "commit", "-q", "-am", "Short measurements")
    return project
