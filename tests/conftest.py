"""What every test stands on: a git that knows nothing of the machine's owner."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import review_samples

# The console script beside this Python: `python -m avogit` would look into the working
# directory first, and a bare repository holds a folder of that name.
AVOGIT = str(Path(sys.executable).parent / "avogit")
Git = Callable[..., str]


# Whoever stands on one of these times kernels, and so does what these files test.
MEASURING_FIXTURES = {"polynomial", "seeded_once", "crossed_once", "evaluator", "gpu_evaluator"}
LONG_FIXTURES = {"crossed_once"}
MEASURING_FILES = {"test_job", "test_kernels", "test_real_agents", "test_wheel"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what measures: `make test` runs that alone, and the rest side by side."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & MEASURING_FIXTURES or item.path.stem in MEASURING_FILES:
            item.add_marker("measures")
        if fixtures & LONG_FIXTURES:
            item.add_marker("slow")


def isolate(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """No user config, no inherited hook variables, no endpoint and no key."""
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in [n for n in os.environ if n.startswith(("OPENAI_", "AVOGIT_", "GIT_DIR"))]:
        monkeypatch.delenv(name)
    # Tests start avogit hundreds of times: it must not be compiled anew each time.
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    (home / ".gitconfig").write_text(
        "[user]\n\tname = Tester\n\temail = tester@example.org\n[init]\n\tdefaultBranch = main\n"
    )


def run_git(directory: Path, *arguments: str, **options: object) -> str:
    """Run git in a directory and give its output; a failure fails the test."""
    command = ["git", "-C", str(directory), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


def run_avogit(
    directory: Path, *arguments: str, env: dict[str, str] | None = None, **options: object
) -> subprocess.CompletedProcess[str]:
    """Run avogit in a directory as a user would."""
    return subprocess.run(
        [AVOGIT, *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(env or {})},
        **options,
    )


@pytest.fixture(autouse=True)
def private_environment(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every test has a home of its own."""
    isolate(monkeypatch, tmp_path_factory.mktemp("home"))


@pytest.fixture
def git() -> Git:
    return run_git


@pytest.fixture
def avogit() -> Callable[..., subprocess.CompletedProcess[str]]:
    return run_avogit


@pytest.fixture
def avogit_path() -> str:
    """What git is told to run."""
    return AVOGIT


def make_project(root: Path) -> Path:
    """A user's repository with one commit and a file of their own."""
    root.mkdir()
    run_git(root, "init", "-q", "-b", "main")
    (root / "notes.txt").write_text("the user's own file\n")
    run_git(root, "add", "notes.txt")
    run_git(root, "commit", "-q", "-m", "A file of mine")
    return root


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path / "a project")


TASKS = Path(__file__).resolve().parent / "tasks"


# Short, and content with less certainty than the default: what tests plant is twofold.
MEASURE = "measure: {budget_s: 2, fresh_s: 1, confirm_s: 1.5}\nacceptance: {confidence: 0.9}\n"


def make_polynomial(root: Path) -> Path:
    """A repository with the test task initialised and short measurements configured."""
    make_project(root)
    done = run_avogit(root, "init", "--task", str(TASKS / "polynomial"))
    assert done.returncode == 0, done.stderr
    with (root / "avogit.yaml").open("a") as file:
        file.write(MEASURE)
    run_git(root, "commit", "-q", "-am", "Short measurements")
    return root


@pytest.fixture
def polynomial(tmp_path: Path) -> Path:
    return make_polynomial(tmp_path / "a project")


@pytest.fixture(scope="session")
def seeded_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A population's seed, measured; tests work on copies."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        isolate(monkeypatch, tmp_path_factory.mktemp("home"))
        root = make_polynomial(tmp_path_factory.mktemp("seeded") / "a project")
        done = run_avogit(root, "seed")
        assert done.returncode == 0, done.stderr
    return root


@pytest.fixture
def seeded(seeded_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(seeded_once, tmp_path / "a project", symlinks=True))


@pytest.fixture(scope="session")
def evolved_once(seeded_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A population after three steps of `tune`; tests work on copies."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        isolate(monkeypatch, tmp_path_factory.mktemp("home"))
        root = tmp_path_factory.mktemp("evolved") / "a project"
        shutil.copytree(seeded_once, root, symlinks=True)
        done = run_avogit(root, "run", "--steps", "3", "--operator", "tune")
        assert done.returncode == 0, done.stderr
    return root


@pytest.fixture
def evolved(evolved_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(evolved_once, tmp_path / "a project", symlinks=True))


@pytest.fixture(scope="session")
def crossed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two lines, each far faster on another workload, and their crossover, by tags."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        isolate(monkeypatch, tmp_path_factory.mktemp("home"))
        root = make_polynomial(tmp_path_factory.mktemp("crossed") / "a project")
        review_samples.grow_crossed(root, run_git)
    return root


@pytest.fixture
def crossed(crossed_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(crossed_once, tmp_path / "a project", symlinks=True))
