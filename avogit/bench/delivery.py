"""The far end of a delivery: files that come by name and hash, into a cache folder of the user's.

Owns that folder, the check of what lies there, and the very first program on a host: this
module's text is sent ahead of avogit's modules, so it imports nothing but the standard library.
A file that is there already is not sent again, if its hash is still right. Everything in the
folder can be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import signal
import struct
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

SILENCE_S = 90  # nothing heard for so long: the other side is gone, and so is this process
SIZE = struct.Struct(">Q")  # of a file's bytes, before them
_LENGTH = struct.Struct(">I")  # of a frame, as in `protocol`
_PIECE = 1 << 16


def main() -> None:
    """Take avogit's modules, then be their program."""
    orders, answers = sys.stdin.buffer, sys.stdout.buffer
    kept = cache_folder()
    try:
        offer = json.loads(hear(orders, _LENGTH.unpack(hear(orders, _LENGTH.size))[0]))
        take(orders, answers, kept / offer["folder"], offer["files"])
    except EOFError:
        sys.exit(1)
    except OSError as error:
        sys.exit(cannot_keep(error))
    sys.path.insert(0, str((kept / offer["folder"]).parent))
    sys.exit(importlib.import_module("avogit.bench.host").main())


def cache_folder() -> Path:
    """Where what was sent is kept."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "avogit" / "bench"


def take(orders: IO[bytes], answers: IO[bytes], folder: Path, files: Mapping[str, str]) -> None:
    """Have the folder hold these files (name -> SHA-256): ask for those that it lacks."""
    missing = [name for name, digest in files.items() if not _holds(folder / name, digest)]
    wanted = json.dumps({"is": "Wanted", "names": missing}).encode()
    answers.write(_LENGTH.pack(len(wanted)) + wanted)
    answers.flush()
    for name in missing:
        data = hear(orders, SIZE.unpack(hear(orders, SIZE.size))[0])
        if hashlib.sha256(data).hexdigest() != files[name]:
            raise OSError(0, f"{name} is not what was announced")
        _keep(folder / name, data)


def hear(stream: IO[bytes], size: int) -> bytes:
    """So many bytes. The alarm ends this process where nobody speaks any more."""
    parts = []
    while size:
        signal.alarm(SILENCE_S)
        part = stream.read(min(size, _PIECE))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def cannot_keep(error: OSError) -> str:
    """The last words of a process that has no place for its files."""
    return f"cannot keep avogit's files in {cache_folder()}: {error.strerror}"


def _holds(path: Path, digest: str) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == digest
    except OSError:
        return False


def _keep(path: Path, data: bytes) -> None:
    """Whole or not at all: others may be at the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".new-", delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), 0o644)  # a runner may have another uid
            Path(file.name).replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                Path(file.name).unlink()
            raise
