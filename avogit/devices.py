"""GPUs by name and by architecture: what a launch may ask for, and what a plan is told.

Owns datasheet facts; nothing here asks a card. What a plan may do with them `bench.plan` says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from avogit.errors import AvogitError


@dataclass(frozen=True, slots=True)
class Architecture:
    """What every GPU of one compute capability allows a block."""

    target: str  # as compilers call it: sm_90a
    capability: int  # 90
    shared_bytes: int  # of one block, static and dynamic together
    cluster_blocks: int  # the largest cluster; 1 where there are none


@dataclass(frozen=True, slots=True)
class Device:
    """One model of GPU."""

    name: str
    architecture: Architecture
    sms: int
    l2_bytes: int
    half_gflops: float  # matrix products of 16-bit numbers, dense, at the highest clock
    memory_gbytes_s: float

    def facts(self) -> dict[str, int | str]:
        """What a candidate's `plan(workload, device)` is told."""
        return {
            "name": self.name,
            "target": self.architecture.target,
            "capability": self.architecture.capability,
            "sms": self.sms,
            "shared_bytes": self.architecture.shared_bytes,
            "l2_bytes": self.l2_bytes,
        }


_KIB = 1 << 10
ARCHITECTURES: Mapping[str, Architecture] = {
    a.target: a
    for a in (
        Architecture("sm_80", 80, 163 * _KIB, 1),
        Architecture("sm_86", 86, 99 * _KIB, 1),
        Architecture("sm_89", 89, 99 * _KIB, 1),
        Architecture("sm_90a", 90, 227 * _KIB, 16),
        Architecture("sm_100a", 100, 227 * _KIB, 16),
        Architecture("sm_103a", 103, 227 * _KIB, 16),
        Architecture("sm_120", 120, 99 * _KIB, 8),
    )
}


def _device(
    name: str, target: str, sms: int, l2_mib: int, tflops: float, gbytes_s: float
) -> Device:
    return Device(name, ARCHITECTURES[target], sms, l2_mib << 20, tflops * 1e3, gbytes_s)


# Multiprocessors, L2 in MiB, TFLOP/s and GB/s, as the maker prints them; for the H100 and H200,
# whose printed rate is for a lower clock, 4096 operations a cycle at 1.98 GHz.
DEVICES: Mapping[str, Device] = {
    d.name: d
    for d in (
        _device("a100", "sm_80", 108, 40, 312, 2039),
        _device("rtx-3090", "sm_86", 82, 6, 142, 936),
        _device("l40s", "sm_89", 142, 96, 362, 864),
        _device("h100", "sm_90a", 132, 50, 1071, 3350),
        _device("h200", "sm_90a", 132, 50, 1071, 4800),
        _device("b200", "sm_100a", 148, 126, 2500, 8000),
        _device("b300", "sm_103a", 148, 126, 2500, 8000),
        _device("rtx-5090", "sm_120", 170, 96, 419, 1792),
    )
}


def find_device(name: str) -> Device:
    """The device of that name, or the first of that architecture (`sm_100a`)."""
    if name in DEVICES:
        return DEVICES[name]
    for device in DEVICES.values():
        if device.architecture.target == name:
            return device
    known = ", ".join([*DEVICES, *ARCHITECTURES])
    raise AvogitError(f"no GPU called {name!r} is known here; there are: {known}")


# Words in a card's name that make it another than its model alone says: other multiprocessors,
# clocks or memory.
_VARIANTS = {
    "h100": {"pcie", "nvl"},
    "h200": {"nvl"},
    "rtx-3090": {"ti"},
    "rtx-5090": {"d", "laptop"},
}


def device_called(name: str) -> Device:
    """The device that the driver calls so: `NVIDIA H200` is `h200`."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower())
    for device in DEVICES.values():
        other = _VARIANTS.get(device.name, set()) & set(slug.split("-"))
        if f"-{device.name}-" in f"-{slug}-" and not other:
            return device
    known = ", ".join(DEVICES)
    raise AvogitError(f"the GPU here, {name}, is not known to avogit; it knows: {known}")
