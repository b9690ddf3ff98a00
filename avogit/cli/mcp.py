"""`mcp`: an agent that is already running takes steps here."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.pass_obj
def mcp(path: Path) -> None:
    """Serve an agent over the Model Context Protocol, on stdin and stdout."""
    from avogit.commands import mcp as command

    command.serve(path)
