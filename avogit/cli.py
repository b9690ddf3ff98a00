"""Options in, one call into `commands`, the result out to `report`. Nothing else.

Commands import what they need when they run: `avogit --help` and shell completion must not
wait for git, YAML or the report's tables.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from avogit import __version__

if TYPE_CHECKING:
    from avogit.step import StepResult

_HELP = {"help_option_names": ["-h", "--help"]}
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
population_option = click.option("--population", help="Which population, where there are several.")
operator_option = click.option("--operator", help="tune, agent or command; default: the config's.")
command_option = click.option("--command", help="The program that the `command` operator runs.")


@click.group(context_settings=_HELP)
@click.version_option(__version__, prog_name="avogit")
@click.option(
    "-C",
    "directory",
    default=".",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Work on the repository in this directory.",
)
@click.pass_context
def cli(context: click.Context, directory: Path) -> None:
    """Evolve GPU kernels inside a git repository."""
    context.obj = directory


@cli.command()
@click.option("--task", default="attention-cpu", show_default=True, help="A name or a folder.")
@json_option
@click.pass_obj
def init(path: Path, task: str, as_json: bool) -> None:
    """Commit a task and avogit.yaml to your branch."""
    from avogit.commands import init as command

    _emit(command.init(path, task), as_json, "init_text")


@cli.command()
@click.option("--from", "from_revs", multiple=True, help="Found it on this commit's kernel.")
@json_option
@click.pass_obj
def seed(path: Path, from_revs: tuple[str, ...], as_json: bool) -> None:
    """Measure the kernel at HEAD and found a population on it."""
    from avogit.commands import step as command

    with _progress() as progress:
        result = command.seed(path, from_revs, progress)
    _emit(result, as_json, "seed_text")


@cli.command()
@operator_option
@command_option
@json_option
@click.pass_obj
def step(path: Path, operator: str | None, command: str | None, as_json: bool) -> None:
    """Vary one candidate: propose, evaluate, decide, record."""
    from avogit.commands import step as verb

    with _progress() as progress:
        result = verb.step(path, operator or (command and "command"), command, progress)
    _emit(result, as_json, "step_text")


@cli.command()
@operator_option
@command_option
@click.option("--steps", type=click.IntRange(min=1), help="Stop after so many steps.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="Stop then.")
@click.option(
    "--stop-file",
    type=click.Path(path_type=Path),
    help="Stop when this file appears; default: `stop` in the git directory's avogit folder.",
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
    confirm: bool,
    as_json: bool,
) -> None:
    """Take steps until a limit; Ctrl-C is clean, and the next run goes on."""
    from avogit.commands import step as verb
    from avogit.loop import Limits

    limits = Limits(steps, None if minutes is None else minutes * 60, stop_file)
    chosen = operator or (command and "command")
    with _progress() as progress:

        def on_step(number: int, result: StepResult) -> None:
            progress.clear()
            if not as_json:
                from avogit.report.text import step_line

                click.echo(step_line(number, result))

        ran = verb.run(path, chosen, command, limits, confirm, progress, on_step)
    _emit(ran, as_json, "run_text")


@cli.command()
@population_option
@json_option
@click.pass_obj
def log(path: Path, population: str | None, as_json: bool) -> None:
    """List every candidate with its score."""
    from avogit.commands import read

    if as_json:
        from avogit.report import emit_lines

        emit_lines(read.log_json(path, population))
    else:
        _emit(read.log(path, population), False, "log_text")


@cli.command()
@population_option
@json_option
@click.pass_obj
def tree(path: Path, population: str | None, as_json: bool) -> None:
    """Draw the lineage as a tree."""
    from avogit.commands import read

    _emit(read.log(path, population), as_json, "tree_text")


@cli.command()
@click.argument("rev")
@population_option
@json_option
@click.pass_obj
def show(path: Path, rev: str, population: str | None, as_json: bool) -> None:
    """Show one candidate: message, state and record. REV may be `best` or `seed`."""
    from avogit.commands import read

    _emit(read.show(path, population, rev), as_json, "show_text")


@cli.command()
@click.option("--confirm", is_flag=True, help="Measure the incumbent afresh and tag it.")
@population_option
@json_option
@click.pass_obj
def best(path: Path, confirm: bool, population: str | None, as_json: bool) -> None:
    """Name the incumbent and the champions."""
    from avogit.commands import measure, read

    if confirm:
        with _progress() as progress:
            result = measure.confirm_revision(path, "best", progress)
        _emit(result, as_json, "confirmation_text")
    else:
        _emit(read.best(path, population), as_json, "best_text")


@cli.command()
@click.argument("rev", default="HEAD")
@click.option("--against", help="Another revision to time beside it.")
@click.option("--confirm", is_flag=True, help="Confirm REV as a champion.")
@click.option("--bisect", "good", metavar="GOOD", help="Exit 0 if as fast, 1 slower, 125 unknown.")
@click.option(
    "--tolerance",
    default=0.05,
    show_default=True,
    type=click.FloatRange(0, 0.9),
    help="With --bisect: how much slower still counts as fast.",
)
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
    with _progress() as progress:
        if confirm:
            confirmation = command.confirm_revision(path, rev, progress)
        else:
            measured = command.measure(path, rev, against, progress)
    if confirm:
        _emit(confirmation, as_json, "confirmation_text")
    else:
        _emit(measured, as_json, "measure_text")


def _bisect(path: Path, good: str, tolerance: float, as_json: bool) -> None:
    from avogit.commands import measure as command

    with _progress() as progress:
        result = command.bisect(path, good, tolerance, progress)
    _emit(result, as_json, "bisect_text")
    sys.exit(int(result.verdict))


@cli.command()
@click.argument("rev")
@click.argument("directory", required=False, type=click.Path(path_type=Path))
@json_option
@click.pass_obj
def checkout(path: Path, rev: str, directory: Path | None, as_json: bool) -> None:
    """Write a candidate's task folder to a plain directory to edit."""
    from avogit.commands import manual

    with _progress() as progress:
        result = manual.checkout(path, rev, directory, progress)
    _emit(result, as_json, "checkout_text")


@cli.command()
@click.argument("directory", required=False, type=click.Path(path_type=Path))
@click.option("-m", "--message", "subject", required=True, help="What you did, in one line.")
@click.option("--why", default="", help="Why, in your words.")
@click.option("--expect", type=float, metavar="PERCENT", help="The gain that you expect.")
@json_option
@click.pass_obj
def submit(
    path: Path,
    directory: Path | None,
    subject: str,
    why: str,
    expect: float | None,
    as_json: bool,
) -> None:
    """Evaluate an edited workspace and record it as a candidate."""
    from avogit.commands import manual
    from avogit.records import Plan

    plan = None if expect is None else Plan(subject, expect)
    with _progress() as progress:
        result = manual.submit(path, directory, subject, why, plan, progress)
    _emit(result, as_json, "submit_text")


@cli.command()
@json_option
@click.pass_obj
def prune(path: Path, as_json: bool) -> None:
    """Retire lines by the selection rule; nothing is lost."""
    from avogit.commands import care

    with _progress() as progress:
        result = care.prune(path, progress)
    _emit(result, as_json, "prune_text")


@cli.command()
@click.argument("rev")
@population_option
@json_option
@click.pass_obj
def restore(path: Path, rev: str, population: str | None, as_json: bool) -> None:
    """Give a pruned candidate a live line again."""
    from avogit.commands import care

    _emit(care.restore(path, population, rev), as_json, "restore_text")


@cli.command()
@json_option
@click.pass_obj
def fsck(path: Path, as_json: bool) -> None:
    """Check that the lineage is whole and its numbers are its records'."""
    from avogit.commands import care

    result = care.fsck(path)
    _emit(result, as_json, "fsck_text")
    if any(problem.severity == "error" for problem in result.problems):
        sys.exit(1)


@cli.command()
@click.option("--fix", is_flag=True, help="Remove what dead processes left.")
@json_option
@click.pass_obj
def doctor(path: Path, fix: bool, as_json: bool) -> None:
    """Look at compiler, torch, sandbox and repository."""
    from avogit.commands import care

    findings = care.doctor(path, fix)
    _emit(findings, as_json, "doctor_text")
    if any(finding.level == "problem" for finding in findings):
        sys.exit(1)


@cli.command()
@json_option
@click.pass_obj
def tasks(path: Path, as_json: bool) -> None:
    """List the tasks that ship with avogit and the repository's own."""
    from avogit.commands import read

    _emit(read.tasks(path), as_json, "tasks_text")


@cli.command(context_settings={"ignore_unknown_options": True})
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


def _emit(result: Any, as_json: bool, renderer: str) -> None:
    from avogit import report

    if as_json:
        report.emit(result, True, str)
        return
    from avogit.report import text

    report.emit(result, False, getattr(text, renderer))


def _progress() -> Any:
    from avogit.report import Progress

    return Progress()


def main() -> None:
    """The console script."""
    from avogit.crash import error_boundary

    # `git bisect run` takes 1 to 127 for a verdict, so whatever goes wrong is 128 and up.
    offset = 127 if "--bisect" in sys.argv[1:] else 0
    with error_boundary(offset):
        try:
            status = cli.main(prog_name="avogit", standalone_mode=False)
        except click.Abort:
            raise KeyboardInterrupt from None
        except click.ClickException as error:
            error.show()
            sys.exit(offset + error.exit_code)
        sys.exit(status if isinstance(status, int) else 0)
