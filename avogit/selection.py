"""Who is the parent of the next child, and which lines leave.

Owns parent choice and retirement; both are pure functions of a `Lineage`. Leaves what enters a
line to `acceptance`, and moving refs to `store`. A retired line loses its branch, never its
commits, so a retirement can be undone; still, each one states its reason.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from avogit.errors import AvogitError
from avogit.records import EXTENDED, IMPROVED, SPECIALIST, Candidate, Lineage, Ratio, Status

# Of `weighted`: a line this much behind the best, as a log ratio, is chosen 1/e as often.
TEMPERATURE = 0.05

ParentRule = Callable[[Lineage, random.Random], Candidate]


@dataclass(frozen=True, slots=True)
class Retirement:
    """A live head that leaves, and why."""

    oid: str
    reason: str


def select_parent(rule: str, lineage: Lineage, rng: random.Random) -> Candidate:
    """The next child's parent, by the named rule."""
    if rule not in PARENT_RULES:
        known = ", ".join(PARENT_RULES)
        raise AvogitError(f"no parent rule {rule!r}: `selection.parent` is one of {known}")
    if not lineage.live():
        raise AvogitError(f"{lineage.population} has no live measured candidate: `avogit seed`")
    return PARENT_RULES[rule](lineage, rng)


def best(lineage: Lineage, _rng: random.Random) -> Candidate:
    """The incumbent, always."""
    return lineage.live()[0]


def weighted(lineage: Lineage, rng: random.Random) -> Candidate:
    """Any live line, a better one more often: weight exp(ln(score / best) / temperature)."""
    lines = lineage.live()
    weights = [(_value(line) / _value(lines[0])) ** (1 / TEMPERATURE) for line in lines]
    return rng.choices(lines, weights)[0]


def round_robin(lineage: Lineage, _rng: random.Random) -> Candidate:
    """The live line whose turn is longest ago.

    A turn is what the lineage shows of it: the newest child of the line's head, or the head
    itself where it has none. So nothing has to be remembered, and no line starves.
    """
    lines = lineage.live()
    turns = {line.oid: -1 for line in lines}
    for position, candidate in enumerate(lineage.candidates.values()):
        for oid in (candidate.oid, *_parents_given_a_turn(candidate)):
            if oid in turns:
                turns[oid] = position
    return min(lines, key=lambda line: (turns[line.oid], line.oid))


PARENT_RULES: dict[str, ParentRule] = {
    "best": best,
    "weighted": weighted,
    "round-robin": round_robin,
}


def retirements(lineage: Lineage, max_lines: int) -> tuple[Retirement, ...]:
    """The live lines that should leave, each with its reason.

    First heads that another head's history holds; then, while there are more than `max_lines`,
    one after another. The incumbent and the last line stay. Heads that are no measured
    candidates, and other repositories' heads, are not ours to retire and are not counted.
    """
    lines = _own_lines(lineage)
    leaving = list(_superseded(lineage, lines))
    gone = {retirement.oid for retirement in leaving}
    lines = [line for line in lines if line.oid not in gone]
    while len(lines) > max(max_lines, 1):
        retirement = _weakest(lineage, lines, max_lines)
        leaving.append(retirement)
        lines = [line for line in lines if line.oid != retirement.oid]
    return tuple(leaving)


def _own_lines(lineage: Lineage) -> list[Candidate]:
    """Measured candidates at our own branches, best first."""
    own = {head.oid for head in lineage.heads if head.ref.startswith("refs/heads/")}
    return [line for line in lineage.live() if line.oid in own]


# Superseded heads.


def _superseded(lineage: Lineage, lines: Sequence[Candidate]) -> Iterator[Retirement]:
    heirs: dict[str, Candidate] = {}
    for line in lines:
        for oid in _outgrown(lineage, line):
            heirs.setdefault(oid, line)
    incumbent_stays = False
    for line in lines:
        heir = heirs.get(line.oid)
        if heir is None or not (incumbent_stays or _beaten(lines, line)):
            incumbent_stays = True  # best first: the first that stays is the incumbent
            continue
        reason = f"superseded: the history of {heir.oid[:10]} ({heir.score}) holds it"
        yield Retirement(line.oid, reason)


def _beaten(lines: Sequence[Candidate], incumbent: Candidate) -> bool:
    """Whether a live child was measured beside the incumbent and was the faster one.

    Recorded scores come from different runs; the child's improvement was seen in one, with
    the arms interleaved. So it outweighs a parent's luckier score.
    """
    return any(incumbent.oid in line.parents and _entered(line) == IMPROVED for line in lines)


def _outgrown(lineage: Lineage, tip: Candidate) -> set[str]:
    """Ancestors whose place `tip` takes.

    A specialist takes nobody's place: it is worse on the whole, so the walk ends at it. But one
    that later beat or matched the incumbent has come back, and with it all of its history.
    """
    found: set[str] = set()
    seen: set[tuple[str, bool]] = set()
    waiting = [(tip, False)]
    while waiting:
        candidate, whole = waiting.pop()
        entered = _entered(candidate)
        whole = whole or entered not in (SPECIALIST, EXTENDED)
        if entered == SPECIALIST and not whole:
            continue
        for oid in candidate.parents:
            if oid in lineage.candidates and (oid, whole) not in seen:
                seen.add((oid, whole))
                found.add(oid)
                waiting.append((lineage.candidates[oid], whole))
    return found


# Too many lines. They leave by rank, lowest first.
_RANKS = (
    "lead no workload and are no champion",
    "lead a workload",
    "are champion",
    "lead a workload and are champion",
)


def _weakest(lineage: Lineage, lines: Sequence[Candidate], max_lines: int) -> Retirement:
    """The line to retire of more than `max_lines`; `lines` is best first."""
    rank, pool = _least_protected(lineage, lines)
    worst = min(pool, key=_value)
    tied = [line for line in pool if _interval(line).low <= _interval(worst).high]
    over = f"more than {max_lines} lines"
    if len(tied) == 1:
        among = "all" if _is_below_all(worst, lines) else f"those that {_RANKS[rank]}"
        return Retirement(worst.oid, f"{over}, and {worst.score} is the lowest of {among}")
    chosen, why = _break_tie(lineage, lines, tied)
    reason = f"{over}; {len(tied)} of them are tied within noise at the low end, and it is {why}"
    return Retirement(chosen.oid, f"{reason} ({chosen.score})")


def _least_protected(lineage: Lineage, lines: Sequence[Candidate]) -> tuple[int, list[Candidate]]:
    """The lines that go first, and their rank: what leads a workload or is champion goes last.

    Both may leave when nothing else is left to go, so that the bound always holds: a champion
    keeps its tag, a specialist its place in the prune log. The incumbent, first, never leaves.
    """
    champion = max(lineage.champions, key=lambda c: c.time_s, default=None)
    specialists = _sole_specialists(lines)
    ranks = {
        line.oid: 2 * (champion is not None and line.oid == champion.oid)
        + (line.oid in specialists)
        for line in lines[1:]
    }
    lowest = min(ranks.values())
    return lowest, [line for line in lines[1:] if ranks[line.oid] == lowest]


def _sole_specialists(lines: Sequence[Candidate]) -> set[str]:
    """Lines that entered for a workload and still have the best score of all on one."""
    leaders = set()
    for workload in {name for line in lines for name in line.workload_scores}:
        leader = max(lines, key=lambda line: line.workload_scores.get(workload, 0.0))
        if _entered(leader) in (SPECIALIST, EXTENDED):
            leaders.add(leader.oid)
    return leaders


def _break_tie(
    lineage: Lineage, lines: Sequence[Candidate], tied: Sequence[Candidate]
) -> tuple[Candidate, str]:
    """Of lines that no score tells apart: dominated first, then without children, then oldest."""
    fertile = {oid for c in lineage.candidates.values() for oid in _parents_given_a_turn(c)}
    age = {oid: position for position, oid in enumerate(lineage.candidates)}
    chosen = min(
        tied,
        key=lambda line: (
            _dominator(line, lines) is None,
            line.oid in fertile,
            age.get(line.oid, len(age)),
        ),
    )
    dominator = _dominator(chosen, lines)
    if dominator is not None:
        return chosen, f"behind {dominator.oid[:10]} on every workload"
    return chosen, "the oldest" if chosen.oid in fertile else "the oldest without children"


def _dominator(line: Candidate, lines: Sequence[Candidate]) -> Candidate | None:
    """The best line that is ahead on every workload."""
    scores = line.workload_scores
    for other in lines:
        if scores and all(other.workload_scores.get(w, 0.0) > s for w, s in scores.items()):
            return other
    return None


def _is_below_all(line: Candidate, lines: Sequence[Candidate]) -> bool:
    others = [_interval(other).low for other in lines if other.oid != line.oid]
    return _interval(line).high < min(others)


def _parents_given_a_turn(candidate: Candidate) -> tuple[str, ...]:
    """A draft is part of its step's turn, not one of its own."""
    return () if candidate.status is Status.DRAFT else candidate.parents


def _entered(candidate: Candidate) -> str:
    return candidate.trailers.get("Avo-Rule", "")


def _interval(candidate: Candidate) -> Ratio:
    assert candidate.score is not None, "a live line has a score"
    return candidate.score


def _value(candidate: Candidate) -> float:
    return _interval(candidate).value
