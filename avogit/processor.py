"""The machine's processor: its name for people, and what compilers look at."""

from __future__ import annotations

import functools
import hashlib
import platform
import re
from pathlib import Path

_NOISE = re.compile(r"\((?:R|TM|tm|r)\)|\bCPU\b|\bProcessor\b|@.*|\b\d+-Core\b|\bwith\b.*")


@functools.cache
def processor_name() -> str:
    """The processor, as its maker calls it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    found = re.search(r"^(?:model name|Model|cpu model)\s*:\s*(.+)$", text, re.MULTILINE)
    name = found[1] if found else platform.processor() or platform.machine()
    return " ".join(_NOISE.sub(" ", name).split()) or platform.machine()


@functools.cache
def processor_features() -> str:
    """What -march=native looks at."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    first = text.split("\n\n", 1)[0]
    wanted = ("model", "flags", "Features", "CPU part", "cpu family", "stepping")
    lines = [line for line in first.splitlines() if line.startswith(wanted)]
    return "\n".join([platform.machine(), *lines])


@functools.cache
def processor_hash() -> str:
    """What artefacts that are compiled here may depend on."""
    return hashlib.sha256(processor_features().encode()).hexdigest()
