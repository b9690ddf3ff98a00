"""Which instructions the kernels of a bundle are made of.

Apart from the build, as the disassembler takes half a second for it: whoever evaluates asks for
kernels that turned out right. Kept beside the bundle. A cubin comes from untrusted sources, so the
disassembler runs confined, as the compilers do.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from avogit.build import Artefact
from avogit.build.confined import Workshop
from avogit.build.inspecting import count_instructions
from avogit.bundle import Bundle, Kernel, read_bundle

_KEPT = "instructions.json"
_TIMEOUT_S = 60.0
Counts = Mapping[str, Mapping[str, Mapping[str, int]]]  # cubin -> symbol -> instruction -> number


def with_instructions(artefact: Artefact) -> tuple[Kernel, ...]:
    """The kernels of a bundle with their instructions, where a tool is installed that can tell."""
    bundle = read_bundle(artefact.path)
    kept = artefact.path.parent / _KEPT
    counts = _read(kept)
    if counts is None:
        counts = _count(bundle)
        _keep(kept, counts)
    return tuple(_counted(kernel, counts) for kernel in bundle.kernels)


def _counted(kernel: Kernel, counts: Counts) -> Kernel:
    if kernel.resources is None:
        return kernel
    found = counts.get(kernel.cubin, {}).get(kernel.entry, {})
    return replace(kernel, resources=replace(kernel.resources, instructions=found))


def _count(bundle: Bundle) -> Counts:
    counts: dict[str, Mapping[str, Mapping[str, int]]] = {}
    with tempfile.TemporaryDirectory(prefix="avogit-count-") as folder:
        for number, (name, cubin) in enumerate(bundle.cubins.items()):
            workshop = Workshop(Path(folder) / str(number), (), "/usr/bin", _TIMEOUT_S, True)
            workshop.work.mkdir(parents=True)
            (workshop.work / "kernel.cubin").write_bytes(cubin)
            counts[name] = count_instructions(workshop, "kernel.cubin")
    return counts


def _read(kept: Path) -> Counts | None:
    try:
        return dict(json.loads(kept.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def _keep(kept: Path, counts: Counts) -> None:
    """It can be counted again: that it cannot be kept is no error."""
    with contextlib.suppress(OSError):
        handle, scratch = tempfile.mkstemp(dir=kept.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(counts, file)
        Path(scratch).replace(kept)
