"""`python -m avogit.bench run JOB -o RESULT`: carry out a job that `avogit job export` wrote.

Needs Python, torch, and the folder; nothing else of avogit's is used.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from avogit.bench.job import run_job, write_result
from avogit.errors import EXIT_OK, AvogitError


def main(argv: list[str]) -> int:
    """Parse the command line, run, and say in one line what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m avogit.bench", description=__doc__)
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="carry out a job on this machine")
    run.add_argument("job", type=Path, help="the job's folder")
    run.add_argument("-o", "--output", type=Path, required=True, help="where the result goes")
    chosen = parser.parse_args(argv)
    try:
        result = run_job(chosen.job, _say if sys.stderr.isatty() else lambda text: None)
        write_result(chosen.output, result)
    except AvogitError as error:
        sys.stderr.write(f"avogit.bench: {error}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"avogit.bench: cannot write {chosen.output}: {error.strerror}\n")
        return 1
    for verdict in result.verdicts:
        print(f"{verdict.tree[:10]}  {verdict.report.verdict}  {verdict.report.reason}".rstrip())
    return EXIT_OK


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
