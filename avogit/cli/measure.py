"""`measure`, `profile`: a revision timed afresh, or under the GPU's counters."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from avogit.cli.options import emit, json_option, progress_line, tolerance_option


@click.command()
@click.argument("rev", default="HEAD")
@click.option("--against", help="Another revision to time beside it.")
@click.option("--confirm", is_flag=True, help="Confirm REV as a champion.")
@click.option("--bisect", "good", metavar="GOOD", help="Exit 0 if as fast, 1 slower, 125 unknown.")
@tolerance_option("--bisect")
@json_option
@click.pass_obj
def measure(
    path: Path,
    rev: str,
    against: str | None,
    confirm: bool,
    good: str | None,
    tolerance: float,
    as_json: bool,
) -> None:
    """Measure a revision afresh beside the baseline."""
    from avogit.commands import measure as command

    if good is not None:
        _bisect(path, good, tolerance, as_json)
    with progress_line() as progress:
        if confirm:
            confirmation = command.confirm_revision(path, rev, progress)
        else:
            measured = command.measure(path, rev, against, progress)
    if confirm:
        emit(confirmation, as_json, "text.confirmation_text")
    else:
        emit(measured, as_json, "text.measure_text")


def _bisect(path: Path, good: str, tolerance: float, as_json: bool) -> None:
    from avogit.commands import measure as command

    with progress_line() as progress:
        result = command.bisect(path, good, tolerance, progress)
    emit(result, as_json, "text.bisect_text")
    sys.exit(int(result.verdict))


@click.command()
@click.argument("rev", default="HEAD")
@click.option("--workload", default="", metavar="NAME", help="Which; default: the first.")
@json_option
@click.pass_obj
def profile(path: Path, rev: str, workload: str, as_json: bool) -> None:
    """Show what limits a revision's kernels on the GPU, by Nsight Compute."""
    from avogit.commands.profile import profile as command

    with progress_line() as progress:
        result = command(path, rev, workload, progress)
    emit(result, as_json, "profile.profiled_text")
