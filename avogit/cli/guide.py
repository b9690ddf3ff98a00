"""`plans`, `cost` and `lessons`: what the lineage says about how it came to be."""

from __future__ import annotations

from pathlib import Path

import click

from avogit.cli.options import emit, json_option, population_option


@click.command()
@population_option
@json_option
@click.pass_obj
def plans(path: Path, population: str | None, as_json: bool) -> None:
    """Compare what plans expected with what was measured."""
    from avogit.commands import plans as command

    emit(command.plans(path, population), as_json, "plans.plans_text")


@click.command()
@population_option
@json_option
@click.pass_obj
def cost(path: Path, population: str | None, as_json: bool) -> None:
    """Sum what was spent, by model, line and outcome."""
    from avogit.commands import cost as command

    emit(command.cost(path, population), as_json, "cost.cost_text")


@click.command()
@click.argument("words", nargs=-1)
@json_option
@click.pass_obj
def lessons(path: Path, words: tuple[str, ...], as_json: bool) -> None:
    """List what measured changes taught, of all tasks; those that hold WORDS."""
    from avogit.commands import lessons as command

    emit(command.lessons(path, words), as_json, "lessons.lessons_text")
