"""When a card's power limit makes a block void: in short calls, not in long ones."""

from __future__ import annotations

import pytest

from avogit.bench.gpu import power
from avogit.bench.gpu.power import LONG_S, PowerLimit

SHORT, LONG = LONG_S / 4, LONG_S


class Counter:
    """A card's counter. `bites`: it moves by so much before it is read next."""

    now_s = 100.0

    def __init__(self) -> None:
        self.now_ns = 5_000_000_000  # what bit before avogit came

    def bites(self, ns: int = 1_000_000) -> None:
        self.now_ns += ns

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
def limit(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> PowerLimit:
    monkeypatch.setattr(power.time, "monotonic", lambda: counter.now_s)
    return PowerLimit(counter)


def calls(
    limit: PowerLimit,
    counter: Counter,
    lengths: list[float],
    case: str = "w",
    every_s: float = 0.6,
) -> list[bool]:
    """Calls of these lengths, in each of which the limit bites."""
    bit = []
    for call_s in lengths:
        counter.bites()
        counter.now_s += every_s
        bit.append(limit.bit(case, call_s))
    return bit


def test_what_bit_before_is_nothing_of_ours(limit: PowerLimit, counter: Counter) -> None:
    assert not limit.bit("w", SHORT)
    counter.bites()
    limit.new_block()
    assert not limit.bit("w", SHORT)
    counter.bites()
    limit.begin()
    assert not limit.bit("w", SHORT)
    assert limit.by_case() == {}
    assert limit.void() == ""


def test_it_is_told_once_and_the_next_call_rests_longer(
    limit: PowerLimit, counter: Counter
) -> None:
    assert limit.rest_s == 0.0
    counter.bites(1)
    assert limit.bit("w", SHORT)
    assert limit.rest_s > 0.1  # longer than the counter is late
    assert not limit.bit("w", SHORT)
    assert limit.rest_s == 0.0


def test_a_new_block_begins_without_a_longer_rest(limit: PowerLimit, counter: Counter) -> None:
    calls(limit, counter, [SHORT])
    limit.new_block()
    assert limit.rest_s == 0.0


def test_long_calls_reach_it_by_themselves(limit: PowerLimit, counter: Counter) -> None:
    assert all(calls(limit, counter, [LONG] * 40))
    assert limit.void() == ""
    assert limit.by_case() == {"w": 40}


def test_short_calls_do_not_and_their_block_is_void(limit: PowerLimit, counter: Counter) -> None:
    calls(limit, counter, [SHORT])
    assert limit.void() == ""  # the counter is late: something before them
    calls(limit, counter, [SHORT])
    assert limit.void() == "the power limit bit 2 times in calls of less than 10 ms"


def test_all_calls_that_hear_of_one_bite_are_one_time(limit: PowerLimit, counter: Counter) -> None:
    """It lasts for 0.3 s, and every call of a round rests for half of that."""
    assert all(calls(limit, counter, [SHORT] * 4, every_s=0.16))
    assert limit.void() == ""
    assert limit.by_case() == {"w": 4}


def test_where_it_does_not_cease_to_bite_the_block_is_void(
    limit: PowerLimit, counter: Counter
) -> None:
    calls(limit, counter, [SHORT] * 8, every_s=0.16)
    assert limit.void() == "the power limit bit 2 times in calls of less than 10 ms"


def test_what_short_calls_hear_of_a_long_ones_bite_is_its_doing(
    limit: PowerLimit, counter: Counter
) -> None:
    calls(limit, counter, [LONG, SHORT, SHORT], every_s=0.16)
    calls(limit, counter, [SHORT])
    assert limit.void() == ""


def test_many_bites_in_long_calls_excuse_none_in_short_ones(
    limit: PowerLimit, counter: Counter
) -> None:
    """Nine calls of one workload, in two seconds and a half."""
    calls(limit, counter, [LONG] * 9, every_s=0.16)
    calls(limit, counter, [SHORT] * 24, every_s=0.16)
    assert "times in calls of less than" in limit.void()


def test_what_is_told_late_is_a_long_calls_doing(limit: PowerLimit, counter: Counter) -> None:
    """After each long call one short one may still hear of it, and one of the block beside."""
    calls(limit, counter, [LONG, SHORT] * 5 + [SHORT])
    assert limit.void() == ""
    calls(limit, counter, [SHORT])
    assert "7 times" in limit.void()


def test_a_block_answers_for_itself_and_the_evaluation_for_all(
    limit: PowerLimit, counter: Counter
) -> None:
    calls(limit, counter, [SHORT] * 9, "short")
    assert limit.void()
    limit.new_block()
    assert limit.void() == ""
    calls(limit, counter, [LONG], "long")
    assert limit.by_case() == {"short": 9, "long": 1}
    found = limit.by_case()
    limit.begin()
    assert limit.by_case() == {}
    assert found == {"short": 9, "long": 1}  # what a record was told stays


def test_a_card_that_does_not_count_never_voids(limit: PowerLimit) -> None:
    assert not any(limit.bit("w", SHORT) for _ in range(20))
    assert limit.void() == ""


def test_a_counter_that_starts_anew_is_no_bite(limit: PowerLimit, counter: Counter) -> None:
    counter.now_ns = 0
    assert not limit.bit("w", SHORT)
    assert calls(limit, counter, [SHORT]) == [True]
