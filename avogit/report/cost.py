"""`avogit cost` as text."""

from __future__ import annotations

from tabulate import tabulate

from avogit.commands.cost import Cost
from avogit.ledger import Sum

_COLUMNS = ["records", "input", "cached", "output", "cost", "device", "steps' time"]


def cost_text(result: Cost) -> str:
    """One table a view, and what is not known."""
    views = (("model", result.by_model), ("line", result.by_line), ("outcome", result.by_outcome))
    parts = [result.population]
    for name, rows in views:
        shown = [_row(row) for row in (*rows, result.total)]
        parts.append(tabulate(shown, [name, *_COLUMNS], disable_numparse=True))
    return "\n\n".join([*parts, *_unknown(result.total), *([result.hint] if result.hint else [])])


def _row(row: Sum) -> list[str]:
    counts = (row.count, row.input_tokens, row.cached_tokens, row.output_tokens)
    money = f"${row.cost_usd:.4f}" + ("+?" if row.unpriced else "")
    return [
        row.name or "no model",
        *map(str, counts),
        money,
        _time(row.device_s),
        _time(row.wall_s),
    ]


def _unknown(row: Sum) -> list[str]:
    found = []
    if row.unpriced:
        found.append(
            f"{row.unpriced} records have no known price: set `prices` in avogit.yaml before a run"
        )
    if row.unreported:
        found.append(f"{row.unreported} replies came without usage, so tokens are missing above")
    return found


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 3600:.2f} h"
