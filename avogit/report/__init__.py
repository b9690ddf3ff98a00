"""Results -> text or JSON. The only code that prints a result; `cli` calls `emit`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from typing import TypeVar

from avogit.report.plain import plain
from avogit.report.terminal import Style, terminal_style, write_paged

Result = TypeVar("Result")


def emit(result: Result, as_json: bool, text: Callable[[Result], str]) -> None:
    """Print a result on stdout, as JSON or through its text renderer."""
    if as_json:
        print(json.dumps(plain(result), ensure_ascii=False))
    else:
        print(text(result))


def emit_paged(
    result: Result, text: Callable[[Result, Style], str], pager: Callable[[], str]
) -> None:
    """Print a result in the terminal's style, through the pager where there is a terminal."""
    style = terminal_style()
    write_paged(text(result, style), pager() if sys.stdout.isatty() else "")


def emit_lines(lines: Iterable[str]) -> None:
    """Print a JSON array whose items are JSON texts already, as they come."""
    write = sys.stdout.write
    write("[")
    separator = "\n"
    for line in lines:
        write(separator + line)
        separator = ",\n"
    write("\n]\n")


class Progress:
    """One line of progress on stderr, rewritten in place; silent unless it is a terminal."""

    def __init__(self) -> None:
        self.shown = sys.stderr.isatty()

    def __call__(self, text: str) -> None:
        if self.shown:
            print(f"\r\033[K{text[:100]}", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.clear()

    def clear(self) -> None:
        """Remove the line before something lasting is printed."""
        self("")
