"""Exceptions that end a command, and the exit codes they mean.

    AvogitError          1   the user (or their machine) must act: one line, what we did,
    |                        what we found, what to try
    +-- UsageError       2   the words on the command line do not make sense
    +-- Interrupted    130   Ctrl-C

Anything else that escapes is our bug (exit 3, see crash.py). A kernel that fails is never
an exception: it is a `Verdict`.
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_USER = 1
EXIT_USAGE = 2
EXIT_BUG = 3
EXIT_INTERRUPTED = 130


class AvogitError(Exception):
    """What we did, what we found, what to try, in one line."""

    exit_code = EXIT_USER


class UsageError(AvogitError):
    """The command line asks for something that does not make sense."""

    exit_code = EXIT_USAGE


class Interrupted(AvogitError):
    """The user asked us to stop."""

    exit_code = EXIT_INTERRUPTED
