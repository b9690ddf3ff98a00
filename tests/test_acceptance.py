"""What enters a line, case by case, and the published trajectory replayed through the rules."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pytest

from avogit import acceptance
from avogit.acceptance import anchor_of, confirmed, decide, decide_seed
from avogit.config import Acceptance
from avogit.errors import AvogitError
from avogit.records import (
    BASELINE,
    INCUMBENT,
    PARENT,
    Candidate,
    Decision,
    Evaluation,
    Head,
    Lineage,
    Ratio,
    Status,
    Verdict,
    WorkloadTiming,
)
from avogit.selection import retirements

SETTINGS = Acceptance()
DEFAULT = SETTINGS.rule


def around(value: float, half: float = 0.002) -> Ratio:
    """A ratio with an interval of +- `half`."""
    return Ratio(value, value / (1 + half), value * (1 + half))


def geomean(values: Sequence[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


def candidate(
    oid: str,
    scores: Mapping[str, float],
    rule: str = "improved",
    parents: tuple[str, ...] = (),
    **trailers: str,
) -> Candidate:
    """A measured candidate that entered by `rule`, with these scores against the baseline."""
    return Candidate(
        oid=oid,
        tree=f"tree-{oid}",
        parents=parents,
        time_s=0,
        subject=oid,
        population="p",
        status=Status.SEED if rule == "seed" else Status.ACCEPTED,
        verdict=Verdict.PASSED,
        measured_tree=f"tree-{oid}",
        score=around(geomean(list(scores.values()))),
        workload_scores=dict(scores),
        operator="tune",
        generation=0,
        trailers={"Avo-Rule": rule, **{k.replace("_", "-"): v for k, v in trailers.items()}},
    )


def lineage(*candidates: Candidate, live: Sequence[str] | None = None) -> Lineage:
    """A lineage of these candidates, oldest first; all of them live unless named."""
    tips = [c.oid for c in candidates] if live is None else live
    heads = tuple(Head(f"refs/heads/avo/p/{oid}", oid) for oid in tips)
    return Lineage("p", {c.oid: c for c in candidates}, heads, (), {})


def evaluation(
    scores: Mapping[str, float],
    *,
    incumbent: Mapping[str, float],
    parent: Mapping[str, float] | None = None,
    half: float = 0.002,
    blocks: int = 12,
) -> Evaluation:
    """An evaluation of a child with these scores beside rivals with those."""
    rivals = {INCUMBENT: incumbent, PARENT: parent or incumbent}
    timings = tuple(
        WorkloadTiming(
            name,
            {},
            {BASELINE: around(own, half)}
            | {arm: around(own / other[name], half) for arm, other in rivals.items()},
        )
        for name, own in scores.items()
    )
    mean = geomean(list(scores.values()))
    versus = {
        arm: around(mean / geomean([other[name] for name in scores]), half)
        for arm, other in rivals.items()
    }
    return Evaluation(
        Verdict.PASSED,
        "tree-of-child",
        workloads=timings,
        score=around(mean, half),
        versus=versus,
        blocks=blocks,
        baseline="torch",
    )


def even(value: float) -> dict[str, float]:
    """The same score on each of four workloads."""
    return dict.fromkeys("abcd", value)


SEED_SCORES = even(1.0)
SEED_CANDIDATE = candidate("seed", SEED_SCORES, "seed")
ONLY_SEED = lineage(SEED_CANDIDATE)


def judge(scores: Mapping[str, float], rule: str = DEFAULT, half: float = 0.002) -> Decision:
    """A child of the only seed."""
    found = evaluation(scores, incumbent=SEED_SCORES, half=half)
    return decide(rule, ONLY_SEED, SEED_CANDIDATE, found, SETTINGS)


@pytest.mark.parametrize("rule", list(acceptance.RULES))
@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        (Verdict.COMPILE_ERROR, "syntax"),
        (Verdict.REWARD_HACK, "untouched-output"),
        (Verdict.UNMEASURED, ""),
    ],
)
def test_what_did_not_pass_never_enters(rule: str, verdict: Verdict, code: str) -> None:
    failed = Evaluation(verdict, "t", reason=code)
    decision = decide(rule, ONLY_SEED, SEED_CANDIDATE, failed, SETTINGS)
    assert (decision.status, decision.rule) == (Status.REJECTED, "not-passed")
    assert decision.reason.startswith(str(verdict))
    assert code in decision.reason


@pytest.mark.parametrize("rule", list(acceptance.RULES))
def test_a_faster_child_enters_by_every_rule(rule: str) -> None:
    decision = judge(even(1.02), rule)
    assert (decision.status, decision.rule) == (Status.ACCEPTED, "improved")
    assert "1.020x (1.018 to 1.022)" in decision.reason


def test_a_match_enters_by_the_default_rule_alone() -> None:
    decisions = {rule: judge(even(0.999), rule) for rule in acceptance.RULES}
    assert decisions["match-or-improve"].rule == "matched"
    assert decisions["pareto"].rule == decisions["improve"].rule == "undecided"
    assert "matches the incumbent within 0.5%" in decisions["match-or-improve"].reason


def test_a_match_must_be_shown_and_noise_shows_nothing() -> None:
    decision = judge(even(1.001), half=0.03)
    assert (decision.status, decision.rule) == (Status.REJECTED, "undecided")
    assert "over 12 sets of processes" in decision.reason


def test_a_slower_child_is_told_so() -> None:
    decision = judge(even(0.95))
    assert (decision.status, decision.rule) == (Status.REJECTED, "slower")
    assert "0.950x" in decision.reason


def test_a_zero_margin_leaves_improvements_only() -> None:
    found = evaluation(even(1.0), incumbent=SEED_SCORES)
    decision = decide(DEFAULT, ONLY_SEED, SEED_CANDIDATE, found, Acceptance(match_margin=0.0))
    assert decision.rule == "undecided"


def test_an_unknown_rule_is_the_users_to_correct() -> None:
    with pytest.raises(AvogitError, match="one of match-or-improve, pareto, improve"):
        judge(even(1.0), "best-of-three")


def test_a_sample_without_the_incumbent_decides_nothing() -> None:
    passed = evaluation(even(1.0), incumbent=SEED_SCORES)
    alone = Evaluation(Verdict.PASSED, "t", workloads=passed.workloads, score=passed.score)
    with pytest.raises(ValueError, match="beside the incumbent"):
        decide(DEFAULT, ONLY_SEED, SEED_CANDIDATE, alone, SETTINGS)


def test_a_seed_must_pass() -> None:
    assert decide_seed(evaluation(even(0.4), incumbent=SEED_SCORES)).status is Status.SEED
    refused = decide_seed(Evaluation(Verdict.TIMEOUT, "t", reason="runner"))
    assert (refused.status, refused.reason) == (Status.REJECTED, "TIMEOUT: runner")


# Matches and the anchor.


def test_fifty_matches_do_not_add_up_to_a_loss() -> None:
    """Each child is 0.3 % slower than the last, and the incumbent is always the last."""
    chain = [SEED_CANDIDATE]
    half, margin = 0.001, SETTINGS.match_margin
    for number in range(50):
        last, value = chain[-1], 0.997 ** (number + 1)
        found = evaluation(even(value), incumbent=last.workload_scores, half=half)
        known = lineage(*chain, live=[last.oid])
        decision = decide(DEFAULT, known, last, found, SETTINGS)
        if decision.status is not Status.ACCEPTED:
            break
        assert decision.rule == "matched"
        chain.append(candidate(f"m{number}", even(value), "matched", (last.oid,)))
    assert decision.rule == "below-anchor"
    assert "matches may not add up to a loss" in decision.reason
    assert len(chain) > 1
    lowest = chain[-1].score
    assert lowest is not None
    assert lowest.value >= (1 - margin) / (1 + half)


def test_the_anchor_does_not_refuse_within_the_noise() -> None:
    """Scores of different runs: the anchor's is 0.8 % above, the child's interval spans that."""
    lucky = candidate("lucky", even(1.008))
    known = lineage(SEED_CANDIDATE, lucky, live=["seed"])
    clear = evaluation(even(0.999), incumbent=SEED_SCORES, half=0.002)
    spanning = evaluation(even(0.999), incumbent=SEED_SCORES, half=0.0045)
    settings = Acceptance(match_margin=0.006)
    assert decide(DEFAULT, known, SEED_CANDIDATE, clear, settings).rule == "below-anchor"
    assert decide(DEFAULT, known, SEED_CANDIDATE, spanning, settings).rule == "matched"


def test_the_anchor_is_the_best_seed_or_improvement_dead_or_alive() -> None:
    found = lineage(
        SEED_CANDIDATE,
        candidate("old-best", even(1.3)),
        candidate("match", even(1.4), "matched"),
        candidate("special", even(1.5), "specialist"),
        candidate("other-baseline", even(1.6), Avo_Baseline="torch 1.0"),
        live=["match"],
    )
    anchor = anchor_of(found, "torch 2.0")
    assert anchor is not None
    assert anchor.oid == "old-best"
    assert anchor_of(lineage()) is None


def test_an_improvement_needs_no_anchor() -> None:
    """A record of another day may be out of reach; what is faster than the incumbent enters."""
    known = lineage(SEED_CANDIDATE, candidate("record", even(1.5)), live=["seed"])
    found = evaluation(even(1.01), incumbent=SEED_SCORES)
    assert decide(DEFAULT, known, SEED_CANDIDATE, found, SETTINGS).rule == "improved"


# Specialists.

TRADE = {"a": 1.10, "b": 0.95, "c": 0.95, "d": 0.95}


@pytest.mark.parametrize(
    ("rule", "by"),
    [("match-or-improve", "specialist"), ("pareto", "specialist"), ("improve", "slower")],
)
def test_the_best_on_one_workload_founds_a_line(rule: str, by: str) -> None:
    decision = judge(TRADE, rule)
    assert decision.rule == by
    if by == "specialist":
        assert decision.workload == "a"
        assert "the best so far on a: 1.100x" in decision.reason
        assert "0.985x" in decision.reason


def test_a_specialist_may_not_cost_the_aggregate_too_much() -> None:
    assert judge({"a": 1.1, "b": 0.8, "c": 0.8, "d": 0.8}).rule == "slower"


def test_a_win_on_the_best_of_many_workloads_must_outweigh_the_looking() -> None:
    """An interval just above 1 on one of four workloads is what chance gives."""
    edge = {"a": 1.0105, "b": 0.97, "c": 0.97, "d": 0.97}
    assert judge(edge, half=0.01).rule == "slower"
    assert judge(edge, half=0.005).rule == "specialist"


def test_a_specialist_must_beat_every_live_line_there() -> None:
    rival = candidate("rival", {"a": 1.12, "b": 0.9, "c": 0.9, "d": 0.9}, "specialist")
    child = evaluation(TRADE, incumbent=SEED_SCORES)
    crowded = lineage(SEED_CANDIDATE, rival)
    retired = lineage(SEED_CANDIDATE, rival, live=["seed"])
    assert decide(DEFAULT, crowded, SEED_CANDIDATE, child, SETTINGS).rule == "slower"
    assert decide(DEFAULT, retired, SEED_CANDIDATE, child, SETTINGS).rule == "specialist"


def test_a_specialists_line_goes_on_by_beating_its_own_head() -> None:
    """The child gives nothing new on `a`, yet makes up ground elsewhere."""
    head = candidate("head", TRADE, "specialist", ("seed",))
    known = lineage(SEED_CANDIDATE, head)
    better = {"a": 1.10, "b": 0.97, "c": 0.96, "d": 0.96}
    child = evaluation(better, incumbent=SEED_SCORES, parent=TRADE)
    decision = decide(DEFAULT, known, head, child, SETTINGS)
    assert (decision.status, decision.rule) == (Status.ACCEPTED, "extended")
    assert decision.workload == "a"
    for other in (
        lineage(SEED_CANDIDATE, head, live=["seed"]),
        lineage(SEED_CANDIDATE, candidate("head", TRADE, "matched")),
    ):
        parent = other.candidates["head"]
        live = any(line.oid == "head" for line in other.live())
        decision = decide(DEFAULT, other, parent, child, SETTINGS)
        assert decision.rule != "extended", f"live: {live}"


def test_a_specialists_child_that_gave_up_the_workload_is_just_slower() -> None:
    head = candidate("head", TRADE, "specialist", ("seed",))
    child = evaluation(even(0.99), incumbent=SEED_SCORES, parent=TRADE)
    assert decide(DEFAULT, lineage(SEED_CANDIDATE, head), head, child, SETTINGS).rule == "slower"


# The fresh sample.


@pytest.mark.parametrize(
    ("first", "fresh", "rule"),
    [
        (even(1.02), even(1.01), "improved"),
        (even(1.02), even(0.999), "improved"),  # spans 1: no contradiction
        (even(1.02), even(0.99), "not-replicated"),
        (even(0.999), even(0.996), "matched"),  # below 1 but not below the margin
        (even(0.999), even(0.99), "not-replicated"),
        (TRADE, TRADE, "specialist"),
        (TRADE, {**TRADE, "a": 0.99}, "not-replicated"),
    ],
)
def test_a_fresh_sample_overturns_only_by_contradiction(
    first: dict[str, float], fresh: dict[str, float], rule: str
) -> None:
    decision = judge(first)
    assert decision.status is Status.ACCEPTED
    again = confirmed(decision, evaluation(fresh, incumbent=SEED_SCORES), SETTINGS)
    assert again.rule == rule
    assert (again.status is Status.REJECTED) == (rule == "not-replicated")
    assert "in a fresh sample" in again.reason
    assert again.reason.startswith("did not replicate") == (rule == "not-replicated")


def test_a_fresh_failure_is_the_verdict() -> None:
    crash = Evaluation(Verdict.RUNTIME_ERROR, "t", reason="sigsegv")
    decision = confirmed(judge(even(1.02)), crash)
    assert (decision.status, decision.rule) == (Status.REJECTED, "not-passed")
    assert decision.reason == "did not replicate: RUNTIME_ERROR: sigsegv"


def test_an_extension_is_confirmed_against_its_parent() -> None:
    decision = Decision(Status.ACCEPTED, "faster than its parent", "extended", "a")
    good = evaluation(even(0.97), incumbent=SEED_SCORES, parent=even(0.96))
    bad = evaluation(even(0.97), incumbent=SEED_SCORES, parent=even(0.98))
    assert confirmed(decision, good).status is Status.ACCEPTED
    assert confirmed(decision, bad).rule == "not-replicated"


def test_a_rejection_stays_what_it_was() -> None:
    decision = judge(even(0.9))
    assert confirmed(decision, evaluation(even(1.1), incumbent=SEED_SCORES)) == decision


# The published trajectory (AVO, arXiv 2603.24517, figures 5 and 6, digitised): TFLOPS of each
# committed version on four causal and four full workloads. Versions without a complete set of
# points in the figures (up to 7, 9 to 11, 15 to 17) are left out.
WORKLOADS = tuple(f"{mask}-{n}k" for mask in ("causal", "full") for n in (4, 8, 16, 32))
TRAJECTORY = """
 8   940.5 1093.2 1196.3 1259.5  1194.2 1291.1 1342.6 1256.4
12  1006.8 1173.8 1262.7 1314.1  1287.3 1370.1 1404.3 1295.0
13  1108.1 1269.9 1362.4 1420.3  1383.9 1479.1 1526.3 1524.4
14  1131.3 1289.3 1394.4 1439.8  1385.1 1432.6 1457.5 1441.0
18  1240.6 1393.9 1515.4 1579.5  1316.2 1368.1 1391.3 1322.5
19  1239.8 1393.0 1515.7 1579.8  1420.0 1479.1 1505.6 1458.1
20  1260.9 1412.9 1539.2 1605.4  1507.0 1581.9 1635.6 1616.1
21  1280.5 1434.6 1562.8 1630.2  1507.4 1577.3 1639.2 1657.9
22  1284.1 1417.5 1551.7 1623.6  1507.4 1580.9 1638.3 1665.0
23  1284.2 1418.6 1508.0 1571.4  1507.2 1581.5 1638.1 1640.2
24  1285.9 1418.3 1507.6 1572.6  1507.3 1580.4 1638.2 1662.5
25  1285.4 1418.7 1507.3 1572.5  1507.1 1581.3 1638.7 1662.5
26  1305.2 1432.5 1514.9 1577.2  1523.6 1588.5 1642.4 1654.8
27  1300.3 1433.7 1514.6 1576.7  1523.1 1590.3 1644.5 1665.7
28  1300.4 1432.0 1515.2 1577.1  1523.7 1589.0 1643.5 1601.7
29  1315.6 1443.7 1550.5 1602.8  1535.7 1571.1 1576.7 1540.2
30  1319.0 1452.5 1555.9 1605.9  1535.7 1574.9 1592.8 1571.8
31  1354.7 1453.5 1556.0 1605.9  1539.0 1570.4 1589.7 1571.8
32  1356.4 1454.0 1555.8 1607.9  1539.0 1570.5 1588.6 1545.2
33  1368.5 1465.1 1544.3 1593.7  1554.8 1604.0 1655.1 1560.3
34  1368.1 1465.0 1569.2 1593.3  1554.5 1604.1 1656.6 1656.6
35  1390.1 1479.4 1583.4 1602.3  1554.8 1603.3 1657.4 1682.3
36  1394.4 1484.0 1586.6 1604.6  1553.9 1601.9 1656.1 1680.3
37  1397.4 1483.6 1584.7 1636.4  1555.2 1603.5 1657.0 1665.6
39  1393.8 1480.1 1583.2 1635.7  1554.3 1604.8 1655.7 1679.0
40  1391.8 1482.5 1582.1 1637.3  1573.4 1615.2 1664.4 1667.6
"""
BASELINE_TFLOPS = 1000.0


def versions() -> dict[int, dict[str, float]]:
    rows = [line.split() for line in TRAJECTORY.strip().splitlines()]
    return {
        int(row[0]): {
            w: float(x) / BASELINE_TFLOPS for w, x in zip(WORKLOADS, row[1:], strict=True)
        }
        for row in rows
    }


def replay(rule: str) -> dict[int, Decision]:
    """Every version proposed in order, as a child of the last that entered.

    Intervals of +- 0.2 % over 12 blocks; lines are retired after every step, as in a run.
    """
    decisions: dict[int, Decision] = {}
    known: list[Candidate] = []
    live: list[str] = []
    for number, scores in versions().items():
        if not known:
            known.append(candidate("v8", scores, "seed"))
            live.append("v8")
            continue
        found = lineage(*known, live=live)
        incumbent, parent = found.incumbent(), known[-1]
        assert incumbent is not None
        child = evaluation(
            scores, incumbent=incumbent.workload_scores, parent=parent.workload_scores
        )
        decisions[number] = decision = decide(rule, found, parent, child, SETTINGS)
        if decision.status is Status.ACCEPTED:
            entered = candidate(f"v{number}", scores, decision.rule, (parent.oid,))
            known.append(entered)
            live.append(entered.oid)
            gone = {r.oid for r in retirements(lineage(*known, live=live), max_lines=8)}
            live = [oid for oid in live if oid not in gone]
    return decisions


def dominate(best: Mapping[str, float], scores: Mapping[str, float]) -> bool:
    """The strict rule that the paper's wording suggests: no workload may lose (within 0.5 %)."""
    return all(scores[name] >= best[name] * 0.995 for name in best)


def test_a_strict_rule_blocks_the_road_to_the_best_kernel() -> None:
    best, blocked = versions()[8], []
    for number, scores in versions().items():
        if dominate(best, scores):
            best = scores
        else:
            blocked.append(number)
    assert {14, 18, 29} <= set(blocked)


def test_the_strict_aggregate_rule_blocks_two_of_them_still() -> None:
    decisions = replay("improve")
    assert decisions[14].status is decisions[29].status is Status.REJECTED


def test_the_default_rule_keeps_the_road() -> None:
    decisions = replay("match-or-improve")
    assert decisions[14].rule == "specialist"
    assert decisions[14].workload.startswith("causal")
    assert decisions[18].rule == "improved"
    assert decisions[29].status is Status.ACCEPTED
    assert decisions[40].status is Status.ACCEPTED
    refused = {n for n, decision in decisions.items() if decision.status is Status.REJECTED}
    assert refused == {23, 24, 25, 28, 32}  # plain losses, worse than a line that lives
