"""How attention.cu is launched. Runs when the kernel is built; what it returns is checked."""

import math
import re
from pathlib import Path

LOG2_E = 1.4426950408889634


def settings() -> dict[str, int]:
    """The constants of config.h."""
    text = Path("config.h").read_text(encoding="utf-8")
    return {name: int(value) for name, value in re.findall(r"int (\w+) = (\d+);", text)}


def plan(workload: dict[str, int], device: dict[str, object]) -> dict[str, object]:
    """One launch: a block for each tile of rows, query head and batch."""
    constants = settings()
    rows, keys, dim = 16 * constants["WARPS"], constants["KEYS"], workload["dim"]
    mask = "causal" if workload["causal"] else "full"
    dtype = "fp16" if workload["fp16"] else "bf16"
    return {
        "launches": [
            {
                "kernel": f"attention_{dim}_{mask}_{dtype}",
                "grid": [-(-workload["seq"] // rows), workload["heads"], workload["batch"]],
                "block": [32 * constants["WARPS"], 1, 1],
                "shared_bytes": (rows + 4 * keys) * dim * 2,
                "arguments": [
                    {"buffer": "q"},
                    {"buffer": "k"},
                    {"buffer": "v"},
                    {"buffer": "out"},
                    {"i32": workload["seq"]},
                    {"i32": workload["heads"]},
                    {"i32": workload["kv_heads"]},
                    {"f32": LOG2_E / math.sqrt(dim)},
                ],
            }
        ]
    }
