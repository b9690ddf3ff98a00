"""The `agent` operator against a scripted server: whole conversations, and every bad end."""

from __future__ import annotations

import json
import math
import ssl
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
    PLANNED,
    QUICK,
    REPAIR,
    SUBMIT,
    context_for,
    results,
    run,
    serving,
    transcript,
)
from operator_samples import KERNEL, seeded
from scripted_openai import (
    Reply,
    Script,
    ScriptedOpenAI,
    bad_call,
    call,
    calls,
    cut_off,
    failing,
    hang,
    rate_limited,
    raw,
    refused,
    say,
    truncated,
)

from avogit.config import Agent
from avogit.errors import AvogitError
from avogit.operators import NoProposal, load_operator
from avogit.operators.agent.tools import TOOLS, tool_list
from avogit.records import Plan, Proposal, Status, Usage, Verdict


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[[Script], Any]:
    return serving(monkeypatch)


def test_a_story_reads_breaks_repairs_evaluates_and_submits(tmp_path: Path, serve) -> None:
    script = [
        calls(("list_files", {}), ("read_file", {"path": "kernel.cpp"}), ("knowledge_search", {})),
        call("knowledge_read", file="knowledge/notes.md"),
        PLAN,
        BREAK,
        call("evaluate", subject="halve the passes"),
        REPAIR,
        call("evaluate", subject="halve the passes, repaired"),
        SUBMIT,
    ]
    found, server, judge = run(tmp_path, serve, script)
    assert isinstance(found, Proposal)
    assert found.parent == judge.history.lineage().seed().oid
    assert found.files == {"kernel.cpp": KERNEL.replace(b"PASSES = 8", b"PASSES = 4")}
    assert (found.subject, found.body) == ("halve the passes", "The notes say so.")
    assert found.plan == Plan("fewer passes", 50, "algorithm", "easy", 0.6)
    assert found.usage == Usage("scripted", input_tokens=800, output_tokens=80)
    verdicts = [verdict for _, _, _, verdict in judge.calls]
    assert verdicts == [Verdict.COMPILE_ERROR, Verdict.PASSED]
    told = results(server)
    assert "kernel.cpp  " in told[0]
    assert "problem.py  16 bytes  read-only" in told[0]
    assert "PASSES = 8;  // tune" in told[1]
    assert "Fewer passes are faster." in told[3]
    assert "draft-1: COMPILE_ERROR" in told[6]
    assert "error: expected" in told[6]
    assert "draft-2: PASSED" in told[8]
    assert "against parent: 2.0000 [1.9900, 2.0100]" in told[8]
    assert "evaluations left: 6" in told[8]


def test_the_first_request_says_what_there_is_to_do(tmp_path: Path, serve) -> None:
    _, server, _ = run(tmp_path, serve, [call("give_up", reason="no idea")])
    request = server.requests[0]
    system, task = (message["content"] for message in request["messages"])
    assert "kernel.cpp, *.h" in system
    assert "60 answers and 8 evaluations" in system
    for needed in ("doubles every number", "large: n=4096", "score 1.0000 [0.9950", "seed"):
        assert needed in task
    assert request["model"] == "scripted"
    assert [t["function"]["name"] for t in request["tools"]] == list(TOOLS)
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


def test_every_tool_is_described_and_every_description_has_a_tool() -> None:
    assert [entry["function"]["name"] for entry in tool_list()] == list(TOOLS)


def test_giving_up_is_an_outcome_with_its_cost(tmp_path: Path, serve) -> None:
    found, _, _ = run(tmp_path, serve, [call("give_up", reason="all tried", tokens=(7, 3))])
    assert isinstance(found, NoProposal)
    assert (found.outcome, found.detail) == ("gave-up", "all tried")
    assert found.usage == Usage("scripted", 7, 3)
    assert transcript(found)


def test_going_back_to_an_earlier_candidate(tmp_path: Path, serve) -> None:
    history = seeded()
    seed = history.lineage().seed()
    history.add(KERNEL.replace(b"BLOCK = 4", b"BLOCK = 8"), 1.1, parent=seed.oid)
    script = [
        call("restart_from", revision="seed"),
        PLAN,
        FASTER,
        call("lineage_diff", **{"from": "seed", "to": "workspace"}),
        SUBMIT,
    ]
    found, server, _ = run(tmp_path, serve, script, history=history)
    assert isinstance(found, Proposal)
    assert found.parent == seed.oid
    assert found.files["kernel.cpp"] == KERNEL.replace(b"PASSES = 8", b"PASSES = 4")
    diff = results(server)[3]
    assert "-constexpr int PASSES = 8" in diff
    assert "+constexpr int PASSES = 4" in diff
    assert "BLOCK = 8" not in diff


def test_a_rejected_candidate_is_taken_up_as_a_child_of_its_ancestor(tmp_path: Path, serve) -> None:
    """A line holds only what entered it."""
    history = seeded()
    seed = history.lineage().seed()
    text = KERNEL.replace(b"PASSES = 8", b"PASSES = 2")
    lost = history.add(text, 0.9, Status.REJECTED, parent=seed.oid)
    script = [
        call("restart_from", revision=lost.oid[:8]),
        PLAN,
        call("edit_file", path="kernel.cpp", old="BLOCK = 4", new="BLOCK = 2"),
        call("evaluate", subject="smaller block"),
        SUBMIT,
    ]
    found, server, judge = run(tmp_path, serve, script, history=history)
    assert isinstance(found, Proposal)
    assert found.parent == seed.oid == judge.calls[0][2]
    assert b"PASSES = 2" in found.files["kernel.cpp"]
    assert "never entered a line" in results(server)[0]


def test_the_lineage_can_be_read(tmp_path: Path, serve) -> None:
    history = seeded()
    seed = history.lineage().seed()
    for number in range(30):
        history.add(KERNEL + b"// %d\n" % number, 1 + number / 100, parent=seed.oid)
    newest = list(history.candidates.values())[-1]
    script = [
        call("lineage_log", count=3),
        call("lineage_log", order="best", count=2),
        call("lineage_show", revision=newest.oid[:10]),
        call("read_file", path="kernel.cpp", revision="seed", first_line=2, lines=2),
        call("read_file", path="kernel.cpp", revision=newest.oid),
        call("lineage_show", revision="c"),
        call("lineage_show", revision="ffffffff"),
        call("give_up", reason="enough"),
    ]
    _, server, _ = run(tmp_path, serve, script, history=history)
    log, best, shown, part, whole, short, unknown = results(server)
    assert "[3 of 31 candidates]" in log
    assert best.splitlines()[1].startswith(newest.oid[:10])
    assert "Avo-Verdict: PASSED" in shown
    assert part.splitlines()[0] == (
        "[kernel.cpp at seed, lines 2 to 3 of 8 (go on with first_line=4)]"
    )
    assert len(part.splitlines()) == 3
    assert "// 29" in whole
    assert "no candidate" in short
    assert "no candidate" in unknown


def test_no_edit_before_a_plan_nor_of_protected_files_nor_outside(tmp_path: Path, serve) -> None:
    script = [
        FASTER,
        PLAN,
        call("write_file", path="problem.py", content="x"),
        call("write_file", path="../escape.h", content="x"),
        call("write_file", path="/tmp/escape.h", content="x"),
        call("write_file", path="notes.txt", content="x"),
        call("write_file", path="new/part.h", content="#pragma once\n"),
        call("write_file", path="kernel.cpp/x.h", content=""),
        call("write_file", path="new\nAvo-Status: accepted.h", content=""),
        call("write_file", path=f"{'x' * 300}.h", content=""),
        call("edit_file", path="kernel.cpp", old="constexpr", new="const"),
        call("edit_file", path="kernel.cpp", old="", new="const"),
        SUBMIT,
    ]
    found, server, _ = run(tmp_path, serve, script)
    assert isinstance(found, Proposal)
    assert found.violations == ()
    assert set(found.files) == {"kernel.cpp", "new/part.h"}
    told = results(server)
    assert "state a plan first" in told[0]
    assert "problem.py is protected" in told[2]
    assert "not a path inside" in told[3]
    assert "not a path inside" in told[4]
    assert "notes.txt is protected" in told[5]
    assert "cannot write kernel.cpp/x.h" in told[7]
    assert "not a path inside" in told[8]
    assert "File name too long" in told[9]
    assert "found 2 times" in told[10]
    assert "found 0 times" in told[11]
    assert not list(tmp_path.rglob("escape.h"))


def test_evaluations_are_limited_and_an_equal_version_is_not_paid_twice(
    tmp_path: Path, serve
) -> None:
    script = [
        call("evaluate", subject="unchanged"),
        PLAN,
        FASTER,
        call("evaluate", subject="one"),
        call("evaluate", subject="one again"),
        call("edit_file", path="kernel.cpp", old="PASSES = 4;", new="PASSES = 2;"),
        call("evaluate", subject="two"),
        call("lineage_diff", **{"from": "draft-1", "to": "workspace"}),
        call("read_file", path="kernel.cpp", revision="draft-9"),
        SUBMIT,
    ]
    found, server, judge = run(tmp_path, serve, script, replace(QUICK, max_evaluations=1))
    told = results(server)
    assert "nothing differs" in told[0]
    assert "evaluations left: 0" in told[3]
    assert "already evaluated, nothing spent" in told[4]
    assert "no evaluations are left" in told[6]
    assert "+constexpr int PASSES = 2" in told[7]
    assert "there is no draft-9" in told[8]
    assert len(judge.calls) == 1
    assert isinstance(found, Proposal)  # a version that was never evaluated may be submitted


def test_a_version_that_failed_cannot_be_submitted(tmp_path: Path, serve) -> None:
    script = [
        call("submit", subject="nothing", why=""),
        PLAN,
        BREAK,
        call("evaluate", subject="broken"),
        SUBMIT,
        call("give_up", reason="it does not compile"),
    ]
    found, server, _ = run(tmp_path, serve, script)
    assert isinstance(found, NoProposal)
    assert found.outcome == "gave-up"
    assert "nothing differs" in results(server)[0]
    assert "draft-1: COMPILE_ERROR; repair it" in results(server)[-1]


def test_parallel_calls_run_in_order_and_nothing_runs_after_the_end(tmp_path: Path, serve) -> None:
    script = [
        calls(
            ("plan", PLANNED),
            ("edit_file", {"path": "kernel.cpp", "old": "PASSES = 8", "new": "PASSES = 2"}),
            ("submit", {"subject": "s", "why": "w"}),
            ("write_file", {"path": "kernel.cpp", "content": "gone"}),
        )
    ]
    found, _, _ = run(tmp_path, serve, script)
    assert isinstance(found, Proposal)
    assert b"PASSES = 2" in found.files["kernel.cpp"]


def test_long_results_are_cut_and_say_so(tmp_path: Path, serve) -> None:
    history = seeded(KERNEL + b"// " + b"x" * 50_000 + b"\n")
    script = [call("read_file", path="kernel.cpp"), call("give_up", reason="long")]
    _, server, _ = run(tmp_path, serve, script, history=history)
    (told,) = results(server)
    assert len(told) < 16_100
    assert "characters cut here" in told


# Ends that are not the model's wish.


@pytest.mark.parametrize(
    ("script", "outcome", "said"),
    [
        ([rate_limited()] * 9, "rate-limited", "Rate limit reached"),
        ([refused(401)], "auth-refused", "set OPENAI_API_KEY"),
        ([refused(403)], "auth-refused", "set OPENAI_API_KEY"),
        ([refused(404, "no such model")], "request-refused", "no such model"),
        ([refused(400, "tools are not supported")], "no-tools", "calls no tools here"),
        ([failing()] * 9, "server-error", "500"),
        ([hang()] * 9, "timeout", "no answer"),
        ([cut_off()] * 3, "bad-reply", "length limit"),
        ([truncated()] * 9, "bad-reply", "before the reply was whole"),
        ([raw("<html>", content_type="text/html")] * 3, "bad-reply", "not JSON"),
        ([raw('{"choices": [')] * 3, "bad-reply", "not JSON"),
        ([raw('{"choices": null}')] * 3, "bad-reply", "no choices"),
        ([raw('{"choices": [{"message": null}]}')] * 5, "no-tools", "calls no tools here"),
        ([bad_call("read_file", '{"path": ')] * 5, "bad-reply", "not valid JSON"),
        ([bad_call("read_file", '["kernel.cpp"]')] * 5, "bad-reply", "JSON object"),
        ([call("run_program", command="ls")] * 5, "bad-reply", "no tool 'run_program'"),
        ([say("I would use bigger blocks.")] * 5, "no-tools", "--operator command"),
    ],
)
def test_every_bad_end_has_a_name(tmp_path: Path, serve, script, outcome: str, said: str) -> None:
    agent = replace(QUICK, timeout_s=0.3 if outcome == "timeout" else 10, retries=1)
    found, _, _ = run(tmp_path, serve, script, agent)
    assert isinstance(found, NoProposal)
    assert found.outcome == outcome
    assert said in found.detail
    assert "\n" not in found.detail
    assert transcript(found)


def test_an_endpoint_that_nobody_serves(tmp_path: Path, monkeypatch) -> None:
    with ScriptedOpenAI([]) as server:
        gone = server.base_url
    monkeypatch.setenv("OPENAI_BASE_URL", gone)
    found = load_operator("agent")(context_for(tmp_path, seeded(), replace(QUICK, retries=0)))
    assert isinstance(found, NoProposal)
    assert found.outcome == "unreachable"
    assert gone in found.detail


def test_a_rate_limit_that_passes_costs_nothing(tmp_path: Path, serve) -> None:
    script = [rate_limited(), rate_limited(), PLAN, FASTER, SUBMIT]
    found, server, _ = run(tmp_path, serve, script, replace(QUICK, retries=3))
    assert isinstance(found, Proposal)
    assert len(server.requests) == 5


@pytest.mark.parametrize(
    "mistake",
    [cut_off(), bad_call("plan", "{"), bad_call("plan", "[1]"), say("hm"), call("nope")],
)
def test_a_model_may_repair_its_mistakes(tmp_path: Path, serve, mistake: Reply) -> None:
    script = [mistake, mistake, PLAN, mistake, mistake, FASTER, mistake, mistake, SUBMIT]
    found, server, _ = run(tmp_path, serve, script)
    assert isinstance(found, Proposal)
    for request in server.requests:
        check_history(request["messages"])


def check_history(messages: list[dict[str, Any]]) -> None:
    """What strict servers demand: parsable arguments, and one result for every call."""
    for position, message in enumerate(messages):
        made = message.get("tool_calls", [])
        answered = messages[position + 1 : position + 1 + len(made)]
        assert [c["id"] for c in made] == [m.get("tool_call_id") for m in answered]
        assert all(isinstance(json.loads(c["function"]["arguments"]), dict) for c in made)
        assert isinstance(message["content"], str)


def test_tokens_count_even_where_a_reply_cannot_be_used(tmp_path: Path, serve) -> None:
    unusable = raw('{"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 5}}')
    script = [unusable, cut_off(), call("give_up", reason="no")]
    found, _, _ = run(tmp_path, serve, script)
    assert found.usage == Usage("scripted", 11 + 100 + 100, 5 + 4096 + 10, 0)


def test_turns_used_up(tmp_path: Path, serve) -> None:
    found, server, _ = run(
        tmp_path, serve, lambda _: call("list_files"), replace(QUICK, max_turns=4)
    )
    assert isinstance(found, NoProposal)
    assert (found.outcome, len(server.requests)) == ("budget", 4)


def test_time_used_up(tmp_path: Path, serve) -> None:
    agent = replace(QUICK, step_timeout_s=0.4, retries=0, max_turns=10_000)
    found, _, _ = run(tmp_path, serve, lambda _: call("list_files"), agent)
    assert isinstance(found, NoProposal)
    assert (found.outcome, found.detail) == ("budget", "the step's time is used up")


def test_a_server_that_hangs_cannot_outlast_the_step(tmp_path: Path, serve) -> None:
    agent = replace(QUICK, step_timeout_s=0.4, timeout_s=60, retries=4)
    found, server, _ = run(tmp_path, serve, [hang()] * 9, agent)
    assert isinstance(found, NoProposal)
    assert (found.outcome, len(server.requests)) == ("budget", 1)


@pytest.mark.parametrize(
    ("end", "name"), [(call("list_files"), "budget"), (refused(401), "auth-refused")]
)
def test_a_step_that_cannot_go_on_hands_in_its_best_draft(
    tmp_path: Path, serve, end: Reply, name: str
) -> None:
    script = [
        PLAN,
        FASTER,
        call("evaluate", subject="four passes"),
        call("edit_file", path="kernel.cpp", old="PASSES = 4;", new="PASSES = 16;"),
        call("evaluate", subject="sixteen passes"),
        end,
    ]
    found, _, _ = run(tmp_path, serve, script, replace(QUICK, max_turns=6))
    assert isinstance(found, Proposal)
    assert found.subject == "four passes"
    assert b"PASSES = 4;" in found.files["kernel.cpp"]
    assert f"ended with {name}" in found.body
    assert "draft-1" in found.body


def test_a_slower_draft_is_not_handed_in(tmp_path: Path, serve) -> None:
    slower = call("edit_file", path="kernel.cpp", old="PASSES = 8;", new="PASSES = 16;")
    script = [PLAN, slower, call("evaluate", subject="slower"), refused(401)]
    found, _, judge = run(tmp_path, serve, script)
    assert isinstance(found, NoProposal)
    assert judge.calls[0][3] is Verdict.PASSED


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("plan", json.dumps({**PLANNED, "expected_gain_pct": math.nan}), "must be a percentage"),
        ("plan", json.dumps({**PLANNED, "expected_gain_pct": 1e300}), "must be a percentage"),
        ("plan", json.dumps({**PLANNED, "hypothesis": 3}), "must be of type string"),
        ("plan", json.dumps({**PLANNED, "kind": "magic"}), "must be one of algorithm, memory"),
        ("plan", json.dumps({**PLANNED, "confidence": 7}), "between 0 and 1"),
        ("plan", json.dumps({**PLANNED, "mood": "good"}), "takes no 'mood'"),
        ("plan", "{}", "needs 'hypothesis'"),
        ("plan", "[" * 100_000, "nested too deeply"),
        ("plan", '{"hypothesis": ' + "9" * 5000 + "}", "not valid JSON"),
        ("read_file", '{"path": "\\ud800"}', "no '?'"),
        ("read_file", '{"path": "kernel.cpp", "lines": true}', "must be of type integer"),
        ("lineage_log", '{"order": "worst"}', "must be one of newest, best"),
        ("knowledge_read", '{"file": "task.yaml"}', "there are: knowledge/notes.md"),
        ("\ud800", "{}", "there is no tool"),
    ],
)
def test_odd_arguments_are_told_to_the_model(
    tmp_path: Path, serve, tool: str, arguments: str, said: str
) -> None:
    script = [bad_call(tool, arguments), call("give_up", reason="odd \ud800")]
    found, server, _ = run(tmp_path, serve, script)
    assert isinstance(found, NoProposal)
    assert (found.outcome, found.detail) == ("gave-up", "odd ?")
    assert said in results(server)[0]
    assert results(server)[0].startswith("error: ")


# Secrets.


def test_planted_keys_are_in_nothing_that_is_kept(tmp_path: Path, serve, monkeypatch) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "planted\npass-9876")
    monkeypatch.setenv("HARMLESS", "a plain value")
    leak = f"{KEY} and planted\npass-9876"
    script = [
        say(leak),
        call("plan", **{**PLANNED, "hypothesis": f"use {KEY}"}),
        FASTER,
        call("evaluate", subject=f"draft with {leak}"),
        call("read_file", path=leak),
        call("submit", subject=f"with {KEY}", why=f"because {leak}; a plain value"),
    ]
    found, server, judge = run(tmp_path, serve, script)
    assert isinstance(found, Proposal)
    assert "planted" not in repr(judge.calls)
    assert KEY in json.dumps(server.requests[-1])
    kept = repr(found)
    assert "planted" not in kept
    assert "a plain value" in kept
    assert "[redacted OPENAI_API_KEY]" in found.subject
    assert "[redacted DATABASE_PASSWORD]" in found.body
    assert (
        transcript(found)[2]["content"]
        == "[redacted OPENAI_API_KEY] and [redacted DATABASE_PASSWORD]"
    )


def test_a_key_that_the_server_echoes_is_not_kept(tmp_path: Path, serve) -> None:
    found, _, _ = run(tmp_path, serve, [refused(400, f"bad request by {KEY}")])
    assert isinstance(found, NoProposal)
    assert "planted" not in repr(found)


# Settings.


@pytest.mark.parametrize(
    ("environ", "agent", "message"),
    [
        ({}, Agent(), "needs a model"),
        ({"AVOGIT_MODEL": "m"}, Agent(), "needs a key"),
        ({"OPENAI_API_KEY": KEY}, Agent(), "needs a model"),
        ({}, Agent(model="m", base_url="localhost:8000"), "http://"),
    ],
)
def test_what_the_user_must_set(
    tmp_path: Path, monkeypatch, environ: dict[str, str], agent: Agent, message: str
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(AvogitError, match=message) as caught:
        load_operator("agent")(context_for(tmp_path, seeded(), agent))
    assert "\n" not in str(caught.value)


def test_a_local_endpoint_needs_no_key(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("AVOGIT_MODEL", "local")
    with ScriptedOpenAI([call("give_up", reason="no")]) as server:
        agent = Agent(base_url=server.base_url)
        found = load_operator("agent")(context_for(tmp_path, seeded(), agent))
    assert isinstance(found, NoProposal)
    assert found.outcome == "gave-up"
    assert server.requests[0]["model"] == "local"
    assert server.headers[0]["authorization"] == "Bearer none"


def test_steps_share_one_set_of_certificates(
    tmp_path: Path, serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    load = ssl.SSLContext.load_verify_locations
    monkeypatch.setattr(
        ssl.SSLContext, "load_verify_locations", lambda *a, **k: read.append(1) or load(*a, **k)
    )
    for name in ("1", "2", "3"):
        (tmp_path / name).mkdir()
        run(tmp_path / name, serve, [GIVE_UP])
    assert len(read) <= 1  # each set was a MiB that a long run grew by
