"""What a step paid is in git before the step is, and is recorded once."""

from __future__ import annotations

from store_helpers import POPULATION, child, kernel_tree, seed

from avogit import store
from avogit.records import Status, Usage
from avogit.store import Repository, Spending, WorkInHand
from avogit.store.records_log import record_commits


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
