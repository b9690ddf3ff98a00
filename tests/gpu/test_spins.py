"""Spins before launches, held against the oracle's own."""

from __future__ import annotations

from avogit.bench.gpu.spins import Spins

CYCLES = 2_040_000  # 1020 us at 2 GHz


def block(spins: Spins, **arms_us: list[float]) -> str:
    """A block with spins so long. Why it is void."""
    spins.new_block()
    for arm, times in arms_us.items():
        for us in times:
            spins.note(arm, CYCLES, us, own=arm == "baseline")
    return spins.void()


def test_spins_as_long_as_the_oracles_own_say_nothing() -> None:
    spins = Spins()
    usual = {"candidate": [1022.0, 1029.0, 1025.0], "baseline": [1047.0, 1060.0, 1241.0]}
    assert block(spins, **usual, rival=[1024.0, 1300.0, 1026.0]) == ""
    assert spins.facts() == {"candidate": [0.967], "rival": [0.9679]}


def test_a_block_is_void_where_time_went_from_launches_into_the_spin() -> None:
    """A tenth of a call of a millisecond."""
    spins = Spins()
    honest, forged = [1025.0] * 8, [1025.0 + 100.0] * 8
    why = block(spins, candidate=forged, rival=honest, baseline=[1050.0] * 8)
    assert why == "events say that spins before candidate took 1.071x the oracle's own"
    assert block(spins, candidate=honest, rival=honest, baseline=[1050.0] * 8) == ""
    assert spins.facts()["candidate"] == [1.0714, 0.9762]
    spins.begin()
    assert spins.facts() == {}


def test_longer_spins_are_ordered_where_the_host_is_slow() -> None:
    spins = Spins()
    spins.note("candidate", 2 * CYCLES, 2050.0, own=False)
    spins.note("baseline", CYCLES, 1050.0, own=True)
    assert spins.void() == ""


def test_nothing_is_said_where_there_is_nothing_to_compare_with() -> None:
    assert Spins().void() == ""
    assert block(Spins(), candidate=[9e9]) == ""
    assert block(Spins(), baseline=[1050.0]) == ""
