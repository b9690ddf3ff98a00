"""Walking commits: all of a lineage by one `git log`, a few new ones through the open reader.

Owns which commits a walk gives; `rows` says what each of them is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from avogit.store import git, reader, rows
from avogit.store.repository import Repository
from avogit.store.rows import LogEntry

_FEW = 64
_TIME = re.compile(r"^committer .*> (\d+) [+-]\d+$", re.M)


def walk(repo: Repository, tips: Collection[str], without: Collection[str]) -> Iterator[LogEntry]:
    """Every commit reachable from `tips` and from none of `without`; one `git log`."""
    if not tips:
        return
    wanted = "".join([*(f"{oid}\n" for oid in tips), *(f"^{oid}\n" for oid in without)])
    arguments = ("log", "-z", "--no-color", "--no-show-signature", rows.LOG_FORMAT, "--stdin")
    with git.stream(repo.cwd, *arguments, stdin=wanted.encode()) as chunks:
        yield from rows.parse_log(chunks)


def walk_few(
    repo: Repository, tips: Collection[str], stops: tuple[Collection[str], ...]
) -> list[LogEntry] | None:
    """The commits from `tips` down to any of the stops; None where they are not few."""
    found: dict[str, LogEntry] = {}
    level = set(tips)
    while level:
        entries = read_commits(repo, sorted(level))
        if len(entries) < len(level) or len(found) + len(entries) > _FEW:
            return None
        found |= {entry.oid: entry for entry in entries}
        above = {oid for entry in entries for oid in entry.parents if oid not in found}
        level = {oid for oid in above if not any(oid in stop for stop in stops)}
    return list(found.values())


def read_commits(repo: Repository, oids: Collection[str]) -> list[LogEntry]:
    """These commits; those that are missing, or in another encoding, are left out."""
    parsed = (_parse(item) for item in reader.read_objects(repo, list(oids)) if item)
    return [entry for entry in parsed if entry is not None]


def _parse(item: reader.Object) -> LogEntry | None:
    oid, kind, data = item
    heading, _, message = data.decode("utf-8", "replace").partition("\n\n")
    lines = heading.split("\n")
    time_s = _TIME.search(heading)
    if kind != "commit" or time_s is None or any(text.startswith("encoding ") for text in lines):
        return None
    parents = tuple(text[7:] for text in lines if text.startswith("parent "))
    return LogEntry(oid, lines[0][5:], parents, int(time_s[1]), message)
