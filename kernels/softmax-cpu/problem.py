"""Row softmax on a CPU: inputs, float64 truth, and torch.softmax as baseline.

Trusted: no candidate may change it. x and out are [rows, cols] float32, all of x finite.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

INPUT_KINDS = (
    "mixed",
    "normal",
    "large",
    "shifted",
    "constant",
    "ascending",
    "descending",
    "spike",
)

Inputs = dict[str, torch.Tensor]


def shapes(w: dict[str, int]) -> dict[str, tuple[int, ...]]:
    """Shape of every input and of `out`."""
    return {"x": (w["rows"], w["cols"]), "out": (w["rows"], w["cols"])}


def make_inputs(w: dict[str, int], kind: str, generator: torch.Generator) -> Inputs:
    """Inputs of one kind. Everything random in them comes from the generator."""
    x = torch.randn(shapes(w)["x"], generator=generator)
    if kind == "mixed":
        _plant(x, generator)
    elif kind != "normal":
        x = _HARD[kind](x, generator)
    return {"x": x.contiguous()}


def reference(w: dict[str, int], inputs: Inputs, rows: torch.Tensor) -> torch.Tensor:
    """Float64 answers for these rows of `out`."""
    return torch.softmax(inputs["x"][rows].double(), -1)


def baseline(w: dict[str, int], inputs: Inputs) -> Callable[[], torch.Tensor]:
    """torch.softmax, writing into a tensor that is allocated once, as a candidate does."""
    x, out = inputs["x"], torch.empty(shapes(w)["out"])
    return lambda: torch.softmax(x, -1, out=out)


def baseline_version() -> str:
    """Name and version of what the score is measured against."""
    return f"torch-softmax {torch.__version__}"


def flops(w: dict[str, int]) -> float:
    """Five operations an element: compare, subtract, exponential (as one), add, divide."""
    return 5.0 * w["rows"] * w["cols"]


def bytes_moved(w: dict[str, int]) -> float:
    """The input read once and the output written once."""
    return 8.0 * w["rows"] * w["cols"]


def _plant(x: torch.Tensor, generator: torch.Generator) -> None:
    """Mostly normal; one row in 64 is of each hard kind, at random places."""
    rows = torch.randperm(len(x), generator=generator)
    count = max(1, len(x) // 64)
    for kind, chosen in zip(sorted(_HARD), rows.split(count), strict=False):
        x[chosen] = _HARD[kind](x[chosen], generator)


def _large(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Both signs, up to a few hundred: exp overflows unless the maximum is subtracted."""
    return x * 80


def _shifted(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A whole row near +500 or near -500."""
    sign = torch.randint(0, 2, (len(x), 1), generator=generator) * 2 - 1
    return x + 500.0 * sign


def _constant(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """All elements of a row alike."""
    return x[:, :1].expand_as(x)


def _ascending(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The maximum grows all the way."""
    return x + torch.linspace(-60, 60, x.shape[1])


def _descending(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The maximum comes first, and most of the row vanishes."""
    return x + torch.linspace(60, -60, x.shape[1])


def _spike(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """One element takes nearly everything: any column, and the last one in the first row."""
    column = torch.randint(0, x.shape[1], (len(x), 1), generator=generator)
    column[:1] = x.shape[1] - 1
    return x.scatter(1, column, 25.0)


_HARD: dict[str, Callable[[torch.Tensor, torch.Generator], torch.Tensor]] = {
    "large": _large,
    "shifted": _shifted,
    "constant": _constant,
    "ascending": _ascending,
    "descending": _descending,
    "spike": _spike,
}
