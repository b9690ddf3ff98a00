"""Crossover, comparison, attribution and review, measured on a kernel of two halves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lent_slot import LentSlot, Slow
from review_samples import PLANTED, busy, make_halves

from avogit.ablation import COSTS, EARNS, NEEDED, NOTHING, ablate
from avogit.bench.protocol import Order
from avogit.founding import seed_population
from avogit.records import Proposal
from avogit.session import open_session
from avogit.step import submit
from avogit.store import records


def trailer(git, at: Path, rev: str, key: str) -> str:
    return git(at, "log", "-1", f"--format=%(trailers:key={key},valueonly,separator=%x20)", rev)


def test_a_crossover_passes_both_gains_on(crossed: Path, git, avogit) -> None:
    parents = git(crossed, "log", "-1", "--format=%P", "crossed").split()
    assert parents == [git(crossed, "rev-parse", f"{name}^{{}}") for name in ("small", "large")]
    ancestor = git(crossed, "rev-parse", "seed^{}")
    assert trailer(git, crossed, "crossed", "Avo-Ancestor") == ancestor
    assert len(trailer(git, crossed, "crossed", "Avo-Gain-Both").split()) == 3
    record = json.loads(avogit(crossed, "show", "crossed", "--json").stdout)["record"]
    gains = {
        name: [gain["value"] for gain in of]
        for name, of in record["payload"]["crossed"]["gains"].items()
    }
    # What one parent gained on a workload the other did not; the union has both.
    first, second, both = gains["small"]
    assert min(first, both) > 1.5 * second, gains
    first, second, both = gains["large"]
    assert min(second, both) > 1.5 * first, gains
    assert "what each parent gained" in git(crossed, "log", "-1", "--format=%b", "crossed")
    assert avogit(crossed, "fsck").stdout.endswith("no problem found\n")
    assert f"(with {parents[1][:10]})" in avogit(crossed, "tree").stdout


def test_crossing_what_is_one_line_already_is_refused(crossed: Path, avogit) -> None:
    done = avogit(crossed, "cross", "crossed", "small")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "in the other's history" in done.stderr


def test_a_child_is_compared_with_its_parent_as_they_ran_together(crossed: Path, avogit) -> None:
    found = json.loads(avogit(crossed, "compare", "large", "crossed", "--json").stdout)
    assert found["how"] == "paired"
    ratios = {row["workload"]: row["ratio"]["value"] for row in found["rows"]}
    assert ratios["small"] > 1.5 * ratios["large"]
    turned = json.loads(avogit(crossed, "compare", "crossed", "large", "--json").stdout)
    assert abs(turned["total"]["value"] * found["total"]["value"] - 1) < 1e-9


def test_two_lines_are_compared_from_their_records(crossed: Path, avogit) -> None:
    done = avogit(crossed, "compare", "small", "large", "--json")
    found = json.loads(done.stdout)
    assert (found["how"], len(found["rows"])) == ("records", 2), done.stderr
    ratios = {row["workload"]: row["ratio"] for row in found["rows"]}
    assert ratios["large"]["value"] > 2 * ratios["small"]["value"]
    assert "two runs" in avogit(crossed, "compare", "small", "large").stdout


def test_blame_names_the_candidate_that_brought_a_line(crossed: Path, git, avogit) -> None:
    lines = json.loads(avogit(crossed, "blame", "kernel.cpp", "crossed", "--json").stdout)["lines"]
    by_text = {line["text"].split("  //")[0]: line for line in lines}
    assert by_text["constexpr int NARROW = 4;"]["commit"] == git(crossed, "rev-parse", "small^{}")
    assert by_text["constexpr int WIDE = 1;"]["candidate"]["score"]["value"] > 0
    assert by_text["#include <cstdint>"]["candidate"] is None  # older than the lineage
    text = avogit(crossed, "blame", "kernel.cpp", "crossed").stdout
    assert len(text.splitlines()) == len(lines)
    done = avogit(crossed, "blame", "no-such-file")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


@pytest.mark.slow
def test_planted_hunks_are_told_apart_and_the_idle_ones_dropped(crossed: Path, git, avogit) -> None:
    config = crossed / "avogit.yaml"  # idle hunks are to be found idle every time, not nine of ten
    config.write_text(config.read_text().replace("confidence: 0.9", "confidence: 0.9995"))
    done = avogit(crossed, "ablate", "crossed", "--since", "large", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    if "unknown" in [part["finding"] for part in found["parts"]]:
        busy("too-noisy")
    parts = {tuple(hunk["number"] for hunk in part["hunks"]): part for part in found["parts"]}
    assert {numbers: part["finding"] for numbers, part in parts.items()} == {
        (1,): "needed",  # the helper: its use does not build without it
        (2,): "earns",
        (3,): "nothing",
        (4,): "costs",
        (1, 3): "nothing",  # the helper and its use
    }
    assert parts[(1,)]["verdict"] == "COMPILE_ERROR"
    assert found["dropped"] == [1, 3, 4]
    minimal = found["minimal"]["candidate"]
    kernel = git(crossed, "show", f"{minimal['oid']}:kernels/polynomial/kernel.cpp")
    assert "NARROW = 4" in kernel
    assert "same(" not in kernel
    assert "again < 16" not in kernel
    assert minimal["trailers"]["Avo-Operator"] == "ablate"
    for part in found["parts"]:
        assert trailer(git, crossed, part["draft"], "Avo-Status") == "draft"
    kinds = git(crossed, "log", "--glob=refs/avo/records/*", "--format=%(trailers:key=Avo-Kind)")
    assert "Avo-Kind: ablation" in kinds
    assert avogit(crossed, "fsck").stdout.endswith("no problem found\n")


def test_what_is_undecided_is_measured_longer_and_all_in_one_run(polynomial: Path, git) -> None:
    """Of three kernels without a part one is clear at once, one never, one at the second look."""
    make_halves(polynomial, git)
    timed: list[Order] = []

    def held(order: Order) -> Slow:
        if order.sample == "confirmation":
            timed.append(order)
        if len(order.arms) == 5:
            return {"rival-0": [1.5], "rival-1": [0.8, 1.2], "rival-2": [0.9, 1.0]}
        return {"rival-0": [0.8, 1.2], "rival-1": [0.9]}

    with open_session(polynomial, slot=LentSlot(held)) as session:
        seed = seed_population(session)
        proposal = Proposal(seed.oid, {"kernel.cpp": PLANTED.encode()}, "planted")
        whole = submit(session, proposal, "manual").candidate
        assert whole is not None
        found = ablate(session, whole, seed.oid, 3)
        (record,) = [
            r for r in records(session.repo, session.population) if r["kind"] == "ablation"
        ]
    findings = {tuple(h.number for h in part.hunks): part.finding for part in found.parts}
    assert findings == {(1,): NEEDED, (2,): EARNS, (3,): NOTHING, (4,): COSTS, (1, 3): NOTHING}
    assert [len(order.arms) for order in timed] == [5, 3, 2], "the whole kernel is one of them"
    assert [order.budget_s for order in timed] == [4 * 1.5, 2 * 2 * 1.5, 4 * 1.5]
    assert sorted(record["blobs"]) == ["timing-1.json", "timing-2.json", "timing-3.json"]
