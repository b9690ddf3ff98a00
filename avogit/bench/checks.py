"""Whether an output is right.

Owns what is compared with what, and the words for a difference. Leaves where outputs come
from to `oracle`. A row is right when its root mean square error, relative to the row's own
root mean square, is within the task's tolerance: a tolerance per element accepts attention
that drops its last keys, or rounds to eight bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from avogit.records import Verdict

AGAINST_BASELINE = 4.0  # the baseline has an error of its own: this many tolerances
_YARDSTICK_ROW = 3.0
# A row below this size counts as zero; near the smallest float32 there is no relative error.
_TINY = 1e-30
_CHUNKS = {"cpu": 1 << 15, "cuda": 1 << 25}  # elements
_BITS = {2: torch.int16, 4: torch.int32}  # by the size of an element


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a candidate."""

    verdict: Verdict
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Difference:
    """The worst row of a comparison."""

    rmse: float
    row: int


def untouched_or_nonfinite(out: torch.Tensor, poison: int | None) -> Finding | None:
    """Poison that was never written over, or numbers that are none."""
    if all(bool(end.isfinite()) for end in torch.aminmax(out)):  # a NaN anywhere is both ends
        return None
    finite = torch.isfinite(out)
    if poison is not None:
        left = out.view(_BITS[out.element_size()]) == poison
        if bool(left.any()):
            where = f"{_at(left)}, {int(left.sum())} of {out.numel()} elements"
            return _incorrect("untouched-output", f"never written: {where}")
    where = f"{_at(~finite)}, {int((~finite).sum())} of {out.numel()} elements"
    return _incorrect("nonfinite", f"inf or nan at {where}")


def worst_row(out: torch.Tensor, truth: torch.Tensor) -> Difference:
    """The row with the largest relative error; both [rows, width]."""
    # A few rows at a time: on a CPU the float64 copies stay in the cache, on a GPU they fit.
    rows = max(1, _CHUNKS[out.device.type] // out.shape[-1])
    pairs = zip(torch.split(out, rows), torch.split(truth, rows), strict=True)
    relative = torch.cat([_relative_errors(some, true.double()) for some, true in pairs])
    row = int(relative.argmax())
    return Difference(float(relative[row]), row)


def _relative_errors(out: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    error = (out.double() - truth).square_().mean(-1).sqrt()
    return error / truth.square().mean(-1).sqrt().clamp(min=_TINY)


def row_error(rmse: float, limit: float, row: int, rows: int, against: str) -> Finding | None:
    """A finding where a row's error is beyond the limit."""
    if rmse <= limit:
        return None
    return _incorrect(
        "row-error",
        f"row {row} of {rows}: relative error {rmse:.3g} against {against},"
        f" at most {limit:.3g} is right",
    )


def beyond_yardstick(
    out: torch.Tensor, yardstick: torch.Tensor, truth: torch.Tensor
) -> Finding | None:
    """A finding where an output of 16 bits is much further from the truth than the baseline's.

    The worst row may be three times as far, and the worst element twice, beside what rounding
    does to an element; all three are [rows, width].
    """
    ours, theirs = worst_row(out, truth), worst_row(yardstick, truth)
    limit = max(_YARDSTICK_ROW * theirs.rmse, torch.finfo(out.dtype).eps / 2)
    if not ours.rmse <= limit:  # nor what is no number
        return _incorrect(
            "beyond-yardstick",
            f"a row's relative error is {ours.rmse:.3g}, the baseline's {theirs.rmse:.3g}",
        )
    rounded = truth.to(out.dtype)
    rounding = float(((rounded + 0.3 - 0.3) - rounded).abs().max())
    largest = float((out.double() - truth).abs().max())
    allowed = 2 * float((yardstick.double() - truth).abs().max()) + 2 * rounding
    if not largest <= allowed:
        return _incorrect(
            "beyond-yardstick",
            f"an element is off by {largest:.3g}, at most {allowed:.3g} is right",
        )
    return None


def _incorrect(reason: str, detail: str) -> Finding:
    return Finding(Verdict.INCORRECT_NUMERICAL, reason, detail)


def _at(wrong: torch.Tensor) -> str:
    place = tuple(int(i) for i in wrong.nonzero()[0])
    return f"out{list(place)}"
