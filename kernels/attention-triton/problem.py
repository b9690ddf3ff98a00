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
CHUNK = 1 << 25  # float64 elements of gathered keys held at once

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
    rows = rows.to(inputs["q"].device)
    few = max(1, CHUNK // (w["seq"] * w["dim"]))
    return torch.cat([_answers(w, inputs, some) for some in rows.split(few)])


def _answers(w: dict[str, int], inputs: Inputs, rows: torch.Tensor) -> torch.Tensor:
    """The same for few rows, all at once: each row's keys and values are gathered."""
    head, place = rows % w["heads"], rows // w["heads"]
    batch, position = place // w["seq"], place % w["seq"]
    group = w["heads"] // w["kv_heads"]
    k, v = (inputs[name][batch, :, head // group].double() for name in ("k", "v"))
    q = inputs["q"][batch, position, head].double()
    logits = torch.einsum("rd,rkd->rk", q, k) / math.sqrt(w["dim"])
    if w["causal"]:
        keys = torch.arange(w["seq"], device=rows.device)
        logits.masked_fill_(keys > position[:, None], -torch.inf)
    return torch.einsum("rk,rkd->rd", torch.softmax(logits, -1), v)


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


BASELINE_KERNEL = "cudnn.*(sdpa|flash|fprop)"


def flash2(w: dict[str, int], inputs: Inputs) -> Callable[[], torch.Tensor]:
    """FlashAttention-2, as torch ships it."""
    q, k, v = (inputs[name].transpose(1, 2) for name in ("q", "k", "v"))
    causal, grouped = bool(w["causal"]), w["heads"] != w["kv_heads"]

    def call() -> torch.Tensor:
        with torch.no_grad(), sdpa_kernel(SDPBackend.FLASH_ATTENTION):
            out = scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=grouped)
        return out.transpose(1, 2)

    return call


def cudnn_frontend(w: dict[str, int], inputs: Inputs) -> Callable[[], torch.Tensor]:
    """cuDNN through its own Python package (nvidia-cudnn-frontend), its heuristic's first plan."""
    import cudnn

    element = cudnn.data_type.HALF if w["fp16"] else cudnn.data_type.BFLOAT16
    handle = cudnn.create_handle()
    cudnn.set_stream(handle=handle, stream=torch.cuda.current_stream().cuda_stream)
    graph = cudnn.pygraph(
        handle=handle,
        io_data_type=element,
        intermediate_data_type=cudnn.data_type.FLOAT,
        compute_data_type=cudnn.data_type.FLOAT,
    )
    out = torch.empty_like(inputs["q"])
    views = [t.transpose(1, 2) for t in (inputs["q"], inputs["k"], inputs["v"], out)]
    q, k, v = (
        graph.tensor(name=n, dim=list(t.shape), stride=list(t.stride()), data_type=element)
        for n, t in zip("qkv", views, strict=False)
    )
    scale = 1 / math.sqrt(w["dim"])
    causal = bool(w["causal"])
    answer, _ = graph.sdpa(
        name="sdpa", q=q, k=k, v=v, generate_stats=False, attn_scale=scale, use_causal_mask=causal
    )
    answer.set_output(True).set_dim(list(views[3].shape)).set_stride(list(views[3].stride()))
    answer.set_data_type(element)
    graph.build([cudnn.heur_mode.A, cudnn.heur_mode.FALLBACK])
    scratch = torch.empty(max(1, graph.get_workspace_size()), dtype=torch.uint8, device="cuda")
    named = dict(zip((q, k, v, answer), views, strict=True))

    def call() -> torch.Tensor:
        graph.execute(named, scratch, handle=handle)
        return out

    return call


def fa4(w: dict[str, int], inputs: Inputs) -> Callable[[], torch.Tensor]:
    """FlashAttention-4 (the package flash-attn-4)."""
    from flash_attn.cute.interface import flash_attn_func

    q, k, v = (inputs[name] for name in ("q", "k", "v"))
    causal = bool(w["causal"])

    def call() -> torch.Tensor:
        with torch.no_grad():
            out, _ = flash_attn_func(q, k, v, causal=causal)
        return out

    return call


# Shown beside the score, where they are installed; they decide nothing.
BASELINES = {"cudnn-frontend": cudnn_frontend, "flash2": flash2, "fa4": fa4}


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
    row = torch.arange(seq, device=generator.device).expand(batch, heads, seq)
    last = row if causal else torch.full_like(row, seq - 1)
    key = _below(last + 1, generator)
    edge = _uniform(row.shape, generator) < 0.25
    edge[..., -1] = True
    _aim(inputs, row, torch.where(edge, last, key))


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
    dim = torch.tensor(inputs["q"].shape[-1:], device=generator.device)
    channel = _below(dim, generator)
    for name, factor in (("q", 3), ("k", 3), ("v", 8)):
        inputs[name][..., channel] *= factor


def _mixed(inputs: Inputs, causal: bool, generator: torch.Generator) -> None:
    """Mostly normal, with hard rows and keys at random places. Used for timed calls."""
    _plant_channel(inputs, generator)
    _plant_rows(inputs["q"], generator)
    _plant_needles(inputs, causal, generator)


def _plant_channel(inputs: Inputs, generator: torch.Generator) -> None:
    """In one key head of each batch a channel of keys and values is three times larger."""
    batch, _, heads, dim = inputs["k"].shape
    each = torch.arange(batch, device=generator.device)
    head, channel = (_below(torch.full_like(each, n), generator) for n in (heads, dim))
    for name in ("k", "v"):
        inputs[name][each, :, head, channel] *= 3


def _plant_rows(q: torch.Tensor, generator: torch.Generator) -> None:
    """A few rows of each head with far larger logits, and a few with logits that are all alike."""
    batch, seq, heads, _ = q.shape
    each = torch.full((batch, heads, max(1, seq // 64)), seq, device=generator.device)
    b, h = _heads(each)
    for most in (20, 0):
        size = most * _uniform(each.shape, generator)
        q[b, _below(each, generator), h] *= size[..., None]


def _plant_needles(inputs: Inputs, causal: bool, generator: torch.Generator) -> None:
    """In each head, one row aimed at a random key of every tile of keys, one at the last key."""
    batch, seq, heads, _ = inputs["q"].shape
    start = torch.arange(0, seq, TILE, device=generator.device).expand(batch, heads, -1)
    key = start + _below((seq - start).clamp(max=TILE), generator)
    key = torch.cat([key, torch.full_like(key[..., :1], seq - 1)], -1)
    first = key if causal else torch.zeros_like(key)
    _aim(inputs, first + _below(seq - first, generator), key)


def _aim(inputs: Inputs, rows: torch.Tensor, keys: torch.Tensor) -> None:
    """Point rows of q along keys, both [batch, heads, any]: logits of three times sqrt(dim)."""
    group = inputs["q"].shape[2] // inputs["k"].shape[2]
    b, h = _heads(rows)
    aimed = 3 * inputs["k"][b, keys, h // group] + 0.1 * inputs["q"][b, rows, h]
    inputs["q"][b, rows, h] = aimed


def _heads(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Batch and head of every element of [batch, heads, any], ready to index with."""
    batch, heads, _ = rows.shape
    b = torch.arange(batch, device=rows.device)[:, None, None]
    return b, torch.arange(heads, device=rows.device)[None, :, None]


def _uniform(shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    return torch.rand(shape, generator=generator, device=generator.device)


def _below(limits: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Random whole numbers, each from 0 to below its limit."""
    return (_uniform(limits.shape, generator) * limits).long().clamp(max=limits - 1)


_MAKERS: dict[str, Callable[[Inputs, bool, torch.Generator], None]] = {
    "mixed": _mixed,
    "normal": _normal,
    "needle": _needle,
    "large": _large,
    "constant": _constant,
    "ascending": _ascending,
    "outlier": _outlier,
}
