"""Knowledge: Markdown that an operator may read, and finding the part that it needs.

Owns reading a user's folders, cutting documents into sections, and full-text search (SQLite's
FTS5, in memory: notes are few, so an index is made for each search and never stale).
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from avogit.errors import AvogitError
from avogit.operators.text import text_of

MAX_FILES = 1000
MAX_FILE_BYTES = 1 << 20
_HEADING = re.compile(r"#{1,6}\s+(?P<title>.*\S)")
_FENCE = re.compile(r"\s*(```|~~~)")
_EXCERPT_WORDS = 40


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it."""

    document: str
    line: int  # of the heading, from 1
    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A section that a search found, with the words around what was asked."""

    document: str
    line: int
    heading: str
    excerpt: str


def user_documents(root: Path | None, folders: Sequence[str]) -> dict[str, bytes]:
    """The Markdown below a user's folders, named by folder and path; relative to `root`."""
    found: dict[str, bytes] = {}
    for folder in folders:
        place = (root or Path()) / Path(folder).expanduser()
        if not place.is_dir():
            raise AvogitError(
                f"avogit.yaml names the knowledge folder {folder}, and {place} is no folder: "
                "make it, or correct `knowledge`"
            )
        for path in sorted(place.rglob("*.md")):
            if path.is_file() and path.stat().st_size <= MAX_FILE_BYTES:
                found[f"{place.name}/{path.relative_to(place).as_posix()}"] = path.read_bytes()
        if len(found) > MAX_FILES:
            raise AvogitError(f"more than {MAX_FILES} Markdown files below {place}: name less")
    return found


def search(documents: Mapping[str, bytes], query: str, limit: int) -> list[Hit]:
    """The sections that hold most of the query's words, best first."""
    words = re.findall(r"\w+", query)
    if not words:
        return []
    wanted = " OR ".join(f'"{word}"' for word in words)
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.execute(
                "CREATE VIRTUAL TABLE section USING fts5(document, line UNINDEXED, heading, "
                "text, tokenize = 'porter unicode61')"
            )
        except sqlite3.OperationalError as error:
            raise AvogitError(
                f"this Python's SQLite cannot search text ({error}): use one built with FTS5"
            ) from error
        rows = [(s.document, s.line, s.heading, s.text) for s in sections(documents)]
        connection.executemany("INSERT INTO section VALUES (?, ?, ?, ?)", rows)
        found = connection.execute(
            "SELECT document, line, heading, snippet(section, 3, '', '', ' ... ', ?) "
            "FROM section WHERE section MATCH ? "
            "ORDER BY bm25(section, 2.0, 0.0, 5.0, 1.0), document, line LIMIT ?",
            (_EXCERPT_WORDS, wanted, limit),
        )
        return [Hit(*row) for row in found]


def sections(documents: Mapping[str, bytes]) -> Iterator[Section]:
    """Every document cut at its headings; what looks like one inside code is none."""
    for name in sorted(documents):
        heading, first, in_code = name, 1, False
        lines: list[str] = []
        for number, line in enumerate(text_of(documents[name]).splitlines(), 1):
            in_code ^= bool(_FENCE.match(line))
            found = None if in_code else _HEADING.match(line)
            if found:
                if lines:
                    yield Section(name, first, heading, "\n".join(lines))
                heading, first, lines = found["title"], number, []
            else:
                lines.append(line)
        yield Section(name, first, heading, "\n".join(lines))
