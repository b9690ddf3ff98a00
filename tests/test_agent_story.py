"""The `agent` operator through `avogit step`, against a real scripted HTTP server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from scripted_openai import (
    Reply,
    Script,
    ScriptedOpenAI,
    bad_call,
    call,
    cut_off,
    hang,
    rate_limited,
    refused,
)

KERNEL = "kernel.cpp"
SLOW, FAST = "constexpr int PASSES = 8;", "constexpr int PASSES = 1;"
KEY = "sk-planted-0123456789abcdef"


PLAN = call(
    "plan",
    hypothesis="one pass suffices",
    kind="algorithm",
    expected_gain_pct=300,
    difficulty="easy",
    confidence=0.8,
)


@contextmanager
def serving(script: Script) -> Iterator[tuple[ScriptedOpenAI, dict[str, str]]]:
    with ScriptedOpenAI(script) as server:
        yield (
            server,
            {
                "OPENAI_BASE_URL": server.base_url,
                "OPENAI_API_KEY": KEY,
                "AVOGIT_MODEL": "scripted-1",
            },
        )


@pytest.fixture
def limited(seeded: Path, git) -> Path:
    """A seeded population with short limits for the agent."""
    with (seeded / "avogit.yaml").open("a") as file:
        file.write("agent: {timeout_s: 2, retries: 1, step_timeout_s: 60}\n")
    git(seeded, "commit", "-q", "-am", "Short limits")
    return seeded


def step(avogit, directory: Path, script: Script) -> subprocess.CompletedProcess[str]:
    with serving(script) as (_, environment):
        return avogit(directory, "step", "--operator", "agent", "--json", env=environment)


def test_a_whole_story_ends_in_an_accepted_commit(limited: Path, avogit, git) -> None:
    script: list[Reply] = [
        call("read_file", path=KERNEL),
        PLAN,
        call("edit_file", path=KERNEL, old=SLOW, new="constexpr int PASSES = ;"),
        call("evaluate", subject="broken on the way"),
        call("edit_file", path=KERNEL, old="constexpr int PASSES = ;", new=FAST),
        call("edit_file", path=KERNEL, old="1.5f", new="1.4f"),
        call("evaluate", subject="builds, and is wrong"),
        call("edit_file", path=KERNEL, old="1.4f", new="1.5f"),
        call("evaluate", subject="repaired"),
        call("submit", subject="do the work once", why="Seven of eight passes were idle."),
    ]
    with serving(script) as (server, environment):
        done = avogit(limited, "step", "--operator", "agent", "--json", env=environment)
        sent = json.dumps(server.requests)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)["step"]
    assert result["outcome"] == "accepted", result["reason"]
    trailers = result["candidate"]["trailers"]
    assert trailers["Avo-Model"] == "scripted-1"
    assert trailers["Avo-Tokens"] == "in=1000 out=100"
    assert "one pass suffices" in trailers["Avo-Plan"]
    assert "COMPILE_ERROR" in sent
    rows = json.loads(avogit(limited, "log", "--json").stdout)
    drafts = [row["verdict"] for row in rows if row["status"] == "draft"]
    assert drafts == ["COMPILE_ERROR", "INCORRECT_NUMERICAL", "PASSED"]
    said = avogit(limited, "show", result["candidate"]["oid"], "--transcript").stdout
    assert "INCORRECT_NUMERICAL" in said
    assert '"subject": "do the work once"' in said
    (lesson,) = json.loads(avogit(limited, "lessons", "--json").stdout)["lessons"]
    assert lesson["text"].startswith("do the work once: +")  # by rule: the server says no more
    assert "Seven of eight" in git(limited, "log", "-1", "--format=%b", result["candidate"]["oid"])
    assert avogit(limited, "fsck").returncode == 0
    everything = git(limited, "rev-list", "--objects", "--all").split()
    for oid in [word for word in everything if len(word) == 40]:
        data = subprocess.run(
            ["git", "-C", str(limited), "cat-file", "-p", oid], capture_output=True, check=True
        ).stdout
        assert KEY.encode() not in data


@pytest.mark.slow
def test_the_model_says_what_a_measured_child_taught(limited: Path, avogit) -> None:
    script: list[Reply] = [
        PLAN,
        call("edit_file", path=KERNEL, old=SLOW, new=FAST),
        call("submit", subject="do the work once", why="Seven of eight passes were idle."),
        call("lesson", text=f"Passes that repeat\na result only cost time, says {KEY}."),
    ]
    with serving(script) as (server, environment):
        done = avogit(limited, "step", "--operator", "agent", "--json", env=environment)
    result = json.loads(done.stdout)["step"]
    assert result["outcome"] == "accepted", result["reason"]
    asked = server.requests[-1]["messages"][0]["content"]
    assert "+constexpr int PASSES = 1;" in asked
    assert "Measured against its parent: do the work once: +" in asked
    assert result["candidate"]["trailers"]["Avo-Tokens"] == "in=300 out=30"
    assert result["spent"]["tokens"] == 440
    cost = json.loads(avogit(limited, "cost", "--json").stdout)
    assert cost["total"]["input_tokens"] == 400
    (lesson,) = json.loads(avogit(limited, "lessons", "--json").stdout)["lessons"]
    assert lesson["text"].startswith("do the work once: +")
    assert "Passes that repeat a result only cost time" in lesson["text"]
    assert KEY not in lesson["text"]
    assert lesson["commits"] == [result["candidate"]["oid"]]
    assert avogit(limited, "fsck").returncode == 0


@pytest.mark.slow
def test_a_patch_that_failed_is_refused_with_a_pointer_to_it(limited: Path, avogit, git) -> None:
    broken = call("edit_file", path=KERNEL, old=SLOW, new="constexpr int PASSES = ;")
    give_up = call("give_up", reason="no more")
    step(avogit, limited, [PLAN, broken, call("evaluate", subject="broken"), give_up])
    (tried,) = [
        row
        for row in json.loads(avogit(limited, "log", "--json").stdout)
        if row["status"] == "draft"
    ]
    script = [
        call("lineage_show", revision=tried["oid"][:8]),
        call("build"),
        PLAN,
        broken,
        call("build"),
        call("submit", subject="again", why="hope"),
        call("lineage_failures"),
        give_up,
    ]
    with serving(script) as (server, environment):
        avogit(limited, "step", "--operator", "agent", env=environment)
        shown, builds, _, _, fails, refused, failures = [
            m["content"] for m in server.requests[-1]["messages"] if m["role"] == "tool"
        ]
    assert "evaluation from the record, sample quick: COMPILE_ERROR" in shown
    assert "expected primary-expression" in shown
    assert builds == "it builds"
    assert "expected primary-expression" in fails
    assert f"{tried['oid'][:10]}, draft, COMPILE_ERROR" in refused
    assert "gave-up, no more; planned: one pass suffices" in failures
    record = git(limited, "log", "-1", "--format=%(trailers:key=Avo-Record,valueonly)",
                 "--glob=refs/avo/records/*")  # fmt: skip
    said = avogit(limited, "show", record, "--transcript")
    assert said.returncode == 0, said.stderr
    assert "--- tool\nit builds" in said.stdout
    assert 'assistant calls\ngive_up {"reason": "no more"}' in said.stdout
    messages = json.loads(avogit(limited, "show", record, "--transcript", "--json").stdout)["said"]
    assert [message["role"] for message in messages[:3]] == ["system", "user", "assistant"]
    without = avogit(limited, "show", "seed", "--transcript")
    assert (without.returncode, without.stderr.count("\n")) == (1, 1)
    assert "no transcript" in without.stderr
    assert f"{tried['oid'][:10]} from" in failures


def test_an_unfinished_step_and_what_the_user_wrote_reach_the_next(
    limited: Path, avogit, git
) -> None:
    broken = call("edit_file", path=KERNEL, old=SLOW, new="constexpr int PASSES = ;")
    step(avogit, limited, [PLAN, broken, refused()])
    mine = limited / ".avogit" / "templates" / "agent" / "system.md.j2"
    mine.parent.mkdir(parents=True)
    mine.write_text("Change {{ editable | join }} and nothing else.\n")
    (limited / "notes").mkdir()
    (limited / "notes" / "passes.md").write_text("# Passes\nOne pass is enough.\n")
    with (limited / "avogit.yaml").open("a") as file:
        file.write("knowledge: [notes]\n")
    git(limited, "add", ".avogit")
    git(limited, "commit", "-q", "-m", "My prompt")
    mine.write_text("not committed")
    script = [
        call("read_file", path=KERNEL),
        call("knowledge_search", query="enough passes"),
        call("restart_from", revision="parent"),
        call("read_file", path=KERNEL),
        call("give_up", reason="seen"),
    ]
    with serving(script) as (server, environment):
        done = avogit(limited, "step", "--operator", "agent", env=environment)
        assert done.returncode == 0, done.stderr
        system, task = (m["content"] for m in server.requests[0]["messages"])
        read, notes, _, anew = [
            m["content"] for m in server.requests[-1]["messages"] if m["role"] == "tool"
        ]
    assert system == "Change kernel.cpp and nothing else.\n"
    assert "ended with auth-refused" in task
    assert "Plan: one pass suffices" in task
    assert "constexpr int PASSES = ;" in read
    assert "notes/passes.md:1 Passes" in notes
    assert SLOW in anew
    assert avogit(limited, "fsck").returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        ([rate_limited()] * 8, "rate-limited"),
        ([cut_off()] * 8, "bad-reply"),
        ([bad_call("write_file", "{not json")] * 8, "bad-reply"),
        ([hang()] * 4, "timeout"),
        ([refused()], "auth-refused"),
        ([call("give_up", reason="nothing left to try")], "gave-up"),
    ],
    ids=["429", "cut-off", "malformed", "hanging", "refused", "gave-up"],
)
def test_bad_ends_are_named_and_lose_nothing(
    limited: Path, avogit, script: list[Reply], outcome: str
) -> None:
    before = avogit(limited, "log", "--json").stdout
    done = step(avogit, limited, script)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)["step"]
    assert (result["outcome"], result["candidate"]) == (outcome, None)
    assert result["reason"]
    assert avogit(limited, "log", "--json").stdout == before
    assert avogit(limited, "fsck").returncode == 0


def test_a_missing_model_is_one_line(limited: Path, avogit) -> None:
    done = avogit(limited, "step", "--operator", "agent")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    for way in ("AVOGIT_MODEL", "OPENAI_API_KEY", "OPENAI_BASE_URL", "--operator tune",
                "--operator command"):  # fmt: skip
        assert way in done.stderr
