"""Options in, one call into `commands`, the result out to `report`. Nothing else.

Commands import what they need when they run: `avogit --help` and shell completion must not
wait for git, YAML or the report's tables.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from avogit import __version__
from avogit.cli import (
    build,
    care,
    evolve,
    guide,
    hook,
    job,
    manual,
    mcp,
    measure,
    read,
    review,
    share,
    stop,
    view,
)

_HELP = {"help_option_names": ["-h", "--help"]}
_COMMANDS = (
    evolve.init,
    evolve.seed,
    evolve.step,
    evolve.run,
    stop.stop,
    read.log,
    view.tree,
    view.plot,
    view.report,
    read.show,
    read.best,
    guide.plans,
    guide.cost,
    guide.lessons,
    measure.measure,
    measure.profile,
    manual.checkout,
    manual.submit,
    share.sync,
    share.bundle,
    share.import_,
    *review.COMMANDS,
    mcp.mcp,
    care.prune,
    care.restore,
    care.fsck,
    care.doctor,
    care.selftest,
    job.job,
    build.build,
    care.gc,
    read.tasks,
    hook.hook,
)


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


for _command in _COMMANDS:
    cli.add_command(_command)


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
