"""How many steps of a run are at work at once.

A step whose order is at the device, or waits for it, has nothing to do itself: it leaves its
place, and another step begins ahead. So a build is ready by the time that the device is free.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class Places:
    """So many places for steps at work."""

    def __init__(self, number: int) -> None:
        self._free = number
        self._freed = threading.Condition()

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """A place for one step; waits until one is free."""
        with self._freed:
            self._freed.wait_for(lambda: self._free > 0)
            self._free -= 1
        try:
            yield
        finally:
            self._give_up()

    @contextlib.contextmanager
    def left(self) -> Iterator[None]:
        """Another's for a while. Who comes back waits for nobody: what was measured is recorded."""
        self._give_up()
        try:
            yield
        finally:
            with self._freed:
                self._free -= 1

    def _give_up(self) -> None:
        with self._freed:
            self._free += 1
            self._freed.notify()
