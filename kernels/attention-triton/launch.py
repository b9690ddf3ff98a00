"""How kernel.py is launched. Runs when the kernel is built; what it returns is checked.

Block size, shared memory and Triton's own two pointers are filled in from what Triton chose.
"""

import math

import kernel

LOG2_E = 1.4426950408889634


def plan(workload: dict[str, int], device: dict[str, object]) -> dict[str, object]:
    """One launch: a program for each tile of rows, query head and batch."""
    tiles = -(-workload["seq"] // kernel.ROWS)
    return {
        "launches": [
            {
                "kernel": kernel.name(workload["dim"], workload["causal"], workload["fp16"]),
                "grid": [tiles, workload["heads"], workload["batch"]],
                "arguments": [
                    {"buffer": "q"},
                    {"buffer": "k"},
                    {"buffer": "v"},
                    {"buffer": "out"},
                    {"i32": workload["seq"]},
                    {"i32": workload["heads"]},
                    {"i32": workload["kv_heads"]},
                    {"f32": LOG2_E / math.sqrt(workload["dim"])},
                ],
            }
        ]
    }
