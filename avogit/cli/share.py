"""`sync`: lineages of several clones, brought together."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from avogit.cli.options import emit, json_option, progress_line


@click.command()
@click.argument("remote", required=False)
@json_option
@click.pass_obj
def sync(path: Path, remote: str | None, as_json: bool) -> None:
    """Fetch lineages from a git remote and publish yours there."""
    from avogit.commands.sync import sync as exchange

    with progress_line() as progress:
        result = exchange(path, remote, progress)
    emit(result, as_json, "share.sync_text")
    if result.refused:
        sys.exit(1)
