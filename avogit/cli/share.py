"""`sync`, `bundle`, `import`: lineages of several clones, brought together."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from avogit.cli.options import emit, json_option, population_option, progress_line


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


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@population_option
@json_option
@click.pass_obj
def bundle(path: Path, file: Path, population: str | None, as_json: bool) -> None:
    """Write all lineages, or one population's, to a file."""
    from avogit.commands.sync import bundle as write

    emit(write(path, file, population), as_json, "share.bundle_text")


@click.command("import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--name", help="Keep it as a remote of this name; default: the file's.")
@json_option
@click.pass_obj
def import_(path: Path, file: Path, name: str | None, as_json: bool) -> None:
    """Read the lineages of a file that `avogit bundle` wrote."""
    from avogit.commands.sync import import_bundle

    result = import_bundle(path, file, name)
    emit(result, as_json, "share.import_text")
    if result.refused:
        sys.exit(1)
