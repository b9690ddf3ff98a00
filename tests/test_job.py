"""Offline jobs: a folder goes to a machine without git, a file comes back, and is held to it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from avogit.commands import job as job_command
from avogit.errors import AvogitError

Change = Callable[[dict], None]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has torch, and neither avogit nor what avogit needs."""
    home = tmp_path_factory.mktemp("elsewhere")
    venv.create(home, with_pip=False)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(home)}))
    code = "import torch, typing_extensions; print(torch.__path__[0])"
    found = subprocess.run([sys.executable, "-W", "ignore", "-c", code],
                           capture_output=True, text=True, check=False)  # fmt: skip
    if found.returncode != 0:
        pytest.skip("no torch: install the `oracle` extra")
    packages = Path(found.stdout.strip()).parent
    for name in ("torch", "torchgen", "typing_extensions.py", "filelock", "sympy", "mpmath",
                 "networkx", "jinja2", "markupsafe", "fsspec", "functorch"):  # fmt: skip
        if (packages / name).exists():
            (site / name).symlink_to(packages / name)
    return home / "bin" / "python"


def run_there(python: Path, job: Path, result: str) -> subprocess.CompletedProcess[str]:
    command = [str(python), "-m", "avogit.bench", "run", ".", "-o", result]
    env = {"PATH": "/usr/bin:/bin", "HOME": str(job), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=job, env=env, capture_output=True, text=True, check=False)


def seed_of(git, repository: Path) -> str:
    return git(repository, "for-each-ref", "--format=%(objectname)", "refs/heads/avo/").split()[0]


@pytest.mark.slow
def test_a_candidate_is_measured_elsewhere_and_recorded(
    seeded: Path, elsewhere: Path, avogit, git, tmp_path: Path
) -> None:
    job = tmp_path / "job"
    done = avogit(seeded, "job", "export", "best", "-o", str(job))
    assert done.returncode == 0, done.stderr
    assert not list(job.rglob("*.git")) + list(job.rglob("kernel.cpp"))
    there = run_there(elsewhere, job, "result.json")
    assert there.returncode == 0, there.stderr
    assert "PASSED" in there.stdout
    heads = git(seeded, "for-each-ref", "refs/heads")

    refused_results(seeded, git, job / "result.json", tmp_path)
    done = avogit(seeded, "job", "record", str(job / "result.json"), "--json")
    assert done.returncode == 0, done.stderr
    (recorded,) = json.loads(done.stdout)["recorded"]
    assert recorded["candidate"] == seed_of(git, seeded)
    assert recorded["evaluation"]["verdict"] == "PASSED"
    assert recorded["evaluation"]["sample"] == "confirmation"
    messages = git(seeded, "log", "--glob=refs/avo/records/*", "--format=%B")
    assert f"Avo-Record: {recorded['record']}" in messages
    assert "Avo-Kind: measurement" in messages
    assert git(seeded, "for-each-ref", "refs/heads") == heads
    assert avogit(seeded, "fsck").returncode == 0

    (job / "task" / "problem.py").write_text("raise SystemExit\n")
    there = run_there(elsewhere, job, "other.json")
    assert there.returncode == 1
    assert "not those that were exported" in there.stderr
    assert there.stderr.count("\n") == 1


def refused_results(seeded: Path, git, result: Path, where: Path) -> None:
    """Whatever does not match is refused in one line, and nothing is recorded."""
    records = git(seeded, "for-each-ref", "refs/avo")
    for change, says in CHANGES:
        document = json.loads(result.read_text())
        change(document)
        altered = where / "altered.json"
        altered.write_text(json.dumps(document))
        with pytest.raises(AvogitError, match=says) as caught:
            job_command.record(seeded, altered, lambda text: None)
        assert "\n" not in str(caught.value)
    assert git(seeded, "for-each-ref", "refs/avo") == records


def first(key: str, value: object) -> Change:
    return lambda document: document["verdicts"][0].__setitem__(key, value)


def report(key: str, value: object) -> Change:
    return lambda document: document["verdicts"][0]["report"].__setitem__(key, value)


def of_oracle(key: str, value: object) -> Change:
    return lambda document: document["oracle"].__setitem__(key, value)


def whole(key: str, value: object) -> Change:
    return lambda document: document.__setitem__(key, value)


CHANGES: tuple[tuple[Change, str], ...] = (
    (first("tree", "1" * 40), "no candidate of"),
    (first("rivals", {"incumbent": "1" * 40}), "no candidate of"),
    (first("fingerprint", "sha256:" + "0" * 64), "is not what that tree gives here"),
    (of_oracle("device", "Another Processor"), "device is Another Processor"),
    (whole("task", "another"), "task is another"),
    (whole("evaluator", "sha256:0"), "evaluator's code is"),
    (whole("format", 2), "has format 2"),
    (whole("verdicts", [{}]), "no result of a job"),
    (whole("extra", 1), "no result of a job"),
    (report("verdict", "SPLENDID"), "make no sense"),
    (report("blocks", []), "make no sense"),
    (report("stages_s", {}), "make no sense"),
)


def test_a_job_needs_a_new_folder_and_known_candidates(
    seeded: Path, avogit, tmp_path: Path
) -> None:
    done = avogit(seeded, "job", "export", "best", "-o", str(tmp_path))
    assert done.returncode == 1
    assert "exists already" in done.stderr
    done = avogit(seeded, "job", "export", "HEAD", "-o", str(tmp_path / "job"))
    assert done.returncode == 1
    assert "is no candidate" in done.stderr
    assert avogit(seeded, "job", "record", str(tmp_path / "absent")).returncode == 1


def test_a_job_that_makes_no_sense_is_one_line(tmp_path: Path) -> None:
    shutil.copytree(Path(__file__).parent.parent / "avogit", tmp_path / "avogit")
    for text in ("", "{}", '{"is": "Job"}'):
        (tmp_path / "job.json").write_text(text)
        done = subprocess.run(
            [sys.executable, "-m", "avogit.bench", "run", ".", "-o", "r"], cwd=tmp_path,
            capture_output=True, text=True, check=False, env=dict(os.environ),
        )  # fmt: skip
        assert done.returncode == 1, done.stderr
        assert "is no job" in done.stderr
        assert done.stderr.count("\n") == 1
