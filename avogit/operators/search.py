"""Where `tune` looks next: tried points -> the next point.

Owns the order of the search, as a pure function. Leaves reading points from sources, and
everything about git, to `tune`.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from avogit.records import Ratio

Point = tuple[int, ...]  # one value for every tunable, in the space's order
Choices = tuple[int, ...]

_NEAR = 2  # points this many tunables apart are expected to rank a third tunable alike
_GUESSES = 200


@dataclass(frozen=True, slots=True)
class Trial:
    """A point that was evaluated."""

    point: Point
    score: Ratio | None  # None: it failed, or gave no usable timing
    origin: Point | None = None  # the point that it was changed from
    entered: bool = False  # it entered a line


@dataclass(frozen=True, slots=True)
class Move:
    """A point to try, and why."""

    point: Point
    why: str


def next_move(
    space: Sequence[Choices],
    trials: Sequence[Trial],
    rng: random.Random,
    in_hand: Collection[Point] = (),
) -> Move | None:
    """The most promising point that is neither tried nor in hand; None when there is none."""
    known = _by_point(trials)
    moves = _moves(space, known, rng)
    return next((m for m in moves if m.point not in known and m.point not in in_hand), None)


def differing(a: Point, b: Point) -> tuple[int, ...]:
    """The tunables (by index) in which two points differ."""
    return tuple(i for i, (x, y) in enumerate(zip(a, b, strict=True)) if x != y)


def _by_point(trials: Sequence[Trial]) -> dict[Point, Trial]:
    """One trial a point: one that entered a line before a draft, a timed one before a failed."""
    known: dict[Point, Trial] = {}
    for trial in trials:
        held = known.get(trial.point)
        if held is None or _weight(trial) > _weight(held):
            known[trial.point] = trial
    return known


def _weight(trial: Trial) -> tuple[bool, bool]:
    return (trial.entered, trial.score is not None)


def _moves(
    space: Sequence[Choices], known: Mapping[Point, Trial], rng: random.Random
) -> Iterator[Move]:
    """Every point of the space, most promising first; tried and repeated ones among them."""
    best, *others = _ranked(known)
    yield from _onwards(space, known, best)
    one, two = (_steps(space, best.point, distance, rng) for distance in (1, 2))
    likely = [point for point in one if not _unlikely(known, best.point, point)]
    yield from (Move(p, "an untried neighbour of the best point") for p in likely)
    far = [p for p in two if not _behind_a_loss(space, known, best.point, p)]
    yield from (Move(p, "two steps from the best point") for p in far)
    yield from (Move(p, "a neighbour that lost at a point near the best") for p in one)
    for trial in others[:2]:
        near = _steps(space, trial.point, 1, rng)
        yield from (Move(p, "a neighbour of another good point") for p in near)
    yield from _pairs(space, best.point, rng)
    yield from (Move(p, "two steps from the best point, behind a loss") for p in two)
    yield from _rest(space, rng)


def _ranked(known: Mapping[Point, Trial]) -> list[Trial]:
    """Best first; the first is one that entered a line."""
    ranked = sorted(known.values(), key=lambda t: (-_value(t), t.point))
    best = next((t for t in ranked if t.entered), ranked[0])
    return [best, *(t for t in ranked if t is not best and t.score is not None)]


def _value(trial: Trial) -> float:
    return trial.score.value if trial.score else 0.0


def _onwards(space: Sequence[Choices], known: Mapping[Point, Trial], best: Trial) -> Iterator[Move]:
    """The next value in the direction that made the best point better than its origin."""
    origin = known.get(best.origin) if best.origin else None
    if origin is None or _value(best) <= _value(origin):
        return
    changed = differing(best.point, origin.point)
    if len(changed) != 1:
        return
    axis = changed[0]
    order = _order(space[axis], best.point[axis])
    if origin.point[axis] not in order:
        return
    here, there = order.index(best.point[axis]), order.index(origin.point[axis])
    target = here + (1 if here > there else -1)
    if 0 <= target < len(order):
        point = _changed(best.point, axis, order[target])
        yield Move(point, "the same direction as the last improvement")


def _steps(
    space: Sequence[Choices], point: Point, distance: int, rng: random.Random
) -> list[Point]:
    """The points so many declared values away in one tunable; tunables in random order."""
    found = []
    for axis in rng.sample(range(len(space)), len(space)):
        order = _order(space[axis], point[axis])
        here = order.index(point[axis])
        targets = [here - distance, here + distance]
        rng.shuffle(targets)
        values = [order[t] for t in targets if 0 <= t < len(order)]
        found += [_changed(point, axis, value) for value in values]
    return found


def _order(choices: Choices, value: int) -> Choices:
    """Declared order; a value that was never declared stands where its size puts it."""
    return choices if value in choices else tuple(sorted((*choices, value)))


def _changed(point: Point, axis: int, value: int) -> Point:
    return (*point[:axis], value, *point[axis + 1 :])


def _unlikely(known: Mapping[Point, Trial], base: Point, point: Point) -> bool:
    """Whether this very change lost clearly at a point near `base`."""
    (axis,) = differing(base, point)
    return any(
        near[axis] == base[axis]
        and len(differing(near, base)) <= _NEAR
        and _lost(known, near, _changed(near, axis, point[axis]))
        for near in known
    )


def _lost(known: Mapping[Point, Trial], base: Point, point: Point) -> bool:
    """Whether `point` failed, or is slower than `base` by more than both intervals."""
    if point not in known:
        return False
    score, other = known[point].score, known[base].score
    return score is None or (other is not None and score.high < other.low)


def _behind_a_loss(
    space: Sequence[Choices], known: Mapping[Point, Trial], base: Point, point: Point
) -> bool:
    """Whether the value between `base` and a point two steps away is a known loss."""
    (axis,) = differing(base, point)
    order = _order(space[axis], base[axis])
    between = order[(order.index(base[axis]) + order.index(point[axis])) // 2]
    return _unlikely(known, base, _changed(base, axis, between))


def _pairs(space: Sequence[Choices], point: Point, rng: random.Random) -> Iterator[Move]:
    """Two tunables changed at once, one step each."""
    singles = _steps(space, point, 1, rng)
    for a, b in itertools.combinations(singles, 2):
        (first,), (second,) = differing(point, a), differing(point, b)
        if first != second:
            both = _changed(a, second, b[second])
            yield Move(both, "two tunables changed at once")


def _rest(space: Sequence[Choices], rng: random.Random) -> Iterator[Move]:
    """Anywhere: some guesses, then every point in order, so that an untried one is found."""
    for _ in range(_GUESSES):
        yield Move(tuple(rng.choice(choices) for choices in space), "a random untried point")
    for point in itertools.product(*space):
        yield Move(point, "one of the last untried points")
