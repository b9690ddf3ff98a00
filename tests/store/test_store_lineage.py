"""Reading a lineage: incremental or cold, here or in a clone, after whatever the user did."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from store_helpers import (
    POPULATION,
    Git,
    child,
    kernel_tree,
    make_entry,
    seed,
)

from avogit import store
from avogit.records import Candidate, Lineage, Status
from avogit.store import Repository, Writer, cache


def cold(at: Path) -> tuple[list[str], Lineage]:
    """What a fresh handle reads with every cache gone."""
    repo = store.open_repository(at)
    shutil.rmtree(repo.state_dir / "cache", ignore_errors=True)
    return list(store.lineage_json_lines(repo, POPULATION)), store.read_lineage(repo, POPULATION)


def grow(repo: Repository, writer: Writer, steps: int, seed_value: int = 7) -> list[Candidate]:
    """A lineage of all kinds of candidates, read after every step."""
    rng = random.Random(seed_value)
    made = [seed(repo, writer)]
    for step in range(steps):
        status = rng.choice(list(Status)[1:])
        parent = rng.choice([c for c in made if c.score is not None])
        ratio = 0 if status is Status.REJECTED else 1 + rng.random()
        made.append(child(repo, writer, parent, f"// {step}\n", status, ratio))
        if step % 3 == 0:
            live = store.read_lineage(repo, POPULATION).live()
            if len(live) > 3:
                store.retire(repo, POPULATION, [(live[-1].oid, "too many lines", None)])
        store.read_lineage(repo, POPULATION)
    return made


def test_a_recorded_candidate_is_read_back(repo: Repository, writer: Writer) -> None:
    first = seed(repo, writer)
    second = child(repo, writer, first, "// 2\n")
    draft = child(repo, writer, second, "// 3\n", Status.DRAFT)
    lineage = store.read_lineage(repo, POPULATION)
    assert list(lineage.candidates.values()) == [first, second, draft]
    assert [head.oid for head in lineage.heads] == [first.oid, second.oid]
    assert lineage.incumbent() == second
    assert lineage.seed() == first
    assert first.parents == (store.head(repo),)
    assert store.populations(repo) == (POPULATION,)


def test_incremental_is_cold(repo: Repository, writer: Writer) -> None:
    made = grow(repo, writer, 20)
    warm = store.read_lineage(repo, POPULATION)
    lines = list(store.lineage_json_lines(repo, POPULATION))
    assert set(warm.candidates) == {c.oid for c in made}
    cold_lines, cold_lineage = cold(repo.root or Path())
    assert (lines, warm) == (cold_lines, cold_lineage)
    assert list(warm.candidates) == list(cold_lineage.candidates)


def test_many_new_commits_are_read_at_once(repo: Repository, writer: Writer) -> None:
    grow(repo, writer, 3)
    other = store.open_repository(repo.cwd)
    store.read_lineage(other, POPULATION)
    for step in range(40):
        child(repo, writer, seed_of(repo), f"// more {step}\n", Status.DRAFT)
    assert store.read_lineage(other, POPULATION) == cold(repo.cwd)[1]


def seed_of(repo: Repository) -> Candidate:
    found = store.read_lineage(repo, POPULATION).seed()
    assert found is not None
    return found


def test_a_mirror_reads_the_same(
    git: Git, repo: Repository, writer: Writer, tmp_path: Path
) -> None:
    made = grow(repo, writer, 12)
    evidence = writer.append("confirmation", {"rule": "fresh"}, {})
    store.tag_champion(repo, POPULATION, made[0].oid, "Champion", evidence)
    ours = list(store.lineage_json_lines(repo, POPULATION))
    git("clone", "-q", "--mirror", str(git.at), str(tmp_path / "mirror"))
    lines, lineage = cold(tmp_path / "mirror")
    assert lines == ours
    assert lineage == store.read_lineage(repo, POPULATION)
    mirror = store.open_repository(tmp_path / "mirror")
    assert mirror.root is None
    assert store.fsck(mirror) == ()
    assert store.missing_refs_hint(mirror) == ""
    assert len(list(store.records(mirror, POPULATION))) == len(made) + 1


def test_a_plain_clone_shows_live_lines_and_how_to_get_the_rest(
    git: Git, repo: Repository, writer: Writer, tmp_path: Path
) -> None:
    grow(repo, writer, 12)
    mine = store.read_lineage(repo, POPULATION)
    git("clone", "-q", str(git.at), str(tmp_path / "clone"))
    clone = store.open_repository(tmp_path / "clone")
    theirs = store.read_lineage(clone, POPULATION)
    assert theirs.live() == mine.live()
    assert {h.oid for h in theirs.heads} == {h.oid for h in mine.heads}
    hint = store.missing_refs_hint(clone)
    assert hint.startswith("git fetch origin 'refs/avo/tried/*:refs/avo-remote/origin/tried/*'")
    assert [p.severity for p in store.fsck(clone) if p.severity == "error"] == []
    Git(tmp_path / "clone")(*hint.replace("'", "").split()[1:])
    assert store.missing_refs_hint(clone) == ""
    assert list(store.lineage_json_lines(clone, POPULATION)) == cold(git.at)[0]
    assert store.fsck(clone) == ()


def test_two_clones_meet_by_plain_fetch(
    git: Git, repo: Repository, writer: Writer, tmp_path: Path
) -> None:
    first = seed(repo, writer)
    git("clone", "-q", str(git.at), str(tmp_path / "other"))
    other_git = Git(tmp_path / "other")
    other = store.open_repository(other_git.at)
    with store.writer(other, POPULATION) as theirs:
        assert theirs.name != writer.name
        made = child(other, theirs, first, "// theirs\n")
        mine = child(repo, writer, first, "// mine\n")
    other_git("push", "-q", "origin", "refs/avo/tried/*:refs/avo/tried/*", "refs/heads/avo/*",
              "refs/avo/records/*:refs/avo/records/*")  # fmt: skip
    lineage = store.read_lineage(repo, POPULATION)
    assert {made.oid, mine.oid} <= set(lineage.candidates)
    assert store.fsck(repo) == ()


def test_lost_cache_and_damaged_cache(repo: Repository, writer: Writer) -> None:
    grow(repo, writer, 5)
    wanted = list(store.lineage_json_lines(repo, POPULATION))
    path = repo.state_dir / "cache" / f"{POPULATION}.sqlite"
    for damage in (b"", b"SQLite format 3\0" + b"x" * 5000, b"junk" * 3000):
        for left in path.parent.glob("*"):
            left.unlink()
        path.write_bytes(damage)
        assert list(store.lineage_json_lines(repo, POPULATION)) == wanted
    shutil.rmtree(repo.state_dir / "cache")
    (repo.state_dir / "cache").write_text("a file in the way\n")
    assert list(store.lineage_json_lines(repo, POPULATION)) == wanted
    (repo.state_dir / "cache").unlink()


def test_a_cache_of_another_version_is_made_anew(
    repo: Repository, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    grow(repo, writer, 2)
    wanted = list(store.lineage_json_lines(repo, POPULATION))
    monkeypatch.setattr(cache, "VERSION", cache.VERSION + 1)
    assert list(store.lineage_json_lines(repo, POPULATION)) == wanted


def amend(git: Git, candidate: Candidate) -> str:
    git("checkout", "-q", "--detach", candidate.oid)
    (git.at / "README").write_text("amended\n")
    git("commit", "-q", "--amend", "--no-edit", "-a")
    return git("rev-parse", "HEAD")


def reword(git: Git, candidate: Candidate) -> str:
    git("checkout", "-q", "--detach", candidate.oid)
    text = git("log", "-1", "--format=%B").replace("attention-cpu:", "mine:")
    git("commit", "-q", "--amend", "-m", text)
    return git("rev-parse", "HEAD")


def cherry_pick(git: Git, candidate: Candidate) -> str:
    git("checkout", "-q", "--detach", "main")
    (git.at / "README").write_text("moved on\n")
    git("commit", "-q", "-a", "-m", "moved on")
    git("cherry-pick", "-x", candidate.oid)
    return git("rev-parse", "HEAD")


def rebase(git: Git, candidate: Candidate) -> str:
    git("checkout", "-q", "main")
    (git.at / "NEW").write_text("new\n")
    git("add", "NEW")
    git("commit", "-q", "-m", "moved on")
    git("checkout", "-q", "--detach", candidate.oid)
    git("rebase", "-q", "--empty=keep", "main")
    return git("rev-parse", "HEAD")


def squash(git: Git, candidate: Candidate) -> str:
    git("checkout", "-q", "--detach", "main")
    git("merge", "-q", "--squash", candidate.oid)
    git("commit", "-q", "--no-edit")
    return git("rev-parse", "HEAD")


@pytest.mark.parametrize("rewrite", [amend, cherry_pick, rebase])
def test_rewritten_trees_are_unmeasured(
    git: Git, repo: Repository, writer: Writer, rewrite: object
) -> None:
    """The user moves a line's branch onto a rewritten copy; nothing is lost or believed."""
    first = seed(repo, writer)
    second = child(repo, writer, first, "// 2\n")
    assert callable(rewrite)
    copy = rewrite(git, second)
    line = f"avo/{POPULATION}/g0001-{second.oid[:10]}"
    git("branch", "-f", line, copy)
    lineage = store.read_lineage(repo, POPULATION)
    assert lineage.candidates[second.oid] == second
    assert not lineage.candidates[copy].measured
    assert lineage.incumbent() == first
    assert [(p.what, p.severity) for p in store.fsck(repo)] == [("head on no tried chain", "info")]
    assert lineage == cold(git.at)[1]


def test_a_reworded_copy_keeps_its_numbers(git: Git, repo: Repository, writer: Writer) -> None:
    second = child(repo, writer, seed(repo, writer), "// 2\n")
    copy = reword(git, second)
    git("branch", f"avo/{POPULATION}/mine", copy)
    assert store.read_lineage(repo, POPULATION).candidates[copy].measured
    assert {p.severity for p in store.fsck(repo)} == {"info"}


def test_a_squash_merge_is_an_ordinary_commit(git: Git, repo: Repository, writer: Writer) -> None:
    second = child(repo, writer, seed(repo, writer), "// 2\n")
    before = store.read_lineage(repo, POPULATION)
    copy = squash(git, second)
    git("branch", "-f", "main", copy)
    assert store.read_lineage(repo, POPULATION) == before
    assert store.fsck(repo) == ()


def test_commits_of_a_person_on_a_line(git: Git, repo: Repository, writer: Writer) -> None:
    second = child(repo, writer, seed(repo, writer), "// 2\n")
    line = f"avo/{POPULATION}/g0001-{second.oid[:10]}"
    git("checkout", "-q", line)
    (git.at / "README").write_text("by hand\n")
    git("commit", "-q", "-a", "-m", "by hand")
    lineage = store.read_lineage(repo, POPULATION)
    assert list(lineage.candidates) == [*list(lineage.candidates)[:1], second.oid]
    assert lineage.incumbent() == lineage.seed()
    assert {p.severity for p in store.fsck(repo)} == {"info"}


def test_a_deleted_branch_loses_nothing(git: Git, repo: Repository, writer: Writer) -> None:
    second = child(repo, writer, seed(repo, writer), "// 2\n")
    store.read_lineage(repo, POPULATION)
    git("branch", "-q", "-D", f"avo/{POPULATION}/g0001-{second.oid[:10]}")
    git("reflog", "expire", "--expire=now", "--all")
    git("gc", "-q", "--prune=now")
    lineage = store.read_lineage(repo, POPULATION)
    assert lineage.candidates[second.oid] == second
    assert second.oid not in {head.oid for head in lineage.heads}
    assert store.fsck(repo) == ()
    assert store.restore(repo, POPULATION, second.oid).endswith(second.oid[:10])


def test_a_forgotten_copy_leaves_the_cache_too(git: Git, repo: Repository, writer: Writer) -> None:
    """Force-pushed over, deleted: a copy that no ref holds is not in the lineage any more."""
    second = child(repo, writer, seed(repo, writer), "// 2\n")
    copy = reword(git, second)
    git("branch", f"avo/{POPULATION}/mine", copy)
    assert copy in store.read_lineage(repo, POPULATION).candidates
    git("checkout", "-q", "main")
    git("branch", "-q", "-D", f"avo/{POPULATION}/mine")
    assert copy not in store.read_lineage(repo, POPULATION).candidates
    assert list(store.lineage_json_lines(repo, POPULATION)) == cold(git.at)[0]


def test_a_merged_line_does_not_bound_the_next_seed(
    git: Git, repo: Repository, writer: Writer
) -> None:
    second = child(repo, writer, seed(repo, writer), "// 2\n")
    git("merge", "-q", "--no-ff", "-m", "merge the champion", second.oid)
    base = store.head(repo)
    assert base is not None
    store.add_base(repo, POPULATION, base)
    tree = kernel_tree(repo, base, "// 3\n")
    writer.record(make_entry(tree, [base], Status.SEED, generation=0))
    assert len(cold(git.at)[1].candidates) == 3


def test_crossover_is_a_merge_commit(git: Git, repo: Repository, writer: Writer) -> None:
    first = seed(repo, writer)
    one, two = (child(repo, writer, first, f"// {n}\n") for n in range(2))
    tree = kernel_tree(repo, one.oid, "// both\n")
    made = writer.record(make_entry(tree, [one.oid, two.oid], generation=2))
    assert made.parents == (one.oid, two.oid)
    assert git("rev-parse", f"{made.oid}^2") == two.oid
    assert made.time_s >= two.time_s


def test_siblings_are_listed_as_they_were_made(git: Git, repo: Repository, writer: Writer) -> None:
    """However fast they come: drafts of one step often share a parent and a second."""
    first = seed(repo, writer)
    made = [child(repo, writer, first, f"// {n}\n").oid for n in range(6)]
    listed = list(cold(git.at)[1].candidates)
    assert listed == [first.oid, *made]
