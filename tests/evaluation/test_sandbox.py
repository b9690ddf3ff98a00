"""The sandbox, attacked; and its parts, alone."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from avogit import sandbox
from avogit.sandbox import Confinement, Layers, breakout, confined, landlock, seccomp

NOTHING = Layers(namespaces=False, landlock=False, seccomp=False)
WITH_AND_WITHOUT = pytest.mark.parametrize("bubblewrap", [True, False])


def test_probe_names_what_is_in_force_and_finds_no_way_out() -> None:
    report = sandbox.probe()
    assert report.problems == ()
    assert report.certified
    assert {"limits", "no-new-privs"} <= set(report.layers)
    assert ("seccomp" in report.layers) == seccomp.supported()
    assert any(layer == f"landlock:{landlock.version()}" for layer in report.layers)


@pytest.fixture
def target():
    with tempfile.TemporaryDirectory() as folder, breakout._target(folder) as found:
        yield found


@pytest.mark.parametrize(
    "attack",
    [
        breakout.write_a_file,
        breakout.write_a_temporary_file,
        breakout.read_a_secret,
        breakout.signal_a_process,
        breakout.start_a_process,
        breakout.become_a_program,
        breakout.connect_to_tcp,
        breakout.connect_to_a_socket,
        breakout.share_memory,
    ],
    ids=lambda attack: attack.__name__,
)
def test_attack_works_only_where_no_layer_is_in_its_way(attack, target) -> None:
    assert breakout.succeeds(attack, target, NOTHING)
    assert not breakout.succeeds(attack, target, Layers())


def test_no_single_layer_stops_everything(target) -> None:
    for layers in (Layers(False, True, False), Layers(False, False, True)):
        assert any(breakout.succeeds(attack, target, layers) for attack in breakout.ATTACKS)


def run(script: str, how: Confinement) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        confined(["sh", "-c", script], how), capture_output=True, text=True, check=False, env={}
    )


def confinement(folder: Path, bubblewrap: bool, **more: object) -> Confinement:
    if bubblewrap and not sandbox.bubblewrap_works():
        pytest.skip("no bubblewrap here")
    work = folder / "work"
    work.mkdir()
    env = {"PATH": "/usr/bin:/bin"}
    return Confinement(work=str(work), env=env, bubblewrap=bubblewrap, **more)


@WITH_AND_WITHOUT
def test_confined_program_has_its_work_folder_and_no_other(
    tmp_path: Path, bubblewrap: bool
) -> None:
    how = confinement(tmp_path, bubblewrap)
    (tmp_path / "secret").write_text("the secret")
    done = run(f"echo made > here; cat {tmp_path}/secret; echo x > {tmp_path}/there; pwd", how)
    assert Path(how.work, "here").read_text() == "made\n"
    assert "the secret" not in done.stdout
    assert not (tmp_path / "there").exists()
    assert done.stdout.splitlines()[-1] == how.work


@WITH_AND_WITHOUT
def test_confined_program_has_no_network_no_environment_and_its_own_status(
    tmp_path: Path, bubblewrap: bool
) -> None:
    how = confinement(tmp_path, bubblewrap)
    done = run("env | cut -d= -f1 | sort | tr '\\n' ' '; exit 7", how)
    assert done.returncode == 7
    assert set(done.stdout.split()) <= {"PATH", "PWD", "SHLVL", "_", "OLDPWD"}


@WITH_AND_WITHOUT
def test_confined_program_dies_with_the_one_that_started_it(
    tmp_path: Path, bubblewrap: bool, descendants, gone
) -> None:
    how = confinement(tmp_path, bubblewrap)
    child = subprocess.Popen(confined(["sh", "-c", "touch started; sleep 60; true"], how), env={})
    deadline = time.monotonic() + 10
    while not Path(how.work, "started").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    below = descendants(child.pid)
    assert below
    child.kill()
    child.wait()
    assert gone(below)


def test_limits_hold(tmp_path: Path) -> None:
    how = confinement(tmp_path, False, limits=sandbox.Limits(file_bytes=1 << 20))
    done = run("head -c 5000000 /dev/zero > big; echo $?", how)
    assert done.stdout.strip() != "0"
    assert Path(how.work, "big").stat().st_size <= 1 << 20


def test_missing_program_is_said_in_one_line(tmp_path: Path) -> None:
    how = confinement(tmp_path, False)
    done = subprocess.run(
        confined(["no-such-program"], how), capture_output=True, text=True, check=False, env={}
    )
    assert done.returncode == 127
    assert done.stderr == "cannot run no-such-program: No such file or directory\n"


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler's headers")
def test_numbers_of_system_calls_are_this_machines() -> None:
    source = "#include <sys/syscall.h>\n"
    command = ["gcc", "-E", "-dM", "-xc", "-"]
    done = subprocess.run(command, input=source, capture_output=True, text=True, check=True)
    theirs = {name: int(n) for name, n in re.findall(r"__NR_(\w+) (\d+)$", done.stdout, re.M)}
    ours = seccomp._numbers()
    assert {n: ours[n] for n in ours if n in theirs} == {n: theirs[n] for n in ours if n in theirs}
    assert len(set(ours) & set(theirs)) > 100
