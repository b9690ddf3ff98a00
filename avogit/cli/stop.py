"""`stop`: end a run from another terminal."""

from __future__ import annotations

from pathlib import Path

import click

from avogit.cli.options import emit, json_option, progress_line


@click.command()
@click.option("--wait", is_flag=True, help="Return when they have ended.")
@json_option
@click.pass_obj
def stop(path: Path, wait: bool, as_json: bool) -> None:
    """End the runs at work here, once their steps in hand are done."""
    from avogit.commands import stop as command

    with progress_line() as progress:
        result = command.stop(path, wait, progress)
    emit(result, as_json, "stop.stop_text")
