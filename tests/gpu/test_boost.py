"""Which rounds met different states of a card's clock, with a clock of our own."""

from __future__ import annotations

import math

import pytest

from avogit.bench.gpu.boost import Boost

NOMINAL, ABOVE, HIGHER = 1980.0, 1995.0, 2025.0


class Rounds:
    """Calls of one workload; `l` begins at the nominal clock, `h` and `H` above.

    `-` is a look that told nothing, `k` one at a card whose clock was locked.
    """

    def __init__(self, *, looks: bool = True) -> None:
        self.now = ABOVE
        self.looked = 0
        self.boost = Boost(self.look, NOMINAL)
        self.boost.begin(looks=looks)

    def look(self) -> float:
        self.looked += 1
        return self.now

    def round(self, states: str, *arms: str) -> list[str]:
        """The arms whose calls say that it has to be made again."""
        self.boost.new_round()
        return [arm for state, arm in zip(states, arms, strict=True) if self.call(state, arm)]

    def call(self, state: str, arm: str) -> bool:
        self.now = {"l": NOMINAL, "h": ABOVE, "H": HIGHER, "-": 0.0, "k": 1500.0}[state]
        self.boost.before()
        return arm != "baseline" and self.boost.mixes()


@pytest.fixture
def rounds() -> Rounds:
    return Rounds()


KERNELS = ("candidate", "incumbent")


@pytest.mark.parametrize("states", ["hh", "ll", "hH", "Hh"])
def test_kernels_that_met_the_same_state_are_compared(rounds: Rounds, states: str) -> None:
    assert rounds.round(states, *KERNELS) == []
    assert rounds.boost.facts()["mixed_rounds"] == 0


@pytest.mark.parametrize("states", ["hl", "lh", "Hl"])
def test_kernels_that_met_different_states_are_called_again(rounds: Rounds, states: str) -> None:
    assert rounds.round(states, *KERNELS) == ["incumbent"]
    assert rounds.boost.facts()["mixed_rounds"] == 1


def test_a_round_is_found_mixed_once(rounds: Rounds) -> None:
    assert rounds.round("hhlhl", "a", "b", "c", "d", "e") == ["c"]
    assert rounds.boost.facts()["mixed_rounds"] == 1


@pytest.mark.parametrize("states", ["lhh", "hll"])
def test_what_a_baseline_met_is_nothing_to_the_kernels(rounds: Rounds, states: str) -> None:
    assert rounds.round(states, "baseline", *KERNELS) == []


def test_rounds_may_differ_from_each_other(rounds: Rounds) -> None:
    assert rounds.round("hh", *KERNELS) == []
    assert rounds.round("ll", *KERNELS) == []
    assert rounds.round("hh", *KERNELS) == []
    facts = rounds.boost.facts()
    assert (facts["low_calls"], facts["idle_mhz"]) == (2, ABOVE)


@pytest.mark.parametrize("states", ["--", "-h", "l-", "kk", "kh", "lk"])
def test_a_look_that_tells_no_state_makes_nothing_again(rounds: Rounds, states: str) -> None:
    assert rounds.round(states, *KERNELS) == []
    assert rounds.boost.facts()["mixed_rounds"] == 0


def test_what_was_seen_before_such_a_look_still_counts(rounds: Rounds) -> None:
    assert rounds.round("h-l", "a", "b", "c") == ["c"]


def test_an_evaluation_without_time_does_not_look() -> None:
    rounds = Rounds(looks=False)
    assert rounds.round("hl", *KERNELS) == []
    assert rounds.looked == 0
    assert rounds.boost.facts() == {
        "idle_mhz": 0.0,
        "low_calls": 0,
        "mixed_rounds": 0,
        "calls_mhz": {},
    }


def test_a_new_evaluation_knows_nothing_of_the_last(rounds: Rounds) -> None:
    rounds.round("hl", *KERNELS)
    rounds.boost.begin(looks=True)
    assert rounds.boost.facts()["mixed_rounds"] == 0
    assert rounds.boost.facts()["low_calls"] == 0
    assert not rounds.call("h", "candidate")


def test_the_record_has_the_median_of_each_arm_and_workload(rounds: Rounds) -> None:
    for mhz in (1830.0, 1812.0, 1829.04, 0.0, math.nan, math.inf):  # a launcher may say anything
        rounds.boost.note("burst", "w", "candidate", mhz)
    rounds.boost.note("sustained", "w", "baseline", 1500.0)
    rounds.boost.note("burst", "v", "candidate", 0.0)
    assert rounds.boost.facts()["calls_mhz"] == {
        "burst": {"w": {"candidate": 1829.0}},
        "sustained": {"w": {"baseline": 1500.0}},
    }
    rounds.boost.begin(looks=True)
    assert rounds.boost.facts()["calls_mhz"] == {}
