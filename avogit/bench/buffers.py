"""Shared memory between the oracle and its runners.

Owns where tensors lie, what a runner may do to them, guard bands and poison. Leaves tensors'
contents to `oracle`. Imports no torch: runners use it too.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from avogit.bench.protocol import Case, Region

GUARD = 64 << 10  # bytes of known words on each side of an output
_ALIGN = 4096
_ADD_SEALS, _SHRINK, _GROW, _FUTURE_WRITE = 1033, 2, 4, 16


@dataclass(frozen=True, slots=True)
class Shared:
    """An anonymous file that several processes map. `view` is this process's mapping."""

    fd: int
    size: int
    view: mmap.mmap


def lay_out(
    name: str, params: Mapping[str, int], shapes: Mapping[str, Sequence[int]], inputs: Iterable[str]
) -> Case:
    """A case whose inputs lie one after another, each on a page of its own."""
    regions = []
    offset = 0
    for argument in inputs:
        region = Region(argument, offset, tuple(shapes[argument]))
        regions.append(region)
        offset += -(-nbytes(region) // _ALIGN) * _ALIGN
    return Case(name, dict(params), tuple(regions), Region("out", GUARD, tuple(shapes["out"])))


def nbytes(region: Region) -> int:
    """How many bytes of float32 a region takes."""
    count = 4
    for extent in region.shape:
        count *= extent
    return count


def input_bytes(cases: Iterable[Case]) -> int:
    """Room for any one case's inputs."""
    return _pages(max(r.offset + nbytes(r) for case in cases for r in case.inputs))


def output_bytes(cases: Iterable[Case]) -> int:
    """Room for any one case's output and its guards."""
    return _pages(max(nbytes(case.out) for case in cases) + 2 * GUARD)


def create(size: int) -> Shared:
    """New shared memory, writable by whoever maps it."""
    fd = os.memfd_create("avogit", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    fcntl.fcntl(fd, _ADD_SEALS, _SHRINK | _GROW)
    return Shared(fd, size, mmap.mmap(fd, size))


def create_sealed(size: int) -> Shared:
    """New shared memory that only this process can write, through the mapping it has.

    Runners get a descriptor that was opened for reading; the seal holds even for others.
    """
    shared = create(size)
    with contextlib.suppress(OSError):  # not every kernel knows this seal
        fcntl.fcntl(shared.fd, _ADD_SEALS, _FUTURE_WRITE)
    reading = os.open(f"/proc/self/fd/{shared.fd}", os.O_RDONLY | os.O_CLOEXEC)
    os.close(shared.fd)
    return Shared(reading, size, shared.view)


def attach(fd: int, size: int, *, writable: bool) -> mmap.mmap:
    """Map shared memory in a runner, its pages present so that no timed call finds them absent."""
    access = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
    populate = getattr(mmap, "MAP_POPULATE", 0x8000)
    return mmap.mmap(fd, size, flags=mmap.MAP_SHARED | populate, prot=access)


def _pages(size: int) -> int:
    return max(1, -(-size // _ALIGN)) * _ALIGN
