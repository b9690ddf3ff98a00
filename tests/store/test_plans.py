"""Plans against what was measured, read back from real commits."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from store_helpers import POPULATION, Git, child, failed, kernel_tree, make_entry, passed, seed

from avogit import calibration, store
from avogit.records import Evaluation, Lineage, Plan, Status, Usage
from avogit.store import Repository, Writer

HOPES = (  # what was expected, and the parent's time over the child's; None: it failed
    (5.0, 1.10),
    (30.0, 1.05),
    (10.0, None),
    (None, 1.02),
)


@pytest.fixture
def lineage(repo: Repository, writer: Writer) -> Lineage:
    """A seed, four children with plans, a draft with one, and a child without."""
    parent = seed(repo, writer)
    for number, (expected, ratio) in enumerate(HOPES):
        tree = kernel_tree(repo, parent.oid, f"// hope {number}\n")
        found = passed(tree, parent=ratio) if ratio else failed(tree)
        plan = Plan(f"hope {number}, expected to help", expected)
        _record(writer, parent.oid, found, Status.REJECTED, plan)
    tree = kernel_tree(repo, parent.oid, "// draft\n")
    _record(writer, parent.oid, passed(tree), Status.DRAFT, Plan("a draft", 50.0))
    child(repo, writer, parent, "// no plan\n")
    return store.read_lineage(repo, POPULATION)


def _record(
    writer: Writer, parent: str, found: Evaluation, status: Status, plan: Plan | None
) -> None:
    entry = make_entry(found.tree, [parent], status, found)
    writer.record(replace(entry, operator="agent", plan=plan, usage=Usage("gpt-5", 100, 10)))


def test_expected_stands_beside_measured(lineage: Lineage) -> None:
    (row,) = calibration.calibrate(calibration.outcomes(lineage))
    assert (row.operator, row.model, row.kind) == ("agent", "gpt-5", calibration.NOT_SAID)
    assert (row.count, row.failed, row.quantified) == (4, 1, 3)
    assert row.expected_pct == pytest.approx(15.0)
    assert row.measured_pct == pytest.approx((10 + 5 + 2) / 3, abs=0.1)
    assert row.met == pytest.approx(1 / 3)


def test_the_plan_keeps_its_words_and_loses_the_number(lineage: Lineage) -> None:
    plans = sorted(outcome.plan for outcome in calibration.outcomes(lineage))
    assert plans == [f"hope {n}, expected to help" for n in range(4)]


def test_an_operator_reads_it_in_one_line(lineage: Lineage) -> None:
    text = calibration.calibration_text(lineage, "agent")
    assert text.count("\n") == 0
    assert "+15.0% expected" in text
    assert "1 of 3 reached what they expected, 1 failed" in text
    assert calibration.calibration_text(lineage, "tune") == ""


def test_parts_that_a_newer_message_names_are_read(lineage: Lineage) -> None:
    (plain,) = (
        c for c in lineage.candidates.values() if "hope 0" in c.trailers.get("Avo-Plan", "")
    )
    block = {**plain.trailers, "Avo-Plan-Kind": "memory", "Avo-Plan-Gain": "2.5"}
    told = replace(plain, trailers=block)
    (outcome,) = calibration.outcomes(replace(lineage, candidates={told.oid: told}))
    assert (outcome.kind, outcome.expected_pct, outcome.met) == ("memory", 2.5, True)


def test_the_command_prints_it(git: Git, lineage: Lineage) -> None:
    def plans(*options: str) -> str:
        command = [sys.executable, "-m", "avogit", "plans", *options]
        return subprocess.run(
            command, cwd=git.at, capture_output=True, text=True, check=True
        ).stdout

    assert "33% of 3" in plans()
    told = json.loads(plans("--json"))
    assert told["rows"][0]["quantified"] == 3
    assert sum(plan["measured_pct"] is None for plan in told["plans"]) == 1
