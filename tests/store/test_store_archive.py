"""Pruning: what goes says why, stays reachable, and comes back."""

from __future__ import annotations

from pathlib import Path

import pytest
from store_helpers import POPULATION, Git, child, seed

from avogit import store
from avogit.errors import AvogitError
from avogit.store import Repository, Writer, refs
from avogit.store.lease import pruner_lock
from avogit.store.refs import Conflict, Update


def heads(git: Git) -> set[str]:
    told = git("for-each-ref", "--format=%(objectname)", f"refs/heads/avo/{POPULATION}/")
    return set(told.split())


def test_retired_heads_are_on_a_readable_log(git: Git, repo: Repository, writer: Writer) -> None:
    first = seed(repo, writer)
    second = child(repo, writer, first, "// 2\n")
    gone = store.retire(repo, POPULATION, [(first.oid, "superseded by a\nchild", 0.5)])
    assert gone == (first.oid,)
    assert heads(git) == {second.oid}
    lineage = store.read_lineage(repo, POPULATION)
    assert lineage.pruned == {first.oid: "superseded by a child"}
    told = git("log", "--first-parent", "--format=%B", f"--glob=refs/avo/archive/{POPULATION}/*")
    assert f"    {first.oid} g0000-{first.oid[:10]} 0.5000 superseded by a child" in told
    assert store.retire(repo, POPULATION, [(first.oid, "again", None)]) == ()


def test_pruned_lines_survive_gc(git: Git, repo: Repository, writer: Writer) -> None:
    first = seed(repo, writer)
    store.retire(repo, POPULATION, [(first.oid, "why", None)])
    for kind in ("tried", "wip", "base"):
        for ref in git("for-each-ref", "--format=%(refname)", f"refs/avo/{kind}/").split():
            git("update-ref", "-d", ref)
    git("reflog", "expire", "--expire=now", "--all")
    git("gc", "-q", "--prune=now")
    assert git("cat-file", "-t", first.oid) == "commit"
    assert first.oid in store.read_lineage(repo, POPULATION).candidates


def test_restored_under_a_new_name(repo: Repository, writer: Writer) -> None:
    first = seed(repo, writer)
    for turn in (1, 2):
        store.retire(repo, POPULATION, [(first.oid, "why", None)])
        ref = store.restore(repo, POPULATION, first.oid)
        assert ref.endswith(f"/g0000-{first.oid[:10]}-r{turn}")
        lineage = store.read_lineage(repo, POPULATION)
        assert [head.ref for head in lineage.heads] == [ref]
        assert lineage.pruned == {}
        assert store.restore(repo, POPULATION, first.oid) == ref
    with pytest.raises(AvogitError, match="no candidate"):
        store.restore(repo, POPULATION, "0" * 40)


def test_a_checked_out_line_stays(git: Git, repo: Repository, writer: Writer) -> None:
    first = seed(repo, writer)
    git("checkout", "-q", f"avo/{POPULATION}/g0000-{first.oid[:10]}")
    assert store.retire(repo, POPULATION, [(first.oid, "why", None)]) == ()
    assert heads(git) == {first.oid}


def test_what_a_dead_pruner_left_is_finished(git: Git, repo: Repository, writer: Writer) -> None:
    """The archive's ref moves before any head goes: a kill between them leaves a dead head."""
    first = seed(repo, writer)
    second = child(repo, writer, first, "// 2\n")
    store.retire(repo, POPULATION, [(first.oid, "why", None)])
    ref = f"refs/heads/avo/{POPULATION}/g0000-{first.oid[:10]}"
    git("update-ref", ref, first.oid)
    other = store.open_repository(repo.cwd)
    assert [head.oid for head in store.read_lineage(other, POPULATION).heads] == [second.oid]
    with store.pruner(other, POPULATION) as held:
        assert held
    assert heads(git) == {second.oid}
    git("update-ref", ref, second.oid)  # a name of the dead on another commit is the user's
    assert store.repair(repo, POPULATION) == ()


def test_one_pruner_at_a_time(repo: Repository, writer: Writer) -> None:
    seed(repo, writer)
    with store.pruner(repo, POPULATION) as first:
        other = store.open_repository(repo.cwd)
        with store.pruner(other, POPULATION) as second:
            assert (first, second) == (True, False)
    with pruner_lock(repo) as again:
        assert again


def test_hundreds_of_lines_go_in_few_commits(git: Git, repo: Repository, writer: Writer) -> None:
    first = seed(repo, writer)
    names = [f"create refs/heads/avo/{POPULATION}/g9{n:03d}-{first.oid[:10]} {first.oid}"
             for n in range(50)]  # fmt: skip
    git("update-ref", "--stdin", stdin="\n".join(names) + "\n")
    assert store.retire(repo, POPULATION, [(first.oid, "all of them", None)]) == (first.oid,)
    assert heads(git) == set()
    assert store.fsck(repo) == ()


def test_a_fetched_line_is_retired_by_name(
    git: Git, repo: Repository, writer: Writer, tmp_path: Path
) -> None:
    first = seed(repo, writer)
    git("clone", "-q", str(git.at), str(tmp_path / "clone"))
    clone = store.open_repository(tmp_path / "clone")
    assert store.retire(clone, POPULATION, [(first.oid, "not here", None)]) == (first.oid,)
    assert store.read_lineage(clone, POPULATION).heads == ()
    assert store.read_lineage(repo, POPULATION).heads != ()


def test_a_lost_race_changes_nothing(git: Git, repo: Repository, writer: Writer) -> None:
    first = seed(repo, writer)
    before = git("for-each-ref")
    updates = [
        Update(f"refs/heads/avo/{POPULATION}/g0001-0000000000", first.oid, None),
        Update("refs/heads/main", first.oid, first.oid),
    ]
    with pytest.raises(Conflict):
        refs.transact(repo, updates)
    taken = Update(f"refs/heads/avo/{POPULATION}/g0000-{first.oid[:10]}", first.oid, None)
    with pytest.raises(Conflict):
        refs.transact(repo, [taken])
    assert git("for-each-ref") == before


def test_champions_are_tags_with_their_evidence(git: Git, repo: Repository, writer: Writer) -> None:
    first = seed(repo, writer)
    from store_helpers import passed

    evidence = {"rule": "fresh", "evaluation": store.evaluation_to_json(passed(first.tree, 0.5))}
    name = writer.append("confirmation", evidence, {})
    refs_made = [
        store.tag_champion(repo, POPULATION, first.oid, "Champion: seed\n\n# why\nAvo-X: 1", name)
        for _ in range(2)
    ]
    assert refs_made[1] == refs_made[0] + "-2"
    champions = store.read_lineage(repo, POPULATION).champions
    assert [champion.oid for champion in champions] == [first.oid, first.oid]
    assert "Avo-Score: 0.5000" in champions[0].message
    told = git(
        "for-each-ref", "--format=%(contents:trailers:key=Avo-Score-CI,valueonly)", refs_made[0]
    )
    assert told.strip() == "0.4962 0.5038"
    assert git("describe", "--exact-match", first.oid).startswith("avo/")
