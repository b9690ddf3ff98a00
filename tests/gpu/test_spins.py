"""Spins before launches, held against the oracle's own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pytest

from avogit.bench.arms import EnvironmentBroken
from avogit.bench.gpu.spins import Spins

CYCLES = 2_040_000  # 1020 us at 2 GHz
OWN = [1047.0, 1060.0, 1053.0, 1241.0]
HONEST = [1022.0, 1029.0, 1300.0, 1025.0]


def seen(
    own_us: Sequence[float] = OWN, *, cycles: int = CYCLES, **arms_us: Mapping[str, Sequence[float]]
) -> Spins:
    """What an evaluation saw: spins so long, by arm and workload."""
    spins = Spins()
    for us in own_us:
        spins.note("baseline", "w", cycles, us, own=True)
    for arm, by_case in arms_us.items():
        for case, times in by_case.items():
            for us in times:
                spins.note(arm, case, cycles, us, own=False)
    return spins


def why(spins: Spins) -> str:
    with pytest.raises(EnvironmentBroken) as broken:
        spins.check()
    assert broken.value.reason == "long-spins"
    return broken.value.detail


def test_spins_as_long_as_the_oracles_own_say_nothing() -> None:
    spins = seen(candidate={"w": HONEST, "v": HONEST}, rival={"w": HONEST})
    spins.check()
    assert spins.facts() == {"candidate": -29.5, "rival": -29.5}


def test_time_that_went_into_the_spin_is_seen_though_it_be_on_one_workload_alone() -> None:
    """A tenth of a call of a millisecond."""
    forged = [us + 100.0 for us in HONEST]
    spins = seen(candidate={"w": HONEST, "long": forged, "v": HONEST}, rival={"long": HONEST})
    assert why(spins) == (
        "events say that the spin before candidate took 1125 us on long,"
        " and 1056.5 us before the baseline; so in 4 calls of 4"
    )


@pytest.mark.parametrize("forged_us", [1e9, math.inf, math.nan])
def test_no_time_is_too_wrong_to_be_seen(forged_us: float) -> None:
    assert "candidate" in why(seen(candidate={"w": [forged_us] * 3}))


def test_a_spin_four_times_as_long_hides_no_more_than_a_tenth_of_a_millisecond() -> None:
    own, honest = [4120.0] * 4, [4080.0] * 4
    seen(own, cycles=4 * CYCLES, candidate={"w": honest}).check()
    why(seen(own, cycles=4 * CYCLES, candidate={"w": [us + 100.0 for us in honest]}))


def test_a_host_that_stalls_now_and_then_is_forgiven() -> None:
    seen(candidate={"w": [1500.0, 1025.0, 1900.0, 1025.0]}).check()


def test_spins_of_other_lengths_are_not_compared() -> None:
    spins = seen(candidate={"w": HONEST})
    for us in (2050.0, 2051.0, 2052.0):
        spins.note("candidate", "w", 2 * CYCLES, us, own=False)
    spins.check()
    assert spins.facts() == {"candidate": -29.5}


def test_nothing_is_said_where_there_is_too_little_to_compare() -> None:
    Spins().check()
    seen(OWN[:2], candidate={"w": [9e9] * 9}).check()
    few = seen(candidate={"w": [9e9] * 2})
    few.check()
    few.begin()
    assert few.facts() == {}
