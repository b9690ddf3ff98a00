"""Whether a launch plan may be carried out: its kernels, its memory, the device's limits.

Owns every rule that needs to know more than the plan itself. What a kernel does with a pointer
no plan can tell: it is launched in a context that holds nothing but the buffers named here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from avogit.bench.plan import (
    ELEMENT_BYTES,
    SCALAR_BYTES,
    Argument,
    Launch,
    LaunchPlan,
    MapArgument,
    Memory,
    PlanRefused,
    Scalar,
    TensorMap,
    parse_plan,
)
from avogit.bundle import Bundle, Kernel
from avogit.devices import Architecture

_MOST_THREADS = 1024
_BLOCK_LIMITS = (1024, 1024, 64)
_GRID_LIMITS = ((1 << 31) - 1, 65535, 65535)
_POINTER_BYTES, _TENSOR_MAP_BYTES = 8, 128
_TENSOR_MAPS_SINCE = 90
_ALIGNMENT = 16  # bytes, of what the copy engine reads


def checked_plans(
    bundle: Bundle, buffers: Mapping[str, Mapping[str, int]], architecture: Architecture
) -> dict[str, LaunchPlan]:
    """The plan of every workload; `buffers`: workload -> name -> size in bytes."""
    if bundle.target != architecture.target:
        detail = f"built for {bundle.target}, to run on {architecture.target}"
        raise PlanRefused("wrong-target", detail)
    found = {}
    for workload, sizes in buffers.items():
        if workload not in bundle.plans:
            raise PlanRefused("not-a-plan", f"no plan for {workload}")
        try:
            found[workload] = checked_plan(
                bundle.plans[workload], bundle.kernels, sizes, architecture
            )
        except PlanRefused as refused:
            raise PlanRefused(refused.reason, f"{workload}: {refused.detail}") from refused
    return found


def checked_plan(
    document: Any,
    kernels: tuple[Kernel, ...],
    buffers: Mapping[str, int],
    architecture: Architecture,
) -> LaunchPlan:
    """One workload's plan, parsed, with every rule satisfied."""
    plan = parse_plan(document)
    by_name = {kernel.name: kernel for kernel in kernels}
    for name, tensor in plan.tensor_maps.items():
        _check_tensor_map(name, tensor, plan, buffers, architecture)
    for launch in plan.launches:
        kernel = by_name.get(launch.kernel)
        if kernel is None:
            known = ", ".join(sorted(by_name))[:500]
            raise PlanRefused("unknown-kernel", f"{launch.kernel!r}; there is: {known}")
        _check_sizes(launch, kernel, architecture)
        _check_arguments(launch, kernel, plan, buffers)
    return plan


def _check_sizes(launch: Launch, kernel: Kernel, architecture: Architecture) -> None:
    name = launch.kernel
    threads = math.prod(launch.block)
    if threads > _MOST_THREADS or _exceeds(launch.block, _BLOCK_LIMITS):
        raise PlanRefused("block-too-large", f"{name}: {_by(launch.block)} threads")
    if _exceeds(launch.grid, _GRID_LIMITS):
        raise PlanRefused("grid-too-large", f"{name}: {_by(launch.grid)} blocks")
    blocks = math.prod(launch.cluster)
    uneven = any(g % c for g, c in zip(launch.grid, launch.cluster, strict=True))
    if blocks > architecture.cluster_blocks or uneven:
        most = architecture.cluster_blocks
        detail = f"{name}: cluster {_by(launch.cluster)} of grid {_by(launch.grid)}, {most} at most"
        raise PlanRefused("cluster", detail)
    static = kernel.resources.shared_bytes if kernel.resources else 0
    if launch.shared_bytes + static > architecture.shared_bytes:
        limit = architecture.shared_bytes
        detail = f"{name}: {launch.shared_bytes} bytes and {static} static, at most {limit}"
        raise PlanRefused("shared-memory", detail)


def _check_arguments(
    launch: Launch, kernel: Kernel, plan: LaunchPlan, buffers: Mapping[str, int]
) -> None:
    given, wanted = len(launch.arguments), len(kernel.parameters)
    if given != wanted:
        detail = f"{launch.kernel} takes {wanted} arguments, the plan gives {given}"
        raise PlanRefused("argument-count", detail)
    for position, argument in enumerate(launch.arguments):
        where = f"{launch.kernel}, argument {position}"
        size, takes = _size(argument), kernel.parameters[position]
        if size != takes:
            # The driver would copy beyond the argument, from memory of the launcher's.
            raise PlanRefused("argument-size", f"{where}: {size} bytes where {takes} are taken")
        if isinstance(argument, Memory):
            _room(where, argument, plan, buffers)
        if isinstance(argument, MapArgument) and argument.name not in plan.tensor_maps:
            raise PlanRefused("unknown-tensor-map", f"{where}: {argument.name!r}")


def _check_tensor_map(
    name: str,
    tensor: TensorMap,
    plan: LaunchPlan,
    buffers: Mapping[str, int],
    architecture: Architecture,
) -> None:
    where, element = f"tensor map {name}", ELEMENT_BYTES[tensor.dtype]
    if architecture.capability < _TENSOR_MAPS_SINCE:
        raise PlanRefused("tensor-map", f"{where}: {architecture.target} has no tensor maps")
    room = _room(where, tensor.memory, plan, buffers)
    strides = (element, *tensor.strides)
    reach = sum((n - 1) * s for n, s in zip(tensor.shape, strides, strict=True)) + element
    if reach > room:
        detail = f"{where} reaches {reach} bytes from its start, where {room} lie"
        raise PlanRefused("tensor-map-outside", detail)
    row = tensor.box[0] * element
    if any(s % _ALIGNMENT for s in (tensor.memory.offset, *tensor.strides, row)):
        detail = f"{where}: offset, strides and a row of the box must be multiples of 16 bytes"
        raise PlanRefused("tensor-map", detail)
    if tensor.swizzle and row > tensor.swizzle:
        detail = f"{where}: a row of {row} bytes in a swizzle of {tensor.swizzle}"
        raise PlanRefused("tensor-map", detail)


def _room(where: str, memory: Memory, plan: LaunchPlan, buffers: Mapping[str, int]) -> int:
    """How many bytes lie behind a place; it must be inside what it names."""
    sizes = plan.workspaces if memory.workspace else buffers
    if memory.name not in sizes:
        kind = "workspace" if memory.workspace else "buffer"
        known = ", ".join(sorted(sizes))[:500] or "none"
        raise PlanRefused(f"unknown-{kind}", f"{where}: {memory.name!r}; there is: {known}")
    room = sizes[memory.name] - memory.offset
    if room <= 0:
        detail = f"{where}: byte {memory.offset} of {memory.name}, which has {sizes[memory.name]}"
        raise PlanRefused("offset-outside", detail)
    return room


def _size(argument: Argument) -> int:
    if isinstance(argument, Scalar):
        return SCALAR_BYTES[argument.kind]
    return _TENSOR_MAP_BYTES if isinstance(argument, MapArgument) else _POINTER_BYTES


def _exceeds(sizes: tuple[int, ...], limits: tuple[int, ...]) -> bool:
    return any(size > limit for size, limit in zip(sizes, limits, strict=True))


def _by(sizes: tuple[int, ...]) -> str:
    return "x".join(map(str, sizes))
