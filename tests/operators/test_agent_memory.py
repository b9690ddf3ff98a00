"""What the agent remembers: summaries in mid-step, and what a failed step hands on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from agent_runs import (
    BREAK,
    FASTER,
    GIVE_UP,
    KEY,
    PLAN,
    QUICK,
    SUBMIT,
    results,
    run,
    serving,
    transcript,
)
from operator_samples import FOLDER, KERNEL, History, seeded
from scripted_openai import Reply, Script, call, failing, refused, say

from avogit.budget import Meter
from avogit.operators import NoProposal
from avogit.records import Attempt, Halfway, Proposal, Status, Usage, Verdict

SMALL = replace(QUICK, context_tokens=50)
EVALUATE = call("evaluate", subject="halve the passes")
HALVED = KERNEL.replace(b"PASSES = 8", b"PASSES = 4")


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[[Script], Any]:
    return serving(monkeypatch)


def with_summaries(replies: list[Reply], answer: Reply) -> Callable[[dict[str, Any]], Reply]:
    """A model that follows a script, and answers `answer` where it is asked to sum up."""
    rest = iter(replies)

    def script(body: dict[str, Any]) -> Reply:
        return next(rest) if "tools" in body else answer

    return script


STORY = [PLAN, FASTER, EVALUATE, call("list_files"), SUBMIT]


def test_a_long_conversation_goes_on_from_a_summary_that_keeps_the_plan(
    tmp_path: Path, serve
) -> None:
    words = say("Unrolling spilled; next I would try blocks of 8.", tokens=(40, 9))
    found, server, _ = run(tmp_path, serve, with_summaries(STORY, words), SMALL)
    assert isinstance(found, Proposal)
    assert found.files == {"kernel.cpp": HALVED}
    assert found.plan is not None
    assert found.plan.hypothesis == "fewer passes"
    opening, _, summary, *rest = server.requests[-1]["messages"]
    assert opening["role"] == "system"
    assert (
        "Plan: fewer passes (algorithm, expected +50 %, easy, confidence 0.6)" in summary["content"]
    )
    assert "draft-1: halve the passes: PASSED, 2.0000 against its parent" in summary["content"]
    assert "+constexpr int PASSES = 4;" in summary["content"]
    assert "Unrolling spilled" in summary["content"]
    assert len(rest) == 2
    asked = next(r for r in server.requests if "tools" not in r)
    assert "plan {" in asked["messages"][1]["content"]
    assert found.usage == Usage("scripted", 5 * 100 + 40, 5 * 10 + 9)
    said = [message["role"] for message in transcript(found)]
    assert said == ["system", "user", *["assistant", "tool"] * 3, "user", *["assistant", "tool"],
                    "assistant"]  # fmt: skip


@pytest.mark.parametrize("answer", [say(""), refused(400, "too long"), failing(500)])
def test_without_the_models_words_the_facts_remain(tmp_path: Path, serve, answer: Reply) -> None:
    found, server, _ = run(tmp_path, serve, with_summaries(STORY, answer), SMALL)
    assert isinstance(found, Proposal)
    summary = server.requests[-1]["messages"][2]["content"]
    assert "Plan: fewer passes" in summary
    assert "draft-1: halve the passes: PASSED" in summary


def test_a_failed_step_hands_on_its_workspace_and_its_notes(tmp_path: Path, serve) -> None:
    history = seeded()
    one, two = tmp_path / "1", tmp_path / "2"
    one.mkdir()
    two.mkdir()
    script = [PLAN, BREAK, EVALUATE, refused(401)]
    found, _, _ = run(one, serve, script, history=history)
    assert isinstance(found, NoProposal)
    assert found.files == {"kernel.cpp": HALVED.replace(b"PASSES = 4;", b"PASSES = 4")}
    assert "draft-1: halve the passes: COMPILE_ERROR g++; dead end" in found.summary
    keep(history, found)
    repair = call("edit_file", path="kernel.cpp", old="PASSES = 4", new="PASSES = 4;")
    again, server, _ = run(two, serve, [SUBMIT, PLAN, repair, SUBMIT], history=history)
    task = server.requests[0]["messages"][1]["content"]
    assert "ended with auth-refused" in task
    assert "Plan: fewer passes" in task
    assert "state a plan first" in results(server)[0]
    assert isinstance(again, Proposal)
    assert again.files == {"kernel.cpp": HALVED}


def keep(history: History, found: NoProposal, time_s: int = 50) -> None:
    """As a step records it."""
    tree = f"{len(history.attempts):040x}"
    history.trees[tree] = {**FOLDER, **found.files}
    history.attempts.insert(
        0,
        Attempt(
            f"sha256:{tree}", time_s, "agent", found.parent, found.outcome, found.detail,
            found.plan, tree if found.files else "", found.summary,
        ),
    )  # fmt: skip


def left(outcome: str) -> History:
    history = seeded()
    parent = history.lineage().seed().oid
    keep(history, NoProposal(outcome, "d", parent=parent, files={"kernel.cpp": HALVED}))
    return history


@pytest.mark.parametrize(
    ("change", "carried"),
    [
        (lambda history: None, True),
        (lambda history: keep(history, NoProposal("timeout", "", parent=parent_of(history))), True),
        (
            lambda history: keep(history, NoProposal("gave-up", "", parent=parent_of(history))),
            False,
        ),
        (lambda history: child(history, Verdict.PASSED), False),
        (lambda history: child(history, Verdict.INCORRECT_NUMERICAL), True),
        (lambda history: child(history, Verdict.REWARD_HACK), False),
    ],
    ids=["left", "dead-endpoint-after", "gave-up-after", "slower", "wrong", "hack"],
)
def test_only_unfinished_work_is_carried(
    tmp_path: Path, serve, change: Callable[[History], None], carried: bool
) -> None:
    history = left("budget")
    change(history)
    _, server, _ = run(tmp_path, serve, [GIVE_UP], history=history)
    assert ("left unfinished" in server.requests[0]["messages"][1]["content"]) is carried


def parent_of(history: History) -> str:
    return history.lineage().seed().oid


def child(history: History, verdict: Verdict) -> None:
    made = history.add(HALVED, 0.9 if verdict is Verdict.PASSED else None, Status.REJECTED,
                       parent=parent_of(history), verdict=verdict)  # fmt: skip
    history.candidates[made.oid] = replace(made, operator="agent", time_s=99)


def test_a_step_with_an_assignment_begins_where_that_says(tmp_path: Path, serve) -> None:
    script = [call("read_file", path="kernel.cpp"), GIVE_UP]
    _, server, _ = run(tmp_path, serve, script, history=left("budget"), assignment="go back")
    assert "PASSES = 8" in results(server)[0]


def test_the_agent_may_start_anew_and_the_user_may_switch_carrying_off(
    tmp_path: Path, serve
) -> None:
    one, two = tmp_path / "1", tmp_path / "2"
    one.mkdir()
    two.mkdir()
    anew = [call("restart_from", revision="parent"), call("read_file", path="kernel.cpp"), GIVE_UP]
    _, server, _ = run(one, serve, anew, history=left("budget"))
    assert "PASSES = 8" in results(server)[1]
    off = replace(QUICK, carry=False)
    _, server, _ = run(two, serve, anew[1:], off, left("budget"))
    assert "PASSES = 8" in results(server)[0]


def test_a_kernel_that_holds_a_secret_is_neither_evaluated_nor_kept(tmp_path: Path, serve) -> None:
    leak = call("edit_file", path="kernel.cpp", old="PASSES = 8;", new=f"PASSES = 4; // {KEY}\n")
    script = [PLAN, leak, EVALUATE, SUBMIT, GIVE_UP]
    found, server, judge = run(tmp_path, serve, script)
    assert isinstance(found, NoProposal)
    for told in results(server)[2:]:
        assert "kernel.cpp holds the value of OPENAI_API_KEY" in told
    assert (judge.calls, found.files) == ([], {})


def test_no_secret_is_kept_in_plan_summary_or_what_tools_said(tmp_path: Path, serve) -> None:
    history = seeded(KERNEL + f"// {KEY}\n".encode())
    planted = {"hypothesis": f"use {KEY}", "kind": "other", "expected_gain_pct": 1,
               "difficulty": "easy", "confidence": 1}  # fmt: skip
    script = [
        call("read_file", path="kernel.cpp"),
        call("plan", **planted),
        FASTER,
        call("evaluate", subject=f"with {KEY}"),
        call("edit_file", path="kernel.cpp", old=KEY, new=f"{KEY}{KEY}"),
        refused(400, f"no {KEY}"),
    ]
    found, _, _ = run(tmp_path, serve, script, replace(QUICK, max_evaluations=0), history)
    assert isinstance(found, NoProposal)
    told = str(transcript(found))
    assert "[redacted OPENAI_API_KEY]" in told
    for kept in (told, found.summary, found.detail, repr(found.plan)):
        assert KEY not in kept


def test_a_step_that_was_summed_up_goes_on_from_its_summary(tmp_path: Path, serve) -> None:
    one, two = tmp_path / "1", tmp_path / "2"
    one.mkdir()
    two.mkdir()
    kept: list[Halfway | None] = []
    meter = Meter(journal=lambda meter: kept.append(meter.halfway))
    script = with_summaries([PLAN, FASTER, call("list_files"), call("list_files"), refused(401)],
                            say("Blocks of 8 are next."))  # fmt: skip
    run(one, serve, script, SMALL, meter=meter)
    left = kept[-1]
    assert left is not None
    assert left.files == {"kernel.cpp": HALVED}
    found, server, _ = run(two, serve, with_summaries([SUBMIT], say("")), SMALL, halfway=left)
    assert isinstance(found, Proposal)
    assert found.files == {"kernel.cpp": HALVED}
    assert found.plan is not None
    opening, task, summary, *_ = server.requests[-1]["messages"]
    assert (opening["role"], task["role"]) == ("system", "user")
    assert "Blocks of 8 are next." in summary["content"]
    said = transcript(found)
    assert len(said) > len(server.requests[-1]["messages"])
    assert sum("goes on here" in str(message["content"]) for message in said) == 1


def test_a_summary_is_kept_before_the_next_request(tmp_path: Path, serve) -> None:
    kept: list[Halfway | None] = []
    meter = Meter(journal=lambda meter: kept.append(meter.halfway))
    seen: list[int] = []

    def script(body: dict[str, Any]) -> Reply:
        seen.append(len(kept))
        return next(replies) if "tools" in body else say("Blocks of 8 are next.")

    replies = iter([PLAN, FASTER, call("list_files"), refused(401)])
    run(tmp_path, serve, script, SMALL, meter=meter)
    summed_up, last = kept[-2:]  # the charge of the summary, and the state with it
    assert summed_up is not None
    assert last is not None
    assert seen[-1] == len(kept)  # the next request came after both
    assert last.state["words"] == "Blocks of 8 are next."
    assert last.state["summed_up"] > summed_up.state["summed_up"]


@pytest.mark.parametrize("verdict", [Verdict.PASSED, Verdict.COMPILE_ERROR])
def test_a_draft_that_was_recorded_before_the_kill_is_taken_over(
    tmp_path: Path, serve, verdict: Verdict
) -> None:
    one, two = tmp_path / "1", tmp_path / "2"
    one.mkdir()
    two.mkdir()
    kept: list[Halfway | None] = []
    meter = Meter(journal=lambda meter: kept.append(meter.halfway))
    history = seeded()
    _, _, judge = run(one, serve, [PLAN, FASTER, EVALUATE, GIVE_UP], history=history, meter=meter)
    assert len(judge.calls) == 1
    left = next(note for note in kept if note is not None and "evaluate" in str(note.said[-1]))
    assert left.state["pending"] is not None
    score = 2.0 if verdict is Verdict.PASSED else None
    history.add(HALVED, score, Status.DRAFT, parent=left.parent, verdict=verdict)
    found, server, judge = run(
        two, serve, [EVALUATE, call("list_files"), GIVE_UP], history=history, halfway=left
    )
    assert isinstance(found, NoProposal)
    assert judge.calls == []
    *_, replayed, again, _ = results(server)
    assert replayed.startswith(f"draft-1: {verdict}")
    assert "draft-1" in again
    assert "already evaluated" in again


def test_other_steps_drafts_are_timed_again(tmp_path: Path, serve) -> None:
    history = seeded()
    history.add(HALVED, 2.0, Status.DRAFT, parent=parent_of(history))
    _, _, judge = run(tmp_path, serve, [PLAN, FASTER, EVALUATE, GIVE_UP], history=history)
    assert len(judge.calls) == 1
