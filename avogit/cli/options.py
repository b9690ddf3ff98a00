"""What commands share: options, and the way a result and progress are printed."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
population_option = click.option("--population", help="Which population, where there are several.")
operator_option = click.option(
    "--operator", help="tune, agent, command, cross; default: the config's."
)
command_option = click.option("--command", help="The program that the `command` operator runs.")


def tolerance_option(when: str) -> Callable[[F], F]:
    """How much slower still counts as fast. `when`: the option or word that it goes with."""
    return click.option(
        "--tolerance",
        default=0.05,
        show_default=True,
        type=click.FloatRange(0, 0.9),
        help=f"With {when}: how much slower still counts as fast.",
    )


def emit(result: Any, as_json: bool, renderer: str) -> None:
    """Print a result on stdout. `renderer`: a function of a module in `report`, "text.x_text"."""
    from avogit import report

    if as_json:
        report.emit(result, True, str)
        return
    module, _, name = renderer.rpartition(".")
    report.emit(result, False, getattr(importlib.import_module(f"avogit.report.{module}"), name))


def emit_paged(result: Any, as_json: bool, renderer: str, pager: Callable[[], str]) -> None:
    """The same for what may be long; `renderer` takes a `Style` too. Paged on a terminal."""
    from avogit import report

    if as_json:
        report.emit(result, True, str)
        return
    module, _, name = renderer.rpartition(".")
    text = getattr(importlib.import_module(f"avogit.report.{module}"), name)
    report.emit_paged(result, text, pager)


def progress_line() -> Any:
    """One line of progress on a terminal; nothing elsewhere."""
    from avogit.report import Progress

    return Progress()


def board(as_json: bool) -> Any:
    """How a run goes: a board on a terminal, a line for each step on stdout."""
    from avogit.report.board import Board

    return Board(as_json)
