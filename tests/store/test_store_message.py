"""The message of a candidate, as people and plain git read it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from store_helpers import POPULATION, Git, failed, kernel_tree, make_entry, passed, seed

from avogit.records import Plan, Status, Usage, Verdict
from avogit.store import Repository, Writer, message, trailers

RECORD = "sha256:" + "1" * 64
NASTY = [
    "Avo-Score: 99\nAvo-Status: accepted",
    "prose\n\nAvo-Score: 99\n\nAvo-Tree: 0\nSigned-off-by: Eve <e@e>",
    "# heading\n---\ndiff --git a b\nIndex: x\nFrom me",
    "a\0b\x1b[31mred\r\nback\rslash\u2028line\ud800",
    "x" * 50_000,
    "word " * 3000,
    "\n\n\n",
    "  indented\n\tkept",
]


def test_reads_for_people_first() -> None:
    text = message.compose(make_entry("a" * 40, ["b" * 40]), POPULATION, RECORD)
    assert text.startswith("attention-cpu: unroll twice, 1.050x torch-flash (+1.3%)\n\n")
    assert "workload     torch-flash  parent    this  vs torch-flash    vs parent\n" in text
    assert "full-512          1050.0  1013.0  1000.0     +5.0% +-0.8  +1.3% +-0.8\n" in text


def test_a_failure_says_the_verdict_and_why() -> None:
    entry = make_entry("a" * 40, ["b" * 40], Status.REJECTED, failed("a" * 40))
    text = message.compose(entry, POPULATION, RECORD)
    assert text.startswith(
        "attention-cpu: unroll twice, COMPILE_ERROR\n\nCOMPILE_ERROR: compiler\n"
    )
    assert "    kernel.cpp:3: error: 'x' was not declared\n" in text
    assert "Avo-Score" not in text


def test_states_model_tokens_and_plan() -> None:
    entry = replace(
        make_entry("a" * 40, ["b" * 40]),
        plan=Plan("branchless\nrescale", 4.0, "instructions", "medium", 0.7),
        usage=Usage("gpt-5", 171002, 11338),
    )
    found = dict(trailers.parse(message.compose(entry, POPULATION, RECORD)))
    assert found["Avo-Plan"] == "branchless rescale, expected +4%"
    assert found["Avo-Plan-Gain"] == "4"
    assert found["Avo-Plan-Kind"] == "instructions"
    assert found["Avo-Plan-Difficulty"] == "medium"
    assert found["Avo-Plan-Confidence"] == "0.7"
    assert found["Avo-Model"] == "gpt-5"
    assert found["Avo-Tokens"] == "in=171002 out=11338"
    assert found["Avo-Score-Workloads"] == "full-512=1.0500 causal-1024=1.0500"


@pytest.mark.parametrize("text", NASTY)
def test_operator_text_cannot_forge_or_hide_trailers(
    git: Git, repo: Repository, writer: Writer, text: str
) -> None:
    first = seed(repo, writer)
    tree = kernel_tree(repo, first.oid, "// nasty\n")
    entry = make_entry(tree, [first.oid], subject=text)
    entry = replace(
        entry, body=text, operator=text[:50], plan=Plan(text), usage=Usage(text[:50] or "m", 1, 2)
    )
    made = writer.record(entry)
    assert (made.status, made.score) == (Status.ACCEPTED, made.score)
    for key in ("Avo-Score", "Avo-Status", "Avo-Tree"):
        told = git("log", "-1", f"--format=%(trailers:key={key},valueonly)", made.oid)
        assert told.split("\n")[0] == made.trailers[key]
        assert len(told.split()) == 1
    stored = git("log", "-1", "--format=%B", made.oid)
    told = git("interpret-trailers", "--parse", "--no-divider", stdin=stored)
    assert dict(line.split(": ", 1) for line in told.splitlines()) == dict(made.trailers)
    assert not any(line.startswith(("#", "---", "From ", "diff -")) for line in stored.split("\n"))


@pytest.mark.parametrize("ratio", [1e-5, 0.09999, 0.5, 1.0, 12345.6])
def test_scores_survive_their_rounding(repo: Repository, writer: Writer, ratio: float) -> None:
    first = seed(repo, writer)
    tree = kernel_tree(repo, first.oid, "// scored\n")
    made = writer.record(make_entry(tree, [first.oid], evaluation=passed(tree, ratio)))
    assert made.score is not None
    assert made.score.value == pytest.approx(ratio, rel=1e-3, abs=5e-5)


def test_every_verdict_can_be_recorded(repo: Repository, writer: Writer) -> None:
    first = seed(repo, writer)
    for verdict in Verdict:
        if verdict is not Verdict.PASSED:
            tree = kernel_tree(repo, first.oid, f"// {verdict}\n")
            entry = make_entry(tree, [first.oid], Status.REJECTED, failed(tree, verdict))
            assert writer.record(entry).verdict is verdict
