"""Arms on a GPU: a launcher with a candidate's kernels, or a baseline of torch's beside the oracle.

Owns one call of each, and what a launcher's end says of the kernel that it launched.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn

import torch

from avogit.bench.arms import EnvironmentBroken, KernelFailed
from avogit.bench.checks import Finding
from avogit.bench.gpu.frames import Broken, Load
from avogit.bench.gpu.frequency import Frequency
from avogit.bench.gpu.memory import Memory
from avogit.bench.gpu.pool import Launcher, LauncherGone, LauncherTimeout
from avogit.bench.gpu.windows import RING
from avogit.records import Verdict

_DEVICE_ERRORS = (
    "ILLEGAL",
    "MISALIGNED",
    "LAUNCH_FAILED",
    "LAUNCH_TIMEOUT",
    "HARDWARE_STACK_ERROR",
    "INVALID_ADDRESS_SPACE",
    "INVALID_PC",
    "ASSERT",
    "TENSOR_MEMORY",
)
# Of the card or its driver: no kernel is to blame.
_MACHINE_ERRORS = ("UNCORRECTABLE", "CONTAINED", "DEVICE_UNAVAILABLE", "MPS_", "SYSTEM_")


@dataclass(frozen=True, slots=True)
class Ran:
    """Microseconds. By the host's clock, until all was queued; by events, the spin and launches."""

    queued_us: float
    hold_us: float
    launches_us: float  # of all of them, as one
    sm_mhz: float = 0.0  # the clock's in the launches; 0 where it is not known

    @property
    def total_us(self) -> float:
        return self.hold_us + self.launches_us

    @property
    def waited(self) -> bool:
        """Whether the card may have waited for the host: the spin ended before all was queued."""
        return self.queued_us > self.hold_us


class LaunchedArm:
    """A candidate's kernels in a launcher of their own."""

    def __init__(self, name: str, launcher: Launcher, output: Memory) -> None:
        self.name = name
        self.output = output
        self._launcher = launcher

    def begin_load(self, order: Load) -> None:
        """Tell its launcher what to load. `loaded` waits for that."""
        try:
            self._launcher.begin_load(order)
        except LauncherGone as gone:  # between two blocks
            raise EnvironmentBroken("no-launcher", f"{self.name}: {gone}") from gone

    def loaded(self) -> None:
        """Wait until its kernels are bound."""
        try:
            broken = self._launcher.loaded()
        except LauncherTimeout as late:
            self._fail(Verdict.TIMEOUT, "load-timeout", str(late))
        except LauncherGone as gone:
            raise EnvironmentBroken("no-launcher", f"{self.name}: {gone}") from gone
        if broken is not None:
            self._broken_load(broken)

    def run(self, case: int, ring: int, launches: int, hold: int, timeout_s: float) -> Ran:
        """Launch, and wait for the end."""
        try:
            answer = self._launcher.go(case, ring, launches, hold, timeout_s)
        except LauncherTimeout as late:
            self._launcher.kill()
            self._fail(Verdict.TIMEOUT, "call-timeout", str(late))
        except LauncherGone as gone:
            self._fail(Verdict.RUNTIME_ERROR, "crashed", f"its launcher ended: {gone}")
        if isinstance(answer, Broken):
            self._broken_run(answer)
        if not _is_a_time(answer.launches_us):
            detail = f"events say {answer.launches_us} us of {launches} launches"
            self._fail(Verdict.REWARD_HACK, "clock-mismatch", detail)
        return Ran(answer.queued_us, answer.hold_us, answer.launches_us, answer.sm_mhz)

    def _broken_load(self, broken: Broken) -> NoReturn:
        _raise_if_machine(broken)
        if broken.code.startswith("plan-"):
            self._fail(Verdict.COMPILE_ERROR, broken.code, broken.detail)
        if broken.code == "CUDA_ERROR_OUT_OF_MEMORY":
            self._fail(Verdict.RUNTIME_ERROR, "out-of-memory", f"{broken.detail}: no memory left")
        if broken.detail.startswith(("cuIpc", "cuInit", "cuDevice", "cuCtx")):
            raise EnvironmentBroken("no-launcher", f"{broken.detail}: {broken.code}")
        self._fail(Verdict.COMPILE_ERROR, "load-failed", f"{broken.detail}: {broken.code}")

    def _broken_run(self, broken: Broken) -> NoReturn:
        _raise_if_machine(broken)
        text = f"{broken.code} from {broken.detail}"
        if any(word in broken.code for word in _DEVICE_ERRORS):
            self._fail(Verdict.RUNTIME_ERROR, "crashed", text)
        self._fail(Verdict.RUNTIME_ERROR, "launch-failed", text)

    def _fail(self, verdict: Verdict, reason: str, detail: str) -> NoReturn:
        raise KernelFailed(self.name, Finding(verdict, reason, detail))


def _is_a_time(us: float) -> bool:
    """Whether logarithms and rates can be taken of it; a forged event may say anything."""
    return 0 < us < math.inf


def _raise_if_machine(broken: Broken) -> None:
    if any(word in broken.code for word in _MACHINE_ERRORS):
        raise EnvironmentBroken("gpu-failed", f"{broken.code} from {broken.detail}")


Call = Callable[[], torch.Tensor]


class BaselineArm:
    """A baseline of the task's, called here. `bind` makes the call of a case at a ring's place."""

    def __init__(self, name: str, bind: Callable[[int, int], Call], frequency: Frequency) -> None:
        self.name = name
        self._frequency = frequency
        self._bind = bind
        self._calls: dict[tuple[int, int], Call] = {}
        self.result: torch.Tensor | None = None

    def run(
        self, case: int, ring: int, launches: int, hold: int, timeout_s: float = math.inf
    ) -> Ran:
        """As a launcher does it: all is queued behind a spin, and timed by events.

        Baselines are trusted to end: `timeout_s` is for launchers.
        """
        calls = [self._call(case, (ring + number) % RING) for number in range(launches)]
        begun, began_ns = _event(), time.perf_counter_ns()
        torch.cuda._sleep(hold)  # type: ignore[no-untyped-call]
        self._frequency.begin()
        first = _event()
        for call in calls:
            self.result = call()
        last = _event()
        self._frequency.end()
        queued_us = (time.perf_counter_ns() - began_ns) / 1e3
        torch.cuda.synchronize()
        hold_us, launches_us = begun.elapsed_time(first) * 1e3, first.elapsed_time(last) * 1e3
        return Ran(queued_us, hold_us, launches_us, self._frequency.mhz())

    def warm(self, cases: int) -> bool:
        """Call once whatever was not called before, by cases and places of the ring, if anything.

        Packages set things up at a call's first time, which takes half a millisecond of the card's.
        """
        every = itertools.product(range(cases), range(RING))
        new = [key for key in every if key not in self._calls]
        for key in new:
            self._call(*key)()
        torch.cuda.synchronize()
        return bool(new)

    def _call(self, case: int, ring: int) -> Call:
        key = (case, ring)
        if key not in self._calls:
            self._calls[key] = self._bind(case, ring)
        return self._calls[key]


def _event() -> torch.cuda.Event:
    made = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    made.record()
    return made


def bundle_of(artefacts: Mapping[str, str]) -> Mapping[str, str]:
    """The arms that a launcher serves, and their bundles."""
    return {name: artefact for name, artefact in artefacts.items() if artefact}
