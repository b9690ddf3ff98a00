"""Clones that meet at a remote: everything arrives, nothing of anybody's is overwritten."""

from __future__ import annotations

import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from store_helpers import POPULATION, Git, child, kernel_tree, make_entry, seed

from avogit import store
from avogit.errors import AvogitError
from avogit.records import Candidate, Status
from avogit.store import Repository, remotes
from avogit.store.lease import try_lock

OTHER = "attention-cpu-other-device-abc123"


@pytest.fixture
def remote(git: Git, tmp_path: Path) -> Git:
    """A bare remote that has the user's branch."""
    at = tmp_path / "remote.git"
    at.mkdir()
    bare = Git(at)
    bare("init", "-q", "--bare", "-b", "main")
    git("remote", "add", "origin", str(at))
    git("push", "-q", "-u", "origin", "main")
    return bare


def clone_of(remote: Git, name: str, *options: str) -> Repository:
    at = remote.at.parent / name
    Git(remote.at.parent)("clone", "-q", *options, remote.at.as_uri(), name)
    Git(at)("config", "user.name", name)
    Git(at)("config", "user.email", f"{name}@example.org")
    return store.open_repository(at)


def sync(*repos: Repository) -> None:
    """Everybody exchanges, and the first ones again: what came last reaches them then."""
    for repo in (*repos, *repos[:-1]):
        assert store.exchange(repo, "origin").refused == []


def founded(repo: Repository) -> Candidate:
    with store.writer(repo, POPULATION) as writer:
        return seed(repo, writer)


def grown(repo: Repository, parent: Candidate, text: str, ratio: float = 1.05) -> Candidate:
    with store.writer(repo, POPULATION) as writer:
        return child(repo, writer, parent, text, ratio=ratio)


def live(repo: Repository) -> set[str]:
    return {found.oid for found in store.read_lineage(repo, POPULATION).live()}


def log(repo: Repository) -> list[str]:
    return list(store.lineage_json_lines(store.open_repository(repo.cwd), POPULATION))


def retire(repo: Repository, oid: str) -> None:
    with store.pruner(repo, POPULATION) as held:
        assert held
        assert store.retire(repo, POPULATION, [(oid, "not here", None)]) == (oid,)


def test_two_clones_that_advanced_one_line_end_with_two(repo: Repository, remote: Git) -> None:
    first = founded(repo)
    store.exchange(repo, "origin")
    other = clone_of(remote, "other")
    sync(other)
    mine, theirs = grown(repo, first, "// mine\n"), grown(other, first, "// theirs\n", 1.2)
    sync(repo, other)
    assert live(repo) == live(other) == {first.oid, mine.oid, theirs.oid}
    assert log(repo) == log(other)
    assert store.fsck(repo) == store.fsck(other) == ()
    names = {document["name"] for document in store.records(repo, POPULATION)}
    assert names == {document["name"] for document in store.records(other, POPULATION)}
    assert len(names) == 3


def test_a_fetched_candidate_is_a_parent_like_any_other(repo: Repository, remote: Git) -> None:
    best = grown(repo, founded(repo), "// better\n", 1.5)
    store.exchange(repo, "origin")
    other = clone_of(remote, "other")
    sync(other)
    incumbent = store.read_lineage(other, POPULATION).incumbent()
    assert incumbent == best
    made = grown(other, best, "// better still\n", 1.6)
    assert made.parents == (best.oid,)
    sync(other, repo)
    assert store.read_lineage(repo, POPULATION).incumbent() == made


def test_pruned_here_and_advanced_there_lives(repo: Repository, remote: Git) -> None:
    first = founded(repo)
    line = grown(repo, first, "// a line\n")
    store.exchange(repo, "origin")
    other = clone_of(remote, "other")
    sync(other)
    retire(repo, line.oid)
    further = grown(other, line, "// advanced\n")
    sync(repo, other)
    assert live(repo) == live(other) == {first.oid, further.oid}
    assert log(repo) == log(other)
    assert line.oid[:10] not in remote("for-each-ref", "refs/heads/avo")
    restored = store.restore(other, POPULATION, line.oid)
    assert restored.endswith("-r1")
    sync(other, repo)
    assert line.oid in live(repo)
    assert log(repo) == log(other)


def test_a_lost_remote_is_filled_again(repo: Repository, remote: Git) -> None:
    first = founded(repo)
    store.exchange(repo, "origin")
    other = clone_of(remote, "other")
    sync(other)
    wanted, refs = log(repo), remote("for-each-ref")
    for ref in remote("for-each-ref", "--format=%(refname)", "refs/avo", "refs/heads/avo").split():
        remote("update-ref", "-d", ref)
    sync(other)  # which wrote none of them itself
    assert remote("for-each-ref") == refs
    assert first.oid in live(other)
    assert log(other) == wanted


def test_a_chain_that_was_cut_off_is_kept(repo: Repository, remote: Git) -> None:
    first = founded(repo)
    store.exchange(repo, "origin")
    other = clone_of(remote, "other")
    sync(other)
    shorter = remote("for-each-ref", "--format=%(refname) %(objectname)", "refs/avo/").splitlines()
    second = grown(repo, first, "// 2\n")
    sync(repo, other)
    for line in shorter:
        remote("update-ref", *line.split())
    sync(other)
    assert second.oid in store.read_lineage(clone_of(remote, "third"), POPULATION).candidates
    assert store.fsck(other) == ()


def test_devices_stay_apart(repo: Repository, remote: Git) -> None:
    founded(repo)
    other = clone_of(remote, "other")
    with store.writer(other, OTHER) as writer:
        theirs = seed(other, writer)
    sync(repo, other)
    assert store.populations(repo) == store.populations(other) == (OTHER, POPULATION)
    assert theirs.oid not in store.read_lineage(repo, POPULATION).candidates
    assert live(repo) == live(other)
    assert store.fsck(repo) == store.fsck(other) == ()


def test_champions_of_two_clones_under_one_name(repo: Repository, remote: Git) -> None:
    first = founded(repo)
    record = first.trailers["Avo-Evaluation"]
    store.exchange(repo, "origin")
    other = clone_of(remote, "other")
    sync(other)
    for at, text in ((repo, "Champion here"), (other, "Champion there")):
        store.tag_champion(at, POPULATION, first.oid, text, record)
    sync(repo, other)
    told = [
        sorted(c.message.split("\n")[0] for c in store.read_lineage(at, POPULATION).champions)
        for at in (repo, other, clone_of(remote, "third", "--mirror"))
    ]
    assert told == [["Champion here", "Champion there"]] * 3
    again = store.tag_champion(other, POPULATION, first.oid, "Once more", record)
    sync(other, repo)
    assert again in Git(repo.cwd)("for-each-ref", "--format=%(refname)", "refs/tags")


def test_a_clock_that_is_a_year_off(
    repo: Repository, remote: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = founded(repo)
    store.exchange(repo, "origin")
    other = clone_of(remote, "other")
    sync(other)
    with monkeypatch.context() as patch:
        ahead = time.time() + 365 * 86_400
        patch.setattr(time, "time", lambda: ahead)
        fast = grown(other, first, "// from next year\n", 1.5)
    after = grown(other, first, "// the clock was put right\n")  # its chain is not
    sync(other, repo)
    mine = grown(repo, fast, "// on top of it\n", 1.6)
    with monkeypatch.context() as patch:
        behind = time.time() - 365 * 86_400
        patch.setattr(time, "time", lambda: behind)
        slow = grown(other, first, "// from last year\n")
    sync(repo, other)
    for at in (repo, other):
        order = list(store.read_lineage(at, POPULATION).candidates)
        assert set(order) == {c.oid for c in (first, fast, after, mine, slow)}
        assert order.index(fast.oid) < order.index(mine.oid)
        assert store.fsck(at) == ()
    assert log(repo) == log(other)
    git = Git(other.cwd)
    for ref in git(
        "for-each-ref", "--format=%(refname)", "refs/avo/tried", "refs/avo/records"
    ).split():
        dates = [int(text) for text in git("log", "--first-parent", "--format=%ct", ref).split()]
        assert dates == sorted(dates, reverse=True)


def test_other_remotes_forward_what_they_brought(
    repo: Repository, remote: Git, tmp_path: Path
) -> None:
    """What came from one remote is published to another: no candidate comes without its record."""
    founded(repo)
    store.exchange(repo, "origin")
    between = clone_of(remote, "between")
    backup = Git(tmp_path / "backup.git")
    backup.at.mkdir()
    backup("init", "-q", "--bare")
    Git(between.cwd)("remote", "add", "backup", str(backup.at))
    sync(between)
    assert store.exchange(between, "backup").refused == []
    mirror = clone_of(backup, "from-backup", "--mirror")
    assert log(mirror) == log(repo)
    assert store.fsck(mirror) == ()


def test_a_partial_clone_answers_right(repo: Repository, remote: Git) -> None:
    best = grown(repo, founded(repo), "// 2\n", 1.3)
    store.exchange(repo, "origin")
    remote("config", "uploadpack.allowFilter", "true")
    partial = clone_of(remote, "partial", "--filter=blob:none", "--no-checkout")
    sync(partial)
    assert log(partial) == log(repo)
    made = grown(partial, best, "// from a partial clone\n", 1.4)
    sync(partial, repo)
    assert store.read_lineage(repo, POPULATION).incumbent() == made
    assert store.fsck(partial) == store.fsck(repo) == ()


def test_a_shallow_clone_is_refused_and_told_why(repo: Repository, remote: Git) -> None:
    founded(repo)
    store.exchange(repo, "origin")
    with pytest.raises(AvogitError, match="git fetch --unshallow"):
        clone_of(remote, "shallow", "--depth=1", "--no-single-branch")


def test_a_chain_with_another_history_is_not_overwritten(repo: Repository, remote: Git) -> None:
    """As where a disk was copied, and two clones write under one name."""
    first = founded(repo)
    store.exchange(repo, "origin")
    other = clone_of(remote, "other")
    sync(other)
    grown(other, first, "// theirs\n")
    git = Git(other.cwd)
    (name,) = remote("for-each-ref", "--format=%(refname)", "refs/avo/tried/").split()
    before = remote("rev-parse", name)
    git("update-ref", name, git("for-each-ref", "--format=%(objectname)", "refs/avo/tried/"))
    refused = store.exchange(other, "origin").refused
    assert [text for text in refused if text.startswith(name) and "two clones share it" in text]
    assert remote("rev-parse", name) == before


def test_remotes_are_named(repo: Repository, remote: Git) -> None:
    git = Git(repo.cwd)
    assert store.choose_remote(repo, None) == "origin"
    git("remote", "rename", "origin", "team/one")
    assert store.choose_remote(repo, None) == "team/one"
    first = founded(repo)
    assert store.exchange(repo, "team/one").refused == []
    other = clone_of(remote, "other")
    sync(other)
    made = grown(other, first, "// 2\n")
    sync(other)
    store.exchange(repo, "team/one")
    assert made.oid in live(repo)
    with pytest.raises(AvogitError, match="no remote 'nowhere'"):
        store.choose_remote(repo, "nowhere")
    git("remote", "add", "second", "/nowhere")
    with pytest.raises(AvogitError, match="several remotes"):
        store.choose_remote(repo, None)
    git("remote", "remove", "second")
    git("remote", "remove", "team/one")
    with pytest.raises(AvogitError, match="git remote add"):
        store.choose_remote(repo, None)


def test_a_remote_that_is_gone_is_an_error_for_people(
    repo: Repository, remote: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    founded(repo)
    monkeypatch.setattr("avogit.store.sync._PAUSE_S", 0.001)
    shutil.rmtree(remote.at)
    with pytest.raises(AvogitError, match=r"no exchange with origin.*nothing is lost"):
        store.exchange(repo, "origin")


def test_a_remote_that_lets_no_line_in(
    repo: Repository, remote: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    founded(repo)
    monkeypatch.setattr("avogit.store.sync._PAUSE_S", 0.001)
    hook = remote.at / "hooks" / "update"
    hook.write_text('#!/bin/sh\ncase "$1" in refs/heads/avo/*) exit 1;; esac\n')
    hook.chmod(0o755)
    refused = store.exchange(repo, "origin").refused
    assert any("refs/heads/avo/" in text and "hook declined" in text for text in refused)
    assert "refs/avo/tried" in remote("for-each-ref")
    hook.unlink()
    assert store.exchange(repo, "origin").refused == []


def test_plain_git_does_the_same(repo: Repository, remote: Git) -> None:
    """The two commands of the manual, as they stand there."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "clones.md").read_text()
    fetch, push = (
        page.split("## The same with plain git")[1].split("```")[1].removeprefix("sh").split("\n\n")
    )
    assert all(f"'{spec}'" in fetch for spec in remotes.fetch_refspecs("origin"))
    grown(repo, founded(repo), "// 2\n")
    retire(repo, next(iter(live(repo))))
    subprocess.run(["sh", "-ec", push], cwd=repo.cwd, check=True, capture_output=True)
    other = clone_of(remote, "other")
    subprocess.run(["sh", "-ec", fetch], cwd=other.cwd, check=True, capture_output=True)
    assert log(other) == log(repo)
    assert store.exchange(other, "origin").published == {}
    assert store.fsck(other) == ()


def test_one_exchange_at_a_time(repo: Repository, remote: Git) -> None:
    held = try_lock(repo.state_dir / "sync.lock")
    assert held is not None
    with pytest.raises(AvogitError, match="another `avogit sync`"):
        store.exchange(store.open_repository(repo.cwd), "origin")


def test_lessons_travel(repo: Repository, remote: Git) -> None:
    first = founded(repo)
    with store.writer(repo, POPULATION) as writer:
        tree = kernel_tree(repo, first.oid, "// 2\n")
        writer.record(replace(make_entry(tree, [first.oid]), lesson={"text": "unroll"}))
    store.exchange(repo, "origin")
    other = clone_of(remote, "other")
    sync(other)
    assert store.lessons(other) == store.lessons(repo) != ()


def test_work_in_hand_stays_at_home(repo: Repository, remote: Git) -> None:
    first = founded(repo)
    with store.writer(repo, POPULATION) as writer:
        writer.begin(store.WorkInHand(first.oid, first.tree, "in hand", "tune"))
        child(repo, writer, first, "// draft\n", Status.DRAFT)
    store.exchange(repo, "origin")
    assert "refs/avo/wip" not in remote("for-each-ref")
