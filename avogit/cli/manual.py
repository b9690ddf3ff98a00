"""`checkout` and `submit`: a person, or any program, edits a candidate."""

from __future__ import annotations

from pathlib import Path

import click

from avogit.cli.options import emit, json_option, progress_line


@click.command()
@click.argument("rev")
@click.argument("directory", required=False, type=click.Path(path_type=Path))
@json_option
@click.pass_obj
def checkout(path: Path, rev: str, directory: Path | None, as_json: bool) -> None:
    """Write a candidate's task folder to a plain directory to edit."""
    from avogit.commands import manual

    with progress_line() as progress:
        result = manual.checkout(path, rev, directory, progress)
    emit(result, as_json, "text.checkout_text")


@click.command()
@click.argument("directory", required=False, type=click.Path(path_type=Path))
@click.option("-m", "--message", "subject", required=True, help="What you did, in one line.")
@click.option("--why", default="", help="Why, in your words.")
@click.option("--expect", type=float, metavar="PERCENT", help="The gain that you expect.")
@json_option
@click.pass_obj
def submit(
    path: Path,
    directory: Path | None,
    subject: str,
    why: str,
    expect: float | None,
    as_json: bool,
) -> None:
    """Evaluate an edited workspace and record it as a candidate."""
    from avogit.commands import manual
    from avogit.records import Plan

    plan = None if expect is None else Plan(subject, expect)
    with progress_line() as progress:
        result = manual.submit(path, directory, subject, why, plan, progress)
    emit(result, as_json, "text.submit_text")
