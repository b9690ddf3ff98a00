"""`log`, `show`, `best`, `tasks`: what git holds, printed."""

from __future__ import annotations

from pathlib import Path

import click

from avogit.cli.options import emit, json_option, population_option, progress_line


@click.command()
@click.option("--supervisor", is_flag=True, help="What the supervisor did, and what came of it.")
@population_option
@json_option
@click.pass_obj
def log(path: Path, supervisor: bool, population: str | None, as_json: bool) -> None:
    """List every candidate with its score."""
    from avogit.commands import read

    if supervisor:
        from avogit.commands import supervision

        found = supervision.supervision(path, population)
        emit(found, as_json, "supervision.supervision_text")
    elif as_json:
        from avogit.report import emit_lines

        emit_lines(read.log_json(path, population))
    else:
        emit(read.log(path, population), False, "text.log_text")


@click.command()
@click.argument("rev")
@click.option("--transcript", is_flag=True, help="The conversation that led to it.")
@population_option
@json_option
@click.pass_obj
def show(path: Path, rev: str, transcript: bool, population: str | None, as_json: bool) -> None:
    """Show one candidate: message, state and record. REV may be `best` or `seed`."""
    from avogit.commands import read

    if transcript:
        from avogit.commands.transcript import transcript as command

        emit(command(path, population, rev), as_json, "transcript.transcript_text")
        return
    emit(read.show(path, population, rev), as_json, "text.show_text")


@click.command()
@click.option("--confirm", is_flag=True, help="Measure the incumbent afresh and tag it.")
@population_option
@json_option
@click.pass_obj
def best(path: Path, confirm: bool, population: str | None, as_json: bool) -> None:
    """Name the incumbent and the champions."""
    from avogit.commands import measure, read

    if confirm:
        with progress_line() as progress:
            result = measure.confirm_revision(path, "best", progress)
        emit(result, as_json, "text.confirmation_text")
    else:
        emit(read.best(path, population), as_json, "text.best_text")


@click.command()
@json_option
@click.pass_obj
def tasks(path: Path, as_json: bool) -> None:
    """List the tasks that ship with avogit and the repository's own."""
    from avogit.commands import read

    emit(read.tasks(path), as_json, "text.tasks_text")
