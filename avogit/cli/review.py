"""`cross`, `compare`, `ablate`, `blame`, `pr`: candidates joined, compared, explained, proposed."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from avogit.cli.options import emit, json_option, population_option, progress_line, tolerance_option


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


@click.command()
@click.argument("rev", metavar="REV|check")
@click.option("--base", default="main", show_default=True, help="The branch that it is for.")
@click.option("--squash", is_flag=True, help="One commit that cites the candidate.")
@click.option("--open/--no-open", "to_open", default=True, help="Open it at the remote's forge.")
@click.option("--remote", help="Where to; default: the only remote, or origin.")
@click.option(
    "--forge",
    type=click.Choice(["github", "gitlab", "gitea", "forgejo", "none"]),
    help="What the remote is; default: as its address says.",
)
@click.option(
    "--series",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the line as patches for `git am` to this folder instead.",
)
@tolerance_option("check")
@json_option
@click.pass_obj
def pr(
    path: Path,
    rev: str,
    base: str,
    squash: bool,
    to_open: bool,
    remote: str | None,
    forge: str | None,
    series: Path | None,
    tolerance: float,
    as_json: bool,
) -> None:
    """Propose a candidate for a branch; `pr check` measures a proposal against its base."""
    from avogit.commands import pr as command

    if rev == "check":
        _check(path, base, tolerance, as_json)
    if series is not None:
        emit(command.series(path, rev, series), as_json, "review.series_text")
        return
    with progress_line() as progress:
        result = command.propose(
            path,
            rev,
            base,
            squash=squash,
            to_open=to_open,
            remote=remote,
            forge=forge,
            progress=progress,
        )
    emit(result, as_json, "review.pr_text")


def _check(path: Path, base: str, tolerance: float, as_json: bool) -> None:
    from avogit.commands import pr as command

    with progress_line() as progress:
        result = command.check(path, base, tolerance, progress)
    emit(result, as_json, "review.check_text")
    sys.exit(int(result.judgement))


COMMANDS = (cross, compare, ablate, blame, pr)
