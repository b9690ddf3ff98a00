"""Who may use the device now: the lock that all avogit processes of a user share."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from avogit.errors import AvogitError


@contextlib.contextmanager
def device_lock(progress: Callable[[str], None]) -> Iterator[None]:
    """Hold the device: one measurement at a time, whichever repository it is for.

    A flock alone lets who has just let go take it again before those who wait wake up. So all
    wait at a gate, and the first of them waits for the device with the gate still held.
    """
    with _lock_file("gate") as gate, _lock_file("lock") as device:
        _flock(gate, progress)
        _flock(device, progress)
        fcntl.flock(gate, fcntl.LOCK_UN)
        yield


@contextlib.contextmanager
def _lock_file(kind: str) -> Iterator[int]:
    path = _cache_folder() / f"device-cpu.{kind}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise AvogitError(f"cannot open {path}: {error.strerror}; set XDG_CACHE_HOME") from error
    try:
        yield fd
    finally:
        os.close(fd)


def _flock(fd: int, progress: Callable[[str], None]) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        progress("waiting: another measurement has the device")
        fcntl.flock(fd, fcntl.LOCK_EX)


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "avogit"
