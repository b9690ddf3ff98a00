"""Diffs of many commits, by few git processes.

Owns how a diff is asked for: against one named parent, with renames followed, and nothing of the
user's own diff settings or drivers in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from avogit.store import git
from avogit.store.repository import Repository

_OPTIONS = (
    "--stdin", "-p", "-r", "-M", "-U3", "--no-color", "--no-ext-diff", "--no-textconv",
    "--src-prefix=a/", "--dst-prefix=b/", "--format=%x00%H",
)  # fmt: skip
_START = re.compile(rb"\0([0-9a-f]{40}|[0-9a-f]{64})\n\n?")
_AT_ONCE = 400  # pairs: less than a pipe holds, so neither side can block


def diffs(repo: Repository, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """For every (commit, parent) that differ: the commit, and its diff as text."""
    for at in range(0, len(pairs), _AT_ONCE):
        asked = "".join(f"{oid} {parent}\n" for oid, parent in pairs[at : at + _AT_ONCE])
        out = git.run(repo.cwd, "diff-tree", *_OPTIONS, stdin=asked.encode())
        _, *found = _START.split(out)
        for oid, text in zip(found[::2], found[1::2], strict=True):
            yield oid.decode(), text.decode("utf-8", "replace")
