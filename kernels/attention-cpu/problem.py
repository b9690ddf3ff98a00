"""Attention forward on a CPU: inputs, float64 truth, and torch's flash kernel as baseline.

Trusted: no candidate may change it. q, k, v and out are [heads, seq, 64] float32, and
out = softmax(q k^T / 8 + mask) v. Every logit is finite.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

DIM = 64
SCALE = 0.125  # 1 / sqrt(DIM)
TILE = 128  # mixed inputs aim a needle into every tile of so many keys
CHUNK = 512  # rows of float64 scores held at once

INPUT_KINDS = (
    "mixed",
    "normal",
    "needle",
    "large",
    "shifted",
    "constant",
    "ascending",
    "descending",
    "outlier",
    "scales",
)

Inputs = dict[str, torch.Tensor]


def shapes(w: dict[str, int]) -> dict[str, tuple[int, ...]]:
    """Shape of every input and of `out`."""
    shape = (w["heads"], w["seq"], DIM)
    return {"q": shape, "k": shape, "v": shape, "out": shape}


def make_inputs(w: dict[str, int], kind: str, generator: torch.Generator) -> Inputs:
    """Inputs of one kind. Everything random in them comes from the generator."""
    shape = shapes(w)["q"]
    inputs = {name: torch.randn(shape, generator=generator) for name in ("q", "k", "v")}
    _MAKERS[kind](inputs, bool(w["causal"]), generator)
    return inputs


def reference(w: dict[str, int], inputs: Inputs, rows: torch.Tensor) -> torch.Tensor:
    """Float64 answers for these rows of `out` seen as [heads * seq, 64]."""
    answers = torch.empty(len(rows), DIM, dtype=torch.float64)
    heads = rows // w["seq"]
    for head in heads.unique().tolist():
        k, v = (inputs[name][head].double() for name in ("k", "v"))
        for chosen in (heads == head).nonzero().flatten().split(CHUNK):
            row = rows[chosen] % w["seq"]
            logits = inputs["q"][head, row].double() @ k.T * SCALE
            if w["causal"]:
                logits.masked_fill_(torch.arange(w["seq"]) > row[:, None], -torch.inf)
            answers[chosen] = torch.softmax(logits, -1) @ v
    return answers


def baseline(w: dict[str, int], inputs: Inputs) -> Callable[[], torch.Tensor]:
    """torch's attention, with the flash backend alone allowed (any other is an error).

    Its result has the shape of `out`, but not contiguous.
    """
    q, k, v = (inputs[name].unsqueeze(0) for name in ("q", "k", "v"))
    causal = bool(w["causal"])

    def call() -> torch.Tensor:
        with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
            return scaled_dot_product_attention(q, k, v, is_causal=causal)[0]

    return call


def baseline_version() -> str:
    """Name and version of what the score is measured against."""
    return f"torch-flash {torch.__version__}"


def flops(w: dict[str, int]) -> float:
    """Multiplications and additions of the two matrix products, masked ones left out."""
    pairs = w["seq"] * (w["seq"] + 1) / 2 if w["causal"] else w["seq"] ** 2
    return 4.0 * DIM * w["heads"] * pairs


def bytes_moved(w: dict[str, int]) -> float:
    """Every input read once, and the output written once."""
    return 4.0 * 4 * w["heads"] * w["seq"] * DIM


def _normal(inputs: Inputs, causal: bool, generator: torch.Generator) -> None:
    """Logits of unit variance: many keys share the weight."""


def _needle(inputs: Inputs, causal: bool, generator: torch.Generator) -> None:
    """Every row has one key that takes nearly all its weight; the last key is one of them."""
    heads, seq, _ = inputs["q"].shape
    row = torch.arange(seq)
    last = row if causal else torch.full((seq,), seq - 1)
    for head in range(heads):
        key = (torch.rand(seq, generator=generator) * (last + 1)).long().clamp(max=last)
        edge = torch.rand(seq, generator=generator) < 0.25
        edge[-1] = True
        _aim(inputs, head, row, torch.where(edge, last, key))


def _aim(inputs: Inputs, head: int, rows: torch.Tensor, keys: torch.Tensor) -> None:
    """Point rows of q along keys: logits of about 24 there, of variance 9 elsewhere."""
    inputs["q"][head, rows] = 3 * inputs["k"][head, keys] + 0.1 * inputs["q"][head, rows]


def _large(inputs: Inputs, causal: bool, generator: torch.Generator) -> None:
    """Logits of both signs up to about 100."""
    inputs["q"] *= 24


def _shifted(inputs: Inputs, causal: bool, generator: torch.Generator) -> None:
    """Every logit of a row near +100, or near -100: exp overflows or vanishes unless shifted."""
    sign = torch.randint(0, 2, inputs["q"].shape[:2], generator=generator) * 2 - 1
    inputs["k"][..., :8] = 4
    inputs["q"][..., :8] = 25.0 * sign[..., None]


def _constant(inputs: Inputs, causal: bool, generator: torch.Generator) -> None:
    """Equal weights: all keys of a head alike, and half the rows of q constant."""
    inputs["k"][:] = inputs["k"][:, :1]
    inputs["q"][:, ::2] = inputs["q"][:, ::2, :1]


def _ascending(inputs: Inputs, causal: bool, generator: torch.Generator) -> None:
    """Logits grow along the keys, so that the running maximum grows in every block."""
    _ramp(inputs, torch.linspace(-30, 30, inputs["q"].shape[1]))


def _descending(inputs: Inputs, causal: bool, generator: torch.Generator) -> None:
    """Logits fall along the keys: the first key holds the maximum."""
    _ramp(inputs, torch.linspace(30, -30, inputs["q"].shape[1]))


def _ramp(inputs: Inputs, logits: torch.Tensor) -> None:
    inputs["q"][..., 0] = 8
    inputs["k"][..., 0] = logits


def _outlier(inputs: Inputs, causal: bool, generator: torch.Generator) -> None:
    """One channel of q, k and v far larger than the others."""
    channel = int(torch.randint(0, DIM, (1,), generator=generator))
    inputs["q"][..., channel] *= 6
    inputs["k"][..., channel] *= 6
    inputs["v"][..., channel] *= 20


def _scales(inputs: Inputs, causal: bool, generator: torch.Generator) -> None:
    """Values from 1e-18 to 1e12, one scale a head."""
    power = torch.rand(inputs["v"].shape[0], 1, 1, generator=generator) * 30 - 18
    inputs["v"] *= 10.0**power


def _mixed(inputs: Inputs, causal: bool, generator: torch.Generator) -> None:
    """Mostly normal, with hard rows and keys at random places. Used for timed calls."""
    for head in range(inputs["q"].shape[0]):
        _plant_channel(inputs, head, generator)
        _plant_rows(inputs["q"][head], inputs["k"][head], generator)
        _plant_needles(inputs, head, causal, generator)


def _plant_channel(inputs: Inputs, head: int, generator: torch.Generator) -> None:
    """In a quarter of the heads one channel is three times larger."""
    if torch.rand(1, generator=generator).item() < 0.25:
        channel = int(torch.randint(0, DIM, (1,), generator=generator))
        for name in ("q", "k", "v"):
            inputs[name][head, :, channel] *= 3


def _plant_rows(q: torch.Tensor, k: torch.Tensor, generator: torch.Generator) -> None:
    """A few rows each with far larger logits, all alike, and all near +100 or near -100."""
    place = torch.randperm(len(q), generator=generator)
    large, constant, shifted = place.split(max(1, len(q) // 64))[:3] if len(q) > 2 else [place] * 3
    q[large] *= 20 * torch.rand(len(large), 1, generator=generator)
    q[constant] = torch.randn(len(constant), 1, generator=generator).expand(-1, DIM)
    channel = int(torch.randint(0, DIM, (1,), generator=generator))
    sign = torch.randint(0, 2, (len(shifted),), generator=generator) * 2 - 1
    k[:, channel] = 8  # adds the same to every logit of a row, which softmax does not see
    q[shifted, channel] = 100.0 * sign


def _plant_needles(inputs: Inputs, head: int, causal: bool, generator: torch.Generator) -> None:
    """One row aimed at a random key of every tile of keys, and one at the last key."""
    seq = inputs["q"].shape[1]
    starts = torch.arange(0, seq, TILE)
    ends = (starts + TILE).clamp(max=seq)
    key = starts + (torch.rand(len(starts), generator=generator) * (ends - starts)).long()
    key = torch.cat([key.clamp(max=seq - 1), torch.tensor([seq - 1])])
    first = key if causal else torch.zeros_like(key)
    row = first + (torch.rand(len(key), generator=generator) * (seq - first)).long()
    _aim(inputs, head, row.clamp(max=seq - 1), key)


_MAKERS: dict[str, Callable[[Inputs, bool, torch.Generator], None]] = {
    "mixed": _mixed,
    "normal": _normal,
    "needle": _needle,
    "large": _large,
    "shifted": _shifted,
    "constant": _constant,
    "ascending": _ascending,
    "descending": _descending,
    "outlier": _outlier,
    "scales": _scales,
}
