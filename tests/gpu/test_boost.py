"""Which rounds met different states of a card's clock, with a clock of our own."""

from __future__ import annotations

import math

import pytest

from avogit.bench.gpu import boost as boost_module
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
        self.boost.before(None)
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
        "waited_s": 0.0,
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


class Waiting:
    """A card whose clock changes after so many rests; time is our own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, first: float, then: float) -> None:
        self.now_s, self.rests, self.left = 0.0, 0, 5
        self._first, self._then = first, then
        monkeypatch.setattr(boost_module.time, "monotonic", lambda: self.now_s)
        self.boost = Boost(self.look, NOMINAL)
        self.now_s = 10.0  # of the evaluation went by

    def look(self) -> float:
        return self._first if self.rests < self.left else self._then

    def rest_more(self) -> None:
        self.rests += 1
        self.now_s += 0.0125

    def call(self) -> bool:
        self.boost.before(self.rest_more)
        return self.boost.mixes()


@pytest.mark.parametrize("first", [NOMINAL, ABOVE])
def test_a_kernels_call_waits_for_the_state_that_the_rounds_first_met(
    monkeypatch: pytest.MonkeyPatch, first: float
) -> None:
    card = Waiting(monkeypatch, first=first, then=NOMINAL + ABOVE - first)
    assert not card.call()
    assert card.rests == 0  # the first one takes what there is
    card._first, card._then = card._then, card._first
    assert not card.call()
    assert card.rests == 5
    assert card.boost.facts()["waited_s"] == pytest.approx(0.062, abs=0.001)
    assert card.boost.facts()["mixed_rounds"] == 0
    assert not card.call()  # a third kernel need not wait
    assert card.rests == 5


def test_it_waits_no_longer_than_there_is_time_for(monkeypatch: pytest.MonkeyPatch) -> None:
    card = Waiting(monkeypatch, first=ABOVE, then=NOMINAL)
    card.left = 10**6
    for _ in range(30):
        card.boost.new_round()
        assert not card.call()
        card._first, card._then = card._then, card._first
        begun = card.now_s
        assert card.call()  # it met the other state, and is called again
        assert card.now_s - begun < 0.42
        card.now_s += 0.1
    waited_s = card.boost.facts()["waited_s"]
    assert isinstance(waited_s, float)
    assert 2.0 < waited_s < 0.3 * card.now_s + 0.02
    assert card.boost.facts()["mixed_rounds"] == 30


@pytest.mark.parametrize("looks", [True, False])
def test_nobody_waits_where_no_look_tells_the_state(
    monkeypatch: pytest.MonkeyPatch, looks: bool
) -> None:
    card = Waiting(monkeypatch, first=ABOVE, then=ABOVE)
    card.boost.begin(looks=looks)
    card.now_s += 10.0
    card.call()
    card._first = 1500.0
    card.call()
    assert card.rests == 0


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
