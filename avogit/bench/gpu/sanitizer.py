"""NVIDIA's memory checker on one plan: reads and writes beyond a buffer, misaligned ones, leaks."""

from __future__ import annotations

import re
from dataclasses import dataclass

from avogit.bench.gpu.tools import Target, find_tool, version, watch
from avogit.errors import AvogitError

_MARK = "========="
_SUMMARY = re.compile(r"ERROR SUMMARY: (\d+) error")
_SHOWN_LINES = 12


@dataclass(frozen=True, slots=True)
class Sanitized:
    """What it found. `lines` are its first words on the first errors."""

    tool: str
    errors: int
    lines: tuple[str, ...]


def sanitize(target: Target, check: str = "memcheck") -> Sanitized:
    """Have a plan carried out under compute-sanitizer's check of that name."""
    tool = find_tool("compute-sanitizer", "COMPUTE_SANITIZER")
    text = watch(tool, ["--tool", check, "--print-limit", "10"], target)
    errors, lines = parse_findings(text)
    return Sanitized(version(tool), errors, lines)


def parse_findings(text: str) -> tuple[int, tuple[str, ...]]:
    """How many errors, and the first lines on them."""
    summary = _SUMMARY.search(text)
    if summary is None:
        last = text.strip().splitlines()[-1:] or ["nothing"]
        raise AvogitError(f"compute-sanitizer did not finish; it said: {last[0][:300]}")
    told = [
        line.removeprefix(_MARK).strip() for line in text.splitlines() if line.startswith(_MARK)
    ]
    words = [line for line in told if line and not line.startswith(("COMPUTE-", "ERROR SUMM"))]
    return int(summary[1]), tuple(words[:_SHOWN_LINES]) if int(summary[1]) else ()
