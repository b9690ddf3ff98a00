"""`cross`, `compare`, `ablate`, `blame`: candidates joined, compared and explained."""

from __future__ import annotations

from pathlib import Path

import click

from avogit.cli.options import emit, json_option, population_option, progress_line


@click.command()
@click.argument("first")
@click.argument("second")
@json_option
@click.pass_obj
def cross(path: Path, first: str, second: str, as_json: bool) -> None:
    """Merge two candidates' changes into a child of both, and judge it."""
    from avogit.commands import cross as command

    with progress_line() as progress:
        result = command.cross(path, first, second, progress)
    emit(result, as_json, "text.step_text")


@click.command()
@click.argument("first")
@click.argument("second")
@click.option("--fresh", is_flag=True, help="Time both now, interleaved in one run.")
@population_option
@json_option
@click.pass_obj
def compare(
    path: Path, first: str, second: str, fresh: bool, population: str | None, as_json: bool
) -> None:
    """Compare two candidates workload by workload, from their records."""
    from avogit.commands import compare as command

    if fresh:
        with progress_line() as progress:
            result = command.compare_fresh(path, population, first, second, progress)
    else:
        result = command.compare(path, population, first, second)
    emit(result, as_json, "review.compare_text")


@click.command()
@click.argument("rev", default="best")
@click.option("--since", metavar="BASE", help="Where the difference starts; default: the seed.")
@click.option(
    "--context",
    default=3,
    show_default=True,
    type=click.IntRange(0, 100),
    help="Unchanged lines around a hunk; changes closer than twice that are one.",
)
@json_option
@click.pass_obj
def ablate(path: Path, rev: str, since: str | None, context: int, as_json: bool) -> None:
    """Measure which hunks of a candidate's difference earn their keep."""
    from avogit.commands import ablate as command

    with progress_line() as progress:
        result = command.ablate(path, rev, since, context, progress)
    emit(result, as_json, "review.ablation_text")


@click.command()
@click.argument("file")
@click.argument("rev", default="best")
@population_option
@json_option
@click.pass_obj
def blame(path: Path, file: str, rev: str, population: str | None, as_json: bool) -> None:
    """Show each line of FILE with the candidate that brought it, and what that measured."""
    from avogit.commands import ablate as command

    emit(command.blame(path, population, file, rev), as_json, "review.blame_text")


COMMANDS = (cross, compare, ablate, blame)
