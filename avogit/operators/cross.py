"""`cross`: joins what two lines gained apart, in a child with both as parents.

Owns which two lines are crossed. Where git merges their changes there is nothing to write;
where it cannot, the built-in agent gets the merged files with git's markers in them. Leaves
merging to `store`, and whether both gains passed on to the evaluation.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from avogit.errors import AvogitError
from avogit.genealogy import ancestry
from avogit.operators import Context, Merged, NoProposal, load_operator
from avogit.operators.prompts import render
from avogit.operators.text import SHORT
from avogit.records import Candidate, Lineage, Plan, Proposal, Status

_MARKER = b"<<<<<<< "

Pair = tuple[Candidate, Candidate]


@dataclass(frozen=True, slots=True)
class Crossing:
    """Two candidates and the merge of their changes."""

    first: Candidate
    second: Candidate
    merged: Merged

    @property
    def idle(self) -> bool:
        """Whether one holds the other already."""
        return self.merged.ancestor in (self.first.oid, self.second.oid)

    @property
    def shown(self) -> str:
        return f"{self.first.oid[:SHORT]} and {self.second.oid[:SHORT]}"


def vary(context: Context) -> Proposal | NoProposal:
    """The two candidates asked for, or the pair of lines that promises most, as one child."""
    if context.partner is not None:
        return _joined(context, _crossing(context, (context.parent, context.partner)))
    crossings = [_crossing(context, pair) for pair in promising_pairs(context.lineage)]
    if not crossings:
        detail = "no two live lines, uncrossed so far, are each the best on another workload"
        return NoProposal("no-pair", detail)
    clean = (crossing for crossing in crossings if not crossing.merged.conflicts)
    return _joined(context, next(clean, crossings[0]))


def promising_pairs(lineage: Lineage) -> list[Pair]:
    """Live lines that lead on different workloads, the pair whose union could be best first.

    A union can be no better than the faster of the two on every workload; that bound ranks.
    """
    live = lineage.live()
    leaders = [line for line in live if _led(line, live)]
    pairs = [
        pair
        for pair in itertools.combinations(leaders, 2)
        if not _related(lineage, *pair) and not _crossed(lineage, *pair)
    ]
    return sorted(pairs, key=lambda pair: -_promise(*pair))


def _led(line: Candidate, live: tuple[Candidate, ...]) -> bool:
    """Whether no live line is faster on one of the workloads."""
    return any(
        score >= max(other.workload_scores.get(workload, 0.0) for other in live)
        for workload, score in line.workload_scores.items()
    )


def _promise(one: Candidate, other: Candidate) -> float:
    """The log of the score that the faster of the two on every workload would give."""
    shared = one.workload_scores.keys() & other.workload_scores.keys()
    best = (max(one.workload_scores[w], other.workload_scores[w]) for w in shared)
    return sum(map(math.log, best)) / max(len(shared), 1)


def _related(lineage: Lineage, one: Candidate, other: Candidate) -> bool:
    return one.oid in ancestry(lineage, other.oid) or other.oid in ancestry(lineage, one.oid)


def _crossed(lineage: Lineage, one: Candidate, other: Candidate) -> bool:
    both = {one.oid, other.oid}
    return any(
        both <= set(child.parents)
        for child in lineage.candidates.values()
        if child.status is not Status.DRAFT
    )


def _crossing(context: Context, pair: Pair) -> Crossing:
    return Crossing(*pair, context.merge(pair[0].oid, pair[1].oid))


def _joined(context: Context, crossing: Crossing) -> Proposal | NoProposal:
    if crossing.idle:
        detail = f"of {crossing.shown} one is in the other's history: it holds both already"
        return NoProposal("no-pair", detail)
    if crossing.merged.conflicts:
        return _resolved(context, crossing)
    first, second = crossing.first, crossing.second
    return Proposal(
        parent=first.oid,
        files=crossing.merged.files,
        subject=f"cross {crossing.shown}",
        body=_story(crossing, "Merged by git, without a conflict."),
        plan=Plan("both parents' gains pass on", _hoped_pct(first, second)),
        second_parent=second.oid,
    )


def _resolved(context: Context, crossing: Crossing) -> Proposal | NoProposal:
    """The agent's resolution of a conflict; a named attempt where there is no model to ask."""
    from avogit.operators.agent.client import read_endpoint

    places = conflict_places(crossing.merged)
    try:
        read_endpoint(context.config.agent, os.environ)
    except AvogitError as error:
        return NoProposal("conflict", f"{crossing.shown} conflict in {places}; {error}")
    first = crossing.first
    words = render(
        "agent/crossover.md.j2", first=first, second=crossing.second, places=places, short=SHORT
    )
    context.progress(f"conflicts in {places}: asking the agent")
    files = crossing.merged.files
    asked = replace(context, parent=first, parent_files=files, assignment=words)
    found = load_operator("agent")(asked)
    if isinstance(found, NoProposal) or found.parent != first.oid:
        return found  # the agent gave up, or went back to a parent of its own choice
    body = _story(crossing, f"Conflicts in {places}, resolved by the agent.\n\n{found.body}")
    return replace(found, body=body, second_parent=crossing.second.oid)


def conflict_places(merged: Merged) -> str:
    """The conflicting files, and the lines of the merge at which their conflicts begin."""
    return ", ".join(_place(name, merged.files) for name in merged.conflicts)


def _place(name: str, files: Mapping[str, bytes]) -> str:
    lines = ", ".join(str(number) for number in _marked(files.get(name, b"")))
    return f"{name} (line {lines})" if lines else name


def _marked(data: bytes) -> Iterator[int]:
    lines = enumerate(data.split(b"\n"), start=1)
    return (number for number, line in lines if line.startswith(_MARKER))


def _story(crossing: Crossing, how: str) -> str:
    parents = (crossing.first, crossing.second)
    lines = [f"{parent.oid[:SHORT]}: {parent.subject}" for parent in parents]
    return "\n".join([*lines, "", how])


def _hoped_pct(first: Candidate, second: Candidate) -> float | None:
    """What the first parent would gain with the second's lead wherever that is faster."""
    if first.score is None:
        return None
    return round(100 * (math.exp(_promise(first, second)) / first.score.value - 1), 1)
