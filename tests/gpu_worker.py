"""Runs the seeds of the GPU tasks on a CPU and compares them with their own reference.

The CUDA C++ one in an emulator of its primitives (tests/emulator), the Triton one in Triton's
interpreter. A separate program, as kernel_worker.py is. Reads one JSON request, writes one JSON
reply: `shape -> kind -> worst row RMS error`.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

import torch

ORDER = ("q", "k", "v", "out")


def main() -> None:
    """Answer one request."""
    torch.set_num_threads(1)
    request = json.load(sys.stdin)
    os.chdir(request["folder"])
    sys.path.insert(0, request["folder"])
    problem, launch = load("problem"), load("launch")
    run = emulated(request["object"]) if request["object"] else interpreted()
    reply: dict[str, dict[str, float]] = {}
    for label, w in request["shapes"].items():
        plan = launch.plan(w, {})["launches"][0]
        for kind in request["kinds"]:
            inputs = problem.make_inputs(w, kind, torch.Generator().manual_seed(len(label)))
            out = torch.full(problem.shapes(w)["out"], float("nan"), dtype=problem.dtype(w))
            run(plan, w, {**inputs, "out": out})
            reply.setdefault(label, {})[kind] = error(problem, w, inputs, out)
            wrong = reply.setdefault(f"{label}, last key dropped", {})
            wrong[kind] = error(problem, w, inputs, without_last_key(problem, w, inputs))
    json.dump(reply, sys.stdout)


def load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, Path(f"{name}.py").absolute())
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def error(problem: Any, w: dict[str, int], inputs: dict[str, torch.Tensor], out: Any) -> float:
    """The worst row's error; infinite where something is not finite."""
    width = out.shape[-1]
    rows = torch.arange(out.numel() // width)
    truth = problem.reference(w, inputs, rows)
    difference = (out.reshape(-1, width).double() - truth).square().mean(-1).sqrt()
    worst = (difference / truth.square().mean(-1).sqrt()).max()
    return float(worst) if bool(torch.isfinite(out).all()) else float("inf")


def without_last_key(problem: Any, w: dict[str, int], inputs: dict[str, torch.Tensor]) -> Any:
    """What a kernel gives that forgets the last key (and, in causal heads, nothing else)."""
    shorter = {**inputs, **{name: inputs[name].clone() for name in ("k", "v")}}
    shorter["k"][:, -1] = shorter["k"][:, -2]
    shorter["v"][:, -1] = shorter["v"][:, -2]
    shape = problem.shapes(w)["out"]
    rows = torch.arange(shape[0] * shape[1] * shape[2])
    return problem.reference(w, shorter, rows).reshape(shape)


def emulated(path: str) -> Any:
    """attention.cu, built for the CPU."""
    library = ctypes.CDLL(path)

    def run(plan: dict[str, Any], w: dict[str, int], tensors: dict[str, torch.Tensor]) -> None:
        grid = (ctypes.c_int * 3)(*plan["grid"])
        pointers = [ctypes.c_void_p(tensors[name].data_ptr()) for name in ORDER]
        numbers = [ctypes.c_int(argument["i32"]) for argument in plan["arguments"][4:7]]
        scale = ctypes.c_float(plan["arguments"][7]["f32"])
        kernel = ctypes.cast(getattr(library, plan["kernel"]), ctypes.c_void_p)
        parted = library.emulate(kernel, grid, plan["block"][0], *pointers, *numbers, scale)
        assert parted == 0, "threads of a block ended at different barriers"

    return run


def interpreted() -> Any:
    """kernel.py, in Triton's interpreter."""
    kernel = sys.modules["kernel"]

    def run(plan: dict[str, Any], w: dict[str, int], tensors: dict[str, torch.Tensor]) -> None:
        constants = kernel.variant(w["dim"], w["causal"], w["fp16"])["constants"]
        numbers = [next(iter(argument.values())) for argument in plan["arguments"][4:8]]
        kernel.attention[tuple(plan["grid"])](*tensors.values(), *numbers, **constants)

    return run


if __name__ == "__main__":
    main()
