"""Launches as an honest kernel needs them. Trusted: the cheats stand on it."""

from __future__ import annotations

import math

ROWS, THREADS = 64, 128
LOG2_E = 1.4426950408889634


def arguments(workload: dict[str, int]) -> list[dict[str, object]]:
    """What `KERNEL` of honest.h takes."""
    return [
        *({"buffer": name} for name in ("q", "k", "v", "out")),
        *({"i32": workload[name]} for name in ("seq", "heads", "causal")),
        {"f32": LOG2_E / math.sqrt(workload["dim"])},
    ]


def grid(workload: dict[str, int]) -> list[int]:
    """A block for each tile of rows, head and batch."""
    return [-(-workload["seq"] // ROWS), workload["heads"], workload["batch"]]


def launch(workload: dict[str, int], **changes: object) -> dict[str, object]:
    """One launch of `attention`, with these fields changed or added."""
    return {
        "kernel": "attention",
        "grid": grid(workload),
        "block": [THREADS, 1, 1],
        "arguments": arguments(workload),
        **changes,
    }
