"""A bundle's kernels, loaded, and a launch plan bound to memory, ready to be enqueued.

Owns the arguments of a launch as the driver wants them. Plans come checked (`plan_checks`): here
nothing is looked at again. Imports no torch.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cuda.bindings import driver

from avogit.bench.gpu.driver import call
from avogit.bench.plan import Launch, LaunchPlan, MapArgument, Memory, Null, Scalar, TensorMap
from avogit.bundle import Bundle

_SCALARS: dict[str, Callable[[Any], Any]] = {
    "i32": ctypes.c_int32,
    "u32": ctypes.c_uint32,
    "i64": ctypes.c_int64,
    "f32": ctypes.c_float,
}
_TYPES = driver.CUtensorMapDataType
_DTYPES = {
    "u8": _TYPES.CU_TENSOR_MAP_DATA_TYPE_UINT8,
    "f16": _TYPES.CU_TENSOR_MAP_DATA_TYPE_FLOAT16,
    "bf16": _TYPES.CU_TENSOR_MAP_DATA_TYPE_BFLOAT16,
    "u32": _TYPES.CU_TENSOR_MAP_DATA_TYPE_UINT32,
    "i32": _TYPES.CU_TENSOR_MAP_DATA_TYPE_INT32,
    "f32": _TYPES.CU_TENSOR_MAP_DATA_TYPE_FLOAT32,
}
_SWIZZLES = {
    0: driver.CUtensorMapSwizzle.CU_TENSOR_MAP_SWIZZLE_NONE,
    32: driver.CUtensorMapSwizzle.CU_TENSOR_MAP_SWIZZLE_32B,
    64: driver.CUtensorMapSwizzle.CU_TENSOR_MAP_SWIZZLE_64B,
    128: driver.CUtensorMapSwizzle.CU_TENSOR_MAP_SWIZZLE_128B,
}
_MAP_BYTES = 128
_PORTABLE_CLUSTER = 8
_ATTRIBUTES = driver.CUfunction_attribute


@dataclass(frozen=True, slots=True)
class _Ready:
    """One launch; `kept` holds the memory that its arguments' addresses point to."""

    function: Any
    launch: Launch
    parameters: Any
    kept: tuple[Any, ...]


class Bound:
    """A plan whose every pointer is known."""

    def __init__(self, launches: tuple[_Ready, ...]) -> None:
        self._launches = launches
        self._configs: dict[int, list[Any]] = {}

    def enqueue(self, stream: Any) -> None:
        """Put all its launches on a stream, in order."""
        configs = self._configs.get(int(stream))
        if configs is None:
            configs = [_config(ready.launch, stream) for ready in self._launches]
            self._configs[int(stream)] = configs
        for ready, config in zip(self._launches, configs, strict=True):
            address = ctypes.addressof(ready.parameters)
            call(driver.cuLaunchKernelEx, config, ready.function, address, 0)


class Program:
    """The kernels of a bundle, in this thread's context."""

    def __init__(self, bundle: Bundle) -> None:
        self._modules = {
            name: call(driver.cuModuleLoadData, cubin) for name, cubin in bundle.cubins.items()
        }
        self._functions = {
            kernel.name: call(
                driver.cuModuleGetFunction, self._modules[kernel.cubin], kernel.entry.encode()
            )
            for kernel in bundle.kernels
        }

    def unload(self) -> None:
        """Let go of the kernels, and of whatever they kept in variables of the device's."""
        for module in self._modules.values():
            call(driver.cuModuleUnload, module)

    def bind(
        self, plan: LaunchPlan, pointers: Mapping[str, int], workspaces: Mapping[str, int]
    ) -> Bound:
        """The plan with these addresses of the task's buffers and of its workspaces."""

        def address(memory: Memory) -> int:
            places = workspaces if memory.workspace else pointers
            return places[memory.name] + memory.offset

        maps = {n: _encode(t, address(t.memory)) for n, t in plan.tensor_maps.items()}
        return Bound(tuple(self._ready(launch, address, maps) for launch in plan.launches))

    def _ready(
        self, launch: Launch, address: Callable[[Memory], int], maps: Mapping[str, Any]
    ) -> _Ready:
        function = self._functions[launch.kernel]
        _allow(function, launch)
        kept = []
        for argument in launch.arguments:
            if isinstance(argument, Scalar):
                kept.append(_SCALARS[argument.kind](argument.value))
            elif isinstance(argument, MapArgument):
                kept.append(maps[argument.name])
            else:
                place = 0 if isinstance(argument, Null) else address(argument)
                kept.append(ctypes.c_uint64(place))
        addresses = [ctypes.addressof(value) for value in kept]
        parameters = (ctypes.c_void_p * max(1, len(addresses)))(*addresses)
        return _Ready(function, launch, parameters, tuple(kept))


def _allow(function: Any, launch: Launch) -> None:
    """Tell the driver of what goes beyond its defaults."""
    if launch.shared_bytes:
        shared = _ATTRIBUTES.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
        call(driver.cuFuncSetAttribute, function, shared, launch.shared_bytes)
    x, y, z = launch.cluster
    if x * y * z > _PORTABLE_CLUSTER:
        larger = _ATTRIBUTES.CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED
        call(driver.cuFuncSetAttribute, function, larger, 1)


def _config(launch: Launch, stream: Any) -> Any:
    config = driver.CUlaunchConfig()
    config.gridDimX, config.gridDimY, config.gridDimZ = launch.grid
    config.blockDimX, config.blockDimY, config.blockDimZ = launch.block
    config.sharedMemBytes = launch.shared_bytes
    config.hStream = stream
    config.numAttrs = 0
    if launch.cluster != (1, 1, 1):
        cluster = driver.CUlaunchAttribute()
        cluster.id = driver.CUlaunchAttributeID.CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION
        value = driver.CUlaunchAttributeValue()
        value.clusterDim.x, value.clusterDim.y, value.clusterDim.z = launch.cluster
        cluster.value = value
        config.attrs = [cluster]
        config.numAttrs = 1
    return config


def _encode(tensor: TensorMap, address: int) -> Any:
    """The 128 bytes that the copy engine reads, as the driver makes them."""
    whole = driver.cuuint32_t(1)
    made = call(
        driver.cuTensorMapEncodeTiled,
        _DTYPES[tensor.dtype],
        len(tensor.shape),
        address,
        [driver.cuuint64_t(n) for n in tensor.shape],
        [driver.cuuint64_t(n) for n in tensor.strides],
        [driver.cuuint32_t(n) for n in tensor.box],
        [whole] * len(tensor.shape),
        driver.CUtensorMapInterleave.CU_TENSOR_MAP_INTERLEAVE_NONE,
        _SWIZZLES[tensor.swizzle],
        driver.CUtensorMapL2promotion.CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
        driver.CUtensorMapFloatOOBfill.CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE,
    )
    copy = (ctypes.c_uint64 * (_MAP_BYTES // 8))()
    ctypes.memmove(copy, int(made.getPtr()), _MAP_BYTES)
    return copy
