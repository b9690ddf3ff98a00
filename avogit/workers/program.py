"""A worker's process: takes a step each time it is told to, and ends with the run.

It builds here and measures there: orders go to the run's process, which has the oracle.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from avogit.bench.protocol import Failed, Order, Progress, receive, send
from avogit.errors import EXIT_BUG, EXIT_INTERRUPTED, EXIT_USER, AvogitError
from avogit.evaluation import Judged
from avogit.processes import claim_streams, die_with_parent, exit_if_orphaned
from avogit.session import open_session
from avogit.step import grow
from avogit.workers.frames import Bug, Go, Grown, Start


def main(argv: Sequence[str]) -> int:
    """Serve `Go`s from stdin until it ends."""
    die_with_parent()
    exit_if_orphaned(int(argv[0]))
    orders, answers = claim_streams()
    try:
        _serve(orders, answers)
    except EOFError:
        return 0
    except BrokenPipeError:
        return EXIT_INTERRUPTED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except AvogitError as error:
        send(answers, Failed(str(error)))
        return EXIT_USER
    except Exception:  # noqa: BLE001 - told whole to the run, whose error boundary logs it
        send(answers, Bug(traceback.format_exc()))
        return EXIT_BUG
    return 0


def _serve(orders: IO[bytes], answers: IO[bytes]) -> None:
    start = receive(orders, Start)

    def progress(text: str) -> None:
        send(answers, Progress(text))

    slot = LentSlot(orders, answers)
    with open_session(Path(start.directory), progress, start.base, slot) as session:
        while True:
            limit = receive(orders, Go).limit
            send(answers, Grown(grow(session, start.operator, start.command, limit)))


class LentSlot:
    """The run's slot, from inside a worker."""

    def __init__(self, orders: IO[bytes], answers: IO[bytes]) -> None:
        self._orders, self._answers = orders, answers
        self._judged_s = 0.0

    def judge(self, order: Order, _progress: Callable[[str], None], /) -> Judged:
        """The run tells how it goes: it sees the oracle."""
        send(self._answers, order)
        found: Any = receive(self._orders, Judged, Failed)
        if isinstance(found, Failed):
            raise AvogitError(found.text)
        assert isinstance(found, Judged)
        self._judged_s += found.seconds
        return found

    def busy_s(self) -> float:
        return self._judged_s

    def close(self) -> None:
        """The run closes it."""
