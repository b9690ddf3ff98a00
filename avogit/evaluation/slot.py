"""One device's slot: one order at a time, whoever gives it.

Owns the oracle that is warm for this device, its restart, and when it may measure. What an
order needs (builds above all) is ready before the slot is asked for: a device that is held
measures. Leaves judging to the oracle.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from avogit.bench.protocol import Order, Report, TaskSpec
from avogit.errors import AvogitError
from avogit.evaluation.client import Oracle, OracleDied
from avogit.evaluation.device import device_lock

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Judged:
    """An oracle's report, the baseline it names, and how long the order took; no waiting."""

    report: Report
    baseline: str
    seconds: float


class Slot(Protocol):
    """Where orders are carried out: here, or in the process that has the oracle."""

    def judge(self, order: Order, progress: Say, /) -> Judged:
        """Wait for the device, then have the order carried out."""

    def close(self) -> None:
        """End what was started for it."""


class DeviceSlot:
    """The slot of this machine's device. Threads may share it; the device's lock orders them."""

    def __init__(self, task: str, spec: Callable[[], TaskSpec]) -> None:
        self.busy_s = 0.0  # so far: the oracle at work on an order
        self._task = task
        self._spec = spec
        self._oracle: Oracle | None = None
        self._starting = threading.Lock()

    def start(self, progress: Say) -> Oracle:
        """The warm oracle; started where there is none. Needs no device: it measures nothing."""
        with self._starting:
            if self._oracle is None:
                progress("starting the oracle")
                self._oracle = Oracle(self._spec())
            return self._oracle

    def judge(self, order: Order, progress: Say, /) -> Judged:
        """An oracle that died is started again, once."""
        for last in (False, True):
            try:
                begun = time.monotonic()
                self.start(progress)  # before the device is waited for
                starting_s = time.monotonic() - begun
                with device_lock(progress):
                    return self._carry_out(order, progress, starting_s)
            except OracleDied as death:
                if last:
                    raise AvogitError(
                        f"measuring {self._task}: the oracle ended twice ({death});"
                        " check problem.py and free memory, or try `avogit doctor`"
                    ) from death
        raise AssertionError("unreachable")

    def close(self) -> None:
        with self._starting:
            if self._oracle is not None:
                self._oracle.close()
                self._oracle = None

    def _carry_out(self, order: Order, progress: Say, starting_s: float) -> Judged:
        """Called with the device held. The oracle is asked for here: others may have closed it."""
        begun = time.monotonic()
        oracle = self.start(progress)
        try:
            report = oracle.judge(order, progress)
        except OracleDied:
            self.close()
            raise
        finally:
            held_s = time.monotonic() - begun
            self.busy_s += held_s
        return Judged(report, oracle.baseline, starting_s + held_s)
