"""Which instructions the kernels of a bundle are made of.

Apart from the build, as the disassembler takes half a second for it: whoever evaluates asks for
kernels that turned out right. Kept beside the bundle. A cubin comes from untrusted sources, so the
disassembler runs confined, as the compilers do. What cannot be counted is left out: nobody loses a
verdict for it.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from avogit.build import Artefact
from avogit.build.confined import Workshop
from avogit.build.inspecting import count_instructions
from avogit.bundle import Kernel, read_bundle
from avogit.errors import AvogitError

_KEPT = "instructions.json"
_TIMEOUT_S = 60.0
Counts = Mapping[str, Mapping[str, Mapping[str, int]]]  # cubin -> symbol -> instruction -> number


def with_instructions(kernels: Sequence[Kernel], artefact: Artefact) -> tuple[Kernel, ...]:
    """The kernels of a bundle with their instructions, where a tool is installed that can tell."""
    kept = artefact.path.parent / _KEPT
    counts = _read(kept)
    if counts is None:
        counts = _count(artefact.path)
        if counts and all(counts.values()):
            _keep(kept, counts)
    return tuple(_counted(kernel, counts) for kernel in kernels)


def _counted(kernel: Kernel, counts: Counts) -> Kernel:
    if kernel.resources is None:
        return kernel
    found = counts.get(kernel.cubin, {}).get(kernel.entry, {})
    return replace(kernel, resources=replace(kernel.resources, instructions=found))


def _count(bundle: Path) -> Counts:
    counts: dict[str, Mapping[str, Mapping[str, int]]] = {}
    with (
        contextlib.suppress(AvogitError, OSError, zipfile.BadZipFile),
        tempfile.TemporaryDirectory(prefix="avogit-count-") as folder,
    ):
        for number, (name, cubin) in enumerate(read_bundle(bundle).cubins.items()):
            workshop = Workshop(Path(folder) / str(number), (), "/usr/bin", _TIMEOUT_S, True)
            workshop.work.mkdir(parents=True)
            (workshop.work / "kernel.cubin").write_bytes(cubin)
            counts[name] = count_instructions(workshop, "kernel.cubin")
    return counts


def _read(kept: Path) -> Counts | None:
    """What was counted before; None where nothing was, or nobody can read it."""
    try:
        counts = json.loads(kept.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    cubins = list(counts.values()) if isinstance(counts, dict) else [None]
    sound = all(
        isinstance(c, dict) and all(isinstance(k, dict) for k in c.values()) for c in cubins
    )
    return counts if sound else None


def _keep(kept: Path, counts: Counts) -> None:
    with (
        contextlib.suppress(OSError),
        tempfile.TemporaryDirectory(prefix=".new-", dir=kept.parent) as folder,
    ):
        written = Path(folder) / kept.name
        written.write_text(json.dumps(counts), encoding="utf-8")
        written.replace(kept)
