"""CUDA's driver, as far as launchers and the oracle call it.

Owns turning its error codes into exceptions. Imports no torch: a launcher starts with it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from cuda.bindings import driver

# Registers only, so that holding a stream for a while touches no memory.
_SPIN_PTX = b"""
.version 7.0
.target sm_70
.address_size 64
.visible .entry avogit_spin(.param .u64 cycles)
{
    .reg .u64 begun, now, wanted;
    .reg .pred early;
    ld.param.u64 wanted, [cycles];
    mov.u64 begun, %clock64;
again:
    mov.u64 now, %clock64;
    sub.u64 now, now, begun;
    setp.lt.u64 early, now, wanted;
    @early bra again;
    ret;
}
\0"""


class CudaError(Exception):
    """A call of the driver's that failed: which one, and its error's name."""

    def __init__(self, function: str, code: str) -> None:
        super().__init__(f"{function}: {code}")
        self.function = function
        self.code = code


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a driver function gave, without its status; `CudaError` where that is an error."""
    status, *values = function(*arguments)
    if int(status) != 0:
        raise CudaError(function.__name__, status.name)
    return values[0] if len(values) == 1 else tuple(values)


def open_context(index: int = 0) -> Any:
    """Make the device's primary context this thread's own. Gives the device."""
    call(driver.cuInit, 0)
    device = call(driver.cuDeviceGet, index)
    context = call(driver.cuDevicePrimaryCtxRetain, device)
    call(driver.cuCtxSetCurrent, context)
    return device


def export_memory(address: int) -> str:
    """The handle, in hexadecimal, by which other processes map an allocation."""
    handle = call(driver.cuIpcGetMemHandle, driver.CUdeviceptr(address))
    return bytes(handle.reserved).hex()


def map_memory(handle: str) -> int:
    """Where another process's allocation lies in this one."""
    named = driver.CUipcMemHandle()
    named.reserved = bytes.fromhex(handle)
    lazily = driver.CUipcMem_flags.CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS
    return int(call(driver.cuIpcOpenMemHandle, named, lazily))


def allocate(nbytes: int) -> int:
    """Device memory of this context."""
    return int(call(driver.cuMemAlloc, nbytes))


def free(address: int) -> None:
    """Give device memory of this context back."""
    call(driver.cuMemFree, driver.CUdeviceptr(address))


def multiprocessors() -> int:
    """How many this context's device has."""
    attribute = driver.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT
    return int(call(driver.cuDeviceGetAttribute, attribute, call(driver.cuCtxGetDevice)))


class OwnKernel:
    """One of ours, from its PTX, in the current context."""

    def __init__(self, ptx: bytes, entry: bytes) -> None:
        self._module = call(driver.cuModuleLoadData, ptx)
        self._function = call(driver.cuModuleGetFunction, self._module, entry)

    def launch(self, stream: Any, blocks: int, *values: Any, threads: int = 1) -> None:
        """Queue it. `values`: its parameters, as C types; `threads`: of a block."""
        parameters = (ctypes.c_void_p * len(values))(*map(ctypes.addressof, values))
        grid, block = (blocks, 1, 1), (threads, 1, 1)
        address = ctypes.addressof(parameters)
        call(driver.cuLaunchKernel, self._function, *grid, *block, 0, stream, address, 0)


class Stream:
    """A stream of its own, the spin that holds it, and events on it."""

    def __init__(self) -> None:
        self.handle = call(
            driver.cuStreamCreate, driver.CUstream_flags.CU_STREAM_NON_BLOCKING.value
        )
        self._spin = OwnKernel(_SPIN_PTX, b"avogit_spin")

    def hold(self, cycles: int) -> None:
        """Keep the stream busy for so many cycles, so that what follows is queued by then."""
        self._spin.launch(self.handle, 1, ctypes.c_uint64(cycles))

    def event(self) -> Any:
        """Mark this place in the stream."""
        made = call(driver.cuEventCreate, driver.CUevent_flags.CU_EVENT_DEFAULT.value)
        call(driver.cuEventRecord, made, self.handle)
        return made

    def wait(self) -> None:
        """Until all that was queued is done."""
        call(driver.cuStreamSynchronize, self.handle)


def destroy_events(*events: Any) -> None:
    """Let go of events."""
    for event in events:
        call(driver.cuEventDestroy, event)


def elapsed_us(begin: Any, end: Any) -> float:
    """Between two events that are past."""
    return float(call(driver.cuEventElapsedTime, begin, end)) * 1e3


def forget_persisting_lines() -> None:
    """What a kernel asked the second-level cache to keep is not kept any longer."""
    call(driver.cuCtxResetPersistingL2Cache)
