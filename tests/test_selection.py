"""Parents and retirements: small lineages by hand, then many random ones for the promises."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest

from avogit.errors import AvogitError
from avogit.records import (
    Candidate,
    Champion,
    Head,
    Lineage,
    Ratio,
    Status,
    Verdict,
)
from avogit.selection import PARENT_RULES, Retirement, retirements, select_parent

ANY = random.Random(0)


def candidate(
    oid: str,
    score: float,
    *parents: str,
    rule: str = "improved",
    half: float = 0.001,
    workloads: Mapping[str, float] | None = None,
    status: Status = Status.ACCEPTED,
    tree: str = "measured",
) -> Candidate:
    """A candidate that entered by `rule`, its score's interval +- `half`."""
    return Candidate(
        oid=oid,
        tree=tree,
        parents=parents,
        time_s=0,
        subject=oid,
        population="p",
        status=status,
        verdict=Verdict.PASSED,
        measured_tree="measured",
        score=Ratio(score, score / (1 + half), score * (1 + half)),
        workload_scores=workloads or {},
        operator="tune",
        generation=0,
        trailers={"Avo-Rule": rule},
    )


def lineage(
    *candidates: Candidate,
    live: Sequence[str] | None = None,
    champion: str = "",
    where: str = "refs/heads/avo/p/",
) -> Lineage:
    """A lineage of these candidates, oldest first; all of them live unless named."""
    tips = [c.oid for c in candidates] if live is None else live
    heads = tuple(Head(where + oid, oid) for oid in tips)
    champions = (Champion("refs/tags/avo/p/champion", champion, 1, ""),) if champion else ()
    return Lineage("p", {c.oid: c for c in candidates}, heads, champions, {})


def leaving(found: Lineage, max_lines: int = 8) -> dict[str, str]:
    return {retirement.oid: retirement.reason for retirement in retirements(found, max_lines)}


# Parents.

THREE = lineage(candidate("a", 1.0), candidate("b", 1.2), candidate("c", 1.14))


def test_best_is_the_incumbent() -> None:
    assert select_parent("best", THREE, ANY).oid == "b"


def test_weighted_prefers_the_better_and_starves_none() -> None:
    rng = random.Random(1)
    chosen = Counter(select_parent("weighted", THREE, rng).oid for _ in range(2000))
    # ln(1.14 / 1.2) = -0.051 and ln(1.0 / 1.2) = -0.182, in temperatures of 0.05.
    assert chosen["c"] / chosen["b"] == pytest.approx(0.36, abs=0.07)
    assert 0 < chosen["a"] / chosen["b"] < 0.06


def test_weighted_is_repeatable_from_its_rng() -> None:
    one, two = random.Random(7), random.Random(7)
    draws = [[select_parent("weighted", THREE, rng).oid for _ in range(20)] for rng in (one, two)]
    assert draws[0] == draws[1]


def test_round_robin_gives_every_line_its_turn() -> None:
    known = list(THREE.candidates.values())
    turns = []
    for number in range(9):
        found = lineage(*known, live=["a", "b", "c"])
        parent = select_parent("round-robin", found, ANY)
        turns.append(parent.oid)
        known.append(candidate(f"x{number}", 0.5, parent.oid, status=Status.REJECTED))
    assert turns == ["a", "b", "c"] * 3


def test_a_new_line_joins_the_round_and_does_not_take_it_over() -> None:
    known = [candidate("old", 1.0)]
    known += [candidate(f"x{n}", 0.5, "old", status=Status.REJECTED) for n in range(50)]
    known.append(candidate("new", 1.0, "old"))
    turns = []
    for number in range(4):
        parent = select_parent("round-robin", lineage(*known, live=["old", "new"]), ANY)
        turns.append(parent.oid)
        known.append(candidate(f"y{number}", 0.5, parent.oid, status=Status.REJECTED))
    assert turns[1:] in (["new", "old", "new"], ["old", "new", "old"])


def test_drafts_are_no_turns() -> None:
    draft = candidate("draft", 0.5, "a", status=Status.DRAFT)
    found = lineage(candidate("a", 1.0), candidate("b", 1.0), draft, live=["a", "b"])
    assert select_parent("round-robin", found, ANY).oid == "a"


@pytest.mark.parametrize("rule", list(PARENT_RULES))
def test_a_parent_is_always_live_and_measured(rule: str) -> None:
    amended = candidate("amended", 9.0, tree="changed")
    found = lineage(amended, candidate("dead", 5.0), candidate("a", 1.0), live=["amended", "a"])
    assert select_parent(rule, found, ANY).oid == "a"
    with pytest.raises(AvogitError, match="no live measured candidate"):
        select_parent(rule, lineage(amended), ANY)


def test_an_unknown_parent_rule_is_the_users_to_correct() -> None:
    with pytest.raises(AvogitError, match="one of best, weighted, round-robin"):
        select_parent("newest", THREE, ANY)


# Superseded heads.

SEED = candidate("seed", 1.0, "users-own-commit", rule="seed", status=Status.SEED)


def test_a_child_takes_its_ancestors_place() -> None:
    middle = candidate("middle", 1.1, "seed")
    tip = candidate("tip", 1.2, "middle")
    gone = leaving(lineage(SEED, middle, tip))
    assert set(gone) == {"seed", "middle"}
    assert gone["seed"] == "superseded: the history of tip (1.200x (1.199 to 1.201)) holds it"


def test_ancestors_are_found_through_candidates_that_are_no_heads() -> None:
    hidden = candidate("hidden", 1.1, "seed")
    assert set(
        leaving(lineage(SEED, hidden, candidate("tip", 1.2, "hidden"), live=["seed", "tip"]))
    )


def test_a_crossover_supersedes_both_parents() -> None:
    left, right = candidate("left", 1.1, "seed"), candidate("right", 1.1, "seed")
    merge = candidate("merge", 1.2, "left", "right")
    assert set(leaving(lineage(SEED, left, right, merge))) == {"seed", "left", "right"}


def test_siblings_both_live() -> None:
    found = lineage(SEED, candidate("x", 1.1, "seed"), candidate("y", 1.1, "seed"))
    assert set(leaving(found)) == {"seed"}


def test_the_parent_of_a_specialist_stays() -> None:
    special = candidate("special", 0.98, "seed", rule="specialist")
    assert leaving(lineage(SEED, special)) == {}


def test_a_specialists_own_line_moves_on_without_the_rest() -> None:
    special = candidate("special", 0.97, "seed", rule="specialist")
    tip = candidate("tip", 0.98, "special", rule="extended")
    assert set(leaving(lineage(SEED, special, tip))) == {"special"}


def test_a_specialists_line_that_beats_the_incumbent_has_come_back() -> None:
    special = candidate("special", 0.97, "seed", rule="specialist")
    back = candidate("back", 1.1, "special")
    tip = candidate("tip", 1.15, "back", rule="specialist")
    assert set(leaving(lineage(SEED, special, back))) == {"seed", "special"}
    assert set(leaving(lineage(SEED, special, back, tip))) == {"seed", "special"}


def test_the_incumbent_outlives_a_match_of_it() -> None:
    """Else matches, each a little slower, would walk the incumbent down."""
    match = candidate("match", 0.997, "seed", rule="matched")
    assert leaving(lineage(SEED, match)) == {}
    lucky = candidate("lucky", 1.002, "seed", rule="matched")
    assert set(leaving(lineage(SEED, lucky))) == {"seed"}


def test_a_luckier_score_does_not_outlive_a_faster_child() -> None:
    """The child was faster beside its parent, whatever another run wrote down for the parent."""
    better = candidate("better", 0.997, "seed")
    match = candidate("match", 0.995, "better", rule="matched")
    assert set(leaving(lineage(SEED, better))) == {"seed"}
    assert set(leaving(lineage(SEED, better, match))) == {"seed"}


def test_only_our_own_measured_heads_are_retired_or_counted() -> None:
    tip = candidate("tip", 1.1, "seed")
    assert leaving(lineage(SEED, tip, where="refs/remotes/origin/avo/p/"), 1) == {}
    amended = candidate("amended", 1.3, "seed", tree="changed")
    assert set(leaving(lineage(SEED, tip, amended), 1)) == {"seed"}


# Too many lines.


def test_the_clearly_slowest_line_goes_first() -> None:
    scores = {"a": 1.1, "b": 1.0, "c": 1.2, "d": 1.3}
    found = lineage(*(candidate(oid, score) for oid, score in scores.items()))
    gone = leaving(found, 2)
    assert list(gone) == ["b", "a"]
    assert gone["b"] == "more than 2 lines, and 1.000x (0.999 to 1.001) is the lowest of all"


def test_a_difference_inside_the_noise_decides_nothing() -> None:
    """`b` is the lowest, by nothing that was shown; `a` has had its chance least."""
    top = candidate("top", 1.3)
    a, b = candidate("a", 1.01, half=0.05), candidate("b", 1.0, half=0.05)
    child = candidate("child", 0.5, "b", status=Status.REJECTED)
    gone = leaving(lineage(b, a, top, child, live=["b", "a", "top"]), 2)
    assert set(gone) == {"a"}
    assert "2 of them are tied within noise" in gone["a"]
    assert "the oldest without children" in gone["a"]
    gone = leaving(lineage(b, a, top), 2)
    assert set(gone) == {"b"}


def test_among_the_tied_the_dominated_goes() -> None:
    top = candidate("top", 1.3, workloads={"x": 1.4, "y": 1.2})
    spread = candidate("spread", 1.0, half=0.05, workloads={"x": 1.5, "y": 0.7})
    below = candidate("below", 1.01, half=0.05, workloads={"x": 1.1, "y": 0.9})
    gone = leaving(lineage(spread, below, top), 2)
    assert set(gone) == {"below"}
    assert "behind top on every workload" in gone["below"]


def test_the_champion_and_the_only_specialist_go_last() -> None:
    top = candidate("top", 1.3, workloads={"x": 1.3, "y": 1.3})
    special = candidate("special", 0.9, rule="specialist", workloads={"x": 1.5, "y": 0.5})
    crowned = candidate("crowned", 0.95, workloads={"x": 0.95, "y": 0.95})
    plain = candidate("plain", 1.2, workloads={"x": 1.2, "y": 1.2})
    found = lineage(plain, special, crowned, top, champion="crowned")
    assert list(leaving(found, 3)) == ["plain"]
    assert "lead no workload and are no champion" in leaving(found, 3)["plain"]
    assert list(leaving(found, 1)) == ["plain", "special", "crowned"]


def test_a_specialist_that_lost_its_workload_is_a_line_like_others() -> None:
    top = candidate("top", 1.6, workloads={"x": 1.6, "y": 1.6})
    special = candidate("special", 0.9, rule="specialist", workloads={"x": 1.5, "y": 0.5})
    plain = candidate("plain", 1.2, workloads={"x": 1.2, "y": 1.2})
    assert set(leaving(lineage(plain, special, top), 2)) == {"special"}


def test_the_last_line_stays() -> None:
    assert leaving(lineage(SEED), 1) == {}
    assert leaving(lineage(), 1) == {}


# The promises, over random lineages.

RULES = ("improved", "matched", "specialist", "extended")


def random_lineage(rng: random.Random) -> Lineage:
    known = [SEED]
    for number in range(rng.randrange(25)):
        parents = {rng.choice(known).oid for _ in range(rng.choice((1, 1, 1, 2)))}
        known.append(
            candidate(
                f"c{number}",
                rng.uniform(0.8, 1.2),
                *sorted(parents),
                rule=rng.choice(RULES),
                half=rng.choice((0.001, 0.02, 0.1)),
                workloads={w: rng.uniform(0.5, 1.5) for w in "xyz"},
                status=rng.choice((Status.ACCEPTED, Status.ACCEPTED, Status.REJECTED)),
                tree=rng.choice(("measured",) * 9 + ("changed",)),
            )
        )
    live = [c.oid for c in known if c.status is not Status.REJECTED and rng.random() < 0.7]
    return lineage(*known, live=live, champion=rng.choice(known).oid if rng.random() < 0.5 else "")


def after(found: Lineage, gone: Sequence[Retirement]) -> Lineage:
    oids = {retirement.oid for retirement in gone}
    heads = tuple(head for head in found.heads if head.oid not in oids)
    return Lineage(found.population, found.candidates, heads, found.champions, {})


@pytest.mark.parametrize("seed", range(400))
def test_retirements_keep_their_promises(seed: int) -> None:
    rng = random.Random(seed)
    found, max_lines = random_lineage(rng), rng.randrange(1, 9)
    gone = retirements(found, max_lines)
    left = after(found, gone)
    oids = [retirement.oid for retirement in gone]

    assert len(left.live()) <= max_lines
    assert bool(left.live()) == bool(found.live())
    assert len(set(oids)) == len(oids)
    assert set(oids) <= {line.oid for line in found.live()}
    assert all(retirement.reason for retirement in gone)
    assert retirements(left, max_lines) == ()
    _incumbent_stays_or_lost_to_its_child(found, left)


def _incumbent_stays_or_lost_to_its_child(found: Lineage, left: Lineage) -> None:
    lines = list(found.live())
    while lines and lines[0].oid not in {line.oid for line in left.live()}:
        beaten = lines.pop(0)
        children = [line for line in found.live() if beaten.oid in line.parents]
        assert any(child.trailers["Avo-Rule"] == "improved" for child in children)


def test_nothing_unprotected_is_retired_before_a_line_it_clearly_beats() -> None:
    """Random flat populations: what stays is never clearly slower than what left."""
    for seed in range(200):
        rng = random.Random(seed)
        found = lineage(*(candidate(f"c{n}", rng.uniform(0.9, 1.1), half=0.02) for n in range(12)))
        left = after(found, retirements(found, 5)).live()
        gone = [line for line in found.live() if line not in left]
        for kept in left:
            for line in gone:
                assert kept.score is not None
                assert line.score is not None
                assert line.score.low <= kept.score.high
