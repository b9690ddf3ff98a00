"""On which device an order is carried out, and when its oracle starts. The locks are real."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from avogit.bench import slot as slot_module
from avogit.bench.client import OracleDied
from avogit.bench.device import CPU, any_device_lock, free_device_lock
from avogit.bench.protocol import Order, Report, TaskSpec
from avogit.bench.slot import DeviceSlot
from avogit.errors import AvogitError

GPUS = ("GPU-11111111-aaaa", "GPU-22222222-bbbb")
ORDER, REPORT = cast("Order", object()), cast("Report", object())


class Machine:
    """Two GPUs of a kind, and the processor; it remembers what was started and done where."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.held: list[set[str]] = []  # of each start: the devices that were held then
        self.judged: list[str] = []
        self.starters: list[threading.Thread] = []
        self.dying = 0

    def slot(self, device: str = "h100") -> DeviceSlot:
        spec = cast("TaskSpec", SimpleNamespace(device=device))
        return DeviceSlot("attention", lambda: spec)

    def oracle(self, _spec: TaskSpec, gpu: str) -> Any:
        key = gpu or CPU
        self.started.append(key)
        self.starters.append(threading.current_thread())
        self.held.append({key for key in (CPU, *GPUS) if is_held(key)})

        def judge(_order: Order, _progress: object) -> Report:
            self.judged.append(key)
            if self.dying:
                self.dying -= 1
                raise OracleDied("it fell")
            return REPORT

        return SimpleNamespace(judge=judge, hello=None, close=lambda: None)


def is_held(key: str) -> bool:
    with free_device_lock((key,)) as found:
        return not found


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # others measure on the processor meanwhile
    made = Machine()
    monkeypatch.setattr(slot_module, "gpus_like", lambda _device: GPUS)
    monkeypatch.setattr(slot_module, "Oracle", made.oracle)
    return made


def test_an_oracle_starts_on_the_gpu_that_is_free(machine: Machine) -> None:
    """Two avogits that began at once both started one on the first GPU, and one moved on."""
    with any_device_lock(pytest.fail, GPUS[:1]):
        machine.slot().judge(ORDER, lambda _: None)
    assert machine.started == machine.judged == [GPUS[1]]


def test_a_gpu_is_held_while_its_oracle_starts(machine: Machine) -> None:
    machine.slot().judge(ORDER, lambda _: None)
    machine.slot().start(lambda _: None)
    assert machine.started == [GPUS[0], GPUS[0]]
    assert machine.held == [{GPUS[0]}, {GPUS[0]}]


def test_the_processors_oracle_starts_before_it_is_waited_for(machine: Machine) -> None:
    with any_device_lock(pytest.fail, (CPU,)):
        machine.slot("").start(lambda _: None)
    machine.slot("").judge(ORDER, lambda _: None)
    assert machine.started == [CPU, CPU]
    assert machine.held == [{CPU}, set()]  # the first by another


def test_a_gpu_with_a_warm_oracle_is_taken_first(machine: Machine) -> None:
    slot = machine.slot()
    with any_device_lock(pytest.fail, GPUS[:1]):
        slot.judge(ORDER, lambda _: None)
    slot.judge(ORDER, lambda _: None)
    assert machine.judged == [GPUS[1], GPUS[1]]
    with any_device_lock(pytest.fail, GPUS[1:]):
        slot.judge(ORDER, lambda _: None)
    assert machine.judged[2:] == machine.started[1:] == [GPUS[0]]


def test_where_all_gpus_are_held_the_first_order_starts_the_oracle(machine: Machine) -> None:
    slot = machine.slot()
    with any_device_lock(pytest.fail, GPUS[:1]), any_device_lock(pytest.fail, GPUS[1:]):
        slot.start(pytest.fail)
    assert machine.started == []
    slot.judge(ORDER, lambda _: None)
    assert machine.started == [GPUS[0]]


def test_an_oracle_outlives_the_thread_whose_order_started_it(machine: Machine) -> None:
    """It dies with the thread that starts it, and a worker's ends while others' orders go on."""
    slot = machine.slot()
    worker = threading.Thread(target=slot.judge, args=(ORDER, lambda _: None))
    worker.start()
    worker.join()
    slot.judge(ORDER, lambda _: None)
    (starter,) = machine.starters
    assert starter.is_alive()
    slot.close()
    starter.join(10)
    assert not starter.is_alive()


def test_an_oracle_that_ends_is_started_again_once(machine: Machine) -> None:
    machine.dying = 1
    assert machine.slot().judge(ORDER, lambda _: None).report is REPORT
    assert machine.started == [GPUS[0], GPUS[0]]
    machine.dying = 2
    with pytest.raises(AvogitError, match="the oracle ended twice"):
        machine.slot().judge(ORDER, lambda _: None)


def test_a_slot_that_was_closed_starts_nothing(machine: Machine) -> None:
    slot = machine.slot()
    slot.close()
    for begin in (slot.start, lambda say: slot.judge(ORDER, say)):
        with pytest.raises(AvogitError, match="was ended"):
            begin(lambda _: None)
    assert machine.started == []
