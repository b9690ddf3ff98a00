"""Hunks as git splits them, and every subset of them taken back."""

from __future__ import annotations

import itertools

import pytest

from avogit import store
from avogit.store import Repository

BEFORE = b"".join(b"line %d\n" % n for n in range(40))
AFTER = (
    BEFORE.replace(b"line 0\n", b"")  # at the very start, removed
    .replace(b"line 12\n", b"line 12\nadded\r\nadded too\n")
    .replace(b"line 25\n", b"changed\n")
    .removesuffix(b"line 39\n")
    + b"no line break at the end"
)


@pytest.mark.parametrize("context", [0, 1, 3])
def test_every_subset_can_be_taken_back(repo: Repository, context: int) -> None:
    before, after = {"k": BEFORE}, {"k": AFTER}
    found = store.hunks(repo, before, after, context)
    assert [hunk.number for hunk in found] == [1, 2, 3, 4]
    assert store.without_hunks(found, before, after) == before
    assert store.without_hunks((), before, after) == after
    for some in itertools.combinations(found, 2):
        rest = [hunk for hunk in found if hunk not in some]
        files = store.without_hunks(some, before, after)
        # Taking the rest back from what remains leads to the start, whatever the order.
        left = store.hunks(repo, before, files, context)
        assert [hunk.text.split("\n", 1)[1:] for hunk in left] == [
            hunk.text.split("\n", 1)[1:] for hunk in rest
        ]


def test_changes_within_the_context_are_one_hunk(repo: Repository) -> None:
    after = BEFORE.replace(b"line 10\n", b"ten\n").replace(b"line 14\n", b"fourteen\n")
    assert len(store.hunks(repo, {"k": BEFORE}, {"k": after}, 3)) == 1
    assert len(store.hunks(repo, {"k": BEFORE}, {"k": after}, 1)) == 2


def test_a_new_file_is_a_hunk_and_taken_back_empty(repo: Repository) -> None:
    found = store.hunks(repo, {}, {"new.h": b"int x;\n"}, 3)
    assert [hunk.place for hunk in found] == ["new.h:1"]
    assert store.without_hunks(found, {}, {"new.h": b"int x;\n"}) == {"new.h": b""}
