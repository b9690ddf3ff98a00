"""The order in which `tune` looks at points."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable

from operator_samples import near

from avogit.operators.search import Point, Trial, differing, next_move

SPACE = [(1, 2, 4, 6, 8), (16, 32, 64, 128, 256), (1, 2, 3, 4), (0, 1), (8, 16, 24, 32, 48, 64)]


def moves(trials: list[Trial], count: int, space: list[Point] | None = None) -> list[Point]:
    """The next points, each recorded as tried and failed."""
    trials = list(trials)
    found = []
    for number in range(count):
        move = next_move(space or SPACE, trials, random.Random(number))
        if move is None:
            break
        found.append(move.point)
        trials.append(Trial(move.point, None))
    return found


def test_goes_on_in_the_direction_of_the_last_improvement() -> None:
    first, second = (4, 64, 2, 0, 24), (6, 64, 2, 0, 24)
    trials = [
        Trial(first, near(1.0), entered=True),
        Trial(second, near(1.1), origin=first, entered=True),
    ]
    move = next_move(SPACE, trials, random.Random(0))
    assert move is not None
    assert move.point == (8, 64, 2, 0, 24)
    assert "direction" in move.why


def test_a_point_that_another_writer_has_in_hand_is_passed_over() -> None:
    trials = [Trial((1, 0), near(1.0), entered=True)]
    space = [(1, 2), (0, 1)]
    found: set[Point] = set()
    while (move := next_move(space, trials, random.Random(0), found)) is not None:
        found.add(move.point)
    assert found == {(1, 1), (2, 0), (2, 1)}


def test_does_not_go_on_where_the_last_change_lost() -> None:
    first, second = (4, 64, 2, 0, 24), (6, 64, 2, 0, 24)
    trials = [
        Trial(first, near(1.0), entered=True),
        Trial(second, near(0.8), origin=first),
    ]
    for seed in range(10):
        move = next_move(SPACE, trials, random.Random(seed))
        assert move is not None
        assert len(differing(move.point, first)) == 1


def test_one_step_neighbours_come_before_all_others() -> None:
    start = (4, 64, 2, 0, 24)
    found = moves([Trial(start, near(1.0), entered=True)], 9)
    neighbours = {
        (2, 64, 2, 0, 24), (6, 64, 2, 0, 24), (4, 32, 2, 0, 24), (4, 128, 2, 0, 24),
        (4, 64, 1, 0, 24), (4, 64, 3, 0, 24), (4, 64, 2, 1, 24), (4, 64, 2, 0, 16),
        (4, 64, 2, 0, 32),
    }  # fmt: skip
    assert set(found) == neighbours


def test_a_change_that_lost_both_ways_at_a_near_point_goes_last_among_neighbours() -> None:
    near_point, best = (4, 64, 2, 0, 24), (4, 128, 2, 0, 24)
    trials = [
        Trial(near_point, near(1.0), entered=True),
        Trial((2, 64, 2, 0, 24), near(0.8), origin=near_point),
        Trial((6, 64, 2, 0, 24), None, origin=near_point),
        Trial(best, near(1.1), origin=near_point, entered=True),
        Trial((4, 256, 2, 0, 24), near(1.0), origin=best),
    ]
    found = moves(trials, 20)
    singles = [p for p in found if len(differing(p, best)) == 1]
    first_tunable = [i for i, p in enumerate(singles) if p[0] in (2, 6)]
    others = [i for i, p in enumerate(singles) if p[2:] != best[2:]]
    assert len(first_tunable) == 2
    assert min(first_tunable) > max(others[:5])


def test_a_value_that_is_not_declared_has_the_nearest_declared_ones_as_neighbours() -> None:
    found = moves([Trial((5,), near(1.0), entered=True)], 2, [(1, 2, 4, 8)])
    assert set(found) == {(4,), (8,)}


def test_every_point_comes_once_and_then_nothing() -> None:
    space = [(1, 2, 3), (0, 1), (4, 8)]
    found = moves([Trial((1, 0, 4), near(1.0), entered=True)], 100, space)
    assert len(found) == 11
    assert {*found, (1, 0, 4)} == set(itertools.product(*space))


def test_the_order_is_the_same_for_the_same_lineage_and_rng() -> None:
    trials = [Trial((4, 64, 2, 0, 24), near(1.0), entered=True)]
    assert moves(trials, 30) == moves(trials, 30)


def test_the_best_point_is_one_that_entered_a_line() -> None:
    """A rejected point may look best by luck: it is no parent."""
    entered, lucky = (4, 64, 2, 0, 24), (8, 256, 4, 1, 64)
    trials = [Trial(entered, near(1.0), entered=True), Trial(lucky, near(1.3))]
    move = next_move(SPACE, trials, random.Random(0))
    assert move is not None
    assert len(differing(move.point, entered)) == 1


def test_finds_the_optimum_of_a_nearly_separable_space_in_25_evaluations() -> None:
    reached = [simulate(seed, evaluations=25) for seed in range(100)]
    assert sum(share >= 0.97 for share in reached) >= 90
    assert sum(simulate(seed, evaluations=0) >= 0.97 for seed in range(100)) <= 5


def simulate(seed: int, evaluations: int) -> float:
    """The true speed of the point that the search ends with, as a share of the optimum's."""
    rng = random.Random(seed)
    speed = landscape(rng)

    def measure(point: Point) -> Trial:
        value = speed(point) * math.exp(rng.gauss(0, 0.003))
        return Trial(point, near(value, 0.008))

    trials = [Trial(p := tuple(rng.choice(c) for c in SPACE), measure(p).score, entered=True)]
    for number in range(evaluations):
        move = next_move(SPACE, trials, random.Random(f"{seed} {number}"))
        assert move is not None
        entered = [t for t in trials if t.entered]
        origin = min(entered, key=lambda t: (len(differing(t.point, move.point)), -value_of(t)))
        score = measure(move.point).score if rng.random() > 0.03 else None
        good = score is not None and score.value > max(map(value_of, entered)) * 0.998
        trials.append(Trial(move.point, score, origin.point, good))
    best = max((t for t in trials if t.entered), key=value_of)
    return speed(best.point) / max(speed(p) for p in itertools.product(*SPACE))


def value_of(trial: Trial) -> float:
    return trial.score.value if trial.score else 0.0


def landscape(rng: random.Random) -> Callable[[Point], float]:
    """A hill in the logarithm of speed, with weak interactions between tunables."""
    optimum = [rng.randrange(len(choices)) for choices in SPACE]
    weight = [rng.uniform(0.1, 0.6) for _ in SPACE]
    pairs = {p: rng.uniform(-0.1, 0.1) for p in itertools.combinations(range(len(SPACE)), 2)}

    def speed(point: Point) -> float:
        x = [
            (choices.index(value) - best) / (len(choices) - 1)
            for choices, value, best in zip(SPACE, point, optimum, strict=True)
        ]
        hill = sum(w * v * v for w, v in zip(weight, x, strict=True))
        return math.exp(-hill - sum(k * x[i] * x[j] for (i, j), k in pairs.items()))

    return speed
