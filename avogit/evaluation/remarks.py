"""What a reader must be told beside an evaluation's numbers.

Owns the words; the facts are in the raw document that the record keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any, cast

from avogit.records import (
    ANCESTOR,
    BASELINE,
    CANDIDATE,
    INCUMBENT,
    PARENT,
    SECOND_PARENT,
    SEED,
    Evaluation,
)

RIVALS = (PARENT, SECOND_PARENT, ANCESTOR, INCUMBENT, SEED)  # arms that are kernels of a lineage
_SUSPICIOUS = 1.1  # times the best baseline of a GPU
_SAME_CLOCK = 0.02  # the share by which an arm's may differ unmentioned


def remarks(evaluation: Evaluation) -> list[str]:
    """A line each; none for what is as usual."""
    machine = cast("Mapping[str, Any]", evaluation.raw.get("machine", {}))
    found = [_too_good(evaluation)] if machine else []
    found += [
        _clock(evaluation, machine),
        _power(machine),
        _sustained(evaluation),
        _voids(evaluation),
        _sanitizer(machine),
    ]
    return [line for line in found if line]


def _too_good(evaluation: Evaluation) -> str:
    """Libraries of the maker are hard to beat by far: whoever seems to is looked at first."""
    baselines = {arm: r for arm, r in evaluation.versus.items() if arm not in RIVALS}
    if not baselines:
        return ""
    best = min(baselines, key=lambda arm: baselines[arm].value)
    if baselines[best].low <= _SUSPICIOUS:
        return ""
    name = evaluation.baseline if best == BASELINE else best
    return f"AUDIT: {baselines[best].value:.3f}x the best baseline ({name}): read it before use"


def _clock(evaluation: Evaluation, machine: Mapping[str, Any]) -> str:
    """In burst too the card slows down by as much as a kernel takes power."""
    seen = machine.get("clock", {}).get("calls_mhz", {}).get("burst", {}).values()
    both = [arms for arms in seen if arms.get(CANDIDATE) and arms.get(BASELINE)]
    if not both:
        return ""
    own, other = (median(arms[arm] for arms in both) for arm in (CANDIDATE, BASELINE))
    if abs(own / other - 1) <= _SAME_CLOCK:
        return ""
    told = f"{own:.0f} MHz within its calls (its launcher's word)"
    return f"clock, median of workloads: {told}, {other:.0f} MHz within {evaluation.baseline}'s"


def _power(machine: Mapping[str, Any]) -> str:
    calls = machine.get("power_limited_calls") or {}
    if not calls:
        return ""
    where = ", ".join(f"{name} ({count})" for name, count in sorted(calls.items()))
    return f"the card's power limit bit within calls of {where}: those are no pure burst"


def _sustained(evaluation: Evaluation) -> str:
    sustained = cast("Mapping[str, Any]", evaluation.raw.get("sustained", {}))
    if not sustained:
        return ""
    shown = (
        f"{value:.3f}x ({low:.3f} to {high:.3f}) vs "
        f"{evaluation.baseline if arm == BASELINE else arm.replace('-', ' ')}"
        for arm, (value, low, high) in sustained["versus"].items()
    )
    return f"at the card's power limit: {', '.join(shown)}"


def _voids(evaluation: Evaluation) -> str:
    voids = cast("list[str]", evaluation.raw.get("voids", []))
    return f"{len(voids)} sets of processes did not count; the last: {voids[-1]}" if voids else ""


def _sanitizer(machine: Mapping[str, Any]) -> str:
    if "sanitizer" not in machine:
        return ""
    shape = machine.get("shape")
    if shape is None:
        return f"memory was not checked: {machine['sanitizer']}"
    return f"{machine['sanitizer']}: no bad access on {shape}"
