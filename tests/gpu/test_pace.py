"""What a card is given before a call in burst."""

from __future__ import annotations

import pytest

from avogit.bench.gpu import pace as pace_module
from avogit.bench.gpu.pace import Pace, cost_s


class Card:
    """A card whose clock goes on only by what it is told to do."""

    def __init__(self) -> None:
        self.now = 100.0
        self.did: list[tuple[str, float]] = []

    def sleep(self, seconds: float) -> None:
        self._do("rest", seconds)

    def work(self, seconds: float) -> None:
        self._do("work", seconds)

    def _do(self, what: str, seconds: float) -> None:
        self.did.append((what, round(seconds, 6)))
        self.now += seconds


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    made = Card()
    monkeypatch.setattr(pace_module.time, "monotonic", lambda: made.now)
    monkeypatch.setattr(pace_module.time, "sleep", made.sleep)
    monkeypatch.setattr(pace_module.random, "random", lambda: 0.0)
    return made


@pytest.fixture
def pace(card: Card) -> Pace:
    return Pace(card.work)


@pytest.mark.parametrize(
    ("launch_s", "checks_s", "least_s", "rest_s"),
    [
        (0.001, 0.0, 0.0, 0.02),
        (0.001, 0.008, 0.0, 0.012),  # looking at what it left falls into it
        (0.001, 0.03, 0.0, 0.01),  # and yet the card stands still for a moment
        (0.02, 0.008, 0.0, 0.052),  # a long call heats: three times as long
        (0.001, 0.008, 0.15, 0.142),  # after the power limit bit
    ],
)
def test_a_rest_counts_from_the_end_of_the_last_launch(
    pace: Pace, card: Card, launch_s: float, checks_s: float, least_s: float, rest_s: float
) -> None:
    pace.ended(launch_s)
    card.now += checks_s
    pace.rest(least_s)
    assert card.did == [("rest", rest_s), ("work", 0.001)]


def test_a_round_costs_its_calls_and_the_rests_before_them() -> None:
    assert cost_s([0.001, 0.001]) > 2 * (0.02 + 0.001)  # the least rest of each
    assert cost_s([0.001] * 3) > cost_s([0.001] * 2)
    assert cost_s([0.1]) > 4 * 0.1  # a long call heats: it rests three times as long
    assert cost_s([0.1]) < 4.5 * 0.1


def test_a_round_costs_what_rests_and_calls_take(pace: Pace, card: Card) -> None:
    """Four arms of 5 ms, by a card that does as it is told."""
    begun, rounds = card.now, 5
    for _ in range(rounds):
        card.now += pace_module.ROUND_S
        for _ in range(4):
            card.now += pace_module.CALL_S
            pace.rest(0.0)
            card.now += 0.002 + 0.005  # an order, the call
            pace.ended(0.005)
    assert (card.now - begun) / rounds == pytest.approx(cost_s([0.005] * 4), rel=0.1)


def test_it_can_rest_a_moment_more(pace: Pace, card: Card) -> None:
    pace.ended(0.02)
    pace.rest_more()
    assert card.did == [("rest", 0.01), ("work", 0.001)]
