"""Pull requests: the branch, the words, where they go, patches for `git am`, and the check."""

from __future__ import annotations

import base64
import json
import os
import sys
from pathlib import Path

import pytest
from review_samples import busy

from avogit import store
from avogit.commands.forge import Request, forge_of, open_request
from avogit.errors import AvogitError

GH = """#!/bin/sh
printf '%s\\n' "$@" > "$GH_CALLS/$2"
[ "$2" = create ] && echo https://forge.example/pull/1
exit 0
"""

# What git asks of a proc-receive hook: a handshake, the commands, the push options; then a report.
AGIT = """#!{python}
import subprocess, sys

def packets():
    while (size := int(sys.stdin.buffer.read(4), 16)) > 4:
        yield sys.stdin.buffer.read(size - 4).decode().rstrip("\\n")

def say(*lines):
    for line in lines:
        sys.stdout.buffer.write(b"%04x" % (len(line) + 4) + line)
    sys.stdout.buffer.write(b"0000")
    sys.stdout.buffer.flush()

assert any("push-options" in line for line in list(packets()))
say(b"version=1\\0push-options")
(command,) = packets()
_, new, ref = command.split(" ")
with open("agit", "w") as file:
    print("ref=" + ref, *packets(), sep="\\n", file=file)
subprocess.run(["git", "update-ref", "refs/pull/1/head", new], check=True)
say(b"ok " + ref.encode(), b"option refname refs/pull/1/head")
"""


def add_remote(git, at: Path, tmp_path: Path) -> Path:
    """A bare remote that takes push options and writes them down."""
    bare = tmp_path / "remote.git"
    git(tmp_path, "init", "-q", "--bare", str(bare))
    git(bare, "config", "receive.advertisePushOptions", "true")
    hook = bare / "hooks/pre-receive"
    hook.write_text(f'#!/bin/sh\nenv | grep ^GIT_PUSH_OPTION_ > "{bare}/options"\nexit 0\n')
    hook.chmod(0o755)
    git(at, "remote", "add", "origin", str(bare))
    return bare


def test_a_pull_request_on_github_and_a_plain_merge(
    crossed: Path, git, avogit, tmp_path: Path
) -> None:
    bare = add_remote(git, crossed, tmp_path)
    gh = tmp_path / "bin/gh"
    gh.parent.mkdir()
    gh.write_text(GH)
    gh.chmod(0o755)
    env = {"PATH": f"{gh.parent}:{os.environ['PATH']}", "GH_CALLS": str(tmp_path)}
    done = avogit(crossed, "pr", "crossed", "--forge", "github", "--json", env=env)
    busy(done.stderr)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made["opened"]["done"] == "opened by gh: https://forge.example/pull/1"
    asked = (tmp_path / "create").read_text().splitlines()
    assert asked[:6] == ["pr", "create", "--head", made["branch"], "--base", "main"]
    tip = git(crossed, "rev-parse", "crossed^{}")
    assert git(bare, "rev-parse", made["branch"]) == tip
    body = Path(made["body_file"]).read_text()
    for said in ("| small |", "| large |", "Device and versions", "Correctness", "avogit pr check"):
        assert said in body, body
    assert all(git(crossed, "rev-parse", f"{n}^{{}}")[:10] in body for n in ("small", "large"))
    # The branch merges as any other, and main's history shows the lineage.
    git(crossed, "merge", "-q", "--no-ff", "--no-edit", made["branch"])
    graph = git(crossed, "log", "--graph", "--format=%H", "main")
    assert all(git(crossed, "rev-parse", f"{n}^{{}}") in graph for n in ("seed", "small", "large"))
    assert avogit(crossed, "fsck").stdout.endswith("no problem found\n")
    again = avogit(crossed, "pr", "crossed", "--no-open")
    assert (again.returncode, "has" in again.stderr) == (1, True)


def test_patches_apply_with_git_am_and_keep_their_trailers(
    crossed: Path, git, avogit, tmp_path: Path
) -> None:
    folder = tmp_path / "patches"
    done = avogit(crossed, "pr", "crossed", "--series", str(folder))
    assert done.returncode == 0, done.stderr
    patches = sorted(str(file) for file in folder.iterdir())
    assert len(patches) == 2  # the first parent's line: without the seed, which changes nothing
    git(crossed, "switch", "-q", "-c", "applied", "main")
    git(crossed, "am", "-q", *patches)
    assert git(crossed, "rev-parse", "HEAD^{tree}") == git(crossed, "rev-parse", "crossed^{tree}")
    for rev in ("HEAD", "HEAD^"):
        kept = git(crossed, "log", "-1", "--format=%(trailers:key=Avo-Status,valueonly)", rev)
        assert kept in ("accepted", "rejected")
    subjects = [git(crossed, "log", "-1", "--format=%s", rev) for rev in ("HEAD", "crossed")]
    assert subjects[0] == subjects[1]
    again = avogit(crossed, "pr", "crossed", "--series", str(folder))
    assert (again.returncode, "not empty" in again.stderr) == (1, True)


@pytest.mark.slow
def test_a_squashed_branch_is_one_commit_that_cites_the_candidate(
    evolved: Path, git, avogit
) -> None:
    done = avogit(evolved, "pr", "best", "--squash", "--json")
    busy(done.stderr)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made["opened"]["to_run"] == [f"git merge {made['branch']}"]  # there is no remote
    assert git(evolved, "rev-parse", f"{made['branch']}^") == git(evolved, "rev-parse", "main")
    cited = git(
        evolved, "log", "-1", "--format=%(trailers:key=Evolved-From,valueonly)", made["branch"]
    )
    assert cited == made["candidate"]
    changed = git(evolved, "diff", "--name-only", "main", made["branch"])
    assert changed == "kernels/polynomial/kernel.cpp"
    assert made["candidate"] in made["body"]


def take_agit(git, bare: Path) -> None:
    """Have a remote treat `refs/for/` as Gitea and Forgejo do: by git's proc-receive hook."""
    git(bare, "config", "receive.procReceiveRefs", "refs/for")
    hook = bare / "hooks/proc-receive"
    hook.write_text(AGIT.format(python=sys.executable))
    hook.chmod(0o755)


def asked_for(project: Path, git, tmp_path: Path, forge: str) -> str:
    """Open a request at a forge; what is said of it."""
    git(project, "branch", "avo-pr/x/1")
    body = tmp_path / "b.md"
    request = Request("refs/heads/avo-pr/x/1", "main", "Faster: 1.2x", "two\nlines, \u00b5s", body)
    return open_request(store.open_repository(project), request, None, forge).done


def test_gitlab_is_asked_by_push_options(project: Path, git, tmp_path: Path) -> None:
    bare = add_remote(git, project, tmp_path)
    assert "merge request" in asked_for(project, git, tmp_path, "gitlab")
    assert git(bare, "rev-parse", "refs/heads/avo-pr/x/1") == git(project, "rev-parse", "main")
    lines = (bare / "options").read_text().splitlines()
    options = {line.partition("=")[2] for line in lines if "_COUNT=" not in line}
    assert options == {
        "merge_request.create",
        "merge_request.target=main",
        "merge_request.title=Faster: 1.2x",
        "merge_request.description=two\\nlines, \u00b5s",
    }


@pytest.mark.parametrize("forge", ["gitea", "forgejo"])
def test_a_forge_with_agit_refs_makes_a_pull_request_of_a_push(
    project: Path, git, tmp_path: Path, forge: str
) -> None:
    bare = add_remote(git, project, tmp_path)
    take_agit(git, bare)
    done = asked_for(project, git, tmp_path, forge)
    refs = git(bare, "for-each-ref", "--format=%(refname) %(objectname)")
    assert refs == f"refs/pull/1/head {git(project, 'rev-parse', 'main')}", "and no branch"
    given = dict(line.split("=", 1) for line in (bare / "agit").read_text().splitlines())
    description = given.pop("description", "")
    assert given == {"ref": "refs/for/main", "topic": "avo-pr/x/1", "title": "Faster: 1.2x"}
    if forge == "gitea":
        told = base64.b64decode(description.removeprefix("{base64}"), validate=True)
        assert told.decode() == "two\nlines, \u00b5s"
    else:
        assert description == ""
        assert "paste the words" in done


def test_a_remote_that_takes_no_push_options_is_one_line(
    project: Path, git, tmp_path: Path
) -> None:
    bare = add_remote(git, project, tmp_path)
    git(bare, "config", "receive.advertisePushOptions", "false")
    with pytest.raises(AvogitError, match="does not support push options") as caught:
        asked_for(project, git, tmp_path, "gitlab")
    assert "\n" not in str(caught.value)
    assert git(bare, "for-each-ref") == "", "nothing was pushed"


def test_without_a_forge_it_says_what_to_run(project: Path, git, tmp_path: Path) -> None:
    bare = add_remote(git, project, tmp_path)
    git(project, "branch", "avo-pr/x/1")
    request = Request("refs/heads/avo-pr/x/1", "main", "Faster", "words", tmp_path / "b.md")
    opened = open_request(store.open_repository(project), request, None, None)
    assert opened.done == ""
    assert opened.to_run[0] == "git push origin avo-pr/x/1"
    assert git(bare, "for-each-ref") == ""


@pytest.mark.parametrize(
    ("url", "forge"),
    [
        ("git@github.com:me/mine.git", "github"),
        ("https://gitlab.example.org/me/github.git", "gitlab"),
        ("https://gitea.example.org/me/mine", "gitea"),
        ("https://codeberg.org/me/mine", "forgejo"),
        ("/srv/github/mine.git", "none"),
        ("file:///srv/mine.git", "none"),
    ],
)
def test_a_remote_s_address_names_its_forge(url: str, forge: str) -> None:
    assert forge_of(url) == forge


def test_a_broken_kernel_fails_the_check(seeded: Path, git, avogit) -> None:
    git(seeded, "switch", "-q", "-c", "proposal")
    (seeded / "kernels/polynomial/kernel.cpp").write_text("this is no C++\n")
    problem = seeded / "kernels/polynomial/problem.py"
    problem.write_text(problem.read_text() + "# easier\n")
    git(seeded, "commit", "-q", "-am", "Break the build")
    done = avogit(seeded, "pr", "check")
    assert done.returncode == 1, done.stderr
    assert "COMPILE_ERROR" in done.stdout
    assert "kernels/polynomial/problem.py" in done.stdout
    done = avogit(seeded, "pr", "check", "--base", "nowhere")
    assert (done.returncode, "no branch 'nowhere'" in done.stderr) == (1, True)
