"""The `cross` operator: which pair, what git cannot merge, and who resolves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from agent_runs import PLANNED
from operator_samples import KERNEL, CompilingJudge, History, sample_context, seeded
from scripted_openai import ScriptedOpenAI, call

from avogit.config import Agent, Config
from avogit.operators import Merged, NoProposal
from avogit.operators.cross import promising_pairs, vary
from avogit.records import Candidate, Proposal

BOTH = KERNEL.replace(b"PASSES = 8", b"PASSES = 2")
MARKED = KERNEL.replace(
    b"constexpr int PASSES = 8;  // tune: 1 2 4 8\n",
    b"<<<<<<< one\nconstexpr int PASSES = 4;  // tune: 1 2 4 8\n||||||| base\n"
    b"constexpr int PASSES = 8;  // tune: 1 2 4 8\n=======\n"
    b"constexpr int PASSES = 2;  // tune: 1 2 4 8\n>>>>>>> other\n",
)


def add(history: History, scores: Mapping[str, float], *parents: str) -> Candidate:
    """A line with these scores by workload."""
    text = f"// {len(history.candidates)}\n".encode() + KERNEL
    plain = history.add(text, sum(scores.values()) / len(scores), parent=parents[0])
    made = replace(plain, workload_scores=dict(scores), parents=parents)
    history.candidates[made.oid] = made
    return made


def two_lines() -> tuple[History, Candidate, Candidate, Candidate]:
    history = seeded()
    (seed,) = history.candidates
    small = add(history, {"small": 4.0, "large": 1.0}, seed)
    large = add(history, {"small": 1.0, "large": 3.0}, seed)
    middling = add(history, {"small": 2.0, "large": 2.0}, seed)
    return history, small, large, middling


def test_the_pair_that_leads_on_different_workloads_is_chosen() -> None:
    history, small, large, _ = two_lines()
    assert promising_pairs(history.lineage()) == [(small, large)]


def test_a_pair_that_was_crossed_or_that_is_one_line_is_not_chosen() -> None:
    history, small, large, _ = two_lines()
    crossed = add(history, {"small": 3.9, "large": 2.9}, small.oid, large.oid)
    assert promising_pairs(history.lineage()) == []
    add(history, {"small": 9.0, "large": 1.0}, crossed.oid)
    assert promising_pairs(history.lineage()) == []  # `large` is in its history
    faster = add(history, {"small": 9.5, "large": 1.0}, small.oid)
    (pair,) = promising_pairs(history.lineage())
    assert {one.oid for one in pair} == {large.oid, faster.oid}


def test_without_two_lines_there_is_no_pair(tmp_path: Path) -> None:
    found = vary(sample_context(tmp_path, seeded()))
    assert isinstance(found, NoProposal)
    assert found.outcome == "no-pair"


def test_a_clean_merge_needs_no_agent(tmp_path: Path) -> None:
    history, small, large, _ = two_lines()
    merged = Merged("c" * 40, {"kernel.cpp": BOTH}, ())
    found = vary(sample_context(tmp_path, history, merge=lambda one, other: merged))
    assert isinstance(found, Proposal)
    assert (found.parent, found.second_parent) == (small.oid, large.oid)
    assert found.files == {"kernel.cpp": BOTH}


def test_a_line_and_its_own_history_are_no_pair(tmp_path: Path) -> None:
    history, small, _, _ = two_lines()
    (seed, *_) = history.candidates.values()
    merged = Merged(seed.oid, dict(history.files[small.oid]), ())
    context = sample_context(
        tmp_path, history, parent=small, partner=seed, merge=lambda one, other: merged
    )
    found = vary(context)
    assert isinstance(found, NoProposal)
    assert "in the other's history" in found.detail


def test_a_conflict_without_a_model_is_named(tmp_path: Path) -> None:
    history, _, _, _ = two_lines()
    merged = Merged("c" * 40, {"kernel.cpp": MARKED}, ("kernel.cpp",))
    found = vary(sample_context(tmp_path, history, merge=lambda one, other: merged))
    assert isinstance(found, NoProposal)
    assert found.outcome == "conflict"
    assert "kernel.cpp (line 3)" in found.detail
    assert "AVOGIT_MODEL" in found.detail


def test_the_agent_resolves_a_conflict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history, small, large, _ = two_lines()
    merged = Merged("c" * 40, {"kernel.cpp": MARKED}, ("kernel.cpp",))
    script = [
        call("plan", **{**PLANNED, "hypothesis": "two passes keep both gains"}),
        call("write_file", path="kernel.cpp", content=BOTH.decode()),
        call("evaluate", subject="resolved"),
        call("submit", subject="both gains", why="fewer passes"),
    ]
    step = tmp_path / "step"
    step.mkdir()
    context = sample_context(
        step,
        history,
        config=Config("kernels/twice", agent=Agent(model="scripted", timeout_s=10)),
        evaluate=CompilingJudge(tmp_path, history),
        merge=lambda one, other: merged,
    )
    with ScriptedOpenAI(script) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        found = vary(context)
    assert isinstance(found, Proposal), found
    assert (found.parent, found.second_parent) == (small.oid, large.oid)
    assert found.files["kernel.cpp"] == BOTH
    assert "resolved by the agent" in found.body
    asked = server.requests[0]["messages"][1]["content"]
    assert "kernel.cpp (line 3)" in asked
    assert large.oid[:10] in asked
