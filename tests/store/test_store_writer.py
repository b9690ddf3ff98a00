"""Writers: leases, work in hand, records, and what they cost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from store_helpers import (
    FOLDER,
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
from avogit.records import Plan, Status, Usage
from avogit.store import Repository, WorkInHand, Writer, documents
from avogit.store import git as door


def work(repo: Repository, parent: str) -> WorkInHand:
    return WorkInHand(
        parent=parent,
        tree=kernel_tree(repo, parent, "// in hand\n"),
        subject="try\nthis",
        operator="agent",
        body="because\n\nAvo-Score: 3",
        plan=Plan("hope", 3.5, "memory", "hard", 0.25),
        usage=Usage("gpt-5", 10, 20),
        violations=("protected-file: problem.py",),
        attachments={"transcript.json": b"{}", "ä b": b"\0"},
    )


def test_work_in_hand_survives_whole(repo: Repository, writer: Writer) -> None:
    first = seed(repo, writer)
    assert writer.unfinished() is None
    item = work(repo, first.oid)
    writer.begin(item)
    assert writer.unfinished() == item


def test_the_next_writer_takes_up_what_a_dead_one_left(repo: Repository) -> None:
    with store.writer(repo, POPULATION) as one, store.writer(repo, POPULATION) as two:
        assert (one.name[-2:], two.name[-2:]) == ("-0", "-1")
        first = seed(repo, one)
        item = work(repo, first.oid)
        two.begin(item)
    with store.writer(repo, POPULATION) as again:
        assert again.name == two.name
        assert again.unfinished() == item
        entry = make_entry(item.tree, [item.parent], Status.REJECTED, failed(item.tree))
        again.record(entry)
        assert again.unfinished() is None
    with store.writer(repo, POPULATION) as last:
        assert last.name == one.name
        assert last.unfinished() is None


def test_a_tree_that_another_writer_has_in_hand_is_not_begun(repo: Repository) -> None:
    with store.writer(repo, POPULATION) as one, store.writer(repo, POPULATION) as two:
        first = seed(repo, one)
        item = work(repo, first.oid)
        assert one.begin(item)
        with store.writer(repo, POPULATION) as three:
            assert three.seen_in_hand == {item.tree}
        assert two.seen_in_hand == frozenset()
        assert not two.begin(item)
        assert two.unfinished() is None
        one.record(make_entry(item.tree, [item.parent], Status.REJECTED, failed(item.tree)))
        assert two.begin(item)


def test_rejected_and_draft_get_no_head(git: Git, repo: Repository, writer: Writer) -> None:
    first = seed(repo, writer)
    for status in (Status.REJECTED, Status.DRAFT):
        made = child(repo, writer, first, f"// {status}\n", status)
        assert made.parents == (first.oid,)
    assert len(store.read_lineage(repo, POPULATION).heads) == 1
    told = git("log", "--format=%s", f"--glob=refs/avo/tried/{POPULATION}/*", "--first-parent")
    assert told.count("avogit tried ") == 3
    assert git("diff", "--stat", f"{first.oid}^", first.oid) == ""


def test_plain_git_lists_live_candidates_with_scores(
    git: Git, repo: Repository, writer: Writer
) -> None:
    child(repo, writer, seed(repo, writer), "// 2\n")
    form = "%(trailers:key=Avo-Score,valueonly,separator=%x20) %s"
    told = git("log", "--topo-order", "--branches=avo/*", f"--format={form}").split("\n")
    assert told[0] == "1.0500 attention-cpu: try // 2, 1.050x torch-flash (+1.3%)"
    assert told[1] == "0.5000 attention-cpu: seed, 0.500x torch-flash"


def test_a_record_holds_the_whole_evaluation(repo: Repository, writer: Writer) -> None:
    first = seed(repo, writer)
    tree = kernel_tree(repo, first.oid, "// 2\n")
    entry = replace(
        make_entry(tree, [first.oid]),
        body="whole body",
        plan=Plan("hope"),
        usage=Usage("m", 1, 2),
        attachments={
            "transcript.json": b"[]",
            "deciding.json": store.evaluation_bytes(passed(tree)),
        },
    )
    made = writer.record(entry)
    name = made.trailers["Avo-Evaluation"]
    document = store.read_record(repo, POPULATION, name)
    assert documents.sha256(documents.to_bytes(document)) == name
    raw = documents.parse_json(store.read_blob(repo, POPULATION, name, documents.RAW))
    found = store.evaluation_from_json(document["payload"]["evaluation"], raw)
    assert found == entry.evaluation
    assert store.evaluation_from_json(store.evaluation_to_json(found)) == found
    assert document["payload"]["body"] == "whole body"
    assert store.read_blob(repo, POPULATION, name, "transcript.json") == b"[]"
    with pytest.raises(AvogitError, match="holds no"):
        store.read_blob(repo, POPULATION, name, "nothing")


def test_records_of_their_own(repo: Repository, writer: Writer) -> None:
    name = writer.append("attempt", {"outcome": "exhausted"}, {"log.txt": b"long"})
    assert store.read_record(repo, POPULATION, name)["payload"] == {"outcome": "exhausted"}
    assert [(r["kind"], r["name"]) for r in store.records(repo, POPULATION)] == [("attempt", name)]
    with pytest.raises(AvogitError, match="is not here"):
        store.read_record(repo, POPULATION, "sha256:" + "0" * 64)
    with pytest.raises(AvogitError, match="names no record"):
        store.read_record(repo, POPULATION, "--all")
    with pytest.raises(ValueError, match="attachment"):
        writer.append("attempt", {}, {"../x": b""})


def test_an_entry_is_about_the_tree_that_was_measured() -> None:
    with pytest.raises(ValueError, match="evaluated"):
        make_entry("a" * 40, ["b" * 40], evaluation=passed("c" * 40))


def test_a_candidate_costs_few_processes(
    repo: Repository, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = child(repo, writer, seed(repo, writer), "// 1\n")
    store.read_lineage(repo, POPULATION)
    started: list[str] = []
    real = door._start

    def counted(cwd, arguments, environment):  # type: ignore[no-untyped-def]
        started.append(" ".join(a for a in arguments if "=" not in a and a != "-c"))
        return real(cwd, arguments, environment)

    monkeypatch.setattr(door, "_start", counted)
    tree = kernel_tree(repo, parent.oid, "// 2\n")
    writer.begin(WorkInHand(parent.oid, tree, "x", "tune"))
    writer.record(make_entry(tree, [parent.oid], generation=2))
    assert len(store.read_lineage(repo, POPULATION).candidates) == 3
    assert [words.split()[0] for words in started] == [
        "unpack-objects",  # the tree
        "for-each-ref",  # what others have in hand
        *("unpack-objects", "update-ref"),  # work in hand
        *("unpack-objects", "update-ref"),  # record, candidate, link
        "for-each-ref",  # the lineage
    ]


def test_trees_of_candidates(git: Git, repo: Repository) -> None:
    head = store.resolve(repo, "HEAD")
    base = store.tree_of(repo, head)
    assert store.tree_of(repo, base) == base
    files = store.folder_files(repo, head, FOLDER)
    assert files == {"kernel.cpp": b"// seed\n", "problem.py": b"# trusted\n"}
    assert store.folder_files(repo, head, "no/such") == {}
    assert store.folder_files(repo, base, "")["README"] == b"mine\n"
    assert store.with_files(repo, base, FOLDER, files) == base
    made = store.with_files(repo, base, FOLDER, {"kernel.cpp": b"x", "new/deep.h": b"y"})
    told = git("diff-tree", "-r", "--name-status", base, made)
    assert told == f"M\t{FOLDER}/kernel.cpp\nA\t{FOLDER}/new/deep.h"
    for bad in ("../x", ".git/config", "a//b", "a\nb", "problem.py/x"):
        with pytest.raises(AvogitError):
            store.with_files(repo, base, FOLDER, {bad: b""})


def test_violations_are_named(git: Git, repo: Repository) -> None:
    base = store.tree_of(repo, "HEAD")
    kernels = git.at / FOLDER
    (kernels / "kernel.cpp").write_text("// fine\n")
    (kernels / "problem.py").write_text("# not fine\n")
    (kernels / "huge.cpp").write_bytes(b"x" * (5 << 20))
    (kernels / "link.cpp").symlink_to("/etc/passwd")
    (kernels / ".gitattributes").write_text("* text\n")
    (kernels / "run.cpp").write_text("x")
    (kernels / "run.cpp").chmod(0o755)
    (git.at / "README").unlink()
    git("add", "-A")
    git("update-index", "--add", "--cacheinfo", f"160000,{git('rev-parse', 'HEAD')},{FOLDER}/m.cpp")
    found = store.tree_violations(
        repo, base, git("write-tree"), FOLDER, lambda name: name.endswith(".cpp")
    )
    assert sorted(found) == [
        f"git-file: {FOLDER}/.gitattributes",
        f"gitlink: {FOLDER}/m.cpp",
        f"huge-file: {FOLDER}/huge.cpp",
        f"mode: {FOLDER}/run.cpp",
        "outside-task: README",
        f"protected-file: {FOLDER}/problem.py",
        f"symlink: {FOLDER}/link.cpp",
    ]


def test_modes_of_old_files_are_kept(git: Git, repo: Repository) -> None:
    git("update-index", "--chmod=+x", f"{FOLDER}/kernel.cpp")
    made = store.with_files(repo, git("write-tree"), FOLDER, {"kernel.cpp": b"x"})
    assert git("ls-tree", "-r", made, f"{FOLDER}/kernel.cpp").startswith("100755")


def test_the_open_reader_survives_being_killed(git: Git, repo: Repository) -> None:
    head = store.resolve(repo, git("rev-parse", "HEAD"))
    (batch,) = [kept for key, kept in repo.memory.items() if key.startswith("\0")]
    batch.process.kill()  # type: ignore[attr-defined]
    batch.process.wait()  # type: ignore[attr-defined]
    assert store.folder_files(repo, head, FOLDER)


def test_resolve(git: Git, repo: Repository, writer: Writer) -> None:
    first = seed(repo, writer)
    for rev in (first.oid, first.oid[:9], f"g0000-{first.oid[:10]}",
                f"avo/{POPULATION}/g0000-{first.oid[:10]}"):  # fmt: skip
        assert store.resolve(repo, rev) == first.oid
    assert store.message_of(repo, first.oid).startswith("attention-cpu: seed")
    assert store.branch(repo) == "main"
