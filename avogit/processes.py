"""How avogit's other programs are started, and the few kernel calls that Python lacks.

Owns the command line of a program of ours and its tie to the life of its parent. Leaves
what it may do to `sandbox`. Imports nothing outside the standard library: it also runs under
`python -I -S`.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import BinaryIO

PACKAGE = Path(__file__).resolve().parent
_SET_PDEATHSIG, _SET_NO_NEW_PRIVS = 1, 38

# Loads this very package, whatever else of that name lies on the path, and nothing from
# the working directory: a file torch.py there must not become our torch.
_START = """
import sys, importlib, importlib.util as u
sys.path[:] = [p for p in sys.path if p]
s = u.spec_from_file_location("avogit", sys.argv[1] + "/__init__.py",
                              submodule_search_locations=[sys.argv[1]])
m = sys.modules["avogit"] = u.module_from_spec(s)
s.loader.exec_module(m)
sys.exit(importlib.import_module(sys.argv[2]).main(sys.argv[3:]))
"""
_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def program(module: str, *arguments: str, bare: bool) -> list[str]:
    """The command that runs `module.main(arguments)`; bare: without site packages."""
    flags = ["-I", "-S"] if bare else []
    return [sys.executable, *flags, "-c", _START, str(PACKAGE), module, *arguments]


def claim_streams() -> tuple[BinaryIO, BinaryIO]:
    """Keep stdin and stdout for frames alone; what trusted code prints goes to stderr."""
    orders, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    return orders, answers


def libc_call(number: int, *arguments: int) -> int:
    """A system call by number; -1 on error, as in C."""
    return int(_libc.syscall(ctypes.c_long(number), *(ctypes.c_long(a) for a in arguments)))


def unshare(flags: int) -> bool:
    """Leave the namespaces of the parent. False where it may not."""
    return int(_libc.unshare(ctypes.c_int(flags))) == 0


def set_no_new_privs() -> None:
    """No program that this process starts gains rights by being set-uid."""
    _libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def die_with_parent() -> None:
    """Be killed when the parent thread ends. A change of credentials undoes it: call after."""
    _libc.prctl(_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def exit_if_orphaned(parent: int) -> None:
    """End here when the parent was gone before `die_with_parent` could know."""
    if os.getppid() != parent:
        os._exit(1)
