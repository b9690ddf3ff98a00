"""A plain directory in which somebody edits a candidate's files.

Owns writing it and reading it back: what changed, and what broke the rules, each by name.
The directory holds no `.git` and no pointer to one. Whoever edits it is not trusted: nothing
is followed, run or parsed here. Leaves the meaning of a violation to `step`.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from avogit.errors import AvogitError
from avogit.task import Task

MAX_FILE_BYTES = 1 << 20
MAX_TOTAL_BYTES = 16 << 20
MAX_ENTRIES = 10_000
MAX_DEPTH = 64
MAX_NAMED = 20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


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


def write_file(directory: Path, name: str, data: bytes) -> None:
    """Write one file of a workspace in which others are at work: no link is followed."""
    path = PurePosixPath(_safe(name))
    handle = _open_folder(directory, str(path.parent), make=True)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK
        with os.fdopen(os.open(path.name, flags, 0o644, dir_fd=handle), "wb") as file:
            file.write(data)
    finally:
        os.close(handle)


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
    size = 0
    for entry in _entries(directory):
        name = entry.name
        seen.add(name)
        if len(seen) > MAX_ENTRIES:
            named.append(f"too-many-files: more than {MAX_ENTRIES}")
            break
        if any(fnmatchcase(name, glob) for glob in ignored):
            continue
        try:
            found = _classify(entry, task, before)
        except OSError:  # no permission, or it changed while we looked
            found = f"unreadable: {_shown(name)}"
        if not isinstance(found, bytes):
            named += [found] if found else []
            continue
        files[name], size = found, size + len(found)
        if size > MAX_TOTAL_BYTES:
            named.append(f"too-large: more than {MAX_TOTAL_BYTES} bytes in all")
            break
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


class _Entry(NamedTuple):
    """Something in a workspace. Everything is looked at from the open folder that holds it."""

    name: str  # relative to the workspace
    found: os.DirEntry[str] | None  # None: a folder that cannot be read
    folder: int  # an open handle


def _entries(directory: Path) -> Iterator[_Entry]:
    """Everything below a directory but plain folders; a repository in it counts as one entry.

    No link is followed, also where one takes a folder's place while we look.
    """
    pending = [""]
    while pending:
        prefix = pending.pop()
        try:
            handle = _open_folder(directory, prefix)
        except OSError:
            yield _Entry(prefix or ".", None, -1)
            continue
        try:
            with os.scandir(handle) as scan:
                entries = sorted(itertools.islice(scan, MAX_ENTRIES + 1), key=lambda e: e.name)
            for entry in entries:
                name = prefix + entry.name
                if entry.is_dir(follow_symlinks=False) and is_inside(name):
                    pending.append(f"{name}/")
                else:
                    yield _Entry(name, entry, handle)
        finally:
            os.close(handle)


def _open_folder(directory: Path, prefix: str, *, make: bool = False) -> int:
    """A handle of a folder below a directory, reached (or made) folder by folder."""
    handle = os.open(directory, _FOLDER)
    parts = PurePosixPath(prefix).parts
    for part in parts if len(parts) <= MAX_DEPTH else [""]:  # no folder has no name
        above = handle
        try:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=above)
            handle = os.open(part, _FOLDER, dir_fd=above)
        finally:
            os.close(above)
    return handle


def _classify(item: _Entry, task: Task, before: Mapping[str, bytes]) -> bytes | str:
    """The bytes of an editable file; else a violation, or "" for a protected file untouched."""
    name, shown = item.name, _shown(item.name)
    if item.found is None:
        return f"unreadable: {shown}"
    info = item.found.stat(follow_symlinks=False)
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
    data = _read(item, MAX_FILE_BYTES if editable else len(before[name]) + 1)
    if editable:
        return data
    return "" if data == before[name] else f"protected-file-changed: {shown}"


def _read(item: _Entry, limit: int) -> bytes:
    """So many bytes of a regular file, never through a link that took its place."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    name = PurePosixPath(item.name).name
    with os.fdopen(os.open(name, flags, dir_fd=item.folder), "rb") as file:
        return file.read(limit)


def _bounded(named: list[str]) -> tuple[str, ...]:
    if len(named) <= MAX_NAMED:
        return tuple(named)
    return (*named[:MAX_NAMED], f"and {len(named) - MAX_NAMED} more")


def _shown(name: str) -> str:
    """A file name on one line, whatever bytes it is made of."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
