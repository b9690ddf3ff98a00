"""Who may use a device now: locks that all avogit processes of a user share, one a device.

Owns the locks and the order in which those who wait have them. A device goes by a key: `cpu`,
or a GPU's UUID. Leaves finding devices to those who ask.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from avogit.errors import AvogitError

CPU = "cpu"
_WAITING = "waiting: another measurement has the device"
_LOOK_S = 0.05  # between looks at several devices: no call waits for the first of many locks


@contextlib.contextmanager
def any_device_lock(progress: Callable[[str], None], keys: Sequence[str]) -> Iterator[str]:
    """Hold the first of these devices that is free, else the first that frees; gives its key.

    One measurement at a time on a device, whichever repository it is for. A lock alone lets who
    has just let go take it again before those who wait have looked. So all wait at a gate, and
    who waits keeps every gate that it could pass: it is the next on each of those devices.
    """

    def wait(look: int) -> bool:
        if look == 0:
            progress(_WAITING)
        time.sleep(_LOOK_S)
        return True

    with _first_free(keys, wait) as key:
        yield key


@contextlib.contextmanager
def free_device_lock(keys: Sequence[str]) -> Iterator[str]:
    """Hold the first of these devices that is free now; gives its key, or nothing where none is."""
    with _first_free(keys, lambda _look: False) as key:
        yield key


@contextlib.contextmanager
def _first_free(keys: Sequence[str], wait: Callable[[int], bool]) -> Iterator[str]:
    """`wait` is called after a look that found no device free, with its number: look again?"""
    with contextlib.ExitStack() as held:
        locks = {key: held.enter_context(_lock_file(key, "lock")) for key in keys}
        with contextlib.ExitStack() as waiting:
            gates = {key: waiting.enter_context(_lock_file(key, "gate")) for key in keys}
            key = _look(gates, locks, wait)
        yield key


def _look(gates: dict[str, int], locks: dict[str, int], wait: Callable[[int], bool]) -> str:
    passed: set[str] = set()
    for look in itertools.count():
        for key, lock in locks.items():
            if key in passed or _take(gates[key]):
                passed.add(key)
                if _take(lock):
                    return key
        if not wait(look):
            return ""
    raise AssertionError("unreachable")


@contextlib.contextmanager
def _lock_file(key: str, kind: str) -> Iterator[int]:
    path = cache_folder() / f"device-{re.sub(r'[^A-Za-z0-9.-]', '_', key)}.{kind}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise AvogitError(f"cannot open {path}: {error.strerror}; set XDG_CACHE_HOME") from error
    try:
        yield fd
    finally:
        os.close(fd)


def _take(fd: int) -> bool:
    """Take the lock, if nobody has it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def cache_folder() -> Path:
    """Where this user's avogit processes meet."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "avogit"
