"""The main job, end to end: `python -m avogit` in a real repository, then ask git."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

LOG = "--format=%h %(trailers:key=Avo-Score,valueonly,separator=%x20) %s"


def test_a_run_ends_in_a_champion_and_leaves_the_user_alone(evolved: Path, git, avogit) -> None:
    assert git(evolved, "status", "--porcelain") == ""
    assert git(evolved, "symbolic-ref", "--short", "HEAD") == "main"
    tags = git(evolved, "tag", "--list", "avo/*/champion-*").splitlines()
    assert len(tags) == 1
    assert "Champion" in git(evolved, "tag", "--list", "--format=%(contents)", tags[0])
    log = git(evolved, "log", "--branches=avo/*", LOG, "--not", "main").splitlines()
    assert len(log) >= 2
    assert all(float(line.split()[1]) > 0 for line in log)
    best = json.loads(avogit(evolved, "best", "--json").stdout)
    assert best["incumbent"]["score"]["value"] > 1.5 * best["seed"]["score"]["value"]


def test_a_line_merges_back_as_any_branch(evolved: Path, git, avogit) -> None:
    best = json.loads(avogit(evolved, "best", "--json").stdout)["incumbent"]["oid"]
    git(evolved, "merge", "-q", "--no-edit", best)
    assert "PASSES = 8" not in (evolved / "kernels/polynomial/kernel.cpp").read_text()
    assert avogit(evolved, "fsck").returncode == 0


def test_a_mirror_without_caches_gives_the_same_answers(
    evolved: Path, git, avogit, tmp_path: Path
) -> None:
    mirror = tmp_path / "mirror"
    git(tmp_path, "clone", "-q", "--mirror", str(evolved), str(mirror))
    here = avogit(evolved, "log", "--json")
    there = avogit(mirror, "log", "--json")
    assert there.returncode == 0, there.stderr
    assert json.loads(here.stdout) == json.loads(there.stdout)
    assert avogit(mirror, "fsck").stdout == avogit(evolved, "fsck").stdout
    shutil.rmtree(evolved / ".git" / "avogit")
    assert avogit(evolved, "log", "--json").stdout == here.stdout


def test_a_plain_clone_shows_the_live_lines_and_says_what_it_lacks(
    evolved: Path, git, avogit, tmp_path: Path
) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(evolved), str(clone))
    ours = json.loads(avogit(evolved, "best", "--json").stdout)["incumbent"]
    theirs = json.loads(avogit(clone, "best", "--json").stdout)["incumbent"]
    assert (theirs["oid"], theirs["score"]) == (ours["oid"], ours["score"])
    assert "git fetch" in avogit(clone, "log").stdout


@pytest.mark.slow
def test_bisect_finds_a_planted_slow_down(polynomial: Path, git, avogit_path: str) -> None:
    kernel = polynomial / "kernels/polynomial/kernel.cpp"
    text = kernel.read_text().replace("PASSES = 8", "PASSES = 2")
    commits = []
    for number in range(7):
        if number == 4:
            text = text.replace("PASSES = 2", "PASSES = 8")
        kernel.write_text(f"// version {number}\n{text}")
        git(polynomial, "commit", "-q", "-am", f"Version {number}")
        commits.append(git(polynomial, "rev-parse", "HEAD"))
    git(polynomial, "bisect", "start", commits[-1], commits[0])
    # The planted slow-down is twofold: half of that tells it from noise.
    out = git(
        polynomial,
        "bisect",
        "run",
        avogit_path,
        "measure",
        "--tolerance",
        "0.3",
        "--bisect",
        commits[0],
    )
    assert f"{commits[4]} is the first bad commit" in out


def test_bisect_codes(polynomial: Path, git, avogit) -> None:
    kernel = polynomial / "kernels/polynomial/kernel.cpp"
    good = git(polynomial, "rev-parse", "HEAD")
    kernel.write_text("this is no C++\n")
    git(polynomial, "commit", "-q", "-am", "Break the build")
    assert avogit(polynomial, "measure", "--bisect", good).returncode == 125
    assert avogit(polynomial, "measure", "--bisect", "no-such-commit").returncode >= 128
    assert avogit(polynomial, "measure", "--bisect").returncode >= 128


@pytest.mark.slow
def test_manual_checkout_and_submit(seeded: Path, avogit, tmp_path: Path) -> None:
    workspace = tmp_path / "by hand"
    assert avogit(seeded, "checkout", "best", str(workspace)).returncode == 0
    kernel = workspace / "kernel.cpp"
    kernel.write_text(kernel.read_text().replace("PASSES = 8", "PASSES = 3"))
    done = avogit(seeded, "submit", str(workspace), "-m", "Three passes", "--json")
    step = json.loads(done.stdout)["step"]
    assert step["outcome"] == "accepted", done.stdout
    assert step["candidate"]["trailers"]["Avo-Operator"] == "manual"
    again = json.loads(avogit(seeded, "submit", "-m", "Again", "--json").stdout)["step"]
    assert again["outcome"] == "already-measured"


def test_a_workspace_that_touches_trusted_files_is_refused(
    seeded: Path, avogit, tmp_path: Path
) -> None:
    workspace = tmp_path / "hack"
    avogit(seeded, "checkout", "best", str(workspace))
    problem = workspace / "problem.py"
    problem.write_text(problem.read_text() + "# a small help\n")
    done = avogit(seeded, "submit", str(workspace), "-m", "Nothing to see", "--json")
    step = json.loads(done.stdout)["step"]
    assert (step["outcome"], step["evaluation"]["verdict"]) == ("rejected", "REWARD_HACK")
    assert "problem.py" in step["evaluation"]["detail"]


def test_prune_and_restore(evolved: Path, avogit) -> None:
    rows = json.loads(avogit(evolved, "log", "--json").stdout)
    pruned = next(row for row in rows if row["status"] == "seed")
    done = avogit(evolved, "restore", pruned["oid"])
    assert done.returncode == 0, done.stderr
    assert "avo/" in done.stdout
    assert avogit(evolved, "fsck").returncode == 0


@pytest.mark.slow
def test_a_changed_task_asks_for_a_new_population(evolved: Path, git, avogit) -> None:
    task = evolved / "kernels/polynomial/task.yaml"
    task.write_text(task.read_text().replace("name: large, rows: 256", "name: large, rows: 240"))
    git(evolved, "commit", "-q", "-am", "A smaller workload")
    done = avogit(evolved, "step")
    assert (done.returncode, "avogit seed" in done.stderr) == (1, True)
    best = json.loads(avogit(evolved, "best", "--json", "--population", "polynomial").stdout)
    done = avogit(evolved, "seed", "--from", best["incumbent"]["oid"], "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["candidates"][0]["status"] == "seed"
    assert avogit(evolved, "fsck").returncode == 0


@pytest.mark.slow
def test_a_strict_confirmation_wants_a_later_time(seeded: Path, avogit) -> None:
    config = seeded / "avogit.yaml"
    config.write_text(
        config.read_text().replace("confirm_s: 1.5", "confirm_s: 1.5, confirm: strict")
    )
    done = avogit(seeded, "best", "--confirm")
    assert (done.returncode, "a later time" in done.stderr) == (1, True)
    config.write_text(config.read_text().replace("strict", "strict, confirm_delay_s: 0"))
    done = avogit(seeded, "best", "--confirm", "--json")
    assert json.loads(done.stdout)["rule"] == "strict", done.stderr
