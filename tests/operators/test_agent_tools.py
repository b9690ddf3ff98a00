"""What the agent's tools show and refuse, each through a scripted conversation."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from agent_runs import FASTER, GIVE_UP, PLAN, QUICK, SUBMIT, results, run, serving
from operator_samples import KERNEL, seeded
from scripted_openai import Script, call

from avogit.errors import AvogitError
from avogit.operators import NoProposal
from avogit.records import Attempt, KernelProfile, Plan, Profile, Proposal, Status, Verdict
from avogit.sandbox import probe


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[[Script], Any]:
    return serving(monkeypatch)


def test_search_finds_lines_in_the_workspace_and_at_a_revision(tmp_path: Path, serve) -> None:
    history = seeded()
    history.add(KERNEL + b"// prefetch\n" * 100, 1.2, parent=history.lineage().seed().oid)
    script = [
        call("search_files", text="constEXPR"),
        call("search_files", text="prefetch", revision="best"),
        call("search_files", text="prefetch", revision="seed"),
        GIVE_UP,
    ]
    _, server, _ = run(tmp_path, serve, script, history=history)
    both, many, none = results(server)
    assert both.splitlines()[0] == "kernel.cpp:2: constexpr int BLOCK = 4;  // tune: 1 2 4 8"
    assert "[40 more lines cut here]" in many
    assert none == "no line of 4 files holds it"


def test_knowledge_is_searched_and_read(tmp_path: Path, serve) -> None:
    script = [
        call("knowledge_search", query="a faster pass?"),
        call("knowledge_read"),
        call("knowledge_search", query="zebra"),
        call("knowledge_read", file="knowledge/notes.md", first_line=2, lines=1),
        GIVE_UP,
    ]
    _, server, _ = run(tmp_path, serve, script)
    found, listed, nothing, read = results(server)
    assert found == "knowledge/notes.md:1 Notes\n    Fewer passes are faster."
    assert listed.startswith("knowledge/notes.md  ")
    assert "nothing in 1 documents" in nothing
    assert read.splitlines()[1] == "Fewer passes are faster."


def test_a_candidate_is_shown_with_its_record(tmp_path: Path, serve) -> None:
    history = seeded()
    broken = history.add(
        KERNEL[:-3],
        None,
        Status.REJECTED,
        parent=history.lineage().seed().oid,
        verdict=Verdict.COMPILE_ERROR,
    )
    script = [
        call("lineage_show", revision="seed"),
        call("lineage_show", revision=broken.oid[:10]),
        GIVE_UP,
    ]
    _, server, _ = run(tmp_path, serve, script, history=history)
    seed, failed = results(server)
    assert "evaluation from the record, sample deciding: PASSED" in seed
    assert "small: candidate 10.0 us, baseline 10.0 us" in seed
    assert "COMPILE_ERROR (g++)" not in seed
    assert "expected ';'" in failed


def test_failures_are_listed_with_their_reasons(tmp_path: Path, serve) -> None:
    history = seeded()
    parent = history.lineage().seed()
    history.add(b"x", None, Status.DRAFT, parent=parent.oid, verdict=Verdict.TIMEOUT, subject="hm")
    history.attempts.append(
        Attempt("sha256:1", 9, "agent", parent.oid, "gave-up", "no idea", Plan("unroll"))
    )
    _, server, _ = run(tmp_path, serve, [call("lineage_failures"), GIVE_UP], history=history)
    (told,) = results(server)
    assert told.splitlines() == [
        f"no child from {parent.oid[:10]}: gave-up, no idea; planned: unroll",
        f"{list(history.candidates)[1][:10]} from {parent.oid[:10]} draft, TIMEOUT: hm ()",
    ]


def test_a_patch_that_failed_from_this_parent_is_refused(tmp_path: Path, serve) -> None:
    history = seeded()
    parent = history.lineage().seed()
    kernel = KERNEL.replace(b"PASSES = 8", b"PASSES = 4")
    tried = history.add(kernel, 0.9, Status.REJECTED, parent=parent.oid)
    script = [PLAN, FASTER, call("evaluate", subject="again"), SUBMIT, GIVE_UP]
    found, server, judge = run(tmp_path, serve, script, history=history)
    assert isinstance(found, NoProposal)
    for told in results(server)[2:]:
        assert f"{tried.oid[:10]}, rejected, PASSED" in told
    assert judge.calls == []


def test_build_asks_the_compiler_and_costs_no_evaluation(tmp_path: Path, serve) -> None:
    def build(files: dict[str, bytes]) -> str:
        return "" if b"PASSES = 8" in files["kernel.cpp"] else "compiler\nerror: no"

    script = [call("build"), PLAN, FASTER, call("build"), GIVE_UP]
    _, server, judge = run(tmp_path, serve, script, build=build)
    told = results(server)
    assert (told[0], told[3]) == ("it builds", "compiler\nerror: no")
    assert judge.calls == []


def test_a_full_sample_is_asked_for_what_passed_a_quick_one(tmp_path: Path, serve) -> None:
    quick, full = call("evaluate", subject="q"), call("evaluate", subject="f", sample="full")
    script = [PLAN, FASTER, quick, full, full, quick, GIVE_UP]
    _, server, judge = run(tmp_path, serve, script)
    told = results(server)
    assert [called[0] for called in judge.calls] == ["q", "f"]
    assert told[4].startswith("draft-2: PASSED, already evaluated")


needs_sandbox = pytest.mark.skipif(not probe().certified, reason="no sandbox on this machine")


@needs_sandbox
def test_the_shell_is_confined(tmp_path: Path, serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "not-for-the-model")
    secret = tmp_path / "outside.txt"
    secret.write_text("outside")
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    dial = f"import socket; socket.create_connection(('127.0.0.1', {port})); print('connected')"
    script = [
        call("shell", command="head -n1 kernel.cpp && echo x > new.h"),
        call("shell", command=f"cat {secret}; env"),
        call("shell", command="echo kept > $TMPDIR/a; cat $TMPDIR/a; exit 3"),
        PLAN,
        call("shell", command="sed -i 's/PASSES = 8/PASSES = 4/' kernel.cpp && cat $TMPDIR/a"),
        call("shell", command=f"echo x > {tmp_path}/escaped"),
        call("shell", command=f'python3 -c "{dial}"'),
        SUBMIT,
    ]
    with listening:
        found, server, _ = run(tmp_path, serve, script)
    told = results(server)
    assert "#include <cstdint>" in told[0]
    assert not told[0].startswith("[exit status 0")
    assert "outside\n" not in told[1]
    assert "not-for-the-model" not in told[1]
    assert "planted" not in told[1]
    assert told[2].startswith("[exit status 3")
    assert "kept" in told[2]
    assert told[4].startswith("[exit status 0")
    assert not (tmp_path / "escaped").exists()
    assert "connected" not in told[6]
    assert "Error: " in told[6]
    assert isinstance(found, Proposal)
    assert found.files == {"kernel.cpp": KERNEL.replace(b"PASSES = 8", b"PASSES = 4")}


@needs_sandbox
def test_the_shell_ends_in_time_and_leaves_no_process(tmp_path: Path, serve) -> None:
    mark = "avogit_test_sleep_31337"
    command = f"exec -a {mark} sleep 600 & (setsid sleep 601.31337 &) ; sleep 600"
    script = [call("shell", command=command), GIVE_UP]
    _, server, _ = run(tmp_path, serve, script, replace(QUICK, shell_timeout_s=0.5))
    assert results(server)[0].startswith("[stopped after")
    left = [p for p in Path("/proc").glob("[0-9]*/cmdline") if b"601.31337" in _bytes(p)]
    assert left == []


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@needs_sandbox
def test_what_the_shell_breaks_is_said_at_once(tmp_path: Path, serve) -> None:
    script = [
        PLAN,
        call("shell", command="rm -f problem.py; ln -s /etc/passwd link.h"),
        call("evaluate", subject="hm"),
        call("restart_from", revision="parent"),
        FASTER,
        SUBMIT,
    ]
    found, server, _ = run(tmp_path, serve, script)
    assert (
        "undo it or `restart_from parent`: file-deleted: problem.py; symlink" in results(server)[1]
    )
    assert "not allowed in the workspace" in results(server)[2]
    assert isinstance(found, Proposal)


def test_the_users_templates_take_the_place_of_ours(tmp_path: Path, serve) -> None:
    mine = {"agent/system.md.j2": "Only {{ editable | join }}, please."}
    _, server, _ = run(tmp_path, serve, [GIVE_UP], templates=mine)
    assert server.requests[0]["messages"][0]["content"] == "Only kernel.cpp*.h, please."


@pytest.mark.parametrize("text", ["{{ nobody_gave_this }}", "{% if %}", "{{ ''.__class__.mro() }}"])
def test_a_template_of_the_user_that_cannot_be_rendered(tmp_path: Path, serve, text: str) -> None:
    with pytest.raises(AvogitError, match=r"cannot render agent/system.md.j2 with your templates"):
        run(tmp_path, serve, [GIVE_UP], templates={"agent/system.md.j2": text})


def test_a_profile_of_the_workspace_is_told_in_words(tmp_path: Path, serve) -> None:
    asked: list[tuple[bytes, str]] = []

    def profile(files, workload):
        asked.append((files["kernel.cpp"], workload))
        if workload == "huge":
            raise AvogitError("twice times no workload 'huge'")
        kernel = KernelProfile(
            kernel="attention",
            grid="(64, 16, 8)",
            block="(128, 1, 1)",
            duration_us=812.55,
            sm_pct=61.25,
            dram_pct=4.5,
            tensor_pct=None,
            occupancy_pct=24.9,
            l2_hit_pct=93.0,
            registers=168,
            shared_bytes=65536,
            stalls=(("long scoreboard", 1.75),),
        )
        return Profile("small", "h200", "ncu 2026.1", (kernel,))

    script = [call("profile"), PLAN, FASTER, call("profile", workload="huge"), GIVE_UP]
    _, server, _ = run(tmp_path, serve, script, profile=profile)
    found, *_, refused = results(server)
    assert found.splitlines() == [
        "profile of small on h200, by ncu 2026.1",
        "attention, grid (64, 16, 8), block (128, 1, 1):",
        "  duration: 812.5 us",
        "  multiprocessors: 61.2 % of peak",
        "  tensor cores: ? % of peak",
        "  memory: 4.5 % of peak",
        "  L2 hits: 93.0 %",
        "  occupancy: 24.9 %",
        "  registers: 168 a thread",
        "  shared memory: 65536 bytes a block",
        "  waits for long scoreboard: 1.75 cycles an instruction",
    ]
    assert "no workload 'huge'" in refused
    assert [(b"PASSES = 4;" in source, workload) for source, workload in asked] == [
        (False, ""),
        (True, "huge"),
    ]


def test_a_task_on_the_cpu_has_no_profiles(tmp_path: Path, serve) -> None:
    _, server, _ = run(tmp_path, serve, [call("profile"), GIVE_UP])
    (refused,) = results(server)
    assert "kernels on a GPU" in refused
