"""Profiles -> text: what each launch was busy with, and what its warps waited for."""

from __future__ import annotations

from tabulate import tabulate

from avogit.commands.profile import Profiled
from avogit.records import KernelProfile, Profile

_HEADER = ("us", "sm %", "tensor %", "dram %", "l2 hit %", "occupancy %", "registers", "shared")


def profiled_text(result: Profiled) -> str:
    """What `avogit profile` prints."""
    kept = f"kept as record {result.record[:19]}" if result.record else "not kept: no candidate"
    return f"{result.rev}: {profile_text(result.profile)}\n{kept}"


def profile_text(profile: Profile) -> str:
    """A profile, launch by launch."""
    rows = [_row(kernel) for kernel in profile.kernels]
    table = tabulate(rows, ["kernel", "grid", "block", *_HEADER], tablefmt="plain", missingval="?")
    waits = [
        f"{kernel.kernel} waits for: "
        + ", ".join(f"{why} ({cycles:.2f} cycles)" for why, cycles in kernel.stalls)
        for kernel in profile.kernels
        if kernel.stalls
    ]
    heading = f"{profile.workload} on {profile.device}, by {profile.tool}"
    return "\n".join([heading, table, *waits])


def _row(kernel: KernelProfile) -> list[object]:
    return [
        kernel.kernel,
        kernel.grid,
        kernel.block,
        kernel.duration_us,
        kernel.sm_pct,
        kernel.tensor_pct,
        kernel.dram_pct,
        kernel.l2_hit_pct,
        kernel.occupancy_pct,
        kernel.registers,
        kernel.shared_bytes,
    ]
