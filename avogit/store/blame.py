"""Who brought each line of a file: `git blame`, read.

Owns the process and its format. Leaves what a commit measured to `rows`.
"""

from __future__ import annotations

from avogit.errors import AvogitError
from avogit.store import git
from avogit.store.repository import Repository


def blame(repo: Repository, commit: str, path: str) -> list[tuple[str, str]]:
    """Every line of a file at a commit: the id of the commit that brought it, and its text."""
    plain = ("-c", "blame.ignoreRevsFile=")
    found = git.call(repo.cwd, *plain, "blame", "--porcelain", commit, "--", path)
    if found.status != 0:
        raise AvogitError(f"cannot blame {path} at {commit[:10]}: {' '.join(found.error.split())}")
    lines, oid = [], ""
    for line in found.out.decode("utf-8", "replace").split("\n")[:-1]:
        if line.startswith("\t"):
            lines.append((oid, line[1:]))
            oid = ""
        elif not oid:
            oid = line.split(" ", 1)[0]
    return lines
