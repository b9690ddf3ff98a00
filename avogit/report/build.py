"""`avogit build` -> text: kernels with what they take, workloads with what they launch."""

from __future__ import annotations

from tabulate import tabulate

from avogit.bench.plan import Launch
from avogit.bundle import Kernel
from avogit.commands.build import Compilation

_TENSOR_CORES = ("HMMA", "HGMMA", "QGMMA", "UTCHMMA", "UTCQMMA")
_LOCAL = ("LDL", "STL")


def build_text(result: Compilation) -> str:
    """What was built, or the compiler's words."""
    target = f" for {result.device} ({result.target})" if result.device else ""
    if result.reason:
        return f"{result.task}{target} does not build: {result.reason}\n{result.detail}"
    lines = [f"{result.task}{target}: built by {result.compiler}"]
    if result.kernels:
        header = ["kernel", "registers", "stack", "static shared", "tensor", "mufu", "local"]
        lines += ["", tabulate([_kernel(k) for k in result.kernels], header, tablefmt="plain")]
    if result.plans:
        rows = [_launch(w, one) for w, plan in result.plans.items() for one in plan.launches]
        header = ["workload", "kernel", "grid", "block", "shared"]
        lines += ["", tabulate(rows, header, tablefmt="plain", disable_numparse=True)]
    return "\n".join(lines)


def _kernel(kernel: Kernel) -> list[object]:
    found = kernel.resources
    if found is None:
        return [kernel.name, *["?"] * 6]
    sizes = (found.registers, found.stack_bytes, found.shared_bytes)
    if not found.instructions:
        return [kernel.name, *sizes, *["?"] * 3]
    counts = (_count(kernel, _TENSOR_CORES), _count(kernel, ("MUFU",)), _count(kernel, _LOCAL))
    return [kernel.name, *sizes, *counts]


def _count(kernel: Kernel, names: tuple[str, ...]) -> int:
    counts = kernel.resources.instructions if kernel.resources else {}
    return sum(counts.get(name, 0) for name in names)


def _launch(workload: str, launch: Launch) -> list[str]:
    grid, block = ("x".join(map(str, size)) for size in (launch.grid, launch.block))
    return [workload, launch.kernel, grid, block, str(launch.shared_bytes)]
