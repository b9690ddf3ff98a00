"""What another machine needs to evaluate: files by name, known by their hashes.

Owns which files those are and what they are called there. An order travels with artefacts
under their hashes, so that equal ones are there once. Leaves carrying them to `job` (a folder)
and `ssh` (a connection).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from avogit.bench.protocol import Order
from avogit.errors import AvogitError
from avogit.processes import PACKAGE

MODULES, TASK, ARTEFACTS = "avogit", "task", "artefacts"
_DATA = ("templates", "hooks", "kernels")  # in the package where avogit is installed


def modules() -> dict[str, Path]:
    """avogit's own modules: no caches, and no templates, hooks or tasks."""
    found = files_below(PACKAGE)
    return {
        name: path
        for name, path in found.items()
        if path.suffix == ".py" and name.split("/", 1)[0] not in _DATA
    }


def files_below(folder: Path) -> dict[str, Path]:
    """A folder's files, by their paths in it."""
    files = (p for p in sorted(folder.rglob("*")) if p.is_file() and "__pycache__" not in p.parts)
    return {path.relative_to(folder).as_posix(): path for path in files}


def packed(order: Order) -> tuple[Order, dict[str, Path]]:
    """The order with its artefacts under their hashes, and those files."""
    files: dict[str, Path] = {}

    def pack(path: str) -> str:
        name = file_hash(Path(path))
        files[name] = Path(path)
        return f"{ARTEFACTS}/{name}"

    return _renamed(order, pack), files


def unpacked(folder: Path, order: Order) -> Order:
    """A packed order, with the paths that its artefacts have below this folder."""
    return _renamed(order, lambda name: str((folder / name).resolve()))


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise AvogitError(f"cannot read {path}: {error.strerror}") from error


def hashes(files: Mapping[str, Path]) -> dict[str, str]:
    """The hash of each."""
    return {name: file_hash(path) for name, path in files.items()}


def hash_of_all(hashed: Mapping[str, str]) -> str:
    """One hash of many files, names and contents."""
    lines = [f"{name}\0{digest}\n" for name, digest in sorted(hashed.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _renamed(order: Order, rename: Callable[[str], str]) -> Order:
    arms = tuple(replace(arm, artefact=rename(arm.artefact)) for arm in order.arms)
    return replace(order, arms=arms, noop=rename(order.noop) if order.noop else "")
