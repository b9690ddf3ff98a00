"""What a step paid is in git before the step is, and is recorded once."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

from store_helpers import POPULATION, child, kernel_tree, seed

from avogit import store
from avogit.records import Halfway, Plan, Status, Usage
from avogit.store import Repository, Spending, WorkInHand
from avogit.store.records_log import record_commits

PLAN = Plan("fewer passes", 5.0)


def test_a_note_outlives_its_process_and_is_recorded_once(repo: Repository) -> None:
    with store.writer(repo, POPULATION) as writer:
        parent = seed(repo, writer)
        for tokens in (10, 25):
            writer.spend(Spending("agent", parent.oid, Usage("gpt-5", tokens, 5, 3, 1, 0.5)))
    for _ in range(2):
        with store.writer(store.open_repository(repo.cwd), POPULATION) as again:
            assert again.unfinished() is None
    told = [r["payload"] for r in store.records(repo, POPULATION) if r["kind"] == "attempt"]
    assert [(p["outcome"], p["operator"], p["parent"]) for p in told] == [
        ("interrupted", "agent", parent.oid)
    ]
    assert store.usage_from_json(told[0]["usage"]) == Usage("gpt-5", 25, 5, 3, 1, 0.5)
    assert store.fsck(repo) == ()


def halfway(repo: Repository, parent: str) -> Halfway:
    return Halfway(parent, ({"role": "system"}, {"role": "user"}), {"turns": 2}, {}, PLAN, "s")


def test_a_step_is_left_to_the_operator_that_can_go_on_with_it(repo: Repository) -> None:
    with store.writer(repo, POPULATION) as writer:
        parent = seed(repo, writer)
        tree = kernel_tree(repo, parent.oid, "// halfway\n")
        note = Spending(
            "agent", parent.oid, Usage("m", 10, 5), 1.5, halfway(repo, parent.oid), tree
        )
        writer.spend(replace(note, goes_on=True))
        name = writer.name
    with store.writer(repo, POPULATION) as other:
        assert (other.left, other.name != name) == (None, True)
    assert [d["payload"]["usage"]["input_tokens"] for d in store.unrecorded(repo, POPULATION)] == [
        10
    ]
    for tries in range(3):
        with store.writer(repo, POPULATION, "agent") as again:
            assert again.name == name
            assert again.left == replace(note, goes_on=True, tries=tries)
            again.spend(again.left.taken_up())
    with store.writer(repo, POPULATION) as last:
        assert (last.left, last.name) == (None, name)
    (attempt,) = store.attempts(repo, POPULATION)
    assert (attempt.outcome, attempt.tree, attempt.summary) == ("interrupted", tree, "s")
    assert attempt.plan == PLAN
    assert list(store.unrecorded(repo, POPULATION)) == []
    assert store.fsck(repo) == ()


def test_a_conversation_is_not_written_again_with_each_reply(repo: Repository, git) -> None:
    said = tuple({"role": "user", "content": f"{n} " + "word " * 200} for n in range(40))
    once = sum(len(json.dumps(message)) for message in said)
    with store.writer(repo, POPULATION) as writer:
        parent = seed(repo, writer)
        for n in range(1, len(said) + 1):
            came = replace(halfway(repo, parent.oid), said=said[:n])
            writer.spend(Spending("agent", parent.oid, Usage("m", n), halfway=came, goes_on=True))
    objects = git("cat-file", "--batch-all-objects", "--batch-check").splitlines()
    assert sum(int(line.split()[2]) for line in objects) < 3 * once
    with store.writer(repo, POPULATION, "agent") as again:
        assert again.left is not None
        assert again.left.halfway is not None
        assert again.left.halfway.said == said


def test_what_nobody_can_go_on_with_is_recorded_whole(repo: Repository) -> None:
    with store.writer(repo, POPULATION) as writer:
        parent = seed(repo, writer)
        writer.spend(
            Spending("cross", parent.oid, Usage("m", 10, 5), 1.5, halfway(repo, parent.oid))
        )
    with store.writer(repo, POPULATION):
        (told,) = store.records(repo, POPULATION, "attempt")
    said = store.read_blob(repo, POPULATION, told["name"], "transcript.json.gz")
    assert json.loads(gzip.decompress(said)) == [{"role": "system"}, {"role": "user"}]


def test_a_draft_leaves_the_note(repo: Repository) -> None:
    with store.writer(repo, POPULATION) as writer:
        parent = seed(repo, writer)
        writer.spend(Spending("agent", parent.oid, Usage("gpt-5", 10, 5)))
        child(repo, writer, parent, "// draft\n", Status.DRAFT)
    with store.writer(repo, POPULATION):
        (told,) = (r for r in store.records(repo, POPULATION) if r["kind"] == "attempt")
    assert told["payload"]["usage"]["input_tokens"] == 10


def test_the_child_takes_the_note_with_it(repo: Repository) -> None:
    with store.writer(repo, POPULATION) as writer:
        parent = seed(repo, writer)
        note = Spending("agent", parent.oid, Usage("gpt-5", 10, 5))
        writer.spend(note)
        tree = kernel_tree(repo, parent.oid, "// child\n")
        assert writer.begin(WorkInHand(parent.oid, tree, "child", "agent", usage=note.usage))
        child(repo, writer, parent, "// child\n")
        assert writer.unfinished() is None
    kinds = [found.kind for found in record_commits(repo, POPULATION)]
    assert kinds == ["evaluation"] * 2
