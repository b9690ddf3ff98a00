"""`avogit run --workers`: several steps at once, and what becomes of one whose worker dies."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from crowd import all_at_once, faults
from lent_slot import LentSlot, Slow
from planted import plant_child
from test_kill import alive, descendants

from avogit.bench.device import CPU, any_device_lock
from avogit.bench.protocol import Order, decode, encode
from avogit.founding import seed_population
from avogit.loop import Course, Limits
from avogit.records import (
    CANDIDATE,
    Candidate,
    Evaluation,
    Proposal,
    Ratio,
    Status,
    Verdict,
    WorkloadTiming,
)
from avogit.session import open_session
from avogit.settling import StepResult
from avogit.step import submit
from avogit.workers import run_workers
from avogit.workers.frames import Grown
from avogit.workers.places import Places


@pytest.fixture
def quick(seeded: Path, git) -> Path:
    """A population whose evaluations take a second, and a program that edits its kernel."""
    config = (seeded / "avogit.yaml").read_text()
    short = config.replace("budget_s: 2, fresh_s: 1", "budget_s: 1, fresh_s: 1")
    (seeded / "avogit.yaml").write_text(short)
    git(seeded, "commit", "-q", "-am", "Shorter still")
    (seeded.parent / "edit").write_text('#!/bin/sh\necho "// $(date +%N)" >> kernel.cpp\n')
    (seeded.parent / "edit").chmod(0o755)
    return seeded


def run_words(quick: Path, *more: str) -> list[str]:
    return ["run", "--workers", "2", "--command", f"'{quick.parent}/edit'", "--no-confirm", *more]


@contextlib.contextmanager
def running(program: str, directory: Path, words: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """`avogit` at work; gone at the end whatever the test finds."""
    out = subprocess.PIPE
    with subprocess.Popen([program, *words], cwd=directory, stdout=out, stderr=out) as process:
        try:
            yield process
        finally:
            process.kill()


def worker_pids(process: subprocess.Popen[bytes]) -> list[int]:
    found = []
    for pid in descendants(process.pid):
        with contextlib.suppress(OSError):
            if b"avogit.workers.program" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def in_hand(git, repository: Path) -> int:
    refs = git(repository, "for-each-ref", "--format=%(contents:subject)", "refs/avo/wip/")
    return refs.count("avogit has in hand")


def until(condition, timeout_s: float = 30) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


def gone(pids: list[int]) -> None:
    until(lambda: not any(alive(pid) for pid in pids), 5)


def tried(git, repository: Path) -> int:
    chains = git(repository, "for-each-ref", "--format=%(refname)", "refs/avo/tried/").split()
    return git(repository, "log", "--format=%s", "--first-parent", *chains).count("avogit tried ")


@pytest.mark.slow
def test_a_worker_is_killed_then_ctrl_c_then_all_is_taken_up(
    quick: Path, git, avogit, avogit_path: str
) -> None:
    with running(avogit_path, quick, run_words(quick)) as process:
        until(lambda: in_hand(git, quick) > 0)
        until(lambda: len(worker_pids(process)) >= 2)
        victim = worker_pids(process)[0]
        os.kill(victim, signal.SIGKILL)
        until(lambda: victim not in (at_work := worker_pids(process)) and len(at_work) >= 2)
        until(lambda: in_hand(git, quick) > 0)
        below = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=20)
    assert process.returncode == 130, error
    assert re.search(rb"worker [123] died: killed by SIGKILL", error)
    assert b"worker-died" in out
    gone(below)
    left, before = in_hand(git, quick), tried(git, quick)
    assert left > 0, "what was begun is kept"
    done = avogit(quick, *run_words(quick, "--steps", "3", "--json"))
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)["run"]
    assert (len(run["steps"]), run["workers"]) == (3, 2)
    assert [step["resumed"] for step in run["steps"]].count(True) == left
    assert len({step["candidate"]["oid"] for step in run["steps"]}) == 3
    assert tried(git, quick) == before + 3, "no step more than asked"
    assert 0 < run["device_busy_s"] <= run["seconds"]
    assert in_hand(git, quick) == 0
    assert avogit(quick, "fsck").returncode == 0


@pytest.mark.slow
def test_steps_at_once_all_end_in_a_reachable_commit(quick: Path, avogit_path: str) -> None:
    breaks = quick.parent / "break"
    breaks.write_text(
        '#!/bin/sh\necho "no C++ $(date +%N)" >> kernel.cpp\n'
    )  # so no device is needed
    breaks.chmod(0o755)
    words = [avogit_path, "step", "--command", f"'{breaks}'", "--json"]
    crowd = all_at_once([words] * 5, quick, {})
    steps = [json.loads(told)["step"] for told in crowd.told]
    assert {step["evaluation"]["verdict"] for step in steps} == {"COMPILE_ERROR"}
    made = tuple(step["candidate"]["oid"] for step in steps)
    population = steps[0]["candidate"]["population"]
    assert faults(quick, replace(crowd, acknowledged=made), 5, population) == []


@pytest.mark.slow
def test_a_board_on_a_terminal_and_a_stop_from_another(
    quick: Path, git, avogit, avogit_path: str
) -> None:
    ours, theirs = pty.openpty()
    words = [avogit_path, *run_words(quick)]
    with subprocess.Popen(words, cwd=quick, stdout=theirs, stderr=theirs):
        os.close(theirs)
        shown = read_terminal(ours, until_seen=b"timing block")
        done = avogit(quick, "stop", "--wait")
        shown += read_terminal(ours)
    os.close(ours)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", shown.decode())
    assert "has ended" in done.stdout, done.stderr
    assert "device " in text
    assert " % busy" in text
    assert re.search(r"^ +1  \S.* +2  \S", text, re.MULTILINE | re.DOTALL), "a row for each worker"
    assert re.search(r"^ +1  (rejected|accepted) ", text, re.MULTILINE), "a step's line lasts"
    assert "ended because `avogit stop` asked for it" in text
    assert "no run is at work" in avogit(quick, "stop").stdout
    assert json.loads(avogit(quick, "stop", "--json").stdout) == {"runs": [], "ended": False}
    assert in_hand(git, quick) == 0


def read_terminal(terminal: int, until_seen: bytes = b"\0never") -> bytes:
    """What was written to a terminal, up to some bytes or its end."""
    found = b""
    with contextlib.suppress(OSError):  # the other side is closed
        while until_seen not in found and (data := os.read(terminal, 65536)):
            found += data
    return found


def test_whoever_lets_the_device_go_waits_behind_those_who_wait() -> None:
    order: list[str] = []
    held = threading.Event()

    def measure(name: str, times: int) -> None:
        for _ in range(times):
            with any_device_lock(lambda _: None, (CPU,)):
                order.append(name)
                held.set()
                time.sleep(0.1)

    greedy = threading.Thread(target=measure, args=("greedy", 4))
    greedy.start()
    held.wait()
    patient = threading.Thread(target=measure, args=("patient", 1))
    patient.start()
    greedy.join()
    patient.join()
    assert order.index("patient") <= 2


class Heard:
    """A watcher that notes who spoke."""

    def __init__(self) -> None:
        self.workers: set[int] = set()
        self.ahead = threading.Event()

    def begins(self, course: Course, /) -> None:
        assert course.at_once == 3

    def said(self, worker: int, _text: str, /) -> None:
        self.workers.add(worker)
        if worker == 3:
            self.ahead.set()

    def stepped(self, _course: Course, _worker: int, result: StepResult, /) -> None:
        assert result.outcome == "rejected", result


def test_while_the_device_has_one_step_another_begins_ahead(polynomial: Path) -> None:
    program = polynomial.parent / "edit"
    program.write_text('#!/bin/sh\necho "// $(date +%N)" >> kernel.cpp\n')
    program.chmod(0o755)
    heard, seen = Heard(), []

    def held(_order: Order) -> Slow:
        seen.append(heard.ahead.wait(20) if len(seen) else "the seed")
        return {CANDIDATE: [1.02]}

    with open_session(polynomial, slot=LentSlot(held)) as session:
        limits = Limits(steps=4)
        run_workers(session, "command", limits, 2, command=str(program), watcher=heard)
        made = session.lineage().candidates
    assert seen[1:] == [True] * 4, "the first order ended before a third worker began"
    assert heard.workers - {0} == {1, 2, 3}
    assert len(made) == 5, "no step more than asked"


def test_a_place_that_is_left_is_another_s() -> None:
    places, order = Places(1), []

    def step(name: str) -> None:
        with places.taken():
            order.append(name)

    with places.taken():
        other = threading.Thread(target=step, args=("ahead",))
        other.start()
        assert not other.join(0.1)
        assert order == [], "there is one place"
        with places.left():
            other.join(5)
        assert order == ["ahead"]
        last = threading.Thread(target=step, args=("last",))
        last.start()
        last.join(0.1)
        assert order == ["ahead"], "it is taken again"
    last.join(5)
    assert order == ["ahead", "last"]


def test_a_child_enters_beside_the_incumbent_of_that_moment(polynomial: Path) -> None:
    """While a child is measured another enters that is better: it is measured beside that one."""
    rivals: list[str] = []  # artefacts of the incumbent

    def held(order: Order) -> Slow:
        rivals.extend(arm.artefact for arm in order.arms if arm.name == order.rival)
        if order.sample == "fresh" and len(rivals) == 2:
            best = session.lineage().incumbent()
            assert best is not None
            plant_child(polynomial, best, "another's", ratio=4.0)
        return {CANDIDATE: [0.9 if len(rivals) < 3 else 1.2]}

    with open_session(polynomial, slot=LentSlot(held)) as session:
        seed = seed_population(session)
        text = session.source(seed.oid).files["kernel.cpp"] + b"// mine\n"
        made = submit(session, Proposal(seed.oid, {"kernel.cpp": text}, "mine"), "manual")
    assert made.outcome == "rejected", made
    assert made.reason.startswith("slower than the incumbent")
    own, fresh, again = rivals
    assert own == fresh != again


def test_a_step_travels_whole_between_processes() -> None:
    ratio = Ratio(1.1, 1.0, 1.2)
    timing = WorkloadTiming("small", {"candidate": 3.0}, {"baseline": ratio})
    found = Evaluation(
        Verdict.PASSED, "t" * 40, workloads=(timing,), score=ratio, raw={"blocks": [[1, "x"], {}]}
    )
    made = Candidate(
        oid="c" * 40, tree="t" * 40, parents=("p" * 40,), time_s=1, subject="s", population="p",
        status=Status.ACCEPTED, verdict=Verdict.PASSED, measured_tree="t" * 40, score=None,
        workload_scores={}, operator="tune", generation=1, trailers={"Avo-Score": "1.1"},
    )  # fmt: skip
    whole = Grown(StepResult("accepted", "why", "tune", made, found, "p" * 40))
    assert decode(encode(whole), Grown) == whole
    bare = Grown(StepResult("exhausted", "all tried", "tune"))
    assert decode(encode(bare), Grown) == bare
