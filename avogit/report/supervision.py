"""`avogit log --supervisor` as text."""

from __future__ import annotations

import datetime
import textwrap

from avogit.commands.supervision import Intervened, Supervision


def supervision_text(result: Supervision) -> str:
    """Each intervention with its reason, its directions and their results."""
    if not result.interventions:
        parts = [f"{result.population}: the supervisor has not intervened"]
    else:
        parts = [result.population, *(_text(found) for found in result.interventions)]
    return "\n\n".join([*parts, *([result.hint] if result.hint else [])])


def _text(found: Intervened) -> str:
    date = datetime.datetime.fromtimestamp(found.time_s, datetime.timezone.utc)
    counts = ", ".join(f"{count} {kind}" for kind, count in found.counts.items())
    lines = [f"{date:%Y-%m-%d %H:%M} {found.trigger}, answered by {found.advisor}"]
    lines.append(f"  why   {found.reason} ({counts})")
    if found.evidence:
        lines.append(f"  seen  {' '.join(oid[:10] for oid in found.evidence)}")
    for number, way in enumerate(found.directions, 1):
        lines += textwrap.wrap(
            way.text, 88, initial_indent=f"  {number}. ", subsequent_indent="     "
        )
        lines.append(f"     -> {way.result}")
    return "\n".join(lines)
