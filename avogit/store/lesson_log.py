"""Lessons in git: a writer's chain of records under `refs/avo/lessons/`, read over all tasks.

Owns reading them. Writing is the writer's: a lesson appears with its candidate, in one
transaction.
"""

from __future__ import annotations

from typing import Any

from avogit.store import documents, reader
from avogit.store.records_log import RECORD, RecordCommit, walked_records
from avogit.store.refs import read_refs
from avogit.store.repository import Repository

LESSON, LESSONS = "lesson", "lessons"  # the kind of record, and of chain
_PATTERNS = ("refs/avo/lessons/", "refs/avo-remote/**/lessons/*")


def lesson_commits(repo: Repository) -> list[RecordCommit]:
    """Every lesson's record, oldest first."""
    tips = set(read_refs(repo, *_PATTERNS).values())
    return list(walked_records(repo, tips))[::-1]


def lessons(repo: Repository) -> tuple[dict[str, Any], ...]:
    """What every lesson says, of all populations that are here, oldest first."""
    commits = lesson_commits(repo)
    blobs = reader.read_objects(repo, [f"{found.commit}:{RECORD}" for found in commits])
    told = []
    for found, blob in zip(commits, blobs, strict=True):
        if blob is not None:
            document = documents.parse_document(blob[2], f"lesson {found.name[:19]}")
            told.append(document["payload"] | {"time_s": document["time_s"]})
    return tuple(told)
