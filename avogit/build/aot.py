"""Triton's ahead-of-time compiler around a candidate's kernels. Runs confined.

A kernel module has `variants(device, workloads)`, which maps the name of each kernel that these
workloads need to what it is made of: `function` (a `triton.jit` function), `signature` (argument
-> Triton's type), `constants` (argument -> value), `aligned` (pointers and lengths that are
multiples of 16), and `options` (`num_warps`, `num_stages`, ...). A launch that leaves out `block`
or `shared_bytes` gets those that Triton chose, and the two scratch pointers that Triton adds are
passed as null.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avogit.build.planner import LAUNCH, ORDER, candidate_module, report_errors, write_plans

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,60}")
_SCRATCH_POINTERS = 2


@dataclass(frozen=True, slots=True)
class Built:
    """What Triton chose for one kernel."""

    threads: int
    shared_bytes: int


def main(argv: Sequence[str]) -> int:
    """Compile and plan the order in the working directory."""
    os.environ["TRITON_CACHE_DIR"] = str(Path.cwd() / ".triton")
    return report_errors(_build)


def _build() -> None:
    order = json.loads(Path(ORDER).read_text(encoding="utf-8"))
    built: dict[str, Built] = {}
    workloads = list(order["workloads"].values())
    for module in order["modules"]:
        variants = candidate_module(module).variants
        for name, variant in variants(dict(order["device"]), workloads).items():
            built[name] = _compile(name, variant, order["device"]["capability"])
    Path("avogit-cubins.json").write_text(json.dumps([f"{n}.cubin" for n in built]))
    write_plans(order, _Filled(candidate_module(LAUNCH), built))


def _compile(name: str, variant: Mapping[str, Any], capability: int) -> Built:
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for a kernel")
    function = variant["function"]
    constants = dict(variant.get("constants", {}))
    arguments = list(function.arg_names)
    signature = {a: "constexpr" if a in constants else variant["signature"][a] for a in arguments}
    aligned = {(arguments.index(a),): [["tt.divisibility", 16]] for a in variant.get("aligned", ())}
    source = ASTSource(function, signature, constants, aligned)
    options = dict(variant.get("options", {}))
    found = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    if found.metadata.global_scratch_size or found.metadata.profile_scratch_size:
        raise ValueError(f"{name} needs scratch memory that only Triton's own launcher gives")
    Path(f"{name}.cubin").write_bytes(found.asm["cubin"])
    threads = 32 * found.metadata.num_warps
    return Built(threads, found.metadata.shared)


class _Filled:
    """A launch module whose plans are completed with what Triton chose."""

    def __init__(self, launch: Any, built: Mapping[str, Built]) -> None:
        self._launch = launch
        self._built = built

    def plan(self, workload: dict[str, int], device: dict[str, Any]) -> Any:
        plan = self._launch.plan(workload, device)
        for launch in plan["launches"]:
            built = self._built[launch["kernel"]]
            launch.setdefault("block", [built.threads, 1, 1])
            launch.setdefault("shared_bytes", built.shared_bytes)
            launch["arguments"] = [*launch["arguments"], *[{"null": True}] * _SCRATCH_POINTERS]
        return plan
