"""What the builders for GPUs share: from cubins in the work folder to a bundle.

Owns the order that a worker finds, planning the launches, and packing. Leaves compiling to
`cuda` and `triton`, and judging a plan to `bench.plan`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from avogit.build import BuildFailure, BuildOrder
from avogit.build.confined import Workshop, python_folders
from avogit.build.cubin import NotACubin, parameter_sizes
from avogit.build.inspecting import inspect
from avogit.build.planner import ORDER, PLANS
from avogit.bundle import Bundle, Kernel, write_bundle
from avogit.devices import Device
from avogit.errors import AvogitError
from avogit.processes import program

OUTPUT = "kernel.zip"
_LARGEST_PLANS, _LARGEST_CUBIN = 8 << 20, 256 << 20


def device_of(order: BuildOrder) -> Device:
    """What an order is built for."""
    if order.device is None:
        raise AvogitError("building for a GPU: no device was named")
    return order.device


def write_order(workshop: Workshop, order: BuildOrder, **more: object) -> None:
    """What a worker in the sandbox reads."""
    document = {
        "device": device_of(order).facts(),
        "workloads": {name: dict(params) for name, params in order.workloads.items()},
        **more,
    }
    (workshop.work / ORDER).write_text(json.dumps(document), encoding="utf-8")


def plan(workshop: Workshop, order: BuildOrder) -> BuildFailure | None:
    """Have `launch.py` plan every workload."""
    if "launch.py" not in order.files:
        return BuildFailure(
            "no-launch", "a GPU kernel needs a launch.py with plan(workload, device)"
        )
    write_order(workshop, order)
    seeing = Workshop(
        workshop.scratch, python_folders(), "/usr/bin", workshop.timeout_s, workshop.bubblewrap
    )
    return seeing.run(program("avogit.build.planner", bare=True), "launch-error")


def take_cubins(workshop: Workshop, names: Sequence[str]) -> dict[str, bytes] | BuildFailure:
    """The cubins that a compiler left in the work folder."""
    found = {name: workshop.take(name, _LARGEST_CUBIN) for name in names}
    missing = [name for name, data in found.items() if data is None]
    if missing:
        return BuildFailure("compile-error", f"the build left no {missing[0]} to be taken")
    return {name: data for name, data in found.items() if data is not None}


def pack(
    workshop: Workshop, order: BuildOrder, cubins: Mapping[str, bytes], *, by_cubin: bool = False
) -> BuildFailure | None:
    """Write the bundle of these cubins and of the plans that lie in the work folder.

    Kernels go by their symbols; `by_cubin`: by the file's name, one kernel in each.
    """
    text = workshop.take(PLANS, _LARGEST_PLANS)
    if text is None:
        return BuildFailure("launch-error", f"no launch plans, or more than {_LARGEST_PLANS} bytes")
    device = device_of(order)
    try:
        plans = json.loads(text)
        kernels = [k for n, d in cubins.items() for k in _kernels(workshop, n, d, device, by_cubin)]
    except (ValueError, RecursionError, NotACubin) as error:
        return BuildFailure("compile-error", f"the build wrote what nobody can read: {error}")
    twice = {k.name for k in kernels if [o.name for o in kernels].count(k.name) > 1}
    if twice:
        return BuildFailure("compile-error", f"two kernels are called {sorted(twice)[0]}")
    bundle = Bundle(device.architecture.target, cubins, tuple(kernels), plans)
    write_bundle(workshop.scratch / OUTPUT, bundle)
    return None


def _kernels(
    workshop: Workshop, cubin: str, data: bytes, device: Device, by_cubin: bool
) -> list[Kernel]:
    sizes = parameter_sizes(data)
    if by_cubin and len(sizes) != 1:
        raise NotACubin(f"{cubin} holds {len(sizes)} kernels")
    # In a folder of its own: the candidate's code had the other one.
    clean = replace(workshop, scratch=Path(tempfile.mkdtemp(dir=workshop.scratch)))
    clean.work.mkdir()
    (clean.work / cubin).write_bytes(data)
    resources = inspect(clean, cubin, device.architecture.capability)
    return [
        Kernel(
            name=Path(cubin).stem if by_cubin else entry,
            entry=entry,
            cubin=cubin,
            parameters=sizes[entry],
            resources=resources.get(entry),
        )
        for entry in sorted(sizes)
    ]
