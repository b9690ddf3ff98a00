"""Lessons: distilled with the child, joined, searched, and contradicted by later measurements."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from planted import plant_child, plant_seed

from avogit import lessons, store
from avogit.context import all_knowledge
from avogit.lessons import distil, joined, matching
from avogit.records import PARENT, Decision, Evaluation, Plan, Ratio, Status, Verdict
from avogit.session import open_session

BEFORE = {"kernel.cpp": b"a\nint block = 4;\nb\n"}
AFTER = {"kernel.cpp": b"a\nint block = 8;\nb\n"}
ACCEPTED = Decision(Status.ACCEPTED, "faster", "improved")
REJECTED = Decision(Status.REJECTED, "slower", "worse")


def evaluation(low: float, high: float) -> Evaluation:
    failed = Evaluation(Verdict.TIMEOUT, "t", device="a CPU")
    value = Ratio((low + high) / 2, low, high)
    timed: Any = ("a workload",)
    return replace(
        failed, verdict=Verdict.PASSED, workloads=timed, score=value, versus={PARENT: value}
    )


def told(low: float, high: float, decision: Decision, undo: bool = False) -> dict[str, Any] | None:
    sides = (AFTER, BEFORE) if undo else (BEFORE, AFTER)
    found = distil("block 8", Plan("larger", 4.0), evaluation(low, high), decision, *sides)
    if found is None:
        return None
    return {"task": "attention", "commit": f"{low:.2f}", "time_s": 1, **found}


def test_only_a_clear_effect_teaches() -> None:
    good = told(1.02, 1.04, ACCEPTED)
    assert good is not None
    assert good["text"] == "block 8: +3.0% (+2.0 to +4.0). The plan: larger, expected +4%"
    assert told(0.999, 1.01, ACCEPTED) is None  # a match
    assert told(1.02, 1.04, REJECTED) is None
    assert told(0.99, 1.01, REJECTED) is None
    bad = told(0.90, 0.92, REJECTED)
    assert bad is not None
    assert bad["claim"] == lessons.SLOWER
    failed = Evaluation(Verdict.TIMEOUT, "t")
    assert distil("x", None, failed, REJECTED, BEFORE, AFTER) is None


def test_the_same_change_supports_and_a_later_one_contradicts() -> None:
    first, again = told(1.02, 1.04, ACCEPTED), told(1.05, 1.07, ACCEPTED)
    other, undone = told(0.90, 0.92, REJECTED), told(1.10, 1.12, ACCEPTED, undo=True)
    assert None not in (first, again, other, undone)
    (lesson,) = joined([first, again])
    assert (lesson.commits, lesson.contradicted_by) == (("1.02", "1.05"), ())
    by_claim = {found.claim: found for found in joined([first, other])}
    assert by_claim[lessons.FASTER].contradicted_by == ("0.90",)
    assert by_claim[lessons.SLOWER].contradicted_by == ()  # nothing later speaks against it
    assert joined([first, undone])[0].contradicted_by == ("1.10",)
    assert joined([first, {**other, "device": "another"}])[0].contradicted_by == ()
    shown = lessons.document(joined([first, other]), "attention")
    assert shown.count("CONTRADICTED") == 1
    assert matching(joined([first]), ["Block", "attention"])
    assert not matching(joined([first]), ["block", "softmax"])


def test_lessons_lie_in_git_and_operators_read_them(polynomial: Path, avogit, git) -> None:
    seed = plant_seed(polynomial)
    assert "no lessons yet" in avogit(polynomial, "lessons").stdout
    child = plant_child(polynomial, seed, "vectorise the loop", ratio=1.25)
    plant_child(polynomial, seed, "a draft", ratio=1.5, status=Status.DRAFT)
    refs = git(polynomial, "for-each-ref", "--format=%(refname)", "refs/avo/lessons/").split()
    assert len(refs) == 1
    found = json.loads(avogit(polynomial, "lessons", "VECTORISE", "--json").stdout)
    assert (found["of"], found["lessons"][0]["commits"]) == (1, [child.oid])
    assert "+25.0%" in avogit(polynomial, "lessons").stdout
    with open_session(polynomial) as session:
        notes = all_knowledge(session)["lessons.md"].decode()
    assert "vectorise the loop" in notes
    assert avogit(polynomial, "fsck").returncode == 0


def test_fsck_reads_lessons_too(polynomial: Path, avogit, git) -> None:
    plant_child(polynomial, plant_seed(polynomial), "vectorise", ratio=1.25)
    (ref,) = git(polynomial, "for-each-ref", "--format=%(refname)", "refs/avo/lessons/").split()
    message = git(polynomial, "log", "-1", "--format=%B", ref)
    empty = git(polynomial, "hash-object", "-t", "tree", "-w", "/dev/null")
    forged = git(polynomial, "commit-tree", empty, "-m", message)
    git(polynomial, "update-ref", ref, forged)
    done = avogit(polynomial, "fsck")
    assert done.returncode == 1
    assert "record's hash differs" in done.stdout
    repo = store.open_repository(polynomial)
    assert store.lessons(repo) == ()
