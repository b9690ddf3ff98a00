"""`tune` on a lineage's files."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from operator_samples import KERNEL, History, sample_context, seeded

from avogit.operators import NoProposal
from avogit.operators.tune import Tune, read_source
from avogit.records import Proposal, Status, Verdict
from avogit.task import with_tunable


def kernel(block: int, passes: int, source: bytes = KERNEL) -> bytes:
    return with_tunable(with_tunable(source, "BLOCK", block), "PASSES", passes)


def propose(history: History, tmp_path: Path, **options: object) -> Proposal:
    found = Tune()(sample_context(tmp_path, history, **options))
    assert isinstance(found, Proposal)
    return found


def test_changes_one_tunable_and_nothing_else(tmp_path: Path) -> None:
    history = seeded()
    found = propose(history, tmp_path)
    before, after = KERNEL.splitlines(), found.files["kernel.cpp"].splitlines()
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert len(changed) == 1
    assert found.parent == next(iter(history.candidates))
    assert found.violations == ()


def test_says_what_it_changed_and_why(tmp_path: Path) -> None:
    history = seeded(kernel(1, 8))
    history.add(kernel(2, 8), 1.2, parent=next(iter(history.candidates)))
    found = propose(history, tmp_path)
    assert found.subject == "BLOCK 2 -> 4"
    assert found.plan is not None
    assert found.plan.hypothesis == "BLOCK 2 -> 4: the same direction as the last improvement"
    assert found.body == "Point: BLOCK=4 PASSES=8."


def test_starts_from_the_best_candidate_whatever_parent_was_chosen(tmp_path: Path) -> None:
    history = seeded()
    seed = next(iter(history.candidates.values()))
    best = history.add(kernel(8, 4), 1.5, parent=seed.oid)
    found = propose(history, tmp_path, parent=seed)
    assert found.parent == best.oid


def test_a_parent_that_the_supervisor_chose_is_where_it_starts(tmp_path: Path) -> None:
    history = seeded()
    seed = next(iter(history.candidates.values()))
    history.add(kernel(8, 4), 1.5, parent=seed.oid)
    context = sample_context(tmp_path, history, parent=seed)
    found = Tune()(dataclasses.replace(context, directed=True))
    assert isinstance(found, Proposal)
    assert found.parent == seed.oid
    assert found.subject.count("->") == 1


def test_a_rejected_point_is_never_the_parent(tmp_path: Path) -> None:
    history = seeded()
    seed = next(iter(history.candidates.values()))
    history.add(kernel(8, 4), 1.5, Status.REJECTED, parent=seed.oid)
    assert propose(history, tmp_path).parent == seed.oid


def test_never_repeats_a_point_and_ends_exhausted(tmp_path: Path) -> None:
    history = seeded()
    seed = next(iter(history.candidates.values()))
    history.add(kernel(2, 8), None, Status.DRAFT, parent=seed.oid, verdict=Verdict.COMPILE_ERROR)
    tune, seen = Tune(), {read_source({"kernel.cpp": kernel(b, 8)}).point for b in (2, 4)}
    while isinstance(found := tune(sample_context(tmp_path, history)), Proposal):
        source = read_source(found.files)
        assert source.point not in seen
        seen.add(source.point)
        history.add(found.files["kernel.cpp"], 0.9, Status.REJECTED, parent=found.parent)
    assert isinstance(found, NoProposal)
    assert (found.outcome, len(seen)) == ("exhausted", 16)


def test_another_source_is_another_space(tmp_path: Path) -> None:
    """Points that were tried on other code say nothing about this code."""
    other = KERNEL.replace(b"x[i] + x[i]", b"2 * x[i]")
    history = seeded()
    for block in (1, 2, 4, 8):
        for passes in (1, 2, 4, 8):
            history.add(kernel(block, passes, other), 0.9, Status.REJECTED)
    assert b"x[i] + x[i]" in propose(history, tmp_path).files["kernel.cpp"]


def test_a_kernel_without_tunables_is_named(tmp_path: Path) -> None:
    found = Tune()(sample_context(tmp_path, seeded(KERNEL.replace(b"tune:", b"keep:"))))
    assert isinstance(found, NoProposal)
    assert found.outcome == "no-tunables"


def test_reads_each_tree_once_in_a_run(tmp_path: Path) -> None:
    history, tune = seeded(), Tune()
    for _ in range(5):
        found = tune(sample_context(tmp_path, history))
        assert isinstance(found, Proposal)
        history.add(found.files["kernel.cpp"], 0.9, Status.REJECTED, parent=found.parent)
    assert len(history.reads) == len(set(history.reads)) == 5


def test_a_candidate_whose_tree_was_changed_afterwards_counts_as_untried(tmp_path: Path) -> None:
    history = seeded()
    tune = Tune()
    found = tune(sample_context(tmp_path, history))
    assert isinstance(found, Proposal)
    moved = history.add(found.files["kernel.cpp"], 0.9, Status.REJECTED)
    history.candidates[moved.oid] = dataclasses.replace(moved, tree="e" * 40)
    again = tune(sample_context(tmp_path, history))
    assert isinstance(again, Proposal)
    assert again.files == found.files


@pytest.mark.parametrize("seed", range(3))
def test_is_repeatable(tmp_path: Path, seed: int) -> None:
    first, second = (propose(seeded(), tmp_path, rng_seed=seed) for _ in range(2))
    assert first == second
