"""Coding agents that no one here wrote take a step each, against a scripted endpoint.

Skipped where they are not installed; `PATH=... pytest tests/test_real_agents.py` runs those found.
`docs/results/agents.md` has what was seen, with versions.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from scripted_openai import Reply, ScriptedOpenAI, call, say

FEWER = "sed -i 's/PASSES = 8/PASSES = 1/' kernel.cpp"
KEY = "sk-scripted-0123456789"
JUDGED = ("PASSED", "UNMEASURED")  # a machine with other work may give no timing


def take(seeded: Path, avogit: Any, command: str, script: Any, **more: str) -> dict[str, Any]:
    """One step of a real program that believes the server to be OpenAI's."""
    with (seeded / "avogit.yaml").open("a") as file:
        file.write("command: {timeout_s: 400}\n")
    with ScriptedOpenAI(script) as server:
        environment = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_BASE": server.base_url,
                       "OPENAI_API_KEY": KEY, **more}  # fmt: skip
        done = avogit(seeded, "step", "--command", command, "--json", env=environment)
        assert server.requests, done.stdout + done.stderr
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)["step"]
    return result


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"no {program} here")


@needs("mini")
def test_mini_swe_agent(seeded: Path, avogit: Any) -> None:
    script: list[Reply] = [
        call("bash", command="cat AVOGIT.md"),
        call("bash", command="avogit plan 'one pass suffices' --expect 300"),
        call("bash", command=f"{FEWER} && avogit evaluate -m 'one pass'"),
        call("bash", command="avogit submit -m 'One pass' --why 'Seven were idle.'"),
        call("bash", command="echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"),
    ]
    result = take(
        seeded, avogit, "mini-swe-agent", script,
        MSWEA_MODEL_NAME="openai/scripted", MSWEA_COST_TRACKING="ignore_errors",
    )  # fmt: skip
    assert "one pass suffices" in child(result)["trailers"]["Avo-Plan"]
    assert drafts(seeded, avogit)[-1] in JUDGED


@needs("aider")
def test_aider(seeded: Path, avogit: Any) -> None:
    """It calls no tools: it edits, and its test command is the door; a failure is repaired."""
    script = [
        say(edit("PASSES = 8;", "PASSES = NOTHING;")),  # no slip of the pen: its linter sees those
        say(edit("PASSES = NOTHING;", "PASSES = 1;")),
    ]
    result = take(
        seeded, avogit, "aider", script,
        AIDER_MODEL="openai/scripted", AIDER_EDIT_FORMAT="diff",
    )  # fmt: skip
    child(result)
    first, second = drafts(seeded, avogit)
    assert first == "COMPILE_ERROR"
    assert second in JUDGED


@needs("opencode")
def test_opencode(seeded: Path, avogit: Any) -> None:
    """It works outside its workspace too, which it would deny itself without its preset."""
    steps = iter([
        call("bash", command="cat AVOGIT.md", description="read"),
        call("bash", command="ls", workdir="/etc", description="look elsewhere"),
        call("bash", command="avogit plan 'one pass suffices' --expect 300", description="plan"),
        call("bash", command=f"{FEWER} && avogit evaluate -m 'one pass'", description="evaluate"),
        call("bash", command="avogit submit -m 'One pass' --why 'idle'", description="submit"),
    ])  # fmt: skip

    def script(body: dict[str, Any]) -> Reply:
        return next(steps, say("Done.")) if body.get("tools") else say("A title")

    with (seeded / "avogit.yaml").open("a") as file:
        file.write("command: {timeout_s: 200}\n")
    with ScriptedOpenAI(script) as server:
        options = {"baseURL": server.base_url, "apiKey": KEY}
        models = {"m": {"name": "m", "tool_call": True}}
        provider = {"npm": "@ai-sdk/openai-compatible", "options": options, "models": models}
        told = {"provider": {"scripted": provider}, "model": "scripted/m"}
        words = ("step", "--command", "opencode", "--json")
        done = avogit(seeded, *words, env={"OPENCODE_CONFIG_CONTENT": json.dumps(told)})
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)["step"]
    assert "one pass suffices" in child(result)["trailers"]["Avo-Plan"]
    assert drafts(seeded, avogit)[-1] in JUDGED
    cost = json.loads(avogit(seeded, "cost", "--json").stdout)["total"]
    assert cost["input_tokens"] in (400, 500, 600)  # it is stopped around its last word


def child(result: dict[str, Any]) -> dict[str, Any]:
    """The step's candidate: built and right. How fast it is, is another test's business."""
    found: dict[str, Any] = result["candidate"]
    assert found is not None, result["reason"]
    assert found["verdict"] in JUDGED, result["reason"]
    return found


def edit(old: str, new: str) -> str:
    """A reply in the form that aider asks a model for."""
    lines = [f"constexpr int {text}  // tune: 1 2 4 8" for text in (old, new)]
    return (
        f"kernel.cpp\n```\n<<<<<<< SEARCH\n{lines[0]}\n=======\n{lines[1]}\n>>>>>>> REPLACE\n```\n"
    )


def drafts(root: Path, avogit: Any) -> list[str]:
    """The verdicts on the drafts that were evaluated through the door."""
    rows = json.loads(avogit(root, "log", "--json").stdout)
    return [row["verdict"] for row in rows if row["status"] == "draft"]
