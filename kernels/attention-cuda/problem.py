"""Attention forward on a GPU: inputs, float64 truth, and cuDNN as baseline.

Trusted: no candidate may change it. q and out are [batch, seq, heads, dim], k and v
[batch, seq, kv_heads, dim], of bfloat16 or float16; query heads share key heads in groups.
out = softmax(q k^T / sqrt(dim) + mask) v. Every logit is finite. Inputs are made on the
device of the generator.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

TILE = 128  # mixed inputs aim a needle into every tile of so many keys
CHUNK = 512  # rows of float64 scores held at once

INPUT_KINDS = ("mixed", "normal", "needle", "large", "constant", "ascending", "outlier")

Inputs = dict[str, torch.Tensor]


def shapes(w: dict[str, int]) -> dict[str, tuple[int, ...]]:
    """Shape of every input and of `out`."""
    wide = (w["batch"], w["seq"], w["heads"], w["dim"])
    narrow = (w["batch"], w["seq"], w["kv_heads"], w["dim"])
    return {"q": wide, "k": narrow, "v": narrow, "out": wide}


def dtype(w: dict[str, int]) -> torch.dtype:
    """Of inputs and of `out`."""
    return torch.float16 if w["fp16"] else torch.bfloat16


def make_inputs(w: dict[str, int], kind: str, generator: torch.Generator) -> Inputs:
    """Inputs of one kind. Everything random in them comes from the generator."""
    sizes = shapes(w)
    inputs = {
        name: torch.randn(sizes[name], generator=generator, device=generator.device)
        for name in ("q", "k", "v")
    }
    _MAKERS[kind](inputs, bool(w["causal"]), generator)
    return {name: tensor.to(dtype(w)) for name, tensor in inputs.items()}


def reference(w: dict[str, int], inputs: Inputs, rows: torch.Tensor) -> torch.Tensor:
    """Float64 answers for these rows of `out` seen as [batch * seq * heads, dim]."""
    device, group = inputs["q"].device, w["heads"] // w["kv_heads"]
    rows = rows.to(device)
    answers = torch.empty(len(rows), w["dim"], dtype=torch.float64, device=device)
    heads, places = rows % w["heads"], rows // w["heads"]
    batches, positions = places // w["seq"], places % w["seq"]
    keys = torch.arange(w["seq"], device=device)
    for pair in torch.stack([batches, heads]).unique(dim=1).T.tolist():
        batch, head = pair
        k, v = (inputs[name][batch, :, head // group].double() for name in ("k", "v"))
        mine = (batches == batch) & (heads == head)
        for chosen in mine.nonzero().flatten().split(CHUNK):
            row = positions[chosen]
            logits = inputs["q"][batch, row, head].double() @ k.T / math.sqrt(w["dim"])
            if w["causal"]:
                logits.masked_fill_(keys > row[:, None], -torch.inf)
            answers[chosen] = torch.softmax(logits, -1) @ v
    return answers


def baseline(w: dict[str, int], inputs: Inputs) -> Callable[[], torch.Tensor]:
    """torch's attention with cuDNN alone allowed: where it cannot run, torch raises an error.

    Its result has the shape of `out`, but not contiguous. Heads are not expanded.
    """
    q, k, v = (inputs[name].transpose(1, 2) for name in ("q", "k", "v"))
    causal, grouped = bool(w["causal"]), w["heads"] != w["kv_heads"]

    def call() -> torch.Tensor:
        with torch.no_grad(), sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
            out = scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=grouped)
        return out.transpose(1, 2)

    return call


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


def _normal(inputs: Inputs, causal: bool, generator: torch.Generator) -> None:
    """Logits of unit variance: many keys share the weight."""


def _needle(inputs: Inputs, causal: bool, generator: torch.Generator) -> None:
    """Every row has one key that takes nearly all its weight; for a quarter the last one."""
    batch, seq, heads, _ = inputs["q"].shape
    row = torch.arange(seq, device=generator.device)
    last = row if causal else torch.full_like(row, seq - 1)
    for b in range(batch):
        for head in range(heads):
            key = (_uniform(seq, generator) * (last + 1)).long().clamp(max=last)
            edge = _uniform(seq, generator) < 0.25
            edge[-1] = True
            _aim(inputs, b, head, row, torch.where(edge, last, key))


def _large(inputs: Inputs, causal: bool, generator: torch.Generator) -> None:
    """Logits of both signs up to about 100."""
    inputs["q"] *= 24


def _constant(inputs: Inputs, causal: bool, generator: torch.Generator) -> None:
    """Equal weights: all keys of a head alike."""
    inputs["k"][:] = inputs["k"][:, :1]


def _ascending(inputs: Inputs, causal: bool, generator: torch.Generator) -> None:
    """Logits grow along the keys, so that the running maximum grows in every block."""
    seq, dim = inputs["k"].shape[1], inputs["k"].shape[3]
    inputs["q"][..., 0] = math.sqrt(dim)
    ramp = torch.linspace(-30, 30, seq, device=generator.device)
    inputs["k"][..., 0] = ramp[:, None]


def _outlier(inputs: Inputs, causal: bool, generator: torch.Generator) -> None:
    """One channel of q, k and v far larger than the others."""
    channel = _whole(inputs["q"].shape[-1], generator)
    for name, factor in (("q", 3), ("k", 3), ("v", 8)):
        inputs[name][..., channel] *= factor


def _mixed(inputs: Inputs, causal: bool, generator: torch.Generator) -> None:
    """Mostly normal, with hard rows and keys at random places. Used for timed calls."""
    batch, _, heads, _ = inputs["q"].shape
    for b in range(batch):
        _plant_channel(inputs, b, generator)
        for head in range(heads):
            _plant_rows(inputs["q"][b, :, head], generator)
            _plant_needles(inputs, b, head, causal, generator)


def _plant_channel(inputs: Inputs, b: int, generator: torch.Generator) -> None:
    """In one key head a channel of keys and values is three times larger."""
    head = _whole(inputs["k"].shape[2], generator)
    channel = _whole(inputs["k"].shape[3], generator)
    for name in ("k", "v"):
        inputs[name][b, :, head, channel] *= 3


def _plant_rows(q: torch.Tensor, generator: torch.Generator) -> None:
    """A few rows with far larger logits, and a few with logits that are all alike."""
    place = torch.randperm(len(q), generator=generator, device=generator.device)
    count = max(1, len(q) // 64)
    large, alike = place[:count], place[count : 2 * count]
    q[large] *= 20 * _uniform(len(large), generator)[:, None]
    q[alike] = 0


def _plant_needles(
    inputs: Inputs, b: int, head: int, causal: bool, generator: torch.Generator
) -> None:
    """One row aimed at a random key of every tile of keys, and one at the last key."""
    seq = inputs["q"].shape[1]
    starts = torch.arange(0, seq, TILE, device=generator.device)
    ends = (starts + TILE).clamp(max=seq)
    key = starts + (_uniform(len(starts), generator) * (ends - starts)).long()
    key = torch.cat([key, torch.full_like(key[:1], seq - 1)]).clamp(max=seq - 1)
    first = key if causal else torch.zeros_like(key)
    row = first + (_uniform(len(key), generator) * (seq - first)).long()
    _aim(inputs, b, head, row.clamp(max=seq - 1), key)


def _aim(inputs: Inputs, b: int, head: int, rows: torch.Tensor, keys: torch.Tensor) -> None:
    """Point rows of q along keys: logits of three times sqrt(dim) there."""
    group = inputs["q"].shape[2] // inputs["k"].shape[2]
    aimed = 3 * inputs["k"][b, keys, head // group] + 0.1 * inputs["q"][b, rows, head]
    inputs["q"][b, rows, head] = aimed


def _uniform(count: int, generator: torch.Generator) -> torch.Tensor:
    return torch.rand(count, generator=generator, device=generator.device)


def _whole(below: int, generator: torch.Generator) -> int:
    return int(torch.randint(0, below, (1,), generator=generator, device=generator.device))


_MAKERS: dict[str, Callable[[Inputs, bool, torch.Generator], None]] = {
    "mixed": _mixed,
    "normal": _normal,
    "needle": _needle,
    "large": _large,
    "constant": _constant,
    "ascending": _ascending,
    "outlier": _outlier,
}
