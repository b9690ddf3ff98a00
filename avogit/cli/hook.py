"""`hook`: what the installed git hooks call."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("name", type=click.Choice(["prepare-commit-msg", "commit-msg", "pre-push"]))
@click.argument("arguments", nargs=-1)
@click.pass_obj
def hook(path: Path, name: str, arguments: tuple[str, ...]) -> None:
    """What the installed git hooks call."""
    # Git tells its hooks which index it commits; the store drops that variable for safety.
    index_file = os.environ.get("GIT_INDEX_FILE")
    from avogit.commands import hook as command

    if name == "pre-push":
        answer = command.pre_push(path, sys.stdin)
    elif name == "commit-msg":
        answer = command.commit_msg(path, Path(arguments[0]))
    else:
        source = arguments[1] if len(arguments) > 1 else ""
        answer = command.prepare_commit_msg(path, Path(arguments[0]), source, index_file)
    for line in answer.lines:
        click.echo(f"avogit: {line}", err=True)
    sys.exit(0 if answer.allowed else 1)
