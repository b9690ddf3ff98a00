"""The hunks of a difference, as `git diff` shows them, and a file with some of them taken back.

Owns splitting and taking back, by line ranges: no patch is applied, so none can miss. Leaves
what a hunk is worth to `ablation`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from avogit.store import git
from avogit.store.objects import NewObjects
from avogit.store.repository import Repository

_RANGES = re.compile(
    rb"^@@ -(?P<old>\d+)(?:,(?P<old_count>\d+))? \+(?P<new>\d+)(?:,(?P<new_count>\d+))? @@"
    rb" ?(?P<heading>.*)$"
)
_LINE = re.compile(rb".*\n|.+")  # as git has it: a carriage return ends none


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines of a file that changed together. Line numbers start at 1, as git's do."""

    number: int  # from 1, over all files
    file: str
    old_start: int
    old_count: int
    new_start: int
    new_count: int
    heading: str  # the function it stands in, as far as git can tell
    text: str  # what `git diff` shows

    @property
    def place(self) -> str:
        """Where it is, for people."""
        inside = f" ({self.heading})" if self.heading else ""
        return f"{self.file}:{self.new_start}{inside}"


def hunks(
    repo: Repository, before: Mapping[str, bytes], after: Mapping[str, bytes], context: int
) -> tuple[Hunk, ...]:
    """The hunks that lead from one set of files to the other, with lines of context around.

    Hunks that context would join are one. A file that is there once only counts as empty else.
    """
    found: list[Hunk] = []
    for file in sorted({*before, *after}):
        old, new = before.get(file, b""), after.get(file, b"")
        if old != new:
            found += _of_file(repo, file, old, new, context, len(found))
    return tuple(found)


def without_hunks(
    hunks: Collection[Hunk], before: Mapping[str, bytes], after: Mapping[str, bytes]
) -> dict[str, bytes]:
    """The files after, with these hunks as they were before."""
    files = dict(after)
    for hunk in sorted(hunks, key=lambda hunk: -hunk.new_start):  # later lines first
        lines, old = _lines(files.get(hunk.file, b"")), _lines(before.get(hunk.file, b""))
        at, back = _first(hunk.new_start, hunk.new_count), _first(hunk.old_start, hunk.old_count)
        lines[at : at + hunk.new_count] = old[back : back + hunk.old_count]
        files[hunk.file] = b"".join(lines)
    return files


def _of_file(
    repo: Repository, file: str, old: bytes, new: bytes, context: int, known: int
) -> Iterator[Hunk]:
    parts = _split(_diff(repo, old, new, context))
    for number, (ranges, lines) in enumerate(parts, start=known + 1):
        yield Hunk(
            number,
            file,
            int(ranges["old"]),
            int(ranges["old_count"] or 1),
            int(ranges["new"]),
            int(ranges["new_count"] or 1),
            ranges["heading"].decode("utf-8", "replace"),
            b"\n".join(lines).decode("utf-8", "replace"),
        )


def _diff(repo: Repository, old: bytes, new: bytes, context: int) -> bytes:
    """What git says of two contents; both are written as blobs, which gc may take again."""
    made = NewObjects(repo)
    names = made.blob(old), made.blob(new)
    made.write()
    plain = ("--no-color", "--no-ext-diff", "--no-textconv", "--text", "--inter-hunk-context=0")
    return git.run(repo.cwd, "diff", *plain, f"-U{context}", *names)


def _split(diff: bytes) -> list[tuple[re.Match[bytes], Sequence[bytes]]]:
    found: list[tuple[re.Match[bytes], list[bytes]]] = []
    for line in diff.rstrip(b"\n").split(b"\n"):
        if (ranges := _RANGES.match(line)) is not None:
            found.append((ranges, []))
        if found:
            found[-1][1].append(line)
    return [(ranges, lines) for ranges, lines in found]


def _lines(data: bytes) -> list[bytes]:
    return _LINE.findall(data)


def _first(start: int, count: int) -> int:
    """A range's index. Of an empty range git names the line before it."""
    return start - 1 if count else start
