"""What finished kernels take of a multiprocessor, and which instructions they are made of.

Owns asking cuobjdump, where it is installed, and reading its answer. It parses a file that
untrusted sources gave, so it runs confined as the compilers do. Without it nothing is known,
and nothing else changes.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from avogit.build.confined import Workshop, own_folder
from avogit.bundle import Resources

_USAGE = re.compile(r"Function (\S+):\s*REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)")
_FUNCTION = re.compile(r"^\s*Function : (\S+)", re.MULTILINE)
_INSTRUCTION = re.compile(r"^\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_]*)", re.M)
_PADDING = frozenset({"NOP", "BRA"})
# The system keeps this much of a block's shared memory, and here alone it is counted in.
_RESERVED_SHARED, _RESERVED_SINCE = 1024, 90
_LARGEST_LISTING = 256 << 20
_TOOLS = "nvidia/cu*/bin", "triton/backends/nvidia/bin"


def find_tool(name: str) -> Path | None:
    """A program of the CUDA tool kit: from installed wheels, else on PATH."""
    for folder in _tool_folders():
        if (folder / name).is_file():
            return folder / name
    found = shutil.which(name)
    return Path(found) if found else None


def inspect(workshop: Workshop, cubin: str, capability: int) -> Mapping[str, Resources]:
    """By kernel, what a cubin in the work folder takes."""
    text = _told(workshop, "-res-usage", cubin)
    reserved = _RESERVED_SHARED if capability >= _RESERVED_SINCE else 0
    return {
        name: Resources(
            registers=int(registers),
            stack_bytes=int(stack),
            shared_bytes=max(0, int(shared) - reserved),
            local_bytes=int(local),
        )
        for name, registers, stack, shared, local in _USAGE.findall(text)
    }


def count_instructions(workshop: Workshop, cubin: str) -> Mapping[str, Mapping[str, int]]:
    """By kernel, how often each instruction stands in a cubin in the work folder."""
    return {name: dict(found) for name, found in _instructions(_told(workshop, "-sass", cubin))}


def _told(workshop: Workshop, option: str, cubin: str) -> str:
    """What cuobjdump says of a cubin; nothing where it is missing, or cannot tell."""
    tool, disassembler = find_tool("cuobjdump"), find_tool("nvdisasm")
    if tool is None:
        return ""
    seeing = _seeing(workshop, tool, disassembler)
    if seeing.run([str(tool), option, cubin], "inspection") is not None:
        return ""
    return seeing.everything(_LARGEST_LISTING)


def _tool_folders() -> Iterator[Path]:
    for pattern in _TOOLS:
        package, _, rest = pattern.partition("/")
        spec = importlib.util.find_spec(package)
        for location in (spec.submodule_search_locations or []) if spec else []:
            yield from sorted(Path(location).glob(rest), reverse=True)


def _seeing(workshop: Workshop, tool: Path, disassembler: Path | None) -> Workshop:
    tools = [path for path in (tool, disassembler) if path is not None]
    read = [folder for path in tools for folder in own_folder(path.resolve(), path.name)]
    folders = os.pathsep.join(dict.fromkeys(str(path.parent) for path in tools))
    return Workshop(
        scratch=workshop.scratch,
        read=tuple(dict.fromkeys(read)),
        path=folders,
        timeout_s=workshop.timeout_s,
        bubblewrap=workshop.bubblewrap,
    )


def _instructions(text: str) -> Iterator[tuple[str, Counter[str]]]:
    """By function, how often each instruction stands in it."""
    parts = _FUNCTION.split(text)
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        counts = Counter(_INSTRUCTION.findall(body))
        yield name, Counter({op: n for op, n in counts.items() if op not in _PADDING})
