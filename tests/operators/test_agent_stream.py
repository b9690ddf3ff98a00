"""Replies as they arrive: pieces, servers that cannot stream, streams that break."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from agent_runs import FASTER, GIVE_UP, PLAN, QUICK, SUBMIT, results, run, serving, transcript
from scripted_openai import (
    Reply,
    Script,
    call,
    calls,
    events,
    failing,
    rate_limited,
    refused,
    say,
    stalled,
    truncated,
    unstreamed,
)

from avogit.operators import NoProposal
from avogit.operators.agent.stream import CUT_SHORT, Incoming
from avogit.records import Proposal, Usage


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[[Script], Any]:
    return serving(monkeypatch)


def test_replies_are_streamed_and_shown_while_they_come(tmp_path: Path, serve) -> None:
    shown: list[str] = []
    words = "The inner loop repeats its work; fewer passes will do."
    found, server, _ = run(tmp_path, serve, [say(words), GIVE_UP], progress=shown.append)
    assert server.requests[0]["stream_options"] == {"include_usage": True}
    assert "turn 1: The inne" in shown[:3]
    assert f"turn 1: {words}" in shown
    assert transcript(found)[2]["content"] == words
    assert found.usage == Usage("scripted", 200, 20)


def without_streams(body: dict[str, Any]) -> Reply:
    if "stream" in body:
        return refused(400, "stream is not supported by this proxy")
    return unstreamed(GIVE_UP)


def without_options(body: dict[str, Any]) -> Reply:
    if "stream_options" in body:
        return refused(422, "Unrecognized field: stream_options")
    return GIVE_UP


@pytest.mark.parametrize(
    ("script", "asked", "usage"),
    [
        (without_streams, 3, Usage("scripted", 100, 10)),
        (without_options, 2, Usage("scripted", 0, 0, unreported=1)),
        ([unstreamed(GIVE_UP)], 1, Usage("scripted", 100, 10)),
    ],
)
def test_proxies_that_cannot_stream_still_serve(
    tmp_path: Path, serve, script: Script, asked: int, usage: Usage
) -> None:
    found, server, _ = run(tmp_path, serve, script)
    assert isinstance(found, NoProposal)
    assert (found.outcome, len(server.requests)) == ("gave-up", asked)
    assert found.usage == usage


def test_what_a_server_cannot_stream_is_asked_for_once(tmp_path: Path, serve) -> None:
    def script(body: dict[str, Any]) -> Reply:
        return refused(400, "no streams") if "stream" in body else next(rest)

    rest = iter([PLAN, FASTER, SUBMIT])
    found, server, _ = run(tmp_path, serve, script)
    assert isinstance(found, Proposal)
    assert len(server.requests) == 2 + 3


def test_a_stream_that_breaks_is_told_to_the_model_and_counted(tmp_path: Path, serve) -> None:
    script = [truncated(), PLAN, truncated(), FASTER, SUBMIT]
    found, server, _ = run(tmp_path, serve, script)
    assert isinstance(found, Proposal)
    assert found.usage == Usage("scripted", 300, 30, unreported=2)
    assert CUT_SHORT in server.requests[1]["messages"][-1]["content"]


@pytest.mark.parametrize("reply", [stalled(), unstreamed(stalled())], ids=["stream", "whole"])
def test_a_reply_that_begins_and_never_ends_is_a_timeout(
    tmp_path: Path, serve, reply: Reply
) -> None:
    found, server, _ = run(tmp_path, serve, [PLAN, reply], replace(QUICK, timeout_s=0.4))
    assert isinstance(found, NoProposal)
    assert (found.outcome, len(server.requests)) == ("timeout", 2)
    assert found.plan is not None
    assert found.usage == Usage("scripted", 100, 10, unreported=1)


@pytest.mark.parametrize("trouble", [rate_limited(), failing(500), failing(503)])
def test_a_storm_that_passes_costs_nothing(tmp_path: Path, serve, trouble: Reply) -> None:
    found, _, _ = run(tmp_path, serve, [trouble, PLAN, trouble, FASTER, trouble, SUBMIT])
    assert isinstance(found, Proposal)
    assert found.usage == Usage("scripted", 300, 30)


def test_parallel_calls_come_in_pieces(tmp_path: Path, serve) -> None:
    script = [calls(("list_files", {}), ("read_file", {"path": "kernel.cpp"})), GIVE_UP]
    _, server, _ = run(tmp_path, serve, script)
    listed, read = results(server)
    assert listed.startswith("kernel.cpp")
    assert "constexpr int BLOCK" in read


def chunk(delta: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": None}], **more}


def test_a_stream_that_says_an_error_or_nonsense_is_no_reply(tmp_path: Path, serve) -> None:
    spent = {"usage": {"prompt_tokens": 7, "completion_tokens": 3}}
    script = [
        events(chunk({"content": "I"}, **spent), {"error": {"message": "overloaded"}}, "[DONE]"),
        events(chunk({"content": "I"}), "{not json", "[DONE]"),
        GIVE_UP,
    ]
    found, server, _ = run(tmp_path, serve, script)
    assert found.usage == Usage("scripted", 107, 13, unreported=1)
    told = [m["content"] for m in server.requests[-1]["messages"] if m["role"] == "user"]
    assert "overloaded" in told[1]
    assert "not JSON" in told[2]


def test_calls_without_numbers_and_usage_in_every_piece() -> None:
    incoming = Incoming(lambda text: None)
    for number in (1, 2):
        entry = {"id": f"c{number}", "function": {"name": "f", "arguments": {"x": number}}}
        usage = {"prompt_tokens": 5, "completion_tokens": number}
        incoming.take(f"data: {json.dumps(chunk({'tool_calls': [entry]}, usage=usage))}")
        incoming.take("")
    incoming.take(": a comment")
    incoming.take("data: [DONE]")
    reply = incoming.reply()
    assert [(c.id, c.name, c.arguments) for c in reply.calls] == [
        ("c1", "f", '{"x": 1}'),
        ("c2", "f", '{"x": 2}'),
    ]
    assert (reply.tokens, reply.broken) == ((5, 2, 0), "")


def test_an_unknown_tool_and_broken_arguments_do_not_end_a_step(tmp_path: Path, serve) -> None:
    odd = calls(("fly", {}), ("read_file", {"path": "kernel.cpp"}))
    found, server, _ = run(tmp_path, serve, [odd, call("read_file"), PLAN, FASTER, SUBMIT])
    assert isinstance(found, Proposal)
    told = results(server)
    assert "there is no tool 'fly'" in told[0]
    assert "constexpr" in told[1]
    assert "read_file needs 'path'" in told[2]
