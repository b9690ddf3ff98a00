"""Device memory that launchers map: arenas, where tensors lie in them, and views of them.

An arena is one allocation, so that a launcher which maps one maps nothing else. Inputs lie in
arenas of the ring, which all arms read; every arm writes into an arena of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from avogit.bench.gpu import driver
from avogit.bench.gpu.frames import Arena, LaunchCase, Place
from avogit.bench.protocol import WorkloadSpec

GUARD = 64 << 10  # bytes of known words on each side of an output
_ALIGN = 4096


class Memory:
    """One arena, seen by torch as bytes."""

    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes
        self._address = driver.allocate(nbytes)
        self.arena = Arena(driver.export_memory(self._address), nbytes)
        self.bytes = torch.as_tensor(_Raw(self._address, nbytes), device="cuda")

    def view(self, place: Place, dtype: torch.dtype, shape: Sequence[int]) -> torch.Tensor:
        """A tensor of the arena."""
        return self.bytes[place.offset : place.offset + place.nbytes].view(dtype).view(*shape)

    def words(self, offset: int, nbytes: int) -> torch.Tensor:
        """Some of its bytes as 32-bit words."""
        return self.bytes[offset : offset + nbytes].view(torch.int32)


class _Raw:
    """What torch asks of memory that it did not allocate."""

    def __init__(self, address: int, nbytes: int) -> None:
        self.__cuda_array_interface__ = {
            "shape": (nbytes,),
            "typestr": "|u1",
            "data": (address, False),
            "version": 3,
        }


def input_name(ring: int) -> str:
    """What launchers call the arena of a place of the ring."""
    return f"inputs-{ring}"


OUTPUT = "output"


def lay_out(workload: WorkloadSpec, inputs: Sequence[str], ring: int) -> LaunchCase:
    """Where a workload's tensors lie; outputs of the ring lie one after another."""
    places: dict[str, tuple[int, int]] = {}
    offset = 0
    for name in inputs:
        places[name] = (offset, workload.nbytes[name])
        offset = _aligned(offset + workload.nbytes[name])
    out = workload.nbytes["out"]
    stride = _aligned(out) + 2 * GUARD
    rings = []
    for place in range(ring):
        tensors = {n: Place(input_name(place), at, size) for n, (at, size) in places.items()}
        tensors["out"] = Place(OUTPUT, place * stride + GUARD, out)
        rings.append(tensors)
    return LaunchCase(workload.name, tuple(rings))


def input_bytes(cases: Sequence[LaunchCase]) -> int:
    """Room for the inputs of any one case."""
    return max(_end(ring, "out") for case in cases for ring in case.rings)


def output_bytes(cases: Sequence[LaunchCase]) -> int:
    """Room for the outputs of any one case, all places of the ring, and their guards."""
    ends = (ring["out"].offset + _aligned(ring["out"].nbytes) for c in cases for ring in c.rings)
    return max(ends) + GUARD


def _end(places: Mapping[str, Place], but: str) -> int:
    return max(_aligned(p.offset + p.nbytes) for name, p in places.items() if name != but)


def _aligned(size: int) -> int:
    return -(-size // _ALIGN) * _ALIGN
