"""Lock files that a killed git left behind, and git's half-made worktrees.

Owns finding them, and removing them where no avogit process is at work. Git itself never
removes one: until somebody does, the ref (or every delete) is blocked.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from avogit.errors import AvogitError
from avogit.store import lease
from avogit.store.repository import Repository

MIN_AGE_S = 60.0  # a younger one may belong to a git that is running
_GRACE_S = 2.0  # one update-ref takes milliseconds
_NAMES = (
    "index.lock",
    "HEAD.lock",
    "config.lock",
    "packed-refs.lock",
    "packed-refs.new",
    "objects/maintenance.lock",
)


def stale_locks(repo: Repository, min_age_s: float = MIN_AGE_S) -> tuple[Path, ...]:
    """What stands in git's way and is older than a running git would leave it."""
    oldest = time.time() - min_age_s
    return tuple(sorted(path for path in _candidates(repo.common_dir) if _mtime(path) < oldest))


def remove_stale_locks(repo: Repository, min_age_s: float = MIN_AGE_S) -> tuple[Path, ...]:
    """Remove them; gives what went. Refused while any avogit process holds a lease."""
    if held := lease.held(repo):
        raise AvogitError(f"{held[0]} is held: an avogit process is at work; end it first")
    found = stale_locks(repo, min_age_s)
    for path in found:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return found


def clear_own_locks(repo: Repository, refs: Iterable[str]) -> None:
    """Remove what a git that was killed left on refs that we alone may move now.

    The git that a dead process of ours started may still be at work: it gets time to end.
    """
    for ref in refs:
        path = repo.common_dir / f"{ref}.lock"
        while path.exists() and _mtime(path) > time.time() - _GRACE_S:
            time.sleep(0.05)
        path.unlink(missing_ok=True)


def clear_locks_below(repo: Repository, *folders: str) -> None:
    """The same for every ref below folders that one process of ours at a time updates."""
    for folder in folders:
        found = (repo.common_dir / folder).rglob("*.lock")
        names = [path.relative_to(repo.common_dir).as_posix() for path in found]
        clear_own_locks(repo, [name.removesuffix(".lock") for name in names])


def _candidates(common_dir: Path) -> Iterator[Path]:
    yield from (common_dir / name for name in _NAMES if (common_dir / name).is_file())
    for folder in ("refs", "reftable"):
        yield from (path for path in (common_dir / folder).rglob("*.lock") if path.is_file())
    for admin in (common_dir / "worktrees").glob("*"):
        yield from (admin / name for name in _NAMES[:2] if (admin / name).is_file())
        pointer = admin / "commondir"
        if not pointer.is_file() or pointer.stat().st_size == 0:
            yield admin  # every git that looks at all worktrees dies on it


def _mtime(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()
