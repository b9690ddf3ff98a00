"""Where artefacts lie: kept under the hash of everything that made them, checked when found.

Owns the cache's folders and the sweep. Leaves making an artefact to each language's builder.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from avogit.build import Artefact, BuildFailure, BuildOrder
from avogit.errors import AvogitError

_KEPT_ARTEFACTS = 1000


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one order is built: what it depends on beside the order, and what it leaves."""

    output: str  # the artefact's file name; `make` leaves it in the scratch folder itself
    identity: tuple[str, ...]  # compiler, fixed flags, processor, ...
    compiler: str
    library_dirs: tuple[str, ...]
    make: Callable[[Path], BuildFailure | None]  # in a scratch folder with `work` in it


def obtain(order: BuildOrder, store: Path, recipe: Recipe) -> Artefact | BuildFailure:
    """Build, or take what the same inputs gave before."""
    folder = store / _key(order, recipe.identity)
    cached = _cached(folder, recipe)
    if cached is not None:
        return cached
    store.mkdir(parents=True, exist_ok=True)
    _sweep(store)
    with tempfile.TemporaryDirectory(prefix=".build-", dir=store) as scratch:
        work = Path(scratch) / "work"
        _lay_out(work, order)
        failure = recipe.make(Path(scratch))
        if failure is not None:
            return failure
        _keep(Path(scratch), folder, recipe.output)
    kept = _cached(folder, recipe)
    if kept is None:
        raise AvogitError(f"cannot keep artefacts in {store}: is its disk full, or read-only?")
    return kept


def _key(order: BuildOrder, identity: Iterable[str]) -> str:
    digest = hashlib.sha256()
    parts = [*identity, *order.sources, *order.flags]
    parts += [json.dumps(order.device.facts(), sort_keys=True)] if order.device else []
    parts += [json.dumps(order.workloads, sort_keys=True)] if order.workloads else []
    for name in sorted(order.files):
        parts += [name, hashlib.sha256(order.files[name]).hexdigest()]
    for part in parts:
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:40]


def _cached(folder: Path, recipe: Recipe) -> Artefact | None:
    path = folder / recipe.output
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        noted = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if noted.get("sha256") != digest:
        shutil.rmtree(folder, ignore_errors=True)
        return None
    os.utime(folder)
    return Artefact(path, digest, recipe.library_dirs, recipe.compiler)


def _lay_out(work: Path, order: BuildOrder) -> None:
    work.mkdir()
    for name, data in order.files.items():
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _keep(scratch: Path, folder: Path, output: str) -> None:
    """Move a finished artefact to its place; another process may have been first."""
    built = scratch / "built"
    built.mkdir()
    artefact = built / output
    shutil.copyfile(scratch / output, artefact, follow_symlinks=False)
    artefact.chmod(0o444)
    digest = hashlib.sha256(artefact.read_bytes()).hexdigest()
    (built / "meta.json").write_text(json.dumps({"sha256": digest}), encoding="utf-8")
    try:
        built.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def _sweep(store: Path) -> None:
    """Forget the artefacts that were used longest ago; all can be built again."""
    folders = [f for f in store.iterdir() if not f.name.startswith(".")]
    if len(folders) < _KEPT_ARTEFACTS:
        return
    folders.sort(key=lambda folder: folder.stat().st_mtime)
    for folder in folders[: _KEPT_ARTEFACTS // 4]:
        shutil.rmtree(folder, ignore_errors=True)
