"""A run as it goes: a board on a terminal, a line for each step on stdout.

Owns what is shown while `avogit run` works. The board is on stderr, and only where that is a
terminal; stdout gets what lasts, and with `--json` nothing before the result.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from avogit.loop import DIED, Course
from avogit.report.text import step_line
from avogit.settling import StepResult

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

_REFRESHES_PER_S = 4


class Board:
    """Watches a run. Its own process's progress is that of worker 0."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._course: Course | None = None
        self._doing: dict[int, tuple[str, float]] = {}  # worker -> what, and since when
        self._live = _live(self) if sys.stderr.isatty() else None

    def __enter__(self) -> Board:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, text: str) -> None:
        """Progress of the command itself: seeding before a run, confirming after it."""
        if self._course is not None and self._course.ended() is not None:
            self._doing.clear()
        self.said(0 if self._course is None or self._course.workers > 1 else 1, text)

    def begins(self, course: Course, /) -> None:
        """Show this run from now on."""
        self._course = course
        self._doing.clear()

    def said(self, worker: int, text: str, /) -> None:
        """Show what a worker is at; nothing, where there is no text."""
        if text:
            self._doing[worker] = (text, time.monotonic())
        else:
            self._doing.pop(worker, None)

    def stepped(self, course: Course, worker: int, result: StepResult, /) -> None:
        """Print a step's line above the board."""
        self.said(worker, "between steps")
        lines = [] if self._as_json else [step_line(len(course.done), result)]
        if self._live is not None:
            self._live.stop()
        print("\n".join(lines), end="\n" if lines else "", flush=True)
        if result.outcome == DIED:
            print(
                f"avogit: worker {worker} died: {result.reason}; its step is lost, another worker"
                " takes its place, and what it had in hand is taken up next",
                file=sys.stderr,
            )
        if self._live is not None:
            self._live.start()

    def rows(self) -> list[str]:
        """The board, a line each: the run, then its workers."""
        head = [course_text(self._course)] if self._course is not None else []
        doing = sorted(dict(self._doing).items())
        return head + [_doing_text(worker, *what) for worker, what in doing]


def course_text(course: Course) -> str:
    """Where a run stands, on one line."""
    limits, elapsed_s = course.limits, course.elapsed_s()
    steps = f"{len(course.done)} steps" + (f" of {limits.steps}" if limits.steps else "")
    parts = [steps, f"{course.lines} lines" if course.lines else ""]
    parts.append(f"best {course.best}" if course.best else "")
    parts.append(f"device {100 * course.device_busy_s() / max(elapsed_s, 1e-9):.0f} % busy")
    left = f" of {_clock(limits.seconds)}" if limits.seconds else ""
    parts.append(_clock(elapsed_s) + left)
    budget = course.done[-1].left if course.done else ""
    parts.append(f"budget left: {budget}" if budget else "")
    return "   ".join(part for part in parts if part)


def _doing_text(worker: int, text: str, since_s: float) -> str:
    who = f"{worker:3d}  " if worker else "     "
    return f"{who}{' '.join(text.split())}  {_clock(time.monotonic() - since_s)}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _live(board: Board) -> Live:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    def render() -> Text:
        return Text("\n".join(board.rows()), no_wrap=True, overflow="ellipsis")

    return Live(
        get_renderable=render,
        console=Console(stderr=True, highlight=False),
        refresh_per_second=_REFRESHES_PER_S,
        transient=True,
        redirect_stdout=False,  # stdout may be a file: it gets what lasts
        redirect_stderr=False,
    )
