"""Attempts with what their workspace came to, and patches that were made before."""

from __future__ import annotations

from store_helpers import FOLDER, POPULATION, Git, child, kernel_tree, seed

from avogit import store
from avogit.records import Plan, Status
from avogit.store import Repository, Writer


def test_an_attempt_keeps_its_tree_reachable(git: Git, repo: Repository, writer: Writer) -> None:
    first = seed(repo, writer)
    tree = kernel_tree(repo, first.oid, "// half done\n")
    plan = Plan("unroll", 4.0, "instructions", "easy", 0.5)
    payload = store.attempt_payload(
        "agent", first.oid, "budget", "out of time", plan, tree, "unrolling by 4 spills"
    )
    name = writer.append(store.ATTEMPT, payload, {"transcript.json.gz": b"\x1f"}, tree)
    writer.append("note", {"about": "Avo-Kind: attempt"}, {})
    (found,) = store.attempts(repo, POPULATION)
    assert (found.name, found.outcome, found.plan, found.tree) == (name, "budget", plan, tree)
    assert (found.parent, found.summary) == (first.oid, "unrolling by 4 spills")
    record = git("log", "-1", "--skip=1", "--format=%H", f"--glob=refs/avo/records/{POPULATION}/*")
    assert git("show", f"{record}:tree/{FOLDER}/kernel.cpp") == "// half done"
    assert list(store.fsck(repo)) == []


def test_an_older_attempt_says_less(repo: Repository, writer: Writer) -> None:
    old = {"operator": "agent", "parent": "a" * 40, "outcome": "gave-up", "detail": "no"}
    writer.append("attempt", old, {})
    (found,) = store.attempts(repo, POPULATION)
    assert (found.outcome, found.plan, found.tree, found.summary) == ("gave-up", None, "", "")


def test_the_same_patch_has_the_same_id_whatever_the_settings(
    git: Git, repo: Repository, writer: Writer
) -> None:
    first = seed(repo, writer)
    one = child(repo, writer, first, "// other\n", Status.REJECTED)
    two = child(repo, writer, first, "// another\n", Status.REJECTED)
    again = child(repo, writer, first, "// other \n", Status.DRAFT)
    git("config", "diff.noprefix", "true")
    git("config", "diff.external", "false")
    (git.at / ".git" / "info" / "attributes").write_text("*.cpp -diff\n")
    commits = [one.oid, two.oid, again.oid]
    found = store.patch_ids(repo, commits)
    assert list(found) == commits
    assert found[one.oid] == found[again.oid] != found[two.oid]
    base = store.tree_of(repo, first.oid)
    assert store.patch_id(repo, base, one.tree) == found[one.oid]
    assert store.patch_id(repo, base, base) == ""
    assert store.patch_ids(repo, []) == {}
