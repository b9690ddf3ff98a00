"""The `command` operator runs real programs."""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from operator_samples import KERNEL, sample_context, seeded

from avogit.config import Command, Config
from avogit.errors import AvogitError
from avogit.operators import NoProposal, load_operator
from avogit.records import Proposal


def run(tmp_path: Path, program: str, **settings: Any) -> Proposal | NoProposal:
    """One step in which Python runs `program`."""
    settings = {"timeout_s": 20.0, "env": "SOME_AGENT_*", **settings}
    config = Config("kernels/twice", command=Command(**settings))
    command = shlex.join([sys.executable, "-c", program])
    context = sample_context(tmp_path, seeded(), config=config, command=command)
    return load_operator("command")(context)


def proposed(tmp_path: Path, program: str, **settings: Any) -> Proposal:
    found = run(tmp_path, program, **settings)
    assert isinstance(found, Proposal), found
    return found


def refused(tmp_path: Path, program: str, **settings: Any) -> NoProposal:
    found = run(tmp_path, program, **settings)
    assert isinstance(found, NoProposal), found
    return found


EDIT = """
import pathlib
kernel = pathlib.Path("kernel.cpp")
kernel.write_text(kernel.read_text().replace("PASSES = 8", "PASSES = 4"))
"""


def alive(pid: int) -> bool:
    """Whether a process runs (one that is dead and waits for its parent does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_an_edit_is_a_proposal(tmp_path: Path) -> None:
    found = proposed(tmp_path, EDIT)
    assert found.files == {"kernel.cpp": KERNEL.replace(b"PASSES = 8", b"PASSES = 4")}
    assert found.subject == f"{Path(sys.executable).name} edits kernel.cpp"
    assert found.violations == ()


def test_the_program_may_leave_a_message(tmp_path: Path) -> None:
    message = "Halve the passes\n\nFewer are faster.\n"
    write = f"pathlib.Path('AVOGIT_MESSAGE.txt').write_text({message!r})"
    found = proposed(tmp_path, EDIT + write)
    assert (found.subject, found.body) == ("Halve the passes", "Fewer are faster.")


def test_the_program_is_told_all_it_needs(tmp_path: Path) -> None:
    found = proposed(tmp_path, EDIT + 'print(open("AVOGIT.md").read())')
    text = found.attachments["transcript.txt"].decode()
    for needed in ("doubles every number", "kernel.cpp", "problem.py", "1.0000 [0.9950, 1.0050]",
                   "large: n=4096", "AVOGIT_MESSAGE.txt", "-O2"):  # fmt: skip
        assert needed in text
    assert "Undefined" not in text


def test_knowledge_is_there_to_read(tmp_path: Path) -> None:
    found = proposed(tmp_path, EDIT + 'print(open("knowledge/notes.md").read())')
    assert b"Fewer passes are faster." in found.attachments["transcript.txt"]


def test_changes_beyond_editable_files_are_named(tmp_path: Path) -> None:
    program = """
import os, pathlib, subprocess
os.chmod("problem.py", 0o600)
pathlib.Path("problem.py").write_text("reference = None")
pathlib.Path("a.out").write_bytes(b"")
os.chmod("AVOGIT.md", 0o600)
pathlib.Path("AVOGIT.md").unlink()
os.unlink("kernel.cpp")
os.symlink("/etc/passwd", "kernel.cpp")
subprocess.run(["git", "init", "-q"], check=True)
"""
    assert proposed(tmp_path, program).violations == (
        "file-deleted: AVOGIT.md",
        "file-outside-editable: a.out",
        "protected-file-changed: problem.py",
        "symlink: kernel.cpp",
    )


def test_no_change(tmp_path: Path) -> None:
    assert refused(tmp_path, "print('nothing to do')").outcome == "no-change"


def test_a_failing_program_says_why(tmp_path: Path) -> None:
    found = refused(tmp_path, EDIT + "import sys; print('no credit left'); sys.exit(3)")
    assert found.outcome == "command-failed"
    assert "exit status 3" in found.detail
    assert "no credit left" in found.detail
    assert b"no credit left" in found.attachments["transcript.txt"]


def test_a_program_that_never_ends_is_stopped_with_all_it_started(tmp_path: Path) -> None:
    program = """
import os, subprocess, sys, time
child = subprocess.Popen(["sleep", "300"])
print(os.getpid(), child.pid, flush=True)
time.sleep(300)
"""
    started = time.monotonic()
    found = refused(tmp_path, program, timeout_s=0.8, sandbox=False)
    assert found.outcome == "timeout"
    assert time.monotonic() - started < 5
    pids = [int(word) for word in found.attachments["transcript.txt"].split()]
    assert len(pids) == 2
    assert not any(alive(pid) for pid in pids)


@pytest.mark.skipif(not Path("/proc").exists(), reason="found through /proc")
def test_processes_left_behind_are_killed_even_in_another_session(tmp_path: Path) -> None:
    program = """
import os, subprocess, sys
first = subprocess.Popen(["sleep", "300"])
second = subprocess.Popen(["sleep", "300"], start_new_session=True)
print(first.pid, second.pid, flush=True)
"""
    started = time.monotonic()
    found = proposed(tmp_path, EDIT + program, sandbox=False)
    assert time.monotonic() - started < 5
    pids = [int(word) for word in found.attachments["transcript.txt"].split()]
    assert len(pids) == 2
    assert not any(alive(pid) for pid in pids)


def test_processes_left_behind_are_killed_even_with_another_environment(tmp_path: Path) -> None:
    """A large one takes a moment to die: the step waits until it is gone."""
    program = """
import subprocess, sys
large = "import time; held = b'x' * (256 << 20); print('.', flush=True); time.sleep(300)"
child = subprocess.Popen([sys.executable, "-c", large], env={}, stdout=subprocess.PIPE)
child.stdout.read(1)
print(child.pid, flush=True)
"""
    found = proposed(tmp_path, EDIT + program, sandbox=False)
    assert not alive(int(found.attachments["transcript.txt"]))


def test_a_program_that_closes_its_output_is_still_waited_for(tmp_path: Path) -> None:
    program = "import os, time; os.close(1); os.close(2); time.sleep(0.3)\n" + EDIT
    assert b"PASSES = 4" in proposed(tmp_path, program).files["kernel.cpp"]


def test_output_is_bounded_and_says_what_was_cut(tmp_path: Path) -> None:
    program = EDIT + "print('first')\nfor _ in range(200): print('x' * 10000)\nprint('last')"
    text = proposed(tmp_path, program).attachments["transcript.txt"]
    assert len(text) < 300_000
    assert text.startswith(b"first")
    assert text.rstrip().endswith(b"last")
    assert b"bytes cut here" in text


def test_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Declared keys reach the program; others, a hook's variables and our repository do not."""
    monkeypatch.setenv("SOME_AGENT_API_KEY", "planted-key-1234567")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "user" / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", "index.lock")
    monkeypatch.setenv("ANOTHER_API_KEY", "not-declared-1234567")
    program = """
import os
assert os.environ["SOME_AGENT_API_KEY"].startswith("planted")
assert "ANOTHER_API_KEY" not in os.environ
print(sorted(n for n in os.environ if n.startswith("GIT_")), os.environ["TMPDIR"])
"""
    found = proposed(tmp_path, EDIT + program)
    assert found.attachments["transcript.txt"].decode().split("\n")[0] == (
        f"['GIT_CEILING_DIRECTORIES', 'GIT_CONFIG_NOSYSTEM'] {tmp_path / 'tmp'}"
    )


def test_git_in_the_workspace_finds_no_repository_around_it(tmp_path: Path, git: object) -> None:
    assert callable(git)
    git(tmp_path, "init", "-q")
    work = tmp_path / "work"
    work.mkdir()
    program = "import subprocess; print(subprocess.run(['git', 'status']).returncode, flush=True)"
    found = proposed(work, EDIT + program)
    assert found.attachments["transcript.txt"].decode().split()[-1] == "128"


def test_planted_keys_do_not_reach_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_AGENT_API_KEY", "planted-key-1234567")
    program = """
import os
key = os.environ["SOME_AGENT_API_KEY"]
print("using", key)
pathlib.Path("AVOGIT_MESSAGE.txt").write_text(f"Use {key}\\n\\nand {key}\\n")
"""
    found = proposed(tmp_path, EDIT + program)
    kept = repr((found.subject, found.body, found.attachments))
    assert "planted" not in kept
    assert kept.count("[redacted SOME_AGENT_API_KEY]") == 3


@pytest.mark.parametrize(
    ("command", "message"),
    [("", "needs a program"), ("no-such-program-here x", "cannot start"), ("a 'b", "cannot split")],
)
def test_what_the_user_must_correct(tmp_path: Path, command: str, message: str) -> None:
    with pytest.raises(AvogitError, match=message) as caught:
        load_operator("command")(sample_context(tmp_path, seeded(), command=command))
    assert "\n" not in str(caught.value)


def test_the_workspace_lies_below_the_step_s_own_folder(tmp_path: Path) -> None:
    found = proposed(tmp_path, EDIT + "import os; print(os.getcwd())")
    where = found.attachments["transcript.txt"].decode().strip()
    assert where == os.path.realpath(tmp_path / "workspace")
