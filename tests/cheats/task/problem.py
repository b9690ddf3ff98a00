"""The trusted side of the cheats' task: attention forward, one head of 16."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

DIM = 16
INPUT_KINDS = ("mixed", "normal", "needle", "large", "ascending")
Inputs = dict[str, torch.Tensor]


def shapes(w: dict[str, int]) -> dict[str, tuple[int, ...]]:
    return dict.fromkeys(("q", "k", "v", "out"), (w["seq"], DIM))


def make_inputs(w: dict[str, int], kind: str, generator: torch.Generator) -> Inputs:
    inputs = {n: torch.randn(w["seq"], DIM, generator=generator) for n in ("q", "k", "v")}
    rows = torch.arange(w["seq"])
    if kind in ("needle", "mixed"):
        chosen = rows if kind == "needle" else rows[3::7]
        inputs["q"][chosen] = 4 * inputs["k"][chosen]
        inputs["q"][-1] = 4 * inputs["k"][-1]
    if kind in ("large", "mixed"):
        inputs["q"][rows if kind == "large" else rows[5::9]] *= 60
    if kind == "ascending":
        inputs["q"][:, 0] = 4
        inputs["k"][:, 0] = torch.linspace(-30, 30, w["seq"])
    return inputs


def reference(w: dict[str, int], inputs: Inputs, rows: torch.Tensor) -> torch.Tensor:
    q, k, v = (inputs[name].double() for name in ("q", "k", "v"))
    logits = q[rows] @ k.T / 4
    if w["causal"]:
        logits.masked_fill_(torch.arange(w["seq"]) > rows[:, None], -torch.inf)
    return torch.softmax(logits, -1) @ v


def baseline(w: dict[str, int], inputs: Inputs) -> Callable[[], torch.Tensor]:
    q, k, v = (inputs[name][None, None] for name in ("q", "k", "v"))
    causal = bool(w["causal"])

    def call() -> torch.Tensor:
        with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
            return scaled_dot_product_attention(q, k, v, is_causal=causal)[0, 0]

    return call


def baseline_version() -> str:
    return f"torch-flash {torch.__version__}"


def flops(w: dict[str, int]) -> float:
    pairs = w["seq"] * (w["seq"] + 1) / 2 if w["causal"] else w["seq"] ** 2
    return 4.0 * DIM * pairs


def bytes_moved(w: dict[str, int]) -> float:
    return 4.0 * 4 * w["seq"] * DIM
