"""Attention forward on a GPU, small: inputs, float64 truth, and cuDNN as baseline.

q, k, v and out are [batch, seq, heads, dim] of bfloat16. Inputs are made on the generator's device.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

TILE = 64  # mixed inputs aim a needle into every tile of so many keys

INPUT_KINDS = ("mixed", "normal", "needle", "large")

Inputs = dict[str, torch.Tensor]


def shapes(w: dict[str, int]) -> dict[str, tuple[int, ...]]:
    """Shape of every input and of `out`."""
    one = (w["batch"], w["seq"], w["heads"], w["dim"])
    return dict.fromkeys(("q", "k", "v", "out"), one)


def dtype(w: dict[str, int]) -> torch.dtype:
    """Of inputs and of `out`."""
    return torch.bfloat16


def make_inputs(w: dict[str, int], kind: str, generator: torch.Generator) -> Inputs:
    """Inputs of one kind. Everything random in them comes from the generator."""
    shape = shapes(w)["out"]
    inputs = {
        name: torch.randn(shape, generator=generator, device=generator.device)
        for name in ("q", "k", "v")
    }
    if kind == "large":  # logits of both signs up to about 100
        inputs["q"] *= 24
    if kind in ("mixed", "needle"):
        _plant(inputs, w, 1.0 if kind == "needle" else 1 / 32, generator)
    return {name: tensor.to(dtype(w)) for name, tensor in inputs.items()}


def reference(w: dict[str, int], inputs: Inputs, rows: torch.Tensor) -> torch.Tensor:
    """Float64 answers for these rows of `out` seen as [batch * seq * heads, dim]."""
    device = inputs["q"].device
    rows = rows.to(device)
    heads, places = rows % w["heads"], rows // w["heads"]
    batches, positions = places // w["seq"], places % w["seq"]
    keys = torch.arange(w["seq"], device=device)
    answers = torch.empty(len(rows), w["dim"], dtype=torch.float64, device=device)
    for batch, head in torch.stack([batches, heads]).unique(dim=1).T.tolist():
        q, k, v = (inputs[name][batch, :, head].double() for name in ("q", "k", "v"))
        mine = ((batches == batch) & (heads == head)).nonzero().flatten()
        logits = q[positions[mine]] @ k.T / math.sqrt(w["dim"])
        if w["causal"]:
            logits.masked_fill_(keys > positions[mine][:, None], -torch.inf)
        answers[mine] = torch.softmax(logits, -1) @ v
    return answers


def baseline(w: dict[str, int], inputs: Inputs) -> Callable[[], torch.Tensor]:
    """torch's attention with cuDNN alone allowed. Its result is not contiguous."""
    q, k, v = (inputs[name].transpose(1, 2) for name in ("q", "k", "v"))
    causal = bool(w["causal"])

    def call() -> torch.Tensor:
        with torch.no_grad(), sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
            return scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2)

    return call


BASELINE_KERNEL = "cudnn.*(sdpa|flash|fprop)"
BASELINES: dict[str, Callable[[dict[str, int], Inputs], Callable[[], torch.Tensor]]] = {}


def baseline_version() -> str:
    """Name and version of what the score is measured against."""
    return f"cudnn {torch.backends.cudnn.version()} (torch {torch.__version__})"


def flops(w: dict[str, int]) -> float:
    """Multiplications and additions of the two matrix products, masked ones left out."""
    pairs = w["seq"] * (w["seq"] + 1) / 2 if w["causal"] else w["seq"] ** 2
    return 4.0 * w["dim"] * w["batch"] * w["heads"] * pairs


def bytes_moved(w: dict[str, int]) -> float:
    """Every input read once, and the output written once."""
    return 2.0 * sum(math.prod(shape) for shape in shapes(w).values())


def _plant(inputs: Inputs, w: dict[str, int], share: float, generator: torch.Generator) -> None:
    """Aim this share of the rows, one in every tile and the last, at one key each.

    A quarter aim at the last key that they see. In mixed inputs as many have large logits.
    """
    seq = w["seq"]
    row = torch.arange(seq, device=generator.device)
    last = row if w["causal"] else torch.full_like(row, seq - 1)
    for b in range(w["batch"]):
        for head in range(w["heads"]):
            q, k = inputs["q"][b, :, head], inputs["k"][b, :, head]
            if share < 1:
                q *= 1 + 23 * (_uniform(seq, generator) < share)[:, None]
            aimed = _uniform(seq, generator) < share
            start = int(_uniform(1, generator) * TILE)
            aimed[start::TILE] = True
            aimed[-1] = True
            key = (_uniform(seq, generator) * (last + 1)).long().clamp(max=last)
            key = torch.where(_uniform(seq, generator) < 0.25, last, key)
            key[-1] = last[-1]
            q[aimed] = 3 * k[key[aimed]] + 0.1 * q[aimed]


def _uniform(count: int, generator: torch.Generator) -> torch.Tensor:
    return torch.rand(count, generator=generator, device=generator.device)
