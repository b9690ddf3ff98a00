"""Landlock: a process gives up files, TCP, and signals to others, for good.

Owns the kernel interface (no library, so it runs under `python -I -S`). Leaves which paths
a program keeps to `sandbox`.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable

from avogit.processes import libc_call, set_no_new_privs

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_VERSION_FLAG, _PATH_BENEATH = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEVICE = 1 << 14, 1 << 15
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_FILE_RIGHTS_BITS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # by version of the interface
_TCP_VERSION, _SCOPE_VERSION = 4, 6


def version() -> int:
    """The kernel's version of the interface; 0 where it has none."""
    return max(0, libc_call(_CREATE_RULESET, 0, 0, _VERSION_FLAG))


def restrict(read: Iterable[str], write: Iterable[str] = (), *, network: bool = False) -> int:
    """Keep only these paths (and what lies below). Gives the version in force; 0: nothing is."""
    abi = version()
    if abi == 0:
        return 0
    rights = (1 << _FILE_RIGHTS_BITS[min(abi, 5)]) - 1
    attributes = [rights]
    attributes += [0 if network else 3] if abi >= _TCP_VERSION else []
    attributes += [3] if abi >= _SCOPE_VERSION else []
    packed = struct.pack(f"={len(attributes)}Q", *attributes)
    buffer = ctypes.create_string_buffer(packed, len(packed))
    ruleset = libc_call(_CREATE_RULESET, ctypes.addressof(buffer), len(packed), 0)
    if ruleset < 0:
        return 0
    for paths, allowed in ((read, _READ), (write, rights)):
        for path in paths:
            _allow(ruleset, path, rights & allowed)
    set_no_new_privs()
    restricted = libc_call(_RESTRICT_SELF, ruleset, 0) == 0
    os.close(ruleset)
    return abi if restricted else 0


def _allow(ruleset: int, path: str, rights: int) -> None:
    """Add a rule; a path that is not there needs none."""
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not stat.S_ISDIR(os.fstat(parent).st_mode):
        rights &= _ON_FILES
    rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, parent), 12)
    libc_call(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.addressof(rule), 0)
    os.close(parent)
