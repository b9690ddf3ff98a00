"""`prune`, `restore`, `fsck`, `doctor`, `selftest`: lineage and machine kept in order."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from avogit.cli.options import emit, json_option, population_option, progress_line


@click.command()
@json_option
@click.pass_obj
def prune(path: Path, as_json: bool) -> None:
    """Retire lines by the selection rule; nothing is lost."""
    from avogit.commands import care

    with progress_line() as progress:
        result = care.prune(path, progress)
    emit(result, as_json, "text.prune_text")


@click.command()
@click.argument("rev")
@population_option
@json_option
@click.pass_obj
def restore(path: Path, rev: str, population: str | None, as_json: bool) -> None:
    """Give a pruned candidate a live line again."""
    from avogit.commands import care

    emit(care.restore(path, population, rev), as_json, "text.restore_text")


@click.command()
@json_option
@click.pass_obj
def fsck(path: Path, as_json: bool) -> None:
    """Check that the lineage is whole and its numbers are its records'."""
    from avogit.commands import care

    result = care.fsck(path)
    emit(result, as_json, "text.fsck_text")
    if any(problem.severity == "error" for problem in result.problems):
        sys.exit(1)


@click.command()
@json_option
@click.pass_obj
def gc(path: Path, as_json: bool) -> None:
    """Pack refs and objects, beside running steps too; nothing is dropped."""
    from avogit.commands import care

    emit(care.gc(path), as_json, "text.gc_text")


@click.command()
@click.option("--fix", is_flag=True, help="Remove what dead processes left.")
@json_option
@click.pass_obj
def doctor(path: Path, fix: bool, as_json: bool) -> None:
    """Look at compiler, torch, sandbox and repository."""
    from avogit.commands import care

    findings = care.doctor(path, fix)
    emit(findings, as_json, "text.doctor_text")
    if any(finding.level == "problem" for finding in findings):
        sys.exit(1)


@click.command()
@click.option(
    "--device",
    default="cpu",
    show_default=True,
    type=click.Choice(["cpu", "gpu"]),
    help="Where the kernels run.",
)
@click.option("--only", metavar="NAME", multiple=True, help="Try this one; may be repeated.")
@json_option
def selftest(device: str, only: tuple[str, ...], as_json: bool) -> None:
    """Try the known cheats on this machine: each must be caught, and honest kernels pass."""
    from avogit.commands.selftest import selftest as command

    with progress_line() as progress:
        result = command(device, only, progress)
    emit(result, as_json, "selftest.selftest_text")
    if not result.ok:
        sys.exit(1)
