"""The one file that a GPU build gives: cubins, what their kernels are like, and launch plans.

Owns the file's format, a zip of stored members, the same bytes for the same contents. Leaves
making cubins to `build`, and judging the plans, which are a candidate's words, to `bench.plan`.
"""

from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_INDEX = "bundle.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Resources:
    """What a kernel takes of a multiprocessor, and its instructions by name."""

    registers: int
    stack_bytes: int
    shared_bytes: int  # static; a plan's dynamic shared memory comes on top
    local_bytes: int
    # `build.counting` fills it in later.
    instructions: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kernel:
    """One kernel of a cubin. `parameters` are the sizes in bytes, in order, of what it takes."""

    name: str  # what plans call it
    entry: str  # its symbol in the cubin
    cubin: str
    parameters: tuple[int, ...]
    resources: Resources | None = None  # None where no tool could tell


@dataclass(frozen=True, slots=True)
class Bundle:
    """A built GPU candidate. `plans`: workload -> what its `plan` returned, unchecked."""

    target: str
    cubins: Mapping[str, bytes]
    kernels: tuple[Kernel, ...]
    plans: Mapping[str, Any]


def write_bundle(path: Path, bundle: Bundle) -> None:
    """Write the file."""
    index = {
        "target": bundle.target,
        "kernels": [dataclasses.asdict(kernel) for kernel in bundle.kernels],
        "plans": bundle.plans,
    }
    members = {_INDEX: json.dumps(index, sort_keys=True).encode(), **bundle.cubins}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), members[name])


def read_bundle(path: Path) -> Bundle:
    """The bundle that a build of ours wrote."""
    with zipfile.ZipFile(path) as archive:
        index = json.loads(archive.read(_INDEX))
        cubins = {name: archive.read(name) for name in archive.namelist() if name != _INDEX}
    kernels = tuple(_kernel(document) for document in index["kernels"])
    return Bundle(index["target"], cubins, kernels, index["plans"])


def _kernel(document: Mapping[str, Any]) -> Kernel:
    resources = document["resources"]
    return Kernel(
        name=document["name"],
        entry=document["entry"],
        cubin=document["cubin"],
        parameters=tuple(document["parameters"]),
        resources=Resources(**resources) if resources is not None else None,
    )
