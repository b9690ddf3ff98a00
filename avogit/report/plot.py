"""`avogit plot`: the trajectory as an image, as the AVO paper draws it.

Owns the drawing, and the one door to matplotlib, which is imported when something is drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avogit.errors import AvogitError
from avogit.trajectory import Trajectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".svg", ".png", ".pdf")
_INK, _FAINT, _LINE = "#1f2328", "#8c959f", "#d0d7de"
_BEST = "#0b5cad"
# Told apart without colour too: each workload has its own dashes.
_HUES = ("#b35900", "#1a7f37", "#8250df", "#bf3989", "#0e7490", "#7d5b00", "#57606a", "#a40e26")
_DASHES = ("-", "--", "-.", ":")
_STYLE: Any = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "svg.fonttype": "path",  # looks the same wherever it is shown
    "svg.hashsalt": "avogit",  # the same lineage gives the same file
    "axes.edgecolor": _FAINT,
    "axes.labelcolor": _INK,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}


@dataclass(frozen=True, slots=True)
class Plotted:
    """What was drawn, and where it is."""

    file: Path
    trajectory: Trajectory


def draw(found: Trajectory, file: Path) -> Plotted:
    """Draw into a file whose name says the format."""
    if file.suffix.lower() not in FORMATS:
        raise AvogitError(f"{file}: name the format by its ending: {', '.join(FORMATS)}")
    try:
        from matplotlib import rc_context
    except ImportError as error:
        raise AvogitError(
            f"cannot draw: {error}; install it with pip install 'avogit[plot]', or take the"
            " numbers from `avogit plot --json`"
        ) from error
    with rc_context(_STYLE):
        metadata = {"Date": None} if file.suffix.lower() == ".svg" else {}
        try:
            _figure(found).savefig(file, dpi=160, metadata=metadata)
        except OSError as error:
            raise AvogitError(f"cannot write {file}: {error.strerror or error}") from error
    return Plotted(file, found)


def plot_text(result: Plotted) -> str:
    """Where the image is, and what it shows."""
    best = result.trajectory.best[-1]
    return (
        f"{result.file}: {result.trajectory.candidates} candidates of"
        f" {result.trajectory.population}, best {best.score} at {best.oid[:10]}"
    )


def _figure(found: Trajectory) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    _running_best(axes, found)
    _baseline(axes, found)
    _workloads(axes, found)
    _tried(axes, found)
    _labels(axes, found)
    return figure


def _tried(axes: Axes, found: Trajectory) -> None:
    kinds = ((True, "o", _BEST, "entered a line"), (False, "x", _FAINT, "rejected or draft"))
    size = 14 if found.candidates < 500 else 3
    for entered, marker, colour, label in kinds:
        points = [p for p in found.points if p.entered == entered]
        if points:
            axes.scatter(
                [p.number for p in points], [p.score.value for p in points],
                s=size, marker=marker, color=colour, linewidths=0.9, alpha=0.8,
                label=label, zorder=2,
            )  # fmt: skip


def _workloads(axes: Axes, found: Trajectory) -> None:
    for at, name in enumerate(found.workloads):
        values = [step.workloads.get(name, math.nan) for step in found.best]
        axes.step(
            *_held(found, values), where="post", linewidth=1.0, zorder=3, label=name,
            color=_HUES[at % len(_HUES)], linestyle=_DASHES[at % len(_DASHES)],
        )  # fmt: skip


def _running_best(axes: Axes, found: Trajectory) -> None:
    numbers, values = _held(found, [step.score.value for step in found.best])
    axes.step(
        numbers, values, where="post", color=_BEST, linewidth=2.4, zorder=5,
        label="best so far (geometric mean)",
    )  # fmt: skip
    lows = _held(found, [step.score.low for step in found.best])[1]
    highs = _held(found, [step.score.high for step in found.best])[1]
    axes.fill_between(numbers, lows, highs, step="post", color=_BEST, alpha=0.15, linewidth=0)


def _held(found: Trajectory, values: list[float]) -> tuple[list[int], list[float]]:
    """Steps that hold to the end, one past the last candidate: a step there is seen too."""
    return [*(step.number for step in found.best), found.candidates], [*values, values[-1]]


def _baseline(axes: Axes, found: Trajectory) -> None:
    name = ", ".join(found.baselines) or "baseline"
    axes.axhline(1.0, color=_INK, linewidth=1.1, linestyle=(0, (6, 3)), zorder=4, label=name)


def _labels(axes: Axes, found: Trajectory) -> None:
    from matplotlib.ticker import MaxNLocator

    best = found.best[-1]
    axes.set_title(
        f"{found.population}: {best.score.value:.3f}x after {found.candidates} candidates",
        loc="left", fontsize=10.5, fontweight="bold",
    )  # fmt: skip
    axes.set_xlabel("candidate, in the order of trying")
    axes.set_ylabel("speed against the baseline (higher is better)")
    axes.yaxis.set_major_formatter("{x:g}x")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0.02)
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", color=_LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.figure.legend(
        loc="outside right upper", frameon=False, fontsize=8, handlelength=2.6, labelspacing=0.6
    )
