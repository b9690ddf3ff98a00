"""One device's slot: one order at a time, whoever gives it.

Owns the oracle that is warm for this device, its restart, and when it may measure. What an
order needs (builds above all) is ready before the slot is asked for: a device that is held
measures. Leaves judging to the oracle.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from avogit.bench.client import Oracle, OracleDied
from avogit.bench.device import CPU, any_device_lock, free_device_lock
from avogit.bench.protocol import Hello, Order, Report, TaskSpec
from avogit.devices import device_called
from avogit.errors import AvogitError

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Judged:
    """An oracle's report, what it is, and how long the order took; no waiting."""

    report: Report
    oracle: Hello
    seconds: float


class Slot(Protocol):
    """Where orders are carried out: here, on a host, or in the process that has the oracle."""

    def judge(self, order: Order, progress: Say, /) -> Judged:
        """Wait for the device, then have the order carried out."""

    def busy_s(self) -> float:
        """How long orders took so far, the one under way included."""

    def close(self) -> None:
        """End what was started for it; an order under way fails."""


class DeviceSlot:
    """The slot of this machine's device. Threads may share it; the device's lock orders them."""

    def __init__(self, task: str, spec: Callable[[], TaskSpec]) -> None:
        self._task = task
        self._spec = spec
        self._oracles: dict[str, Oracle] = {}  # by the device's key
        self._starter = _Starter()
        self._keys: tuple[str, ...] = ()
        self._starting = threading.Lock()
        self._closed = False
        self._busy_s = 0.0
        self._busy_since: float | None = None

    def start(self, progress: Say) -> None:
        """Start an oracle before its first order, where that disturbs nobody.

        On the processor it measures nothing yet. A GPU is at work when one starts, and is asked
        for; where all are held, the first order starts it.
        """
        if self._devices() == (CPU,):
            self._oracle(progress, CPU)
            return
        with free_device_lock(self._warm_first()) as key:
            if key:
                self._oracle(progress, key)

    def judge(self, order: Order, progress: Say, /) -> Judged:
        """An oracle that died is started again, once."""
        with self._starting:
            pass  # a GPU whose oracle starts is held, and by nobody else
        for last in (False, True):
            try:
                since = time.monotonic()
                if self._devices() == (CPU,):
                    self._oracle(progress, CPU)  # before the device is waited for
                asked = time.monotonic()
                with any_device_lock(progress, self._warm_first()) as key:
                    since += time.monotonic() - asked  # waiting is no part of an order
                    return self._carry_out(order, progress, since, key)
            except OracleDied as death:
                if last:
                    raise AvogitError(
                        f"measuring {self._task}: the oracle ended twice ({death});"
                        " check problem.py and free memory, or try `avogit doctor`"
                    ) from death
        raise AssertionError("unreachable")

    def _oracle(self, progress: Say, key: str) -> Oracle:
        """The warm oracle of a device; started where there is none."""
        with self._starting:
            if self._closed:
                raise AvogitError(f"measuring {self._task} was ended")
            if key not in self._oracles:
                progress("starting the oracle")
                spec, gpu = self._spec(), "" if key == CPU else key
                self._oracles[key] = self._starter.run(lambda: Oracle(spec, gpu))
            return self._oracles[key]

    def _warm_first(self) -> tuple[str, ...]:
        """The devices, those first that have an oracle of ours."""
        return tuple(sorted(self._devices(), key=lambda key: key not in self._oracles))

    def _devices(self) -> tuple[str, ...]:
        """The processor, or this machine's GPUs of the kind that the task is measured on."""
        if not self._keys:
            device = self._spec().device
            self._keys = gpus_like(device) if device else (CPU,)
        return self._keys

    def busy_s(self) -> float:
        since = self._busy_since
        return self._busy_s + (time.monotonic() - since if since is not None else 0.0)

    def close(self) -> None:
        self._closed = True
        self._end_oracle()
        self._starter.end()

    def _end_oracle(self, key: str = "") -> None:
        """End the oracle of a device, or all."""
        with self._starting:
            for ended in [key] if key else list(self._oracles):
                if ended in self._oracles:
                    self._oracles.pop(ended).close()

    def _carry_out(self, order: Order, progress: Say, since: float, key: str) -> Judged:
        """Called with the device held. The oracle is asked for here: others may have closed it."""
        oracle = self._oracle(progress, key)
        self._busy_since = begun = time.monotonic()
        try:
            report = oracle.judge(order, progress)
        except OracleDied:
            self._end_oracle(key)
            raise
        finally:
            self._busy_s, self._busy_since = self._busy_s + time.monotonic() - begun, None
        return Judged(report, oracle.hello, time.monotonic() - since)


class _Starter:
    """A thread that lasts as long as a slot: an oracle dies with the thread that starts it.

    An executor's would hold up the end of avogit, after Ctrl-C too, until the oracle has started.
    """

    def __init__(self) -> None:
        self._asked: queue.SimpleQueue[tuple[Callable[[], Oracle], Future[Oracle]] | None]
        self._asked = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def run(self, start: Callable[[], Oracle]) -> Oracle:
        """What `start` gives, called there."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._attend, daemon=True)
            self._thread.start()
        told: Future[Oracle] = Future()
        self._asked.put((start, told))
        return told.result()

    def end(self) -> None:
        """Let the thread end, and what it started with it."""
        self._asked.put(None)

    def _attend(self) -> None:
        while (asked := self._asked.get()) is not None:
            start, told = asked
            try:
                told.set_result(start())
            except BaseException as error:  # noqa: BLE001 - raised by who waits
                told.set_exception(error)


def gpus_like(device: str) -> tuple[str, ...]:
    """UUIDs of this machine's GPUs of that name."""
    from avogit.bench.gpu.nvml import gpus

    found = tuple(gpu.uuid for gpu in gpus() if device_called(gpu.name).name == device)
    if not found:
        raise AvogitError(f"measuring on {device}: no such GPU was found here (`avogit doctor`)")
    return found
