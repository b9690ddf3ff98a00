"""The error boundary: what reaches the user when a command cannot end well.

A user error is one line on stderr. Our own bug leaves a log that pastes into an issue:
versions first, then what was run, then the traceback. Ctrl-C is no bug.
"""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path

import avogit
from avogit.errors import EXIT_BUG, EXIT_INTERRUPTED, AvogitError


@contextlib.contextmanager
def error_boundary(offset: int = 0) -> Iterator[None]:
    """Turn whatever escapes into words and an exit code; `offset` is added to every code.

    `git bisect run` reads 1 to 127 as a verdict, so its command moves errors to 128 and up.
    """
    try:
        yield
    except AvogitError as error:
        print(f"avogit: {error}", file=sys.stderr)
        sys.exit(offset + error.exit_code)
    except BrokenPipeError:
        # `avogit log | head` closed our stdout: that is the reader's choice. Python would
        # complain once more while flushing at exit, so stdout is pointed at nothing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_INTERRUPTED)
    except KeyboardInterrupt:
        print("avogit: interrupted; everything measured so far is in git", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the one place where a bug is met
        print(f"avogit: this is a bug in avogit: {_one_line(error)}", file=sys.stderr)
        print(f"avogit: the log for an issue is {_write_log()}", file=sys.stderr)
        sys.exit(offset + EXIT_BUG)


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _write_log() -> str:
    text = (
        f"### Versions\n\navogit {avogit.__version__}, Python {platform.python_version()}, "
        f"{platform.platform()}\n\n### Command\n\n`{' '.join(sys.argv)}`\n\n"
        f"### Traceback\n\n```\n{traceback.format_exc()}```\n"
    )
    try:
        handle, name = tempfile.mkstemp(prefix="avogit-bug-", suffix=".md")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError:
        print(text, file=sys.stderr)
        return "above"
    return str(Path(name))
