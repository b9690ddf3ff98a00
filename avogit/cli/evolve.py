"""`init`, `seed`, `step`, `run`: a population comes to be, and grows."""

from __future__ import annotations

from pathlib import Path

import click

from avogit.cli.options import (
    board,
    command_option,
    emit,
    json_option,
    operator_option,
    progress_line,
)


@click.command()
@click.option("--task", default="attention-cpu", show_default=True, help="A name or a folder.")
@json_option
@click.pass_obj
def init(path: Path, task: str, as_json: bool) -> None:
    """Commit a task and avogit.yaml to your branch."""
    from avogit.commands import init as command

    emit(command.init(path, task), as_json, "text.init_text")


@click.command()
@click.option("--from", "from_revs", multiple=True, help="Found it on this commit's kernel.")
@json_option
@click.pass_obj
def seed(path: Path, from_revs: tuple[str, ...], as_json: bool) -> None:
    """Measure the kernel at HEAD and found a population on it."""
    from avogit.commands import step as command

    with progress_line() as progress:
        result = command.seed(path, from_revs, progress)
    emit(result, as_json, "text.seed_text")


@click.command()
@operator_option
@command_option
@json_option
@click.pass_obj
def step(path: Path, operator: str | None, command: str | None, as_json: bool) -> None:
    """Vary one candidate: propose, evaluate, decide, record."""
    from avogit.commands import step as verb

    with progress_line() as progress:
        result = verb.step(path, operator or (command and "command"), command, progress)
    emit(result, as_json, "text.step_text")


@click.command()
@operator_option
@command_option
@click.option("--steps", type=click.IntRange(min=1), help="Stop after so many steps.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="Stop then.")
@click.option(
    "--stop-file",
    type=click.Path(path_type=Path),
    help="Stop when this file appears; default: `stop` in the git directory's avogit folder.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Steps at work at once, beside the one candidate that the device measures.",
)
@click.option("--confirm/--no-confirm", default=True, help="Confirm the best at the end.")
@json_option
@click.pass_obj
def run(
    path: Path,
    operator: str | None,
    command: str | None,
    steps: int | None,
    minutes: float | None,
    stop_file: Path | None,
    workers: int,
    confirm: bool,
    as_json: bool,
) -> None:
    """Take steps until a limit; Ctrl-C is clean, and the next run goes on."""
    from avogit.commands import step as verb
    from avogit.loop import Limits

    limits = Limits(steps, None if minutes is None else minutes * 60, stop_file)
    chosen = operator or (command and "command")
    with board(as_json) as watcher:
        ran = verb.run(path, chosen, command, limits, workers, confirm, watcher, watcher)
    emit(ran, as_json, "text.run_text")
