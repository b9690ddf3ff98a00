"""A bench that ssh reaches: measured there, ended there, and one line for all that can be wrong."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from loopback_sshd import Host, loopback_host
from test_kill import alive, descendants
from test_workers import running, until

from avogit.bench import ssh
from avogit.bench.device import CPU, any_device_lock
from avogit.bench.host import Ready
from avogit.bench.ssh import Reach, check
from avogit.bench.version import evaluator_version
from avogit.config import parse_config
from avogit.errors import AvogitError
from avogit.processor import processor_hash, processor_name

NOISY = 'ForceCommand echo "Welcome to the bench"; eval "$SSH_ORIGINAL_COMMAND"'
HERE = Ready(evaluator_version(), processor_hash(), processor_name(), True)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "host").mkdir()
    return tmp_path / "host"


@pytest.fixture
def host(place: Path) -> Iterator[Host]:
    with loopback_host(place) as found:
        yield found


def measure_on(repository: Path, bench: str) -> None:
    with (repository / "avogit.yaml").open("a") as file:
        file.write(bench)


def sessions(host: Host, word: str = "") -> list[int]:
    """What runs for those who are connected; a word of the command picks some."""
    assert host.process is not None
    found = []
    for pid in descendants(host.process.pid):
        with contextlib.suppress(OSError):
            if word.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def wait_for(host: Host, word: str, process: subprocess.Popen[bytes], count: int = 1) -> None:
    """Until so many such processes run there."""

    def there() -> bool:
        assert process.poll() is None, process.communicate()
        return len(sessions(host, word)) >= count

    until(there, 60)


def gone(pids: list[int]) -> None:
    """All end; on a busy machine one that still loads torch needs its time for it."""
    until(lambda: not any(alive(pid) for pid in pids), 30)


def cut(host: Host) -> list[int]:
    """The connections break; gives what had run over them."""
    found = sessions(host)
    for pid in sessions(host, "sshd"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return found


@contextlib.contextmanager
def device_held(host: Host) -> Iterator[None]:
    """Another avogit measures on the host: orders there wait."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("XDG_CACHE_HOME", str(host.cache))
        lock = any_device_lock(pytest.fail, (CPU,))
        lock.__enter__()
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def step(done: subprocess.CompletedProcess[str]) -> dict:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["step"]


def one_line(done: subprocess.CompletedProcess[str], words: str) -> None:
    assert done.returncode == 1, done.stderr
    assert words in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr


@pytest.mark.slow
def test_a_step_is_measured_there_past_a_chatty_shell_and_a_spoilt_cache(
    seeded: Path, place: Path, avogit
) -> None:
    with loopback_host(place, NOISY) as host:
        measure_on(seeded, host.bench())
        found = step(avogit(seeded, "step", "--json"))["evaluation"]
        assert found["verdict"] == "PASSED"
        assert found["device"] == processor_name()
        assert "no-new-privs" in found["sandbox"]
        assert (host.cache / "avogit" / "device-cpu.lock").exists(), "the lock is the host's"
        assert not (Path.home() / ".cache" / "avogit" / "device-cpu.lock").exists()
        gone(sessions(host))
        kept = [path for path in (host.cache / "avogit" / "bench").rglob("*") if path.is_file()]
        assert len(kept) > 100
        for path in kept:
            path.write_bytes(b"spoilt")
        assert step(avogit(seeded, "step", "--json"))["evaluation"]["verdict"] == "PASSED"
    assert avogit(seeded, "fsck").returncode == 0


@pytest.mark.slow
def test_kill_9_here_leaves_nothing_there(
    seeded: Path, host: Host, avogit, avogit_path: str
) -> None:
    measure_on(seeded, host.bench())
    with running(avogit_path, seeded, ["step"]) as process:
        wait_for(host, "bench.runner", process)
        there, here = sessions(host), descendants(process.pid)
        process.kill()
    gone([*there, *here])
    assert step(avogit(seeded, "step", "--json"))["resumed"]


@pytest.mark.slow
def test_a_connection_that_is_cut_in_an_order_is_made_again_once_and_nothing_is_lost(
    seeded: Path, host: Host, avogit, avogit_path: str
) -> None:
    measure_on(seeded, host.bench())
    with device_held(host), running(avogit_path, seeded, ["step"]) as process:
        for _ in range(2):
            wait_for(host, "bench.oracle", process)
            gone(cut(host))
        _, error = process.communicate(timeout=60)
    text = error.decode()
    assert process.returncode == 1, text
    assert "the connection to 127.0.0.1 ended twice" in text
    assert text.count("\n") == 1, text
    host.stop()
    one_line(avogit(seeded, "step"), "Connection refused")
    host.start()
    assert step(avogit(seeded, "step", "--json"))["resumed"]
    assert avogit(seeded, "fsck").returncode == 0


@pytest.mark.slow
def test_a_network_that_falls_silent_is_noticed(seeded: Path, host: Host, avogit_path: str) -> None:
    quick = [*host.options(), "ServerAliveInterval=1", "ServerAliveCountMax=1"]
    measure_on(seeded, host.bench(options=quick))
    with device_held(host), running(avogit_path, seeded, ["step"]) as process:
        wait_for(host, "bench.oracle", process)
        frozen = sessions(host, "sshd")
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        wait_for(host, "bench.oracle", process, 2)  # connected anew
        for pid in frozen:
            os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
def test_workers_share_one_connection(seeded: Path, host: Host, avogit) -> None:
    measure_on(seeded, host.bench())
    done = avogit(seeded, "run", "--workers", "2", "--steps", "2", "--no-confirm", "--json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["run"]["steps"]) == 2
    assert (host.folder / "log").read_text().count("Accepted publickey") == 1
    gone(sessions(host))


def nobody_there(host: Host) -> str:
    host.stop()
    return host.bench()


def unknown_key(host: Host) -> str:
    (host.folder / "known_hosts").write_text("")
    return host.bench()


def not_let_in(host: Host) -> str:
    (host.folder / "user.pub").write_text("")
    return host.bench()


def no_python(host: Host) -> str:
    return host.bench("/no/such/python")


def no_torch(host: Host) -> str:
    venv.create(host.folder / "bare", with_pip=False)
    return host.bench(f"{host.folder}/bare/bin/python")


def old_python(host: Host) -> str:
    return python_with(host, "sitecustomize", "import sys; sys.version_info = (3, 8, 1)\n")


def broken_torch(host: Host) -> str:
    return python_with(host, "torch", "raise SystemExit('no such luck')\n")


def python_with(host: Host, module: str, text: str) -> str:
    (host.folder / f"{module}.py").write_text(text)
    python = host.folder / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={host.folder} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return host.bench(str(python))


def no_place(host: Host) -> str:
    host.cache.write_text("no folder")
    return host.bench()


def no_place_for_a_task(host: Host) -> str:
    (host.cache / "avogit" / "bench").mkdir(parents=True)
    (host.cache / "avogit" / "bench" / "task").write_text("no folder")
    return host.bench()


WRONG: tuple[tuple[Callable[[Host], str], str], ...] = (
    (nobody_there, "Connection refused; `ssh 127.0.0.1` must work here without a question"),
    (unknown_key, "Host key verification failed"),
    (not_let_in, "Permission denied"),
    (no_python, "there is no /no/such/python there; name a Python with torch"),
    (no_torch, "has no torch there; install it, or name a Python that has it"),
    (old_python, "avogit needs 3.10 or later"),
    (broken_torch, "on 127.0.0.1: measuring kernels/polynomial: the oracle ended twice (no such"),
    (no_place, "cannot keep avogit's files in"),
    (no_place_for_a_task, "ended twice (cannot keep avogit's files in"),
)


def test_doctor_asks_the_host(polynomial: Path, host: Host, avogit) -> None:
    measure_on(polynomial, host.bench())
    done = avogit(polynomial, "doctor")
    assert f"bench: 127.0.0.1, with torch, on {processor_name()}" in done.stdout
    host.stop()
    done = avogit(polynomial, "doctor")
    assert done.returncode == 1
    assert "the bench that avogit.yaml names does not work" in done.stdout
    assert "Connection refused" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("wrong", "words"), WRONG, ids=lambda v: getattr(v, "__name__", ""))
def test_what_is_wrong_is_one_line(polynomial: Path, host: Host, avogit, wrong, words) -> None:
    measure_on(polynomial, wrong(host))
    one_line(avogit(polynomial, "seed"), words)


@pytest.mark.slow
def test_a_host_that_never_answers_is_given_up(polynomial: Path, host: Host, avogit) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        options = [f"Port={silent.getsockname()[1]}", "ConnectTimeout=1", *host.options()]
        measure_on(polynomial, host.bench(options=options))
        one_line(avogit(polynomial, "seed"), "127.0.0.1")


def test_a_login_that_hangs_is_given_up(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "_READY_S", 1)
    with loopback_host(place, "ForceCommand sleep 60") as host:
        reach = Reach("127.0.0.1", sys.executable, tuple(host.options()))
        with pytest.raises(AvogitError, match="no answer within 1 s"):
            ssh.ask_host(reach, "")
        for pid in sessions(host):
            with contextlib.suppress(ProcessLookupError):  # it is ending by itself
                os.kill(pid, signal.SIGKILL)


def test_a_far_end_that_hears_nobody_ends() -> None:
    code = (
        "import sys; from avogit.bench import delivery as d; d.SILENCE_S = 1; print('x', flush=1)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", f"{code}; d.hear(sys.stdin.buffer, 4)"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        assert process.wait(timeout=10) == -signal.SIGALRM


def test_kernels_for_another_processor_or_by_other_code_are_not_measured() -> None:
    reach = Reach("gpu-host", "python3")
    check(reach, HERE, "")
    other = replace(HERE, processor="0" * 64, processor_name="Another Processor")
    check(reach, other, "h200")
    with pytest.raises(AvogitError, match=r"gpu-host: it has another .*Another Processor"):
        check(reach, other, "")
    with pytest.raises(AvogitError, match="not those that were sent"):
        check(reach, replace(HERE, evaluator="sha256:0"), "")


@pytest.mark.parametrize("name", ["-oProxyCommand=true", "two words"])
def test_a_host_is_a_name_and_no_option(name: str) -> None:
    with pytest.raises(AvogitError, match=r"`bench\.ssh` must be a host's name"):
        parse_config(f"task: t\nbench: {{ssh: '{name}'}}\n", "avogit.yaml")
