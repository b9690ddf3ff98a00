"""Leases by flock: the kernel frees them when a process dies, so there are no stale ones.

Owns the lock files under the state folder: one a writer, one for the pruner, and those that
make others wait for a moment.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from avogit.errors import AvogitError
from avogit.store.repository import Repository


def try_lock(path: Path) -> int | None:
    """A descriptor that holds the lock on this file until it is closed; None where it is held."""
    return _lock(path, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextlib.contextmanager
def alone(repo: Repository, name: str) -> Iterator[None]:
    """Wait until no other process of this clone does what goes by this name."""
    descriptor = _lock(repo.state_dir / f"{name}.lock", fcntl.LOCK_EX)
    assert descriptor is not None
    try:
        yield
    finally:
        os.close(descriptor)


def _lock(path: Path, how: int) -> int | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise AvogitError(f"cannot write {path}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, how)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError as error:
        os.close(descriptor)
        raise AvogitError(f"cannot lock {path} ({error.strerror}): is it on NFS?") from error
    return descriptor


@contextlib.contextmanager
def pruner_lock(repo: Repository) -> Iterator[bool]:
    """Whether this process is the repository's pruner for as long as the block runs."""
    descriptor = try_lock(repo.state_dir / "pruner.lock")
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def writer_lock(repo: Repository, population: str, number: int) -> int | None:
    """The lease of a population's writer `number` on this host."""
    return try_lock(repo.state_dir / "leases" / population / f"{number}.lease")


def held(repo: Repository) -> list[Path]:
    """The lease and lock files that some process holds now."""
    state = repo.state_dir
    paths = [*sorted(state.glob("leases/*/*.lease")), *sorted(state.glob("runs/*.lease"))]
    paths.append(state / "pruner.lock")
    found = []
    for path in paths:
        if path.exists():
            descriptor = try_lock(path)
            if descriptor is None:
                found.append(path)
            else:
                os.close(descriptor)
    return found
