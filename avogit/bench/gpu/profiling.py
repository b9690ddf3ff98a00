"""Nsight Compute on one plan: which counters are asked for, and reading its table.

Owns the names of counters. Leaves the program that is watched to `single`, and finding tools to
`tools`. Clocks are left as they are: a profile explains, it does not measure.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping

from avogit.bench.gpu.tools import CALLS, Target, find_tool, version, watch
from avogit.errors import AvogitError
from avogit.records import KernelProfile, Profile

_DURATION = "gpu__time_duration.sum"
_SM = "sm__throughput.avg.pct_of_peak_sustained_elapsed"
_DRAM = "dram__throughput.avg.pct_of_peak_sustained_elapsed"
_TENSOR = "sm__pipe_tensor_cycles_active.avg.pct_of_peak_sustained_elapsed"
_OCCUPANCY = "sm__warps_active.avg.pct_of_peak_sustained_active"
_L2 = "lts__t_sector_hit_rate.pct"
_REGISTERS = "launch__registers_per_thread"
_SHARED = "launch__shared_mem_per_block"
_STALLS = "regex:smsp__average_warps_issue_stalled_.*_per_issue_active"
_COUNTERS = (_DURATION, _SM, _DRAM, _TENSOR, _OCCUPANCY, _L2, _REGISTERS, _SHARED, _STALLS)
_STALL = re.compile(r"smsp__average_warps_issue_stalled_(\w+)_per_issue_active\.ratio")
_NO_WAITING = ("selected", "not_selected")  # the warp was ready
_MOST_STALLS = 3
_REFUSED = "ERR_NVGPUCTRPERM"


def profile(target: Target, launches: int) -> Profile:
    """What the counters say of a plan of so many launches."""
    tool = find_tool("ncu", "NCU")
    options = [
        *("--csv", "--page", "raw", "--print-units", "base", "--clock-control", "none"),
        *("--launch-skip", str((CALLS - 1) * launches), "--launch-count", str(launches)),
        *("--metrics", ",".join(_COUNTERS)),
    ]
    text = watch(tool, options, target)
    if _REFUSED in text:
        raise AvogitError(
            "profiling: the driver shows its counters to the administrator alone"
            f" ({_REFUSED}); run as root, or load the driver with"
            " NVreg_RestrictProfilingToAdminUsers=0"
        )
    kernels = parse_table(text)
    if not kernels:
        raise AvogitError(f"profiling: {tool} saw no launch; it said: {_last_line(text)}")
    return Profile(target.workload, target.device, version(tool), kernels)


def parse_table(text: str) -> tuple[KernelProfile, ...]:
    """The launches of `ncu --csv --page raw`: a line of names, one of units, one each."""
    lines = text.splitlines()
    first = next((n for n, line in enumerate(lines) if line.startswith('"ID"')), len(lines))
    rows = [row for row in csv.DictReader(io.StringIO("\n".join(lines[first:]))) if row.get("ID")]
    return tuple(_kernel(row) for row in rows)


def _kernel(row: Mapping[str, str]) -> KernelProfile:
    nanoseconds = _number(row, _DURATION)
    registers, shared = _number(row, _REGISTERS), _number(row, _SHARED)
    return KernelProfile(
        kernel=row["Kernel Name"],
        grid=row["Grid Size"],
        block=row["Block Size"],
        duration_us=None if nanoseconds is None else nanoseconds / 1e3,
        sm_pct=_number(row, _SM),
        dram_pct=_number(row, _DRAM),
        tensor_pct=_number(row, _TENSOR),
        occupancy_pct=_number(row, _OCCUPANCY),
        l2_hit_pct=_number(row, _L2),
        registers=None if registers is None else int(registers),
        shared_bytes=None if shared is None else int(shared),
        stalls=tuple(sorted(_stalls(row), key=lambda stall: -stall[1])[:_MOST_STALLS]),
    )


def _stalls(row: Mapping[str, str]) -> Iterator[tuple[str, float]]:
    for name in row:
        match = _STALL.fullmatch(name or "")
        cycles = _number(row, name) if match else None
        if match and cycles is not None and match[1] not in _NO_WAITING:
            yield match[1].replace("_", " "), cycles


def _number(row: Mapping[str, str], name: str) -> float | None:
    """A cell as a number; None for a counter that this device lacks."""
    text = (row.get(name) or "").replace(",", "")
    return float(text) if re.fullmatch(r"-?\d+(\.\d+)?(e[+-]?\d+)?", text) else None


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "nothing"
