"""What a population cost: every record's spending, counted once, and sums of it.

Owns reading spending from records and which line it was spent on; pure functions. What was
paid stands in records alone, so any clone that has them gives the same answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from avogit import store
from avogit.genealogy import ancestry
from avogit.records import Candidate, Lineage, Usage

NO_LINE = "no line"
_ON_DEVICE = ("correctness", "timing")


@dataclass(frozen=True, slots=True)
class Charge:
    """What one record says was spent."""

    model: str
    line: str
    outcome: str
    usage: Usage | None
    device_s: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class Sum:
    """Charges of one kind together. Money of replies without a known price is not in it."""

    name: str
    count: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    unreported: int  # replies whose usage the provider did not tell
    unpriced: int  # records that were paid for at no known price
    cost_usd: float
    device_s: float
    wall_s: float


def charges(lineage: Lineage, documents: Iterable[Mapping[str, Any]]) -> tuple[Charge, ...]:
    """One charge a record. Two of one second may be equal, so nothing is told by their names."""
    by_record = {c.trailers.get("Avo-Evaluation", ""): c for c in lineage.candidates.values()}
    lines = _lines(lineage)
    return tuple(_charge(document, by_record, lines) for document in documents)


def sums(found: Iterable[Charge], by: str) -> tuple[Sum, ...]:
    """The charges by `model`, `line` or `outcome`, the dearest first."""
    groups: dict[str, list[Charge]] = {}
    for charge in found:
        groups.setdefault(getattr(charge, by), []).append(charge)
    rows = [total(name, group) for name, group in groups.items()]
    return tuple(sorted(rows, key=lambda row: (-row.cost_usd, -row.device_s, row.name)))


def total(name: str, group: Iterable[Charge]) -> Sum:
    """All of these charges together."""
    group = list(group)
    paid = [charge.usage for charge in group if charge.usage is not None]
    return Sum(
        name=name,
        count=len(group),
        input_tokens=sum(usage.input_tokens for usage in paid),
        cached_tokens=sum(usage.cached_tokens for usage in paid),
        output_tokens=sum(usage.output_tokens for usage in paid),
        unreported=sum(usage.unreported for usage in paid),
        unpriced=sum(usage.cost_usd is None for usage in paid),
        cost_usd=sum(usage.cost_usd or 0.0 for usage in paid),
        device_s=sum(charge.device_s for charge in group),
        wall_s=sum(charge.wall_s for charge in group),
    )


def _charge(
    document: Mapping[str, Any], by_record: Mapping[str, Candidate], lines: Mapping[str, str]
) -> Charge:
    payload = document["payload"]
    candidate = by_record.get(document["name"])
    usage = store.usage_from_json(payload.get("usage"))
    about = candidate.oid if candidate else payload.get("parent", "")
    parent = candidate.parents[0] if candidate and candidate.parents else ""
    return Charge(
        model=usage.model if usage else "",
        line=lines.get(about) or lines.get(parent) or NO_LINE,
        outcome=payload.get("status") or payload.get("outcome") or document["kind"],
        usage=usage,
        device_s=_device_s(payload),
        wall_s=payload.get("wall_s", 0.0),
    )


def _device_s(payload: Mapping[str, Any]) -> float:
    """As the record says; an older one has the stages of its evaluation."""
    if "device_s" in payload:
        return float(payload["device_s"])
    stages = (payload.get("evaluation") or {}).get("stages_s", {})
    return float(sum(stages.get(stage, 0.0) for stage in _ON_DEVICE))


def _lines(lineage: Lineage) -> dict[str, str]:
    """The line that each candidate is on: the best live one that holds it, else a pruned one."""
    found: dict[str, str] = {}
    for name, oid in _tips(lineage):
        for above in ancestry(lineage, oid):
            found.setdefault(above, name)
    return found


def _tips(lineage: Lineage) -> Iterator[tuple[str, str]]:
    """Live tips, best first, then the pruned ones."""
    names = {head.oid: head.ref.rpartition("/")[2] for head in reversed(lineage.heads)}
    for candidate in lineage.live():
        yield names[candidate.oid], candidate.oid
    for oid in lineage.pruned:
        yield f"pruned {oid[:10]}", oid
