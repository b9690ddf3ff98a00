"""`tree`, `plot`, `report`: the lineage as it is looked at."""

from __future__ import annotations

from pathlib import Path

import click

from avogit.cli.options import emit, emit_paged, json_option, population_option, progress_line
from avogit.genealogy import STANDINGS


@click.command()
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice(STANDINGS),
    help="Only these; may be given more than once.",
)
@click.option("--line", default="", metavar="REV", help="Only what REV was made from.")
@click.option("--operator", default="", help="Only what this operator made.")
@click.option("--min-score", type=float, metavar="X", help="Only scores of at least X.")
@click.option("--since", default="", metavar="DATE", help="Only newer ones: `2 days ago`.")
@click.option("--limit", "-n", type=click.IntRange(min=1), help="Only the newest so many.")
@click.option("--no-pager", is_flag=True, help="Print at once, on a terminal too.")
@population_option
@json_option
@click.pass_obj
def tree(
    path: Path,
    statuses: tuple[str, ...],
    line: str,
    operator: str,
    min_score: float | None,
    since: str,
    limit: int | None,
    no_pager: bool,
    population: str | None,
    as_json: bool,
) -> None:
    """Draw the lineage as a tree, with scores, gains and status."""
    from avogit.commands import tree as command

    wanted = command.Wanted(statuses, line, operator, min_score, since, limit)
    result = command.tree(path, population, wanted)
    emit_paged(result, as_json, "tree.tree_text", lambda: "" if no_pager else command.pager(path))


@click.command()
@click.option(
    "-o",
    "--output",
    default="trajectory.svg",
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to draw; the ending (.svg, .png, .pdf) names the format.",
)
@population_option
@json_option
@click.pass_obj
def plot(path: Path, output: Path, population: str | None, as_json: bool) -> None:
    """Draw the best score so far, each workload, and the baseline. With --json: the numbers."""
    from avogit.commands import plot as command

    found = command.plot(path, population)
    if as_json:
        emit(found, True, "")
        return
    from avogit.report.plot import draw

    emit(draw(found, output), False, "plot.plot_text")


@click.command()
@click.option(
    "-o",
    "--output",
    default="lineage.html",
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write.",
)
@population_option
@json_option
@click.pass_obj
def report(path: Path, output: Path, population: str | None, as_json: bool) -> None:
    """Write the lineage as one HTML file: tree, trajectory, every diff and table."""
    from avogit.commands import report as command
    from avogit.report.page import write

    with progress_line() as progress:
        written = write(command.report(path, population), output, progress)
    emit(written, as_json, "page.report_text")
