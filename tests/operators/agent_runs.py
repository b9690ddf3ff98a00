"""The `agent` operator run against a scripted server, for the tests of its parts."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from operator_samples import CompilingJudge, History, sample_context, seeded
from scripted_openai import Script, ScriptedOpenAI, call

from avogit.config import Agent, Config
from avogit.operators import Context, NoProposal, load_operator
from avogit.records import Proposal

KEY = "sk-planted-0123456789"
QUICK = Agent(model="scripted", timeout_s=10, retries=1)

PLANNED = {
    "hypothesis": "fewer passes",
    "kind": "algorithm",
    "expected_gain_pct": 50,
    "difficulty": "easy",
    "confidence": 0.6,
}
PLAN = call("plan", **PLANNED)
BREAK = call("edit_file", path="kernel.cpp", old="PASSES = 8;", new="PASSES = 4")
REPAIR = call("edit_file", path="kernel.cpp", old="PASSES = 4", new="PASSES = 4;")
FASTER = call("edit_file", path="kernel.cpp", old="PASSES = 8;", new="PASSES = 4;")
SUBMIT = call("submit", subject="halve the passes", why="The notes say so.")
GIVE_UP = call("give_up", reason="enough")

Found = tuple[Proposal | NoProposal, ScriptedOpenAI, CompilingJudge]


def serving(monkeypatch: pytest.MonkeyPatch) -> Callable[[Script], Any]:
    """Start a scripted server and point the environment at it."""

    @contextmanager
    def start(script: Script) -> Iterator[ScriptedOpenAI]:
        with ScriptedOpenAI(script) as server:
            monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
            monkeypatch.setenv("OPENAI_API_KEY", KEY)
            yield server

    return start


def context_for(tmp_path: Path, history: History, agent: Agent = QUICK, **options: Any) -> Context:
    judge = CompilingJudge(tmp_path, history)
    (tmp_path / "step").mkdir(exist_ok=True)
    config = Config("kernels/twice", agent=agent)
    return sample_context(tmp_path / "step", history, config=config, evaluate=judge, **options)


def run(
    tmp_path: Path,
    serve: Callable[[Script], Any],
    script: Script,
    agent: Agent = QUICK,
    history: History | None = None,
    **options: Any,
) -> Found:
    context = context_for(tmp_path, history or seeded(), agent, **options)
    with serve(script) as server:
        found = load_operator("agent")(context)
    assert isinstance(context.evaluate, CompilingJudge)
    return found, server, context.evaluate


def results(server: ScriptedOpenAI) -> list[str]:
    """The tool results that the last request carried."""
    return [m["content"] for m in server.requests[-1]["messages"] if m["role"] == "tool"]


def transcript(found: Proposal | NoProposal) -> list[dict[str, Any]]:
    """All that was said, as it is kept."""
    kept = json.loads(gzip.decompress(found.attachments["transcript.json.gz"]))
    assert isinstance(kept, list)
    return kept
