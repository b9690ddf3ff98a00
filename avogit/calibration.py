"""What plans expected against what was measured: how far an operator's hopes can be believed.

Owns reading a plan's effect from a lineage, and the sums over operator, model and kind of
change; all are pure functions. Leaves the words of a plan to operators, and tables to `report`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from avogit.records import Candidate, Lineage, Status

NOT_SAID = "not said"
_IN_PLAN = re.compile(r", expected (?P<gain>[+-][0-9.e+-]+)%$")  # older messages have no other


@dataclass(frozen=True, slots=True)
class Outcome:
    """One plan and what became of it. Gains are in percent against the parent."""

    oid: str
    operator: str
    model: str
    kind: str
    plan: str
    expected_pct: float | None
    measured_pct: float | None  # None: it failed, or its parent was not timed

    @property
    def met(self) -> bool:
        """Whether the measured gain reached the expected one."""
        expected, measured = self.expected_pct, self.measured_pct
        return expected is not None and measured is not None and measured >= expected


@dataclass(frozen=True, slots=True)
class Row:
    """The plans of one operator, model and kind of change."""

    operator: str
    model: str
    kind: str
    count: int
    failed: int  # no timing came of them
    quantified: int  # said what they expected
    expected_pct: float | None  # mean over the quantified
    measured_pct: float | None  # mean over those that were timed
    met: float | None  # share of the quantified that reached what they expected


def outcomes(lineage: Lineage) -> tuple[Outcome, ...]:
    """Every decided child that had a plan, oldest first. Drafts are on the way, not its end."""
    return tuple(_outcomes(lineage.candidates.values()))


def calibrate(
    found: Sequence[Outcome], by: Sequence[str] = ("operator", "model", "kind")
) -> tuple[Row, ...]:
    """One row for each combination of the named fields, the most frequent first."""
    groups: dict[tuple[str, ...], list[Outcome]] = {}
    for outcome in found:
        groups.setdefault(tuple(getattr(outcome, name) for name in by), []).append(outcome)
    rows = [_row(dict(zip(by, key, strict=True)), group) for key, group in groups.items()]
    return tuple(sorted(rows, key=lambda row: (-row.count, row.operator, row.model, row.kind)))


def calibration_text(lineage: Lineage, operator: str = "") -> str:
    """A few lines for an operator's prompt; empty where no plan said what it expected."""
    found = [o for o in outcomes(lineage) if not operator or o.operator == operator]
    rows = [row for row in calibrate(found, ("kind",)) if row.quantified]
    return "\n".join(_sentence(row) for row in rows)


def measured_gain_pct(candidate: Candidate) -> float | None:
    """The measured change against the parent, in percent; None where it was not timed."""
    if not candidate.measured or candidate.score is None:
        return None
    ratio = _number(candidate.trailers.get("Avo-Versus-Parent", "").partition(" ")[0])
    return None if ratio is None else (ratio - 1) * 100


def _outcomes(candidates: Iterable[Candidate]) -> Iterator[Outcome]:
    for candidate in candidates:
        trailers = candidate.trailers
        plan = trailers.get("Avo-Plan", "")
        if plan and candidate.status is not Status.DRAFT:
            yield Outcome(
                oid=candidate.oid,
                operator=candidate.operator,
                model=trailers.get("Avo-Model", ""),
                kind=trailers.get("Avo-Plan-Kind", "") or NOT_SAID,
                plan=_IN_PLAN.sub("", plan),
                expected_pct=_expected(trailers.get("Avo-Plan-Gain", ""), plan),
                measured_pct=measured_gain_pct(candidate),
            )


def _expected(gain: str, plan: str) -> float | None:
    in_plan = _IN_PLAN.search(plan)
    return _number(gain or (in_plan["gain"] if in_plan else ""))


def _row(key: dict[str, str], group: Sequence[Outcome]) -> Row:
    quantified = [o for o in group if o.expected_pct is not None]
    return Row(
        operator=key.get("operator", ""),
        model=key.get("model", ""),
        kind=key.get("kind", ""),
        count=len(group),
        failed=sum(o.measured_pct is None for o in group),
        quantified=len(quantified),
        expected_pct=_mean(o.expected_pct for o in quantified),
        measured_pct=_mean(o.measured_pct for o in group),
        met=sum(o.met for o in quantified) / len(quantified) if quantified else None,
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def _sentence(row: Row) -> str:
    kind = "of no stated kind" if row.kind == NOT_SAID else f"of kind {row.kind}"
    measured = (
        "none was timed" if row.measured_pct is None else f"{row.measured_pct:+.1f}% measured"
    )
    return (
        f"{row.count} plans {kind}: {row.expected_pct:+.1f}% expected, {measured} on average; "
        f"{round((row.met or 0) * row.quantified)} of {row.quantified} reached what they expected, "
        f"{row.failed} failed"
    )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
