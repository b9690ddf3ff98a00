"""`cross`: candidates joined."""

from __future__ import annotations

from pathlib import Path

import click

from avogit.cli.options import emit, json_option, progress_line


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


COMMANDS = (cross,)
