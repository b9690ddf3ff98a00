"""avogit's git hooks, run by git itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def avogit_on_path(tmp_path: Path, avogit_path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hooks call `avogit`: put this environment's on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "avogit"
    script.write_text(f'#!/bin/sh\nexec "{avogit_path}" "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def commit(directory: Path, *arguments: str, **environment: str):
    return subprocess.run(
        ["git", "-C", str(directory), "commit", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_init_installs_hooks_and_keeps_the_users(project: Path, avogit) -> None:
    mine = project / ".git/hooks/commit-msg"
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("#!/bin/sh\nexit 0\n")
    mine.chmod(0o755)
    done = avogit(project, "init")
    assert mine.read_text() == "#!/bin/sh\nexit 0\n"
    assert "commit-msg: you have one" in done.stdout
    assert os.access(project / ".git/hooks/pre-push", os.X_OK)


def test_init_says_when_hooks_live_elsewhere(project: Path, git, avogit) -> None:
    git(project, "config", "core.hooksPath", "elsewhere")
    done = avogit(project, "init")
    assert "core.hooksPath is elsewhere" in done.stdout
    assert not (project / ".git/hooks/pre-push").exists()


def test_hooks_do_nothing_where_avogit_is_missing(polynomial: Path) -> None:
    done = commit(polynomial, "--allow-empty", "-m", "No avogit here", PATH="/usr/bin:/bin")
    assert done.returncode == 0, done.stderr


def test_a_forged_block_is_refused(polynomial: Path) -> None:
    forged = "Faster, believe me\n\nAvo-Format: 1\nAvo-Verdict: PASSED\nAvo-Score: 3.0\n"
    done = commit(polynomial, "--allow-empty", "-m", forged)
    assert done.returncode != 0
    assert "Avo- block" in done.stderr
    assert commit(polynomial, "--allow-empty", "-m", "An honest one").returncode == 0


def test_a_cherry_picked_candidate_is_allowed(seeded: Path, git, avogit) -> None:
    best = git(seeded, "for-each-ref", "--format=%(objectname)", "refs/heads/avo").split()[0]
    (seeded / "notes.txt").write_text("more of mine\n")
    git(seeded, "commit", "-q", "-am", "Go on")
    git(seeded, "cherry-pick", "--allow-empty", "--keep-redundant-commits", best)
    assert avogit(seeded, "fsck").returncode == 0


def test_notes_are_offered_for_a_hand_made_change(polynomial: Path) -> None:
    kernel = polynomial / "kernels/polynomial/kernel.cpp"
    kernel.write_text(kernel.read_text().replace("PASSES = 8", "PASSES = 1"))
    shown = polynomial.parent / "shown"
    editor = f'cp "$1" \'{shown}\'; echo subject > "$1"; :'
    script = polynomial.parent / "editor.sh"
    script.write_text(f"#!/bin/sh\n{editor}\n")
    script.chmod(0o755)
    # `commit -a` hands its hooks an index of its own: what is offered must be about that.
    done = commit(polynomial, "-a", GIT_EDITOR=f"sh '{script}'")
    assert done.returncode == 0, done.stderr
    assert "# avogit: kernels/polynomial changed" in shown.read_text()


def test_a_push_of_a_tampered_line_is_refused(seeded: Path, git, avogit) -> None:
    remote = seeded.parent / "remote.git"
    git(seeded.parent, "init", "-q", "--bare", str(remote))
    git(seeded, "remote", "add", "origin", str(remote))
    ref = git(seeded, "for-each-ref", "--format=%(refname)", "refs/heads/avo").split()[0]
    git(seeded, "push", "-q", "origin", ref)
    message = git(seeded, "log", "-1", "--format=%B", ref)
    score = next(line for line in message.splitlines() if line.startswith("Avo-Score: "))
    forged = git(
        seeded, "commit-tree", "-p", f"{ref}^", "-m",
        message.replace(score, "Avo-Score: 9.9"), f"{ref}^{{tree}}",
    )  # fmt: skip
    git(seeded, "branch", f"{ref.removeprefix('refs/heads/')}-forged", forged)
    done = subprocess.run(
        ["git", "-C", str(seeded), "push", "origin", f"{ref}-forged"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "nothing was pushed" in done.stderr
    assert avogit(seeded, "fsck").returncode == 1
