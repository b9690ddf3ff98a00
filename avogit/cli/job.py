"""`job`: measure candidates on a machine without git, and take the verdicts back."""

from __future__ import annotations

from pathlib import Path

import click

from avogit.cli.options import emit, json_option, progress_line


@click.group()
def job() -> None:
    """Have candidates measured on another machine, by a folder and a file."""


@job.command()
@click.argument("revs", nargs=-1, required=True, metavar="REV...")
@click.option("--against", help="Another candidate to time beside each.")
@click.option(
    "-o",
    "--output",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    help="The new folder to write.",
)
@click.option("--device", default="", help="The GPU to build for, which need not be here: h200.")
@json_option
@click.pass_obj
def export(
    path: Path,
    revs: tuple[str, ...],
    against: str | None,
    folder: Path,
    device: str,
    as_json: bool,
) -> None:
    """Write candidates into a folder that a machine with torch alone can measure."""
    from avogit.commands import job as command

    with progress_line() as progress:
        result = command.export(path, revs, against, folder, device, progress)
    emit(result, as_json, "job.export_text")


@job.command()
@click.argument("result", type=click.Path(path_type=Path))
@json_option
@click.pass_obj
def record(path: Path, result: Path, as_json: bool) -> None:
    """Record the verdicts that came back; none where one does not match."""
    from avogit.commands import job as command

    with progress_line() as progress:
        taken = command.record(path, result, progress)
    emit(taken, as_json, "job.record_text")
