"""What a card says of itself, and who else is on it.

Processes are real; those that "have the card open" hold a file of that name in a `/dev` of their
own. The driver's library is a stand-in where a test asks it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from without_gpu import HERE, needs, within

from avogit.processes import program

needs("pynvml")

import pynvml  # noqa: E402

from avogit.bench.gpu import nvml  # noqa: E402
from avogit.bench.gpu.nvml import Gpu, Reading, foreign, why_void  # noqa: E402

QUIET = Reading(
    sm_mhz=1980,
    memory_mhz=3201,
    power_w=120.0,
    temperature_c=40,
    reasons=0,
    power_cap_ns=5,
    hard_ns=7,
    settings=(700_000, 1980, 3201),
    users=(),
)
CAP = pynvml.nvmlClocksEventReasonSwPowerCap
IDLE = pynvml.nvmlClocksEventReasonGpuIdle
OPEN_CARD = """
mount -t tmpfs none /dev && touch /dev/nvidia0 && exec 3</dev/nvidia0 && exec "$@"
"""


@contextlib.contextmanager
def process(*command: str, fds: tuple[int, ...] = ()) -> Iterator[int]:
    with subprocess.Popen(command, pass_fds=fds, stderr=subprocess.DEVNULL) as running:
        try:
            yield running.pid
        finally:
            running.kill()


@contextlib.contextmanager
def on_the_card(*command: str, fds: tuple[int, ...] = ()) -> Iterator[int]:
    """A process that runs this command with a file open that is called as a card is."""
    unshare = ("unshare", "--user", "--map-root-user", "--mount")
    if shutil.which("unshare") is None:
        pytest.skip("no unshare, or it may make no namespaces")
    with process(*unshare, "sh", "-c", OPEN_CARD, "sh", *command, fds=fds) as pid:
        if not within(5, lambda: nvml._user_name(pid) not in ("", "sh")):
            pytest.skip("no unshare, or it may make no namespaces")
        yield pid


def test_nothing_voids_a_quiet_block() -> None:
    assert why_void(QUIET, QUIET, ()) == ""
    later = replace(QUIET, sm_mhz=345, power_w=690.0, temperature_c=80, memory_mhz=2619)
    assert why_void(QUIET, later, ()) == ""


def test_the_power_limit_alone_does_not() -> None:
    later = replace(QUIET, power_cap_ns=QUIET.power_cap_ns + 10**9, reasons=CAP | IDLE)
    assert why_void(QUIET, later, ()) == ""


@pytest.mark.parametrize(
    "reason",
    [
        pynvml.nvmlClocksThrottleReasonHwSlowdown,
        pynvml.nvmlClocksEventReasonSwThermalSlowdown,
        pynvml.nvmlClocksThrottleReasonHwThermalSlowdown,
        pynvml.nvmlClocksThrottleReasonHwPowerBrakeSlowdown,
    ],
)
def test_a_card_that_slows_itself_down_does(reason: int) -> None:
    slow = replace(QUIET, reasons=reason | CAP)
    for before, after in ((QUIET, slow), (slow, QUIET), (slow, slow)):
        assert "slowed itself down" in why_void(before, after, ())


def test_it_is_seen_between_two_readings_too() -> None:
    later = replace(QUIET, hard_ns=QUIET.hard_ns + 1)
    assert "slowed itself down" in why_void(QUIET, later, ())


@pytest.mark.parametrize("settings", [(600_000, 1980, 3201), (700_000, 1755, 3201)])
def test_changed_settings_do(settings: tuple[int, ...]) -> None:
    assert "were changed" in why_void(QUIET, replace(QUIET, settings=settings), ())
    assert why_void(*[replace(QUIET, settings=settings)] * 2, ()) == ""


def test_another_process_on_the_card_does() -> None:
    with on_the_card("sleep", "60") as pid:
        used = replace(QUIET, users=(pid,))
        assert foreign(used, ()) == [f"{pid} sleep"]
        assert why_void(QUIET, used, ()) == f"another process computes on the card: {pid} sleep"
        assert why_void(used, QUIET, ()) == ""  # it ended before
        assert why_void(QUIET, used, {pid}) == ""  # it is ours


def test_who_has_no_card_open_is_not_who_the_driver_means() -> None:
    """In a container the driver's ids name nothing here, or other processes."""
    with process("sleep", "60") as pid:
        assert foreign(replace(QUIET, users=(pid, os.getpid())), ()) == []
    assert foreign(replace(QUIET, users=(pid, 1 << 30)), ()) == []  # both are gone


def test_a_peers_launcher_is_idle_while_we_hold_the_lock() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    number = theirs.fileno()
    peer = program("avogit.bench.gpu.launcher", str(number), bare=False)
    with ours, theirs, on_the_card(*peer, fds=(number,)) as pid:
        assert nvml._user_name(pid)
        assert foreign(replace(QUIET, users=(pid,)), ()) == []
    with on_the_card(sys.executable, "-c", "import time; time.sleep(60)", "avogit") as pid:
        assert len(foreign(replace(QUIET, users=(pid,)), ())) == 1


FOUND = [Gpu("GPU-aaaa1111", "a", "1"), Gpu("GPU-aaaa2222", "b", "1"), Gpu("GPU-bbbb", "c", "1")]


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (None, "abc"),
        ("", ""),
        ("2", "c"),
        ("2,0", "ca"),
        ("GPU-bbbb", "c"),
        ("GPU-aaaa2,GPU-b", "bc"),
        ("-1", ""),
        ("0,-1,2", "a"),
        ("1,7,2", "b"),
        ("GPU-cccc,0", ""),
        ("GPU-aaaa,2", ""),
        ("NoDevFiles", ""),
    ],
)
def test_cards_are_those_that_cuda_may_see(wanted: str | None, names: str) -> None:
    """As CUDA reads it: what names no single card ends the list."""
    assert "".join(gpu.name for gpu in nvml._visible(FOUND, wanted)) == names


def test_fields_and_reasons_are_the_drivers() -> None:
    fields = {name: value for name, value in vars(pynvml).items() if "_FI_DEV_CLOCKS_EV" in name}
    hard = {value for name, value in fields.items() if "SLOWDOWN" in name}
    assert set(nvml._HARD.values()) == hard
    assert fields["NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_POWER_CAP"] == nvml._POWER_CAP


Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a library that says what the driver of three cards might."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++")
    built = tmp_path_factory.mktemp("nvml") / "libnvidia-ml.so.1"
    flags = ["-x", "c", "-Wall", "-Werror", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, HERE / "stand_in_nvml.c", "-o", built], check=True)
    return built.parent


@pytest.fixture
def ask(library: Path) -> Ask:
    """What an expression gives on a machine with three cards; as JSON, or an error's words."""

    def evaluate(expression: str, **environment: str) -> Any:
        code = f"import json, dataclasses\nfrom avogit.bench.gpu import nvml\n{expression}"
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "LD_LIBRARY_PATH": str(library), **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        return json.loads(done.stdout) if done.returncode == 0 else done.stderr

    return evaluate


LIKE = """
from avogit.bench.slot import gpus_like
print(json.dumps(gpus_like({!r})))
"""


def test_orders_go_to_the_cards_of_the_tasks_kind(ask: Ask) -> None:
    both = ["GPU-aaaa1111-0000", "GPU-aaaa2222-0000"]
    assert ask(LIKE.format("h200")) == both
    assert ask(LIKE.format("h200"), CUDA_VISIBLE_DEVICES="2,1") == both[1:]
    assert ask(LIKE.format("a100"), CUDA_VISIBLE_DEVICES="GPU-b") == ["GPU-bbbb3333-0000"]
    assert "no such GPU was found here" in ask(LIKE.format("a100"), CUDA_VISIBLE_DEVICES="0")
    assert "no such GPU was found here" in ask(LIKE.format("b200"))


READ = """
card = nvml.Card(nvml.gpus()[1].uuid)
print(json.dumps({**nvml.facts(card.read()), "cap": card.power_cap_ns()}))
"""


def test_a_card_is_read(ask: Ask) -> None:
    assert ask(READ, CARDS_USERS="7,3") == {
        "sm_mhz": 1755,
        "memory_mhz": 3201,
        "power_w": 123.456,
        "temperature_c": 41,
        "reasons": 4,
        "power_cap_ns": 74 * 10**9,
        "hard_ns": (269 + 270 + 271) * 10**9,
        "settings": [700_000, 1980, 3201],
        "users": [3, 7],
        "cap": 74 * 10**9,
    }


def test_what_a_card_does_not_count_is_nothing(ask: Ask) -> None:
    assert ask(READ, CARDS_FAIL="74")["cap"] == 0
    assert ask(READ, CARDS_FAIL="269")["hard_ns"] == (270 + 271) * 10**9


def test_without_a_driver_there_is_no_card(tmp_path: Path) -> None:
    (tmp_path / "libnvidia-ml.so.1").touch()  # what is there is no library
    code = "from avogit.bench.gpu import nvml; print(nvml.gpus())"
    environment = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "()\n"
