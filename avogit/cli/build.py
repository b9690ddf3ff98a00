"""`build`: compile a task folder, with no device and no measurement."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from avogit.cli.options import emit, json_option, progress_line


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option(
    "--device",
    default="h200",
    show_default=True,
    help="For a GPU task: the GPU (h200, b200, ...) or architecture (sm_100a) to build for.",
)
@json_option
@click.pass_obj
def build(path: Path, folder: Path | None, device: str, as_json: bool) -> None:
    """Compile a task folder; for a GPU, check its launch plans too."""
    from avogit.commands import build as command

    with progress_line() as progress:
        result = command.build(path, folder, device, progress)
    emit(result, as_json, "build.build_text")
    if result.reason:
        sys.exit(1)
