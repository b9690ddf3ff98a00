"""The evaluator's version: other code, other verdicts."""

from __future__ import annotations

import functools
import hashlib

from avogit.processes import PACKAGE

_CODE = ("bench", "build", "evaluation", "sandbox")
_FILES = ("bundle.py", "devices.py", "processes.py", "statistics.py")


@functools.cache
def evaluator_version() -> str:
    """`sha256:...` of the code that judges."""
    paths = [path for name in _CODE for path in (PACKAGE / name).rglob("*.py")]
    paths += [PACKAGE / name for name in _FILES]
    digest = hashlib.sha256()
    for path in sorted(paths):
        name = path.relative_to(PACKAGE).as_posix()
        digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return f"sha256:{digest.hexdigest()}"
