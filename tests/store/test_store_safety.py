"""The user's HEAD, index, working tree and branches, before and after everything we do."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from store_helpers import FOLDER, POPULATION, Git, child, make_repository, seed

from avogit import store
from avogit.errors import AvogitError
from avogit.records import Status

HOOKS = (
    "pre-commit", "prepare-commit-msg", "commit-msg", "post-commit", "reference-transaction",
    "pre-push", "post-checkout", "post-index-change", "pre-auto-gc", "post-rewrite", "update",
)  # fmt: skip


def dirty(git: Git) -> None:
    (git.at / "README").write_text("changed\n")
    (git.at / "staged é.txt").write_text("staged\n")
    git("add", "staged é.txt")
    (git.at / "un tracked").write_text("mine\n")


def detached(git: Git) -> None:
    git("checkout", "-q", "--detach")


def failing_hooks(git: Git) -> None:
    for name in HOOKS:
        hook = git.at / ".git" / "hooks" / name
        hook.write_text("#!/bin/sh\nexit 1\n")
        hook.chmod(0o755)


def bad_signing_key(git: Git) -> None:
    for name, value in (
        ("commit.gpgsign", "true"),
        ("tag.gpgsign", "true"),
        ("user.signingkey", "no such key"),
        ("gpg.program", "/bin/false"),
        ("log.showSignature", "true"),
    ):
        git("config", name, value)


def no_identity(git: Git) -> None:
    git("config", "--unset", "user.name")
    git("config", "--unset", "user.email")
    git("config", "user.useConfigOnly", "true")


def odd_config(git: Git) -> None:
    for name, value in (
        ("core.quotePath", "true"),
        ("core.autocrlf", "true"),
        ("log.date", "relative"),
        ("log.follow", "true"),
        ("color.ui", "always"),
        ("core.logAllRefUpdates", "always"),
        ("i18n.logOutputEncoding", "latin1"),
        ("format.pretty", "oneline"),
        ("log.mailmap", "false"),
        ("core.commentChar", "A"),
        ("trailer.separators", "="),
        ("gc.auto", "1"),
    ):
        git("config", name, value)


def replaced(git: Git) -> None:
    """A replace ref makes ordinary git see another history; we must not."""
    (git.at / "second").write_text("x")
    git("add", "second")
    git("commit", "-q", "-m", "second")
    git("replace", "--graft", "HEAD")


def ordinary(git: Git) -> None:
    assert git.at.is_dir()


STATES = (
    ordinary, dirty, detached, failing_hooks, bad_signing_key, no_identity, odd_config, replaced
)  # fmt: skip


def user_side(git: Git) -> tuple[str, bytes, str, str, str]:
    """What may not change: status, index, HEAD's reflog, the user's refs, the working tree."""
    index = Path(git("rev-parse", "--path-format=absolute", "--git-path", "index"))
    refs = git("for-each-ref", "--format=%(objectname) %(refname)")
    return (
        git("status", "--porcelain=v2", "--branch", "-z"),
        index.read_bytes() if index.exists() else b"",
        git("reflog", "show", "HEAD", ok=False),
        "\n".join(line for line in refs.split("\n") if "/avo" not in line),
        git("config", "--list", "--local"),
    )


def evolve(at: Path) -> None:
    """Everything that a run does to a repository."""
    repo = store.open_repository(at)
    with store.writer(repo, POPULATION) as writer:
        first = seed(repo, writer)
        better = child(repo, writer, first, "// better\n")
        child(repo, writer, better, "// worse\n", Status.REJECTED, 0)
        writer.begin(store.WorkInHand(first.oid, better.tree, "work", "tune"))
        evidence = {"evaluation": None, "rule": "fresh"}
        record = writer.append("confirmation", evidence, {"a.txt": b"x"})
    with store.pruner(repo, POPULATION) as held:
        assert held
        assert store.retire(repo, POPULATION, [(first.oid, "superseded", 0.5)]) == (first.oid,)
    store.restore(repo, POPULATION, first.oid)
    store.tag_champion(repo, POPULATION, better.oid, "Champion", record)
    assert len(store.read_lineage(repo, POPULATION).candidates) == 3
    assert len(list(store.lineage_json_lines(repo, POPULATION))) == 3
    assert store.fsck(repo) == ()


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_the_users_side_is_untouched(git: Git, state: Callable[[Git], None]) -> None:
    state(git)
    before = user_side(git)
    evolve(git.at)
    assert user_side(git) == before
    assert "dangling" not in git("-c", "gc.auto=0", "fsck", "--full", "--strict", ok=True)


def test_in_a_linked_worktree(git: Git, tmp_path: Path) -> None:
    linked = tmp_path / "linked tree"
    git("worktree", "add", "-q", "--detach", str(linked))
    there = Git(linked)
    before = user_side(git), user_side(there)
    evolve(linked / FOLDER)
    assert (user_side(git), user_side(there)) == before
    assert store.open_repository(linked).common_dir == git.at / ".git"


def test_in_the_environment_of_a_hook(git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    """`git commit -a` gives its hooks a private index; touching it corrupts the commit."""
    private = git.at / ".git" / "next-index-1.lock"
    private.write_bytes((git.at / ".git" / "index").read_bytes())
    before, content = user_side(git), private.read_bytes()
    monkeypatch.setenv("GIT_INDEX_FILE", str(private))
    monkeypatch.setenv("GIT_DIR", str(git.at / "nowhere"))
    monkeypatch.setenv("GIT_WORK_TREE", str(git.at.parent))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'core.bare=true'")
    evolve(git.at)
    assert "GIT_DIR" not in os.environ
    assert private.read_bytes() == content
    assert user_side(git) == before


def test_unborn_branch(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    git = Git(tmp_path / "new")
    git("init", "-q", "-b", "trunk")
    repo = store.open_repository(git.at)
    assert store.head(repo) is None
    assert store.branch(repo) == "trunk"
    assert store.populations(repo) == ()
    with store.writer(repo, POPULATION) as writer:
        writer.append("attempt", {"outcome": "exhausted"}, {})
    assert store.fsck(repo) == ()


def test_author_is_the_user_where_they_have_a_name(git: Git) -> None:
    evolve(git.at)
    line = f"refs/heads/avo/{POPULATION}"
    assert set(git("for-each-ref", "--format=%(authorname)", line).split("\n")) == {"Ada Lovelace"}
    assert set(git("for-each-ref", "--format=%(committername)", line).split("\n")) == {"avogit"}


def test_no_process_outlives_its_handle(git: Git) -> None:
    evolve(git.at)
    children = subprocess.run(
        ["ps", "--ppid", str(os.getpid()), "-o", "args="], capture_output=True, text=True
    )
    assert "cat-file" not in children.stdout


def test_refuses_what_it_cannot_work_in(git: Git, tmp_path: Path) -> None:
    with pytest.raises(AvogitError, match="in no git repository"):
        store.open_repository(tmp_path)
    git("clone", "-q", "--depth=1", f"file://{git.at}", str(tmp_path / "shallow"))
    (tmp_path / "shallow" / "more").write_text("x")
    with pytest.raises(AvogitError, match="shallow clone"):
        store.open_repository(tmp_path / "shallow")


def test_foreign_owner_is_told_in_gits_words(git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(AvogitError, match="dubious ownership"):
        store.open_repository(git.at)


def test_a_branch_called_avo_stands_in_the_way(git: Git) -> None:
    git("branch", "avo")
    repo = store.open_repository(git.at)
    with store.writer(repo, POPULATION) as writer, pytest.raises(AvogitError, match="rename it"):
        seed(repo, writer)


@pytest.mark.parametrize("rev", ["--output=x", "-n", "", "no-such", "a\nb", "HEAD:README"])
def test_resolve_refuses(git: Git, rev: str) -> None:
    with pytest.raises(AvogitError, match="names no commit"):
        store.resolve(store.open_repository(git.at), rev)


def test_sha256_repositories(tmp_path: Path) -> None:
    at = tmp_path / "sha256"
    at.mkdir()
    git = Git(at)
    git("init", "-q", "-b", "main", "--object-format=sha256")
    (at / FOLDER).mkdir(parents=True)
    (at / FOLDER / "kernel.cpp").write_text("// seed\n")
    git("add", ".")
    git("-c", "user.name=U", "-c", "user.email=u@e", "commit", "-q", "-m", "first")
    evolve(at)


def test_paths_of_any_kind(tmp_path: Path) -> None:
    git = make_repository(tmp_path / "a b" / "ü\u200b")
    repo = store.open_repository(git.at)
    tree = store.tree_of(repo, store.resolve(repo, "HEAD"))
    files = {"sub dir/ké.cpp": b"\xff\xfe\0", "x": b""}
    made = store.with_files(repo, tree, "kernels/attention-cpu", files)
    found = store.folder_files(repo, made, "kernels/attention-cpu")
    assert {name: found[name] for name in files} == files
