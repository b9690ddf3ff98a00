"""A step of the agent whose process ends in the middle: the next `avogit run` goes on where it was.

Real processes, a real HTTP server, real signals. No kernel here compiles, so nothing is timed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from planted import plant_child, plant_seed
from scripted_openai import Reply, ScriptedOpenAI, call, hang

from avogit import halfway, store
from avogit.budget import Meter
from avogit.operators import GOING_ON
from avogit.records import Halfway, Usage
from avogit.sandbox import probe
from avogit.session import open_session

KEY = "sk-planted-0123456789abcdef"
PLAN = call(
    "plan",
    hypothesis=f"one pass suffices, says {KEY}",
    kind="algorithm",
    expected_gain_pct=300,
    difficulty="easy",
    confidence=0.8,
)
SLOW = "constexpr int PASSES = 8;"
BREAK = call("edit_file", path="kernel.cpp", old=SLOW, new="constexpr int PASSES = broken;")
AGAIN = call("edit_file", path="kernel.cpp", old="= broken;", new="= broken_again;")
EVALUATE = call("evaluate", subject="fewer passes")
READ = call("read_file", path="kernel.cpp")
USED = Usage("m", 10)
SUBMIT = call("submit", subject="one pass", why="it was planned")


@pytest.fixture
def planted(polynomial: Path) -> Path:
    with (polynomial / "avogit.yaml").open("a") as file:
        file.write("supervisor: {stall_steps: 0, cycle_repeats: 0}\n")
    plant_seed(polynomial)
    return polynomial


@contextlib.contextmanager
def at_work(directory: Path, server: ScriptedOpenAI, *more: str) -> Iterator[subprocess.Popen[str]]:
    """`avogit run` of one step, which asks this server."""
    environ = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": KEY, "AVOGIT_MODEL": "m"}
    words = ["run", "--operator", "agent", "--steps", "1", "--no-confirm", "--json", *more]
    # `make test &` of a script ignores Ctrl-C, and so would all that it starts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        [sys.executable, "-m", "avogit", *words],
        cwd=directory,
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        signal.signal(signal.SIGINT, before)
        try:
            yield process
        finally:
            process.kill()


def ended(directory: Path, script: list[Reply], how: signal.Signals) -> None:
    """A run that ends by this signal while it waits for the reply after these."""
    with ScriptedOpenAI([*script, hang()]) as server, at_work(directory, server) as process:
        until(lambda: len(server.requests) > len(script) or process.poll() is not None)
        process.send_signal(how)
        process.communicate(timeout=30)
    assert len(server.requests) == len(script) + 1, "it ended by itself"


def finished(directory: Path, script: list[Reply]) -> tuple[dict[str, Any], ScriptedOpenAI]:
    """What a step came to in a run that is left alone."""
    with ScriptedOpenAI(script) as server, at_work(directory, server) as process:
        out, errors = process.communicate(timeout=100)
    assert process.returncode == 0, errors
    (step,) = json.loads(out)["run"]["steps"]
    return step, server


def until(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


def told(avogit, directory: Path, *words: str) -> Any:
    done = avogit(directory, *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def tool_results(server: ScriptedOpenAI, request: int) -> list[str]:
    messages = server.requests[request]["messages"]
    return [message["content"] for message in messages if message["role"] == "tool"]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["kill -9", "ctrl-c"])
def test_the_conversation_goes_on_where_it_was(
    planted: Path, avogit, git, how: signal.Signals
) -> None:
    ended(planted, [PLAN, BREAK, EVALUATE], how)
    waiting = told(avogit, planted, "cost")
    assert waiting["total"]["input_tokens"] == 300
    assert [row["name"] for row in waiting["by_outcome"] if row["input_tokens"]] == ["under-way"]

    step, server = finished(planted, [READ, EVALUATE, AGAIN, SUBMIT])
    assert (step["outcome"], step["resumed"]) == ("rejected", True)
    roles = [message["role"] for message in server.requests[0]["messages"]]
    assert roles == ["system", "user", *["assistant", "tool"] * 3, "user"]
    assert "goes on here" in server.requests[0]["messages"][-1]["content"]
    noted, edited, verdict = tool_results(server, 0)
    assert (noted, edited) == ("noted; now edit", "edited kernel.cpp at line 3")
    assert "draft-1: COMPILE_ERROR" in verdict
    *_, read, evaluated, _ = tool_results(server, 3)
    assert "PASSES = broken;" in read  # the workspace, with its plan and its drafts
    assert "draft-1: COMPILE_ERROR" in evaluated

    assert step["candidate"]["trailers"]["Avo-Tokens"] == "in=700 out=70"
    assert "one pass suffices" in step["candidate"]["trailers"]["Avo-Plan"]
    assert told(avogit, planted, "cost")["total"]["input_tokens"] == 700
    rows = told(avogit, planted, "log")
    assert [row["status"] for row in rows] == ["seed", "draft", "rejected"]
    said = told(avogit, planted, "show", step["candidate"]["oid"], "--transcript")["said"]
    assert sum(message["role"] == "assistant" for message in said) == 7
    assert avogit(planted, "fsck").returncode == 0
    assert KEY.encode() not in every_object(planted)


def every_object(directory: Path) -> bytes:
    """All that the repository holds, reachable or not."""
    words = ["git", "-C", str(directory), "cat-file", "--batch-all-objects", "--batch"]
    return subprocess.run(words, capture_output=True, check=True).stdout


@pytest.mark.slow
@pytest.mark.skipif(not probe().certified, reason="no sandbox on this machine, so no shell")
def test_a_reply_that_was_paid_for_is_acted_on_by_the_next_process(planted: Path, avogit) -> None:
    slow = call("shell", command="sleep 2; echo slept")
    with ScriptedOpenAI([PLAN, BREAK, slow]) as server, at_work(planted, server) as process:
        until(lambda: len(server.requests) == 3 and noted_tokens(avogit, planted) == 300)
        process.kill()
        process.communicate(timeout=30)
    step, server = finished(planted, [SUBMIT])
    assert "slept" in tool_results(server, 0)[-1]
    assert step["candidate"]["trailers"]["Avo-Tokens"] == "in=400 out=40"
    assert told(avogit, planted, "cost")["total"]["input_tokens"] == 400


def noted_tokens(avogit, directory: Path) -> int:
    found: int = told(avogit, directory, "cost")["total"]["input_tokens"]
    return found


@pytest.mark.slow
def test_a_step_is_killed_again_and_again(planted: Path, avogit) -> None:
    ended(planted, [PLAN], signal.SIGKILL)
    ended(planted, [BREAK], signal.SIGKILL)
    ended(planted, [READ], signal.SIGKILL)
    step, server = finished(planted, [SUBMIT])
    assert step["candidate"]["trailers"]["Avo-Tokens"] == "in=400 out=40"
    assert [r for r in tool_results(server, 0) if r.startswith("edited")]
    assert told(avogit, planted, "cost")["total"]["input_tokens"] == 400


@pytest.mark.slow
def test_what_comes_no_further_is_left_alone(planted: Path, avogit) -> None:
    """A conversation that ends every process that takes it up must not do so for ever."""
    for script in ([PLAN, BREAK], [], [], []):
        ended(planted, script, signal.SIGKILL)
    step, server = finished(planted, [SUBMIT, PLAN, READ, SUBMIT])
    assert not step["resumed"]
    task = server.requests[0]["messages"][1]["content"]
    assert "ended with interrupted" in task  # its work is carried on all the same
    assert "PASSES = broken;" in tool_results(server, 3)[-1]
    cost = told(avogit, planted, "cost")
    outcomes = {row["name"]: row["input_tokens"] for row in cost["by_outcome"]}
    assert (outcomes["interrupted"], cost["total"]["input_tokens"]) == (200, 600)


@pytest.mark.slow
def test_no_key_and_ctrl_c_take_no_try(planted: Path, avogit) -> None:
    ended(planted, [PLAN, BREAK], signal.SIGKILL)
    for _ in range(2):
        words = ["run", "--operator", "agent", "--steps", "1", "--no-confirm"]
        assert avogit(planted, *words, env={"AVOGIT_MODEL": "m"}).returncode == 1
        ended(planted, [], signal.SIGINT)
    step, server = finished(planted, [SUBMIT])
    assert (step["resumed"], len(tool_results(server, 0))) == (True, 2)
    assert told(avogit, planted, "cost")["total"]["input_tokens"] == 300


@pytest.mark.slow
def test_what_another_version_left_is_recorded(
    planted: Path, avogit, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended(planted, [PLAN, BREAK], signal.SIGKILL)
    monkeypatch.setitem(GOING_ON, "agent", GOING_ON["agent"] + 1)
    taken = taken_up(planted)
    assert (taken, outcomes(avogit, planted)["interrupted"]) == (None, 200)


@pytest.mark.parametrize("already", [False, True], ids=["meanwhile", "before"])
def test_a_step_whose_line_ended_meanwhile_is_recorded(
    planted: Path, avogit, already: bool
) -> None:
    with open_session(planted) as session:
        seed = session.lineage().seed()
        assert seed is not None
    on_it = plant_child(planted, seed, "another line", ratio=1.1)

    def retire() -> None:
        with open_session(planted) as session:
            store.retire(session.repo, session.population, [(on_it.oid, "too many lines", 0.5)])

    if already:
        retire()
    with open_session(planted) as session, store.writer(session.repo, session.population) as writer:
        meter = Meter()
        meter.journal = halfway.journal(session, writer, session.lineage(), "agent", on_it)
        meter.charge(USED, lambda: Halfway(on_it.oid, (), {}, version=GOING_ON["agent"]))
    assert taken_up(planted) == (on_it.oid, 10)
    if already:  # as the supervisor wanted it
        return
    retire()
    assert taken_up(planted) is None
    assert outcomes(avogit, planted)["interrupted"] == 10


@pytest.mark.slow
def test_a_reply_that_leads_nowhere_gives_no_new_tries(planted: Path) -> None:
    ended(planted, [PLAN], signal.SIGKILL)
    tries = []
    for further in (False, False, True):
        with (
            open_session(planted) as session,
            store.writer(session.repo, session.population, "agent") as writer,
        ):
            assert writer.left is not None
            tries.append(writer.left.tries)
            meter = Meter()
            found = halfway.take_up(session, writer, session.lineage(), meter)
            assert found is not None
            parent, came = found
            meter.journal = halfway.journal(
                session, writer, session.lineage(), "agent", parent, came
            )
            meter.charge(USED, (lambda came=came: replace(came, summary="on")) if further else None)
    with (
        open_session(planted) as session,
        store.writer(session.repo, session.population, "agent") as writer,
    ):
        assert writer.left is not None
        assert (tries, writer.left.tries) == ([0, 1, 2], 0)


def taken_up(directory: Path) -> tuple[str, int] | None:
    """The parent of the step that would be gone on with, and what it paid."""
    with open_session(directory) as session:
        meter = Meter()
        with store.writer(session.repo, session.population, "agent") as writer:
            found = halfway.take_up(session, writer, session.lineage(), meter)
        return (found[0].oid, meter.spent().tokens) if found else None


def outcomes(avogit, directory: Path) -> dict[str, int]:
    """Input tokens by outcome."""
    rows = told(avogit, directory, "cost")["by_outcome"]
    return {row["name"]: row["input_tokens"] for row in rows}


@pytest.mark.slow
def test_without_carrying_ctrl_c_records_the_step_at_once(planted: Path, avogit) -> None:
    with (planted / "avogit.yaml").open("a") as file:
        file.write("agent: {carry: false}\n")
    ended(planted, [PLAN, BREAK], signal.SIGINT)
    assert outcomes(avogit, planted)["interrupted"] == 200


@pytest.mark.slow
def test_another_operator_leaves_the_step_to_the_agent(planted: Path, avogit, git) -> None:
    ended(planted, [PLAN, BREAK], signal.SIGKILL)
    assert avogit(planted, "step", "--command", "true").returncode == 0
    assert told(avogit, planted, "cost")["total"]["input_tokens"] == 200
    step, _ = finished(planted, [SUBMIT])
    assert (step["resumed"], step["outcome"]) == (True, "rejected")
    assert told(avogit, planted, "cost")["total"]["input_tokens"] == 300


@pytest.mark.slow
def test_who_wants_no_carrying_starts_anew_and_the_record_has_it_all(
    planted: Path, avogit, git
) -> None:
    ended(planted, [PLAN, BREAK], signal.SIGKILL)
    with (planted / "avogit.yaml").open("a") as file:
        file.write("agent: {carry: false}\n")
    step, server = finished(planted, [call("give_up", reason="enough")])
    assert (step["resumed"], step["outcome"]) == (False, "gave-up")
    assert len(server.requests[0]["messages"]) == 2
    records = git(planted, "log", "--format=%(trailers:key=Avo-Record,valueonly,separator=)",
                  "--glob=refs/avo/records/*").split()  # fmt: skip
    said = told(avogit, planted, "show", records[1], "--transcript")["said"]
    assert [message["role"] for message in said][-4:] == ["assistant", "tool"] * 2
    assert "[redacted OPENAI_API_KEY]" in str(said)


@pytest.mark.slow
def test_a_run_takes_up_what_its_dead_worker_had_in_hand(planted: Path, avogit) -> None:
    waiting = threading.Event()

    def script(body: dict[str, Any]) -> Reply:
        turn = sum(message["role"] == "assistant" for message in body["messages"])
        if turn == 1 and not waiting.is_set():
            waiting.set()
            return hang()
        broken = call("write_file", path="kernel.cpp", content=f"broken {len(server.requests)};")
        return (PLAN, broken, SUBMIT)[min(turn, 2)]

    more = ("--workers", "2", "--steps", "4")
    with ScriptedOpenAI(script) as server, at_work(planted, server, *more) as process:
        assert waiting.wait(60)
        time.sleep(0.5)
        for pid in workers_of(process.pid):
            os.kill(pid, signal.SIGKILL)
        out, errors = process.communicate(timeout=100)
    assert process.returncode == 0, errors
    steps = json.loads(out)["run"]["steps"]
    assert "worker-died" in [step["outcome"] for step in steps]
    (taken_up, *_) = [step for step in steps if step["resumed"]]
    assert taken_up["outcome"] == "rejected"
    # Several were killed, each with one request at most under way.
    paid = told(avogit, planted, "cost")["total"]["input_tokens"]
    assert 100 * (len(server.requests) - 3) <= paid <= 100 * (len(server.requests) - 1)


def workers_of(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            ours = entry.name.isdigit() and int(fields[1]) == pid
            if ours and b"workers.program" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found
