"""Whose numbers count: of signed records where a team demands it, of lines that kept to a task."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from avogit.commands import hook

Avogit = Callable[..., subprocess.CompletedProcess[str]]
Git = Callable[..., str]


def configure(root: Path, git: Git, text: str) -> None:
    with (root / "avogit.yaml").open("a") as file:
        file.write(text)
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "Signatures")


def noted(root: Path, git: Git) -> str:
    """What the prepare-commit-msg hook offers where the kernel is the seed's again."""
    kernel = root / "kernels/polynomial/kernel.cpp"
    seed = kernel.read_text()
    kernel.write_text(seed + "// other\n")
    git(root, "commit", "-q", "-am", "Another kernel")
    kernel.write_text(seed)
    git(root, "add", ".")
    message = root.parent / "message"
    message.write_text("")
    hook.prepare_commit_msg(root, message, "", None)
    git(root, "reset", "-q", "--hard", "HEAD^")
    return message.read_text()


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="no ssh-keygen here")
def test_unsigned_candidates_count_as_unmeasured_where_signatures_are_required(
    seeded: Path, git: Git, avogit: Avogit
) -> None:
    assert "record" not in avogit(seeded, "log").stdout
    (seeded / "signers").write_text("# nobody yet\n")
    configure(seeded, git, "signing: {allowed_signers: signers}\n")
    assert "this kernel is candidate" in noted(seeded, git)
    assert "unsigned" in avogit(seeded, "log").stdout
    assert json.loads(avogit(seeded, "best", "--json").stdout)["incumbent"]
    demanded = (seeded / "avogit.yaml").read_text().replace("signers}", "nowhere, required: true}")
    (seeded / "avogit.yaml").write_text(demanded)
    git(seeded, "commit", "-q", "-am", "Signatures are required, and nobody's are named")
    assert "nowhere, which" in noted(seeded, git), "and the commit is not refused"
    (seeded / "avogit.yaml").write_text(demanded.replace("nowhere", "signers"))
    git(seeded, "commit", "-q", "-am", "Signatures are required")
    assert json.loads(avogit(seeded, "best", "--json").stdout)["incumbent"] is None
    shown = avogit(seeded, "show", "seed").stdout
    assert "unmeasured: its record: unsigned" in shown
    assert "? counts as unmeasured" in avogit(seeded, "log").stdout
    shown = avogit(seeded, "show", "best", "--transcript")
    assert "no live measured candidate" in shown.stderr
    assert "never measured" in noted(seeded, git)
    step = avogit(seeded, "step")
    assert step.returncode == 1
    assert "no live measured candidate" in step.stderr


def test_a_fetched_line_that_changed_more_than_its_task(
    seeded: Path, tmp_path: Path, git: Git, avogit: Avogit
) -> None:
    """A candidate that carries a change of a file outside its task, with numbers of its own."""
    line = git(seeded, "for-each-ref", "--format=%(refname)", "refs/heads/avo/")
    other = tmp_path / "other"
    git(tmp_path, "clone", "-q", str(seeded), str(other))
    git(other, "checkout", "-q", "--detach", line.replace("refs/heads", "origin"))
    (other / "notes.txt").write_text("changed along the way\n")
    git(other, "add", ".")
    tree = git(other, "write-tree")
    text = git(seeded, "log", "-1", "--format=%B", line)
    text = text.replace("Avo-Status: seed", "Avo-Status: accepted")
    was = git(seeded, "rev-parse", f"{line}^{{tree}}")
    forged = git(other, "commit-tree", tree, "-p", "HEAD", "-m", text.replace(was, tree))
    population = line.split("/")[3]
    git(other, "push", "-q", str(seeded), f"{forged}:refs/heads/avo/{population}/g0001-x")
    remote = tmp_path / "remote.git"
    git(tmp_path, "clone", "-q", "--mirror", str(seeded), str(remote))
    git(other, "remote", "set-url", "origin", str(remote))
    told = avogit(other, "sync").stdout
    assert f"{forged[:10]} counts as unmeasured: it changed more than its task's files" in told
    assert "outside-task: notes.txt" in told
    spent = json.loads(avogit(other, "cost", "--json").stdout)["by_line"]
    assert [row["name"] for row in spent] == [line.rpartition("/")[2]]
    best = json.loads(avogit(other, "best", "--json").stdout)
    assert best["incumbent"]["oid"] == git(seeded, "rev-parse", line)
    (other / "avogit.yaml").write_text("task: kernels/another\n")  # each line's own task counts
    assert avogit(other, "best", "--json").stdout == json.dumps(best, ensure_ascii=False) + "\n"
