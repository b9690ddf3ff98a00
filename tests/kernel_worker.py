"""Runs built kernels and broken variants of them against a task's own reference.

A separate program, since torch warns at import where numpy is missing and warnings are errors
in the tests. Reads one JSON request from stdin, writes one JSON reply to stdout: worst row RMS
errors, `object -> shape -> kind`. An answer that is not finite counts as infinite error.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import math
import sys
from types import ModuleType

import torch

GUARD = 64  # floats on either side of the output, which no kernel may touch


def main() -> None:
    """Answer one request."""
    torch.set_num_threads(1)
    request = json.load(sys.stdin)
    problem = load_problem(request["problem"])
    arms = {path: native(path, request, problem) for path in request["objects"]}
    arms["baseline"] = lambda w, inputs: problem.baseline(w, inputs)()
    arms |= {name: BROKEN[name] for name in request["broken"]}
    reply: dict[str, dict[str, dict[str, float]]] = {name: {} for name in arms}
    for label, w in request["shapes"].items():
        for kind in problem.INPUT_KINDS:
            for name, error in errors(problem, w, kind, arms).items():
                reply[name].setdefault(label, {})[kind] = error
    json.dump(reply, sys.stdout)


def load_problem(path: str) -> ModuleType:
    """The task's problem.py."""
    spec = importlib.util.spec_from_file_location("problem", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def native(path: str, request: dict, problem: ModuleType):
    """A built kernel as a function of workload and inputs; checks that guards stay untouched."""
    function = getattr(ctypes.CDLL(path), request["entry"])
    arguments = request["arguments"]
    at = arguments.index("out")

    def call(w: dict[str, int], inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        size = math.prod(problem.shapes(w)["out"])
        buffer = torch.full((size + 2 * GUARD,), math.nan)
        out = buffer[GUARD : GUARD + size]
        pointers = [ctypes.c_void_p(inputs[n].data_ptr()) for n in arguments[:at]]
        numbers = [ctypes.c_int64(w[n]) for n in arguments[at + 1 :]]
        function(*pointers, ctypes.c_void_p(out.data_ptr()), *numbers)
        if not (buffer[:GUARD].isnan().all() and buffer[GUARD + size :].isnan().all()):
            raise SystemExit(f"{path} wrote outside its output on {w}")
        return out

    return call


def errors(problem: ModuleType, w: dict[str, int], kind: str, arms: dict) -> dict[str, float]:
    """Worst row's relative RMS error of every arm on one set of inputs."""
    inputs = problem.make_inputs(w, kind, torch.Generator().manual_seed(7))
    again = problem.make_inputs(w, kind, torch.Generator().manual_seed(7))
    if not all(torch.equal(inputs[n], again[n]) for n in inputs):
        raise SystemExit(f"{kind}: the same generator gave other inputs")
    width = problem.shapes(w)["out"][-1]
    rows = torch.arange(math.prod(problem.shapes(w)["out"]) // width)
    truth = problem.reference(w, inputs, rows)
    found = {name: worst_row(arm(w, inputs), truth) for name, arm in arms.items()}
    if not all(torch.equal(inputs[n], again[n]) for n in inputs):
        raise SystemExit(f"{kind}: an input was changed on {w}")
    return found


def worst_row(out: torch.Tensor, truth: torch.Tensor) -> float:
    """RMS error of the worst row, relative to the row's RMS."""
    error = out.reshape(truth.shape).double() - truth
    relative = (error.pow(2).mean(-1) / truth.pow(2).mean(-1)).sqrt()
    return relative.max().item() if torch.isfinite(relative).all() else math.inf


def attend(w, inputs, *, drop=0, cast=torch.float32, weights=torch.softmax):
    """Attention written plainly, with one thing wrong."""
    q, k, v = (inputs[n].to(cast).float() for n in ("q", "k", "v"))
    row = torch.arange(w["seq"])
    last = row if w["causal"] else torch.full_like(row, w["seq"] - 1)
    masked = row > (last - drop).clamp(min=0)[:, None]
    logits = (q @ k.transpose(1, 2) / 8).masked_fill(masked, -math.inf)
    return (weights(logits, -1) @ v).to(cast).float()


def unshifted(logits, dim):
    """Softmax without subtracting the maximum."""
    e = logits.exp()
    return e / e.sum(dim, keepdim=True)


def narrowed(x, cast):
    """Softmax of rounded inputs, rounded again."""
    return torch.softmax(x.to(cast).float(), -1).to(cast).float()


def without_last(x):
    """Softmax that leaves out the last column."""
    return torch.cat([torch.softmax(x[:, :-1], -1), torch.zeros(len(x), 1)], 1)


BROKEN = {
    "attention: drops the last key": lambda w, i: attend(w, i, drop=1),
    "attention: bf16": lambda w, i: attend(w, i, cast=torch.bfloat16),
    "attention: fp16": lambda w, i: attend(w, i, cast=torch.float16),
    "attention: no maximum": lambda w, i: attend(w, i, weights=unshifted),
    "attention: mean of v": lambda w, i: i["v"].mean(1, keepdim=True).expand_as(i["v"]),
    "softmax: drops the last column": lambda w, i: without_last(i["x"]),
    "softmax: bf16": lambda w, i: narrowed(i["x"], torch.bfloat16),
    "softmax: fp16": lambda w, i: narrowed(i["x"], torch.float16),
    "softmax: no maximum": lambda w, i: unshifted(i["x"], -1),
    "softmax: uniform": lambda w, i: torch.full_like(i["x"], 1 / w["cols"]),
}


if __name__ == "__main__":
    main()
