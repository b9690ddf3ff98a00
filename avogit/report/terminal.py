"""What the terminal can show: its width, colours, and the user's pager.

Owns the decision whether stdout is a terminal and what follows from it. A pipe gets neither
colour nor cut lines.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34"}
# What git gives its pagers: less quits where one screen is enough and shows colours.
_PAGER_ENVIRONMENT = {"LESS": "FRX", "LV": "-c"}


@dataclass(frozen=True, slots=True)
class Style:
    """How to write for whoever reads."""

    width: int | None = None  # in columns; None: lines may be as long as they are
    colour: bool = False
    boxes: bool = True  # whether box-drawing characters can be written

    def paint(self, text: str, *names: str) -> str:
        """The text in these colours, where there are any."""
        if not self.colour or not names or not text.strip():
            return text
        return f"\033[{';'.join(_CODES[name] for name in names)}m{text}\033[m"


def terminal_style(environ: Mapping[str, str] = os.environ) -> Style:
    """What fits stdout."""
    boxes = _writes(sys.stdout.encoding, "│├└─")
    if not sys.stdout.isatty():
        return Style(boxes=boxes)
    colour = not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    return Style(shutil.get_terminal_size().columns, colour, boxes)


def write_paged(text: str, pager: str) -> None:
    """Print through a pager, a command line for the shell; straight where there is none."""
    if not pager or not _page(text, pager):
        print(text)


def _page(text: str, pager: str) -> bool:
    """Whether the pager could be started; a reader who quits early has seen enough."""
    environment = {**_PAGER_ENVIRONMENT, **os.environ}
    started = subprocess.Popen(
        pager, shell=True, stdin=subprocess.PIPE, env=environment, encoding="utf-8"
    )
    while True:
        try:
            started.communicate(f"{text}\n")
            break
        except KeyboardInterrupt:
            continue  # it is the pager's to answer
    return started.returncode not in (126, 127)


def clipped(text: str, width: int) -> str:
    """The text within so many columns, with an ellipsis where some of it was cut."""
    if sum(map(_columns, text)) <= width:
        return text
    kept, room = [], width - 1
    for character in text:
        room -= _columns(character)
        if room < 0:
            break
        kept.append(character)
    return "".join(kept).rstrip() + "…" if width > 0 else ""


def printable(text: str) -> str:
    """Text of any origin without what a terminal would obey."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _writes(encoding: str | None, text: str) -> bool:
    try:
        text.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
