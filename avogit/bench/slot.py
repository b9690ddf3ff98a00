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

from avogit.bench.client import Oracle, OracleDied
from avogit.bench.device import device_lock
from avogit.bench.protocol import Hello, Order, Report, TaskSpec
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
        self._oracle: Oracle | None = None
        self._starting = threading.Lock()
        self._closed = False
        self._busy_s = 0.0
        self._busy_since: float | None = None

    def start(self, progress: Say) -> Oracle:
        """The warm oracle; started where there is none. Needs no device: it measures nothing."""
        with self._starting:
            if self._closed:
                raise AvogitError(f"measuring {self._task} was ended")
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

    def busy_s(self) -> float:
        since = self._busy_since
        return self._busy_s + (time.monotonic() - since if since is not None else 0.0)

    def close(self) -> None:
        self._closed = True
        self._end_oracle()

    def _end_oracle(self) -> None:
        with self._starting:
            if self._oracle is not None:
                self._oracle.close()
                self._oracle = None

    def _carry_out(self, order: Order, progress: Say, starting_s: float) -> Judged:
        """Called with the device held. The oracle is asked for here: others may have closed it."""
        oracle = self.start(progress)
        self._busy_since = begun = time.monotonic()
        try:
            report = oracle.judge(order, progress)
        except OracleDied:
            self._end_oracle()
            raise
        finally:
            held_s = time.monotonic() - begun
            self._busy_s, self._busy_since = self._busy_s + held_s, None
        return Judged(report, oracle.hello, starting_s + held_s)
