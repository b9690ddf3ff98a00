"""A lineage in one file, and a repository that is packed while it grows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from store_helpers import POPULATION, Git, child, make_repository, seed
from test_store_killed import VICTIM

from avogit import store
from avogit.errors import AvogitError
from avogit.store import Repository

OTHER = "attention-cpu-other-device-abc123"


@pytest.fixture
def grown(git: Git, repo: Repository) -> Repository:
    """Two populations, one of them with a pruned line and a champion."""
    with store.writer(repo, OTHER) as writer:
        seed(repo, writer)
    with store.writer(repo, POPULATION) as writer:
        first = seed(repo, writer)
        child(repo, writer, first, "// 2\n")
    with store.pruner(repo, POPULATION):
        store.retire(repo, POPULATION, [(first.oid, "superseded", 0.5)])
    record = first.trailers["Avo-Evaluation"]
    store.tag_champion(repo, POPULATION, first.oid, "Champion", record)
    return repo


def log(repo: Repository) -> list[str]:
    return list(store.lineage_json_lines(repo, POPULATION))


def test_a_bundle_brings_a_lineage_to_an_empty_repository(
    git: Git, grown: Repository, tmp_path: Path
) -> None:
    file = tmp_path / "a lineage.bundle"
    store.write_bundle(grown, file, None)
    git("bundle", "verify", str(file))
    Git(tmp_path)("init", "-q", "empty")
    empty = store.open_repository(tmp_path / "empty")
    for _ in range(2):  # twice is as good as once
        assert store.read_bundle(empty, file, "elsewhere") == []
        assert store.populations(empty) == (POPULATION, OTHER)[::-1]
        assert log(empty) == log(grown)
    (champion,) = store.read_lineage(empty, POPULATION).champions
    assert champion.ref.startswith("refs/avo-remote/elsewhere/tags/")
    assert store.fsck(empty) == ()
    assert Git(empty.cwd)("for-each-ref", "refs/heads", "refs/avo") == ""
    again = tmp_path / "again.bundle"
    store.write_bundle(empty, again, POPULATION)  # from what was fetched, one population of two
    Git(tmp_path)("init", "-q", "third")
    third = store.open_repository(tmp_path / "third")
    store.read_bundle(third, again, "team/one")
    assert store.populations(third) == (POPULATION,)
    assert log(third) == log(grown)


def test_files_that_are_no_bundles_of_a_lineage(
    git: Git, grown: Repository, tmp_path: Path
) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("mine\n")
    with pytest.raises(AvogitError, match="not overwritten"):
        store.write_bundle(grown, notes, None)
    assert notes.read_text() == "mine\n"
    for file in (notes, tmp_path / "nowhere"):
        with pytest.raises(AvogitError, match="is no git bundle"):
            store.read_bundle(grown, file, "x")
    git("bundle", "create", "-q", str(tmp_path / "mine.bundle"), "main")
    with pytest.raises(AvogitError, match="holds no lineage"):
        store.read_bundle(grown, tmp_path / "mine.bundle", "x")
    with pytest.raises(AvogitError, match="--name"):
        store.read_bundle(grown, tmp_path / "mine.bundle", "no..name")
    file = tmp_path / "cut.bundle"
    store.write_bundle(grown, file, None)
    file.write_bytes(file.read_bytes()[:-100])
    make_repository(tmp_path / "other")
    with pytest.raises(AvogitError, match="cannot be read here"):
        store.read_bundle(store.open_repository(tmp_path / "other"), file, "x")
    make_repository(tmp_path / "new")
    with pytest.raises(AvogitError, match="no lineage here"):
        store.write_bundle(store.open_repository(tmp_path / "new"), tmp_path / "new.bundle", None)


def test_packing_drops_nothing(git: Git, grown: Repository) -> None:
    unreachable = git("hash-object", "-w", "--stdin", stdin="a running step's\n")
    before, after = store.pack(grown)
    assert before.loose_objects > 20
    assert (after.loose_objects, after.loose_refs) == (0, 0)
    assert git("cat-file", "-p", unreachable) == "a running step's"
    assert len(log(store.open_repository(git.at))) == 2
    assert store.fsck(grown) == ()
    (grown.common_dir / "objects" / "maintenance.lock").touch()
    with pytest.raises(AvogitError, match="doctor"):
        store.pack(grown)


def test_packing_beside_a_running_step(git: Git, repo: Repository) -> None:
    paths = os.pathsep.join([str(VICTIM.parent), str(VICTIM.parents[2])])
    with subprocess.Popen(
        [sys.executable, str(VICTIM), str(git.at), "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    ) as worker:
        assert worker.stdout is not None
        acknowledged = [worker.stdout.readline().strip()]
        for _ in range(3):
            store.pack(repo)
            assert worker.poll() is None, worker.communicate()
            acknowledged.append(worker.stdout.readline().strip())
        worker.terminate()
        told, errors = worker.communicate()
    assert errors == ""
    assert {*acknowledged, *told.split()[:-1]} <= set(
        store.read_lineage(repo, POPULATION).candidates
    )
    assert [p for p in store.fsck(repo) if p.severity == "error"] == []
