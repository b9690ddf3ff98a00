"""`avogit lessons`: what the lineages here taught."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from avogit import store
from avogit.lessons import Lesson, joined, matching


@dataclass(frozen=True, slots=True)
class Lessons:
    """The lessons that hold the words that were asked for, newest first."""

    lessons: tuple[Lesson, ...]
    of: int  # how many there are in all


def lessons(path: Path, words: tuple[str, ...]) -> Lessons:
    """Lessons of every task in this repository."""
    repo = store.open_repository(path)
    found = joined(store.lessons(repo))
    return Lessons(matching(found[::-1], words), len(found))
