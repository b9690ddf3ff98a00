"""Which GPU: locks that processes share, one a device, and the first that is free of many."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from avogit.bench.device import CPU, any_device_lock

GPUS = ("GPU-11111111-aaaa", "GPU-22222222-bbbb", "GPU-33333333-cccc")
HOLD = """
import sys
from avogit.bench.device import any_device_lock
say = lambda text: print(text, flush=True)
with any_device_lock(say, sys.argv[1:]) as key:
    say(f"has {key}")
    sys.stdin.read()
"""


@contextmanager
def another(*keys: str) -> Iterator[subprocess.Popen[str]]:
    """A process that holds one of these devices until its input ends."""
    command = [sys.executable, "-c", HOLD, *keys]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def says(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def has(process: subprocess.Popen[str]) -> str:
    """What it got in the end."""
    return next(text for _ in range(9) if (text := says(process)).startswith("has "))[4:]


def lets_go(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=10)


def test_each_process_gets_a_gpu_of_its_own_and_the_next_waits_for_the_first_that_frees() -> None:
    with ExitStack() as stack:
        holders = []
        for gpu in GPUS:
            holders.append(stack.enter_context(another(*GPUS)))
            assert says(holders[-1]) == f"has {gpu}"
        late = stack.enter_context(another(*GPUS))
        assert says(late) == "waiting: another measurement has the device"
        lets_go(holders[1])
        assert says(late) == f"has {GPUS[1]}"


def test_a_gpu_is_no_other_gpu_and_no_cpu() -> None:
    with another(GPUS[0]) as holder:
        assert says(holder) == f"has {GPUS[0]}"
        said: list[str] = []
        with any_device_lock(said.append, (CPU,)), any_device_lock(said.append, GPUS[1:2]):
            assert said == []


def test_a_dead_holder_frees_its_gpu() -> None:
    with another(*GPUS[:1]) as holder:
        assert says(holder) == f"has {GPUS[0]}"
        holder.kill()
        holder.wait()
        with any_device_lock(pytest.fail, GPUS) as key:
            assert key == GPUS[0]


def test_who_waits_for_any_is_before_who_comes_later_for_one() -> None:
    two = GPUS[:2]
    with another(two[0]) as first, another(two[1]) as second:
        assert {says(first), says(second)} == {f"has {gpu}" for gpu in two}
        with another(*two) as early:
            assert says(early).startswith("waiting")
            time.sleep(0.2)  # it has been at both gates
            with another(two[0]) as late:
                assert says(late).startswith("waiting")
                lets_go(first)
                assert says(early) == f"has {two[0]}"
                lets_go(early)
                assert has(late) == two[0]
