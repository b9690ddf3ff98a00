"""What the card says of itself, through NVML: identity, clocks, power, throttling, its users.

Owns which changes make a block void. Nothing here changes a setting.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pynvml

# Accumulated nanoseconds under each reason: a change between two readings is never missed.
_HARD = {
    "thermal (software)": 269,
    "thermal (hardware)": 270,
    "power brake": 271,
}
_POWER_CAP = 74
_HARD_REASONS = 0x08 | 0x20 | 0x40 | 0x80  # hardware slow-down, both thermal ones, power brake


@dataclass(frozen=True, slots=True)
class Gpu:
    """One card."""

    uuid: str
    name: str
    driver: str


@dataclass(frozen=True, slots=True)
class Reading:
    """The card at one moment. Counters are in nanoseconds since the driver was loaded."""

    sm_mhz: int
    memory_mhz: int
    power_w: float
    temperature_c: int
    reasons: int
    power_cap_ns: int
    hard_ns: int
    settings: tuple[int, ...]  # power limit, the highest clocks it may use
    users: tuple[int, ...]  # processes that compute on it


def gpus() -> tuple[Gpu, ...]:
    """The cards of this machine, as far as CUDA_VISIBLE_DEVICES allows; empty without a driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    driver = pynvml.nvmlSystemGetDriverVersion()
    found = []
    for index in range(pynvml.nvmlDeviceGetCount()):
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        uuid, name = pynvml.nvmlDeviceGetUUID(handle), pynvml.nvmlDeviceGetName(handle)
        found.append(Gpu(uuid, name, driver))
    return tuple(_visible(found, os.environ.get("CUDA_VISIBLE_DEVICES")))


def _visible(found: list[Gpu], wanted: str | None) -> list[Gpu]:
    """The cards that CUDA sees: it reads the list up to the first word that names none."""
    if wanted is None:
        return found
    chosen: list[Gpu] = []
    for word in filter(None, wanted.split(",")):
        named = [gpu for i, gpu in enumerate(found) if gpu.uuid.startswith(word) or word == str(i)]
        if len(named) != 1:
            break
        chosen += named
    return chosen


class Card:
    """One card, read again and again."""

    def __init__(self, uuid: str) -> None:
        pynvml.nvmlInit()
        self._handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)

    def read(self) -> Reading:
        """The card now."""
        handle, clocks = self._handle, pynvml.nvmlDeviceGetClockInfo
        sm, memory = pynvml.NVML_CLOCK_SM, pynvml.NVML_CLOCK_MEM
        return Reading(
            sm_mhz=clocks(handle, sm),
            memory_mhz=clocks(handle, memory),
            power_w=pynvml.nvmlDeviceGetPowerUsage(handle) / 1e3,
            temperature_c=pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU),
            reasons=pynvml.nvmlDeviceGetCurrentClocksEventReasons(handle),
            power_cap_ns=self._counter(_POWER_CAP),
            hard_ns=sum(map(self._counter, _HARD.values())),
            settings=(
                pynvml.nvmlDeviceGetEnforcedPowerLimit(handle),
                self.most_sm_mhz(),
                pynvml.nvmlDeviceGetMaxClockInfo(handle, memory),
            ),
            users=self._users(),
        )

    def most_sm_mhz(self) -> int:
        """The highest clock of its multiprocessors that it tells of."""
        return int(pynvml.nvmlDeviceGetMaxClockInfo(self._handle, pynvml.NVML_CLOCK_SM))

    def power_cap_ns(self) -> int:
        """How long its power limit has bitten so far. Told up to a tenth of a second late."""
        return self._counter(_POWER_CAP)

    def _counter(self, field: int) -> int:
        """0 where this card or driver does not count it."""
        with contextlib.suppress(pynvml.NVMLError):
            (value,) = pynvml.nvmlDeviceGetFieldValues(self._handle, [field])
            if value.nvmlReturn == pynvml.NVML_SUCCESS:
                return int(value.value.ullVal)
        return 0

    def _users(self) -> tuple[int, ...]:
        with contextlib.suppress(pynvml.NVMLError):
            running = pynvml.nvmlDeviceGetComputeRunningProcesses(self._handle)
            return tuple(sorted(process.pid for process in running))
        return ()


def foreign(reading: Reading, ours: Collection[int]) -> list[str]:
    """Who else computes on the card, as `pid name`. Ids of other namespaces are not ours to know.

    In a container the driver tells ids of the host: those name nothing here, or something else,
    which then has no file of the card open.
    """
    others = (pid for pid in reading.users if pid not in ours and not _is_idle_avogit(pid))
    return [f"{pid} {name}" for pid in others if (name := _user_name(pid))]


def _is_idle_avogit(pid: int) -> bool:
    """Whether it is an oracle or launcher of another avogit: idle, as we hold the lock."""
    with contextlib.suppress(OSError):
        return b"avogit.bench." in (Path("/proc") / str(pid) / "cmdline").read_bytes()
    return False


def _user_name(pid: int) -> str:
    """The name of a process here that has the card open; empty where it is none."""
    folder = Path("/proc") / str(pid)
    with contextlib.suppress(OSError):
        links = (fd.readlink() for fd in (folder / "fd").iterdir())
        if any(str(link).startswith("/dev/nvidia") for link in links):
            return (folder / "comm").read_text().strip() or "?"
    return ""


def why_void(before: Reading, after: Reading, ours: Collection[int]) -> str:
    """Why what was timed between two readings does not count; empty where it does.

    Whether the power limit may bite depends on what was called: `gpu.rig` judges that.
    """
    others = foreign(after, ours)
    if others:
        return f"another process computes on the card: {', '.join(others)}"
    if after.settings != before.settings:
        return "the card's power limit or clocks were changed"
    if after.hard_ns > before.hard_ns or (before.reasons | after.reasons) & _HARD_REASONS:
        return "the card slowed itself down (heat, or its power supply)"
    return ""


def facts(reading: Reading) -> dict[str, Any]:
    """A reading for the record."""
    return asdict(reading)
