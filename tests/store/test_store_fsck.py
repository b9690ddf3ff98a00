"""fsck finds each kind of damage, one test a kind, and calls nothing else damage."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from store_helpers import (
    POPULATION,
    Git,
    child,
    failed,
    kernel_tree,
    make_entry,
    passed,
    seed,
)

from avogit import store
from avogit.errors import AvogitError
from avogit.records import Candidate, Evaluation, Ratio, Status
from avogit.store import Problem, Repository, Writer, locks


def line_of(candidate: Candidate) -> str:
    return f"refs/heads/avo/{POPULATION}/g{candidate.generation:04d}-{candidate.oid[:10]}"


def errors(repo: Repository) -> list[str]:
    """What a fresh handle finds."""
    found = store.fsck(store.open_repository(repo.cwd))
    return sorted({problem.what for problem in found if problem.severity == "error"})


def reworded(git: Git, oid: str, change: Callable[[str], str]) -> str:
    """A copy of a commit with another message, as an amend makes it."""
    message = change(git("log", "-1", "--format=%B", oid))
    parents = [word for p in git("log", "-1", "--format=%P", oid).split() for word in ("-p", p)]
    return git("commit-tree", *parents, "-F", "-", f"{oid}^{{tree}}", stdin=message)


def test_a_healthy_population_is_clean(repo: Repository, writer: Writer) -> None:
    first = seed(repo, writer)
    child(repo, writer, first, "// 2\n")
    child(repo, writer, first, "// 3\n", Status.REJECTED, 0)
    assert store.fsck(repo) == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Avo-Score: 1.0500", "Avo-Score: 1.0550"),
        ("Avo-Score-CI: 1.0421", "Avo-Score-CI: 1.0499"),
        ("Avo-Status: accepted", "Avo-Status: seed"),
        ("full-512=1.0500", "full-512=9.0500"),
        (", 1.050x torch-flash", ", 2.050x torch-flash"),
        ("Avo-Score: 1.0500\n", ""),
    ],
)
def test_a_forged_message(git: Git, repo: Repository, writer: Writer, old: str, new: str) -> None:
    made = child(repo, writer, seed(repo, writer), "// 2\n")
    forged = reworded(git, made.oid, lambda text: text.replace(old, new))
    assert forged != made.oid
    git("update-ref", line_of(made), forged)
    assert errors(repo) == ["forged message"]
    assert len(store.line_problems(repo, forged)) == 1
    assert store.line_problems(repo, made.oid) == []


def test_a_block_that_git_cannot_read(git: Git, repo: Repository, writer: Writer) -> None:
    made = child(repo, writer, seed(repo, writer), "// 2\n")
    for change in ("Avo-Score: 2\nAvo-Status: accepted", "prose\nAvo-Status: accepted"):
        copy = reworded(
            git, made.oid, lambda text, to=change: text.replace("Avo-Status: accepted", to)
        )
        git("update-ref", line_of(made), copy)
        assert errors(repo) == ["unreadable Avo- block"]


def test_a_newer_format_is_no_damage(git: Git, repo: Repository, writer: Writer) -> None:
    made = child(repo, writer, seed(repo, writer), "// 2\n")
    copy = reworded(git, made.oid, lambda text: text.replace("Avo-Format: 1", "Avo-Format: 2"))
    git("update-ref", line_of(made), copy)
    assert errors(repo) == []
    assert "format 2" in {problem.what for problem in store.fsck(repo)}


def test_a_missing_record(git: Git, repo: Repository, writer: Writer) -> None:
    made = child(repo, writer, seed(repo, writer), "// 2\n")
    (ref,) = git("for-each-ref", "--format=%(refname)", "refs/avo/records/").split()
    git("update-ref", ref, f"{ref}~1")
    assert errors(repo) == ["missing record"]
    assert store.line_problems(repo, made.oid)


def changed_record(git: Git, name: str, change: Callable[[bytes], bytes]) -> None:
    """Put another blob into the newest record's commit, its message kept."""
    (ref,) = git("for-each-ref", "--format=%(refname)", "refs/avo/records/").split()
    data = change(git("show", f"{ref}:{name}").encode() + b"\n")
    blob = git("hash-object", "-w", "--stdin", stdin=data.decode())
    lines = git("ls-tree", ref).split("\n")
    lines = [
        f"100644 blob {blob}\t{name}" if line.endswith(f"\t{name}") else line for line in lines
    ]
    tree = git("mktree", stdin="\n".join(lines) + "\n")
    message = git("log", "-1", "--format=%B", ref)
    git("update-ref", ref, git("commit-tree", tree, "-p", f"{ref}~1", "-F", "-", stdin=message))


def test_a_record_whose_hash_differs(git: Git, repo: Repository, writer: Writer) -> None:
    child(repo, writer, seed(repo, writer), "// 2\n")
    changed_record(git, "record.json", lambda data: data.replace(b"1.05", b"1.06"))
    assert errors(repo) == ["missing record", "record's hash differs"]


def test_a_blob_whose_hash_differs(git: Git, repo: Repository, writer: Writer) -> None:
    child(repo, writer, seed(repo, writer), "// 2\n")
    changed_record(git, "raw.json", lambda data: data.replace(b"1010000", b"1010001"))
    assert "raw.json differs from its hash" in errors(repo)


def test_a_score_that_the_raw_times_do_not_give(repo: Repository, writer: Writer) -> None:
    first = seed(repo, writer)
    tree = kernel_tree(repo, first.oid, "// 2\n")
    honest = passed(tree)
    invented = replace(honest, score=Ratio(2.0, 1.9, 2.1))
    writer.record(make_entry(tree, [first.oid], evaluation=invented))
    (found,) = errors(repo)
    assert found.startswith("score 2.000000 is not what its raw times give (1.04999")


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        ({"blocks": [{}]}, "raw times cannot be read"),
        ({"blocks": 3}, "raw times cannot be read"),
        ({"blocks": [{"workloads": {}}]}, "raw times cannot be read"),
        ({}, "a score without raw times"),
    ],
)
def test_raw_times_that_cannot_be_read(
    repo: Repository, writer: Writer, raw: dict[str, object], what: str
) -> None:
    first = seed(repo, writer)
    tree = kernel_tree(repo, first.oid, "// 2\n")
    writer.record(make_entry(tree, [first.oid], evaluation=replace(passed(tree), raw=raw)))
    assert errors(repo) == [what]


def test_the_sample_that_decided_is_checked_too(repo: Repository, writer: Writer) -> None:
    first = seed(repo, writer)
    tree = kernel_tree(repo, first.oid, "// 2\n")
    invented = replace(passed(tree), score=Ratio(2.0, 1.9, 2.1))
    entry = make_entry(tree, [first.oid])
    writer.record(replace(entry, attachments={"deciding.json": store.evaluation_bytes(invented)}))
    assert "raw times" in errors(repo)[0]


def test_another_tree_is_unmeasured_and_no_error(
    git: Git, repo: Repository, writer: Writer
) -> None:
    made = child(repo, writer, seed(repo, writer), "// 2\n")
    message = git("log", "-1", "--format=%B", made.oid)
    copy = git("commit-tree", "-p", made.oid, "-F", "-", "main^{tree}", stdin=message)
    git("update-ref", line_of(made), copy)
    assert errors(repo) == []
    assert not store.read_lineage(repo, POPULATION).candidates[copy].measured


def test_a_head_on_no_chain_is_worth_knowing(git: Git, repo: Repository, writer: Writer) -> None:
    seed(repo, writer)
    git("branch", f"avo/{POPULATION}/g0009-0123456789", "main")
    assert [(p.what, p.severity) for p in store.fsck(repo)] == [("head on no tried chain", "info")]


def test_a_broken_chain(git: Git, repo: Repository, writer: Writer) -> None:
    made = child(repo, writer, seed(repo, writer), "// 2\n")
    (ref,) = git("for-each-ref", "--format=%(refname)", "refs/avo/tried/").split()
    wrong = git("commit-tree", "-p", f"{ref}~1", "-p", made.oid, "-m", f"avogit tried {'0' * 40}",
                f"{ref}^{{tree}}")  # fmt: skip
    git("update-ref", ref, wrong)
    assert "broken chain" in errors(repo)


def test_a_broken_archive(git: Git, repo: Repository, writer: Writer) -> None:
    made = child(repo, writer, seed(repo, writer), "// 2\n")
    store.retire(repo, POPULATION, [(made.oid, "why", None)])
    (ref,) = git("for-each-ref", "--format=%(refname)", "refs/avo/archive/").split()
    forged = reworded(git, ref, lambda text: text.replace(made.oid, "0" * 40))
    git("update-ref", ref, forged)
    assert errors(repo) == ["broken archive"]


def test_a_ref_of_another_shape(git: Git, repo: Repository, writer: Writer) -> None:
    seed(repo, writer)
    git("update-ref", "refs/avo/odd", "main")
    assert errors(repo) == ["ref of another shape"]


def test_a_lost_object_is_told_in_gits_words(git: Git, repo: Repository, writer: Writer) -> None:
    made = child(repo, writer, seed(repo, writer), "// 2\n")
    (git.at / ".git" / "objects" / made.oid[:2] / made.oid[2:]).unlink()
    with pytest.raises(AvogitError, match="git"):
        store.fsck(store.open_repository(repo.cwd))


def test_hooks_believe_only_backed_messages(git: Git, repo: Repository, writer: Writer) -> None:
    made = child(repo, writer, seed(repo, writer), "// 2\n")
    text = git("log", "-1", "--format=%B", made.oid)
    assert store.message_problem(repo, text) is None
    assert (
        store.message_problem(repo, text + "\n(cherry picked from commit 0)\n# comment\n") is None
    )
    for forged, why in (
        (text.replace("Avo-Score: 1.0500", "Avo-Score: 3.0"), "Avo-Score differs"),
        (text + "\nan afterthought\n", "git reads none of them"),
        ("x\n\nAvo-Score: 9\n", "Avo-Format is missing"),
        (text.rstrip("\n") + "\nAvo-Score: 9\n", "twice"),
        (text.replace("Avo-Evaluation: sha256:", "Avo-Evaluation: sha256:0"), "no record"),
        (text.replace(f"Avo-Population: {POPULATION}", "Avo-Population: ../x"), "no record"),
    ):
        problem = store.message_problem(repo, forged)
        assert problem is not None
        assert why in problem


def test_stale_locks_are_found_and_removed_when_idle(
    git: Git, repo: Repository, writer: Writer
) -> None:
    common = repo.common_dir
    seed(repo, writer)
    left = [common / "packed-refs.lock", common / "refs" / "heads" / "x.lock"]
    for path in left:
        path.touch()
    (common / "worktrees" / "half").mkdir(parents=True)
    (common / "worktrees" / "half" / "commondir").touch()
    assert store.stale_locks(repo) == ()
    wanted = tuple(sorted([*left, common / "worktrees" / "half"]))
    assert locks.stale_locks(repo, min_age_s=-1) == wanted
    with pytest.raises(AvogitError, match="is held"):
        locks.remove_stale_locks(repo, min_age_s=-1)


def test_stale_locks_go_when_no_lease_is_held(git: Git, repo: Repository) -> None:
    (repo.common_dir / "index.lock").touch()
    with store.writer(repo, POPULATION):
        pass
    assert locks.remove_stale_locks(repo, min_age_s=-1) == (repo.common_dir / "index.lock",)
    assert git("status", "--porcelain") == ""


def test_problems_say_what_where_and_what_to_try() -> None:
    problem = Problem("a", "b", "c")
    assert (problem.what, problem.where, problem.remedy, problem.severity) == (
        "a",
        "b",
        "c",
        "error",
    )


def test_evaluations_of_every_verdict_are_stored_whole() -> None:
    for evaluation in (passed("a" * 40), failed("b" * 40)):
        again = store.evaluation_from_json(json.loads(store.evaluation_bytes(evaluation)))
        assert isinstance(again, Evaluation)
        assert again == evaluation
