"""A plain directory in which somebody edits a candidate's files.

Owns writing it and reading it back: what changed, and what broke the rules, each by name.
The directory holds no `.git` and no pointer to one. Whoever edits it is not trusted: nothing
is followed, run or parsed here. Leaves the meaning of a violation to `step`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from avogit.errors import AvogitError
from avogit.task import Task

MAX_FILE_BYTES = 1 << 20
MAX_ENTRIES = 10_000
MAX_NAMED = 20


class WorkspaceState(NamedTuple):
    """What a workspace holds after somebody worked in it."""

    files: dict[str, bytes]  # every editable file
    violations: tuple[str, ...]  # what was changed beyond them, named


def write_workspace(
    directory: Path, files: Mapping[str, bytes], protected: Collection[str] = ()
) -> None:
    """Write the files into a new or empty directory; protected ones get a read-only mode.

    The mode is a hint to well-meaning editors: `read_back` is what enforces.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise AvogitError(f"{directory} is not empty: name a new folder")
    for name, data in files.items():
        path = directory / _safe(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o444 if name in protected else 0o644)


def read_back(
    directory: Path, task: Task, before: Mapping[str, bytes], ignored: Collection[str] = ()
) -> WorkspaceState:
    """The editable files of a workspace that was written with `before`, and all violations.

    `ignored` are globs of files that the program was told to write, such as its message, or
    is known to leave behind. Empty folders are not looked at: a tree cannot hold them.
    """
    files: dict[str, bytes] = {}
    named: list[str] = []
    seen: set[str] = set()
    for name, entry in _entries(directory):
        seen.add(name)
        if len(seen) > MAX_ENTRIES:
            named.append(f"too-many-files: more than {MAX_ENTRIES}")
            break
        if any(fnmatchcase(name, glob) for glob in ignored):
            continue
        try:
            found = _classify(name, entry, task, before)
        except OSError:  # no permission, or it changed while we looked
            found = f"unreadable: {_shown(name)}"
        if isinstance(found, bytes):
            files[name] = found
        elif found:
            named.append(found)
    else:
        named += [f"file-deleted: {_shown(name)}" for name in before if name not in seen]
    return WorkspaceState(files, _bounded(sorted(named)))


def changed(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> tuple[str, ...]:
    """The names whose contents differ, were added, or are gone."""
    return tuple(n for n in sorted({*before, *after}) if before.get(n) != after.get(n))


def is_inside(name: str) -> bool:
    """Whether a relative path stays inside its folder and away from anything of git's."""
    path = PurePosixPath(name)
    parts = path.parts
    return (
        bool(parts)
        and not path.is_absolute()
        and "\0" not in name
        and not any(part == ".." or part.lower() == ".git" for part in parts)
    )


def _safe(name: str) -> str:
    if not is_inside(name):
        raise AvogitError(f"cannot write {name!r} into a workspace: it leads out of the folder")
    return name


def _entries(directory: Path) -> Iterator[tuple[str, os.DirEntry[str] | None]]:
    """Everything below a directory but plain folders; a repository in it counts as one entry.

    A folder that cannot be read has no entry.
    """
    pending = [""]
    while pending:
        prefix = pending.pop()
        try:
            with os.scandir(directory / prefix) as scan:
                entries = sorted(scan, key=lambda e: e.name)
        except PermissionError:
            yield prefix, None
            continue
        for entry in entries:
            name = prefix + entry.name
            if entry.is_dir(follow_symlinks=False) and is_inside(name):
                pending.append(f"{name}/")
            else:
                yield name, entry


def _classify(
    name: str, entry: os.DirEntry[str] | None, task: Task, before: Mapping[str, bytes]
) -> bytes | str:
    """The bytes of an editable file; else a violation, or "" for a protected file untouched."""
    shown = _shown(name)
    if entry is None:
        return f"unreadable: {shown}"
    info = entry.stat(follow_symlinks=False)
    editable = task.is_editable(name) and is_inside(name)
    if stat.S_ISLNK(info.st_mode):
        return f"symlink: {shown}"
    if not editable and name not in before:
        return f"file-outside-editable: {shown}"
    if not stat.S_ISREG(info.st_mode):
        return f"not-a-file: {shown}"
    if editable and shown != name:
        return f"bad-name: {shown}"
    if editable and info.st_size > MAX_FILE_BYTES:
        return f"too-large: {shown} ({info.st_size} bytes, at most {MAX_FILE_BYTES})"
    data = _read(entry.path, MAX_FILE_BYTES if editable else len(before[name]) + 1)
    if editable:
        return data
    return "" if data == before[name] else f"protected-file-changed: {shown}"


def _read(path: str, limit: int) -> bytes:
    """So many bytes of a regular file, never through a link that took its place."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        return file.read(limit)


def _bounded(named: list[str]) -> tuple[str, ...]:
    if len(named) <= MAX_NAMED:
        return tuple(named)
    return (*named[:MAX_NAMED], f"and {len(named) - MAX_NAMED} more")


def _shown(name: str) -> str:
    """A file name on one line, whatever bytes it is made of."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
