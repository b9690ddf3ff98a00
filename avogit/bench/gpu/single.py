"""A program for the tools that watch programs: one plan of a bundle, launched a few times.

Owns memory of exactly the buffers' sizes, so that a checker sees a step beyond them, and numbers
to compute with. Times nothing and checks nothing. Imports no torch: tools follow every call.

    single BUNDLE WORKLOAD DEVICE q=BYTES k=BYTES v=BYTES out=BYTES
"""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from cuda.bindings import driver

from avogit.bench.gpu.driver import CudaError, Stream, allocate, call, open_context
from avogit.bench.gpu.launching import Program
from avogit.bench.gpu.tools import CALLS
from avogit.bench.plan_checks import checked_plans
from avogit.bundle import read_bundle
from avogit.devices import find_device

_PATTERN_BYTES = 1 << 22
# The upper half of a 16-bit float: as bfloat16 its size is 0.125 to 2, as float16 1.5 to 2.
_SANE = bytes([0x3E, 0x3F, 0xBE, 0xBF])


def main(argv: Sequence[str]) -> int:
    """Launch, and say what the driver said where it failed."""
    bundle, workload, device, *buffers = argv
    sizes = {name: int(size) for name, _, size in (text.partition("=") for text in buffers)}
    try:
        launch(Path(bundle), workload, device, sizes)
    except CudaError as error:
        sys.stderr.write(f"{error.function}: {error.code}\n")
        return 1
    return 0


def launch(path: Path, workload: str, device: str, sizes: Mapping[str, int]) -> None:
    """Have the workload's plan carried out `CALLS` times."""
    bundle = read_bundle(path)
    plan = checked_plans(bundle, {workload: sizes}, find_device(device).architecture)[workload]
    open_context()
    stream = Stream()
    pattern = numbers(_PATTERN_BYTES)
    pointers = {name: allocate(size) for name, size in sizes.items()}
    for name, address in pointers.items():
        if name != "out":
            _fill(address, sizes[name], pattern)
    workspaces = {name: allocate(size) for name, size in plan.workspaces.items()}
    bound = Program(bundle).bind(plan, pointers, workspaces)
    for _ in range(CALLS):
        bound.enqueue(stream.handle)
    stream.wait()


def numbers(nbytes: int) -> bytes:
    """Random 16-bit floats, lower byte first, none of them large, small, infinite or NaN."""
    data = bytearray(random.randbytes(nbytes))
    data[1::2] = data[1::2].translate(_SANE * 64)
    return bytes(data)


def _fill(address: int, nbytes: int, pattern: bytes) -> None:
    for start in range(0, nbytes, len(pattern)):
        part = min(len(pattern), nbytes - start)
        call(driver.cuMemcpyHtoD, driver.CUdeviceptr(address + start), pattern, part)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
