"""The `avogit` inside a workspace: what an agent of any make can ask the step, and hand in."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from operator_samples import KERNEL, CompilingJudge, sample_context, seeded

from avogit.config import Command, Config
from avogit.door import parse
from avogit.operators import NoProposal, load_operator, process
from avogit.operators.command.presets import PRESETS, choose, environment, filled
from avogit.operators.command.usage import usage_told
from avogit.processes import program
from avogit.records import Evaluation, Proposal, Usage, Verdict

PASSES = "sed -i 's/PASSES = [0-9]*/PASSES = {}/' kernel.cpp\n"
BREAK = "sed -i 's/PASSES = [0-9]*/PASSES = /' kernel.cpp\n"


@pytest.fixture
def judge(tmp_path: Path) -> CompilingJudge:
    folder = tmp_path / "judged"
    folder.mkdir()
    return CompilingJudge(folder, seeded())


def run(
    tmp_path: Path, judge: CompilingJudge, script: str, **settings: Any
) -> Proposal | NoProposal:
    """One step of a shell script."""
    workdir = tmp_path / "work"
    workdir.mkdir()
    config = Config("kernels/twice", command=Command(**{"timeout_s": 20.0, **settings}))
    command = shlex.join(["sh", "-c", script])
    context = sample_context(workdir, judge.history, config=config, command=command, evaluate=judge)
    return load_operator("command")(context)


def transcript(found: Proposal | NoProposal) -> str:
    return found.attachments["transcript.txt"].decode()


def test_plan_evaluate_repair_and_submit(tmp_path: Path, judge: CompilingJudge) -> None:
    script = (
        "avogit plan 'fewer passes' --expect 300\n"
        + BREAK
        + "avogit evaluate -m broken; echo status $?\n"
        + PASSES.format(2)
        + "avogit evaluate -m 'two passes' --full; echo status $?\n"
        + "avogit submit -m 'Two passes' --why 'Six were idle.'\n"
        + "avogit evaluate; echo status $?\n"
        + PASSES.format(4)
        + "exit 7\n"
    )
    found = run(tmp_path, judge, script)
    assert isinstance(found, Proposal), found
    assert found.files == {"kernel.cpp": KERNEL.replace(b"PASSES = 8", b"PASSES = 2")}
    assert (found.subject, found.body, found.violations) == ("Two passes", "Six were idle.", ())
    assert found.plan is not None
    assert (found.plan.hypothesis, found.plan.expected_gain_pct) == ("fewer passes", 300)
    verdicts = [(subject, verdict) for subject, _, _, verdict in judge.calls]
    assert verdicts == [("broken", Verdict.COMPILE_ERROR), ("two passes", Verdict.PASSED)]
    said = transcript(found)
    statuses = [line for line in said.splitlines() if line.startswith("status")]
    assert statuses == ["status 1", "status 0", "status 1"]
    assert "the step is over" in said


def test_the_lineage_and_knowledge_are_there_to_read(tmp_path: Path, judge: CompilingJudge) -> None:
    script = (
        "avogit lineage --best -n 5; avogit show seed; avogit knowledge knowledge/notes.md\n"
        "avogit file kernel.cpp --at seed | grep -c PASSES\n"
        + PASSES.format(4)
        + "avogit diff parent workspace; avogit show nosuchrev; avogit --help >/dev/null\n"
    )
    said = transcript(run(tmp_path, judge, script))
    for text in ("[1 of 1 candidates]", "score: 1.0000", "Fewer passes are faster.",
                 "+constexpr int PASSES = 4;", "is no candidate of this lineage"):  # fmt: skip
        assert text in said


def test_evaluations_are_bounded_in_number(tmp_path: Path, judge: CompilingJudge) -> None:
    script = "".join(PASSES.format(n) + "avogit evaluate\n" for n in (4, 4, 2, 1))
    said = transcript(run(tmp_path, judge, script, max_evaluations=2))
    assert len(judge.calls) == 2
    assert "no evaluations are left" in said


def test_evaluations_are_bounded_in_time(tmp_path: Path, judge: CompilingJudge) -> None:
    said = transcript(run(tmp_path, judge, PASSES.format(4) + "avogit evaluate", evaluation_s=0.0))
    assert (judge.calls, "are used up" in said) == ([], True)


def test_a_workspace_that_is_spoilt_while_it_is_evaluated(
    tmp_path: Path, judge: CompilingJudge
) -> None:
    def spoiling(*arguments: Any, **named: Any) -> Any:
        (tmp_path / "work" / "workspace" / "planted.txt").write_text("meanwhile")
        return judge(*arguments, **named)

    workdir = tmp_path / "work"
    workdir.mkdir()
    command = shlex.join(["sh", "-c", f"{PASSES.format(4)} avogit evaluate; rm planted.txt"])
    context = sample_context(workdir, judge.history, command=command, evaluate=spoiling)
    found = load_operator("command")(context)
    assert isinstance(found, Proposal)
    assert found.violations == ()
    assert "file-outside-editable: planted.txt" in transcript(found)


def test_what_a_busy_machine_could_not_time_may_be_submitted(
    tmp_path: Path, judge: CompilingJudge
) -> None:
    def busy(*arguments: Any, **named: Any) -> Evaluation:
        return Evaluation(Verdict.UNMEASURED, "0" * 40, reason="too-noisy")

    workdir = tmp_path / "work"
    workdir.mkdir()
    script = f"{PASSES.format(4)} avogit evaluate && avogit submit -m 'Four passes'"
    command = shlex.join(["sh", "-c", script])
    context = sample_context(workdir, judge.history, command=command, evaluate=busy)
    found = load_operator("command")(context)
    assert isinstance(found, Proposal)
    assert found.subject == "Four passes"


def test_giving_up(tmp_path: Path, judge: CompilingJudge) -> None:
    found = run(tmp_path, judge, "avogit give-up 'no idea'\n" + PASSES.format(4))
    assert isinstance(found, NoProposal)
    assert (found.outcome, found.detail) == ("gave-up", "no idea")


@pytest.mark.parametrize("end", ["exit 3", "sleep 300"])
def test_an_agent_that_ends_badly_still_hands_in_its_best_draft(
    tmp_path: Path, judge: CompilingJudge, end: str
) -> None:
    script = PASSES.format(4) + "avogit evaluate -m 'four'\n" + PASSES.format(9) + end
    found = run(tmp_path, judge, script, timeout_s=2.0)
    assert isinstance(found, Proposal), found
    assert found.files["kernel.cpp"] == KERNEL.replace(b"PASSES = 8", b"PASSES = 4")
    assert found.subject == "four"
    assert "Not handed in by the agent" in found.body


def test_an_agent_that_goes_on_after_its_end_is_stopped(
    tmp_path: Path, judge: CompilingJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_GRACE_S", 0.3)
    found = run(tmp_path, judge, PASSES.format(4) + "avogit submit -m done; sleep 300")
    assert isinstance(found, Proposal)
    assert json.loads(found.attachments["program.json"])["stopped"] == "done"


def test_an_agent_that_commits_by_itself(tmp_path: Path, judge: CompilingJudge) -> None:
    """Its repository is its own affair: the files are taken, and nothing of `.git` is read."""
    script = (
        "git init -q . && git add -A && git -c user.name=a -c user.email=a@b commit -qm before\n"
        + PASSES.format(4)
        + "git -c user.name=a -c user.email=a@b commit -qam 'Four passes'\n"
    )
    found = run(tmp_path, judge, script)
    assert isinstance(found, Proposal), found
    assert found.violations == ()
    assert found.files["kernel.cpp"] == KERNEL.replace(b"PASSES = 8", b"PASSES = 4")


def test_a_plan_in_a_file(tmp_path: Path, judge: CompilingJudge) -> None:
    document = json.dumps({"hypothesis": "fewer", "expected_gain_pct": 5})
    found = run(tmp_path, judge, f"echo {shlex.quote(document)} > AVOGIT_PLAN.json\n"
                + PASSES.format(4))  # fmt: skip
    assert isinstance(found, Proposal)
    assert found.plan is not None
    assert (found.plan.hypothesis, found.plan.expected_gain_pct) == ("fewer", 5)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"hypothesis": 3}', '{"expected_gain_pct": 1}', "[" * 8000]
)
def test_a_plan_that_makes_no_sense_is_none(
    tmp_path: Path, judge: CompilingJudge, text: str
) -> None:
    script = f"echo {shlex.quote(text)} > AVOGIT_PLAN.json\n" + PASSES.format(4)
    found = run(tmp_path, judge, script)
    assert isinstance(found, Proposal)
    assert found.plan is None


def test_nonsense_at_the_door_harms_nobody(tmp_path: Path, judge: CompilingJudge) -> None:
    """No request, half a line, an endless line, far too many connections: then it still works."""
    visitor = """
import os, socket
os.chdir(os.environ["AVOGIT_DOOR"])
def connect():
    client = socket.socket(socket.AF_UNIX)
    client.connect("door")
    return client
held = [connect() for _ in range(5)]
for text in (b"", b"{}\\n", b"[1]\\n", b"\\xff\\n", b'{"tool": "nosuch", "arguments": {}}\\n',
             b'{"tool": "evaluate", "arguments": 3}\\n', b"x" * 200_000):
    with connect() as client:
        try:
            client.sendall(text)
            client.shutdown(socket.SHUT_WR)
            print(client.recv(100))
        except OSError:
            print("closed")
"""
    script = (
        f"{sys.executable} -c {shlex.quote(visitor)}\n"
        + PASSES.format(4)
        + "avogit evaluate && avogit submit -m fine\n"
    )
    found = run(tmp_path, judge, script, read=sys.prefix + " " + sys.base_prefix)
    assert isinstance(found, Proposal), transcript(found)
    assert found.subject == "fine"
    assert len(judge.calls) == 1


def test_a_secret_in_a_file_is_never_committed(
    tmp_path: Path, judge: CompilingJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "planted-key-1234567")
    script = 'echo "// $SOME_API_KEY" >> kernel.cpp; avogit evaluate; avogit submit -m x; true\n'
    found = run(tmp_path, judge, script, env="SOME_*")
    assert isinstance(found, NoProposal)
    assert (found.outcome, judge.calls) == ("secret-in-files", [])
    assert "SOME_API_KEY" in found.detail
    assert "planted" not in repr(found)


def test_a_program_installed_in_a_folder_of_its_own(tmp_path: Path, judge: CompilingJudge) -> None:
    """As pip and npm install them: a script that names its interpreter, which is a link."""
    home = tmp_path / "venv"
    (home / "bin").mkdir(parents=True)
    (home / "pyvenv.cfg").write_text(f"home = {Path(sys.base_prefix) / 'bin'}\n")
    (home / "bin" / "python3").symlink_to(os.path.realpath(sys.executable))
    (home / "bin" / "python").symlink_to("python3")
    (home / "secret.txt").write_text("found")
    tool = home / "bin" / "tool"
    tool.write_text(f"#!{home}/bin/python\nimport sys; print(sys.prefix, open(sys.argv[1]).read())")
    tool.chmod(0o755)
    command = f"{tool} {home}/secret.txt"
    workdir = tmp_path / "work"
    workdir.mkdir()
    context = sample_context(workdir, judge.history, command=command)
    found = load_operator("command")(context)
    assert transcript(found).split() == [str(home), "found"]


def test_a_program_named_from_where_the_user_stands(
    tmp_path: Path, judge: CompilingJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "tool.sh"
    tool.write_text("#!/bin/sh\necho stood in $PWD\n")
    tool.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    workdir = tmp_path / "work"
    workdir.mkdir()
    context = sample_context(workdir, judge.history, command="./tool.sh")
    found = load_operator("command")(context)
    assert transcript(found).strip() == f"stood in {workdir}/workspace"


def test_the_door_s_words() -> None:
    assert parse(["evaluate"]) == ("evaluate", {"subject": "a draft"})
    assert parse(["submit", "-m", "x"]) == ("submit", {"subject": "x", "why": ""})
    assert parse(["diff", "a", "b"]) == ("lineage_diff", {"from": "a", "to": "b"})
    assert parse(["evaluate", "--full"])[1]["sample"] == "full"
    assert parse(["plan", "x", "--kind", "memory"])[1] == {"hypothesis": "x", "kind": "memory"}
    assert parse(["lineage"]) == ("lineage_log", {})


def test_presets_are_chosen_by_name_and_by_program() -> None:
    words, preset = choose("claude")
    assert (words, preset) == (PRESETS["claude"].words, PRESETS["claude"])
    words, preset = choose("/opt/bin/codex exec {prompt}")
    assert preset is PRESETS["codex"]
    assert filled(words, ["k.cpp"])[:2] == ["/opt/bin/codex", "exec"]
    assert "AVOGIT.md" in filled(words, [])[2]
    assert filled(choose("aider")[0], ["a.cpp", "b.h"])[-2:] == ["a.cpp", "b.h"]
    assert choose("my-agent --x")[1].env == ()


def test_a_preset_gets_the_keys_that_it_declares() -> None:
    mine = {"PATH": "/bin", "ANTHROPIC_API_KEY": "a", "OPENAI_API_KEY": "b", "AWS_SECRET": "c"}
    assert set(environment(mine, PRESETS["claude"], "")) == {"PATH", "ANTHROPIC_API_KEY"}
    assert set(environment(mine, PRESETS["codex"], "AWS_*")) == {
        "PATH", "OPENAI_API_KEY", "AWS_SECRET"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("printed", "usage"),
    [
        ("no tokens here\n{\n", None),
        ('{"type": "result", "usage": {"input_tokens": 3, "cache_read_input_tokens": 4, '
         '"output_tokens": 5}, "modelUsage": {"m-1": {}}}', Usage("m-1", 7, 5, 4)),
        ('{"usage": {"input_tokens": 1, "output_tokens": 2}}\nnoise\n'
         '{"usage": {"input_tokens": 10, "output_tokens": -20}}', Usage("", 11, 2)),
        ('{"usage": {"input_tokens": "many"}}', Usage("", 0, 0)),
        ('{"usage": 3}', None),
        ('{"type": "step_finish", "part": {"tokens": {"input": 100, "output": 10, "reasoning": 3, '
         '"cache": {"read": 7, "write": 5}}}}', Usage("", 112, 13, 7)),
        ('{"part": {"tokens": 3}}\n{"part": ["tokens"]}', None),
    ],
)  # fmt: skip
def test_tokens_are_taken_where_a_program_tells_them(printed: str, usage: Usage | None) -> None:
    assert usage_told(printed) == usage


def test_a_door_that_nobody_serves_is_one_line(tmp_path: Path) -> None:
    words = [*program("avogit.door", bare=True), "evaluate"]
    done = subprocess.run(
        words, capture_output=True, text=True, env={"AVOGIT_DOOR": str(tmp_path)}, check=False
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
