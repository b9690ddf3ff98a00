"""The trusted side of the test task: inputs, reference, baseline."""

from __future__ import annotations

from collections.abc import Callable

import torch

INPUT_KINDS = ("mixed", "large")


def shapes(w: dict[str, int]) -> dict[str, tuple[int, ...]]:
    return {"x": (w["rows"], w["columns"]), "out": (w["rows"], w["columns"])}


def make_inputs(
    w: dict[str, int], kind: str, generator: torch.Generator
) -> dict[str, torch.Tensor]:
    x = torch.randn(w["rows"], w["columns"], generator=generator)
    return {"x": x * 1000 if kind == "large" else x}


def reference(
    w: dict[str, int], inputs: dict[str, torch.Tensor], rows: torch.Tensor
) -> torch.Tensor:
    x = inputs["x"][rows].double()
    return x * (1.5 - 0.5 * x)


def baseline(w: dict[str, int], inputs: dict[str, torch.Tensor]) -> Callable[[], torch.Tensor]:
    x = inputs["x"]
    return lambda: x * (1.5 - 0.5 * x)


def baseline_version() -> str:
    return f"torch {torch.__version__.split('+')[0]}"


def flops(w: dict[str, int]) -> float:
    return 3.0 * w["rows"] * w["columns"]


def bytes_moved(w: dict[str, int]) -> float:
    return 8.0 * w["rows"] * w["columns"]
