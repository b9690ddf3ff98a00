"""`avogit plans` as text."""

from __future__ import annotations

from tabulate import tabulate

from avogit.calibration import Outcome, Row
from avogit.commands.plans import Plans

_NEWEST = 10


def plans_text(result: Plans) -> str:
    """The sums, then the newest plans."""
    if not result.plans:
        return f"{result.population}: no candidate had a plan yet"
    sums = tabulate(
        [_sum(row) for row in result.rows],
        ["operator", "model", "kind", "plans", "failed", "expected", "measured", "reached"],
        disable_numparse=True,
    )
    newest = tabulate(
        [_line(outcome) for outcome in result.plans[::-1][:_NEWEST]],
        ["candidate", "expected", "measured", "plan"],
        disable_numparse=True,
    )
    return "\n".join([result.population, sums, "", newest])


def _sum(row: Row) -> list[str]:
    reached = f"{row.met:.0%} of {row.quantified}" if row.met is not None else ""
    names = [row.operator, row.model, row.kind]
    counts = [str(row.count), str(row.failed)]
    return [*names, *counts, _percent(row.expected_pct), _percent(row.measured_pct), reached]


def _line(outcome: Outcome) -> list[str]:
    plan = outcome.plan if len(outcome.plan) <= 80 else f"{outcome.plan[:77]}..."
    measured = _percent(outcome.measured_pct) or "failed"
    return [outcome.oid[:10], _percent(outcome.expected_pct), measured, plan]


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:+.1f}%"
