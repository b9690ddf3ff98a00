"""Builders, one a language: sources of a candidate -> an artefact that a runner loads.

Owns the registry and what a builder is given and gives. Leaves each language to its module.
A candidate that does not compile is a value (`BuildFailure`), never an exception.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from avogit.devices import Device


@dataclass(frozen=True, slots=True)
class BuildOrder:
    """What to build: `files` holds sources and what they may include, by relative path."""

    files: Mapping[str, bytes]
    sources: tuple[str, ...]
    flags: tuple[str, ...]
    timeout_s: float
    device: Device | None = None  # for a GPU: what it is built for
    workloads: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # to plan launches


@dataclass(frozen=True, slots=True)
class Artefact:
    """A built candidate, kept under the hash of everything that made it."""

    path: Path
    sha256: str
    library_dirs: tuple[str, ...]  # where its runtime libraries lie, beyond the system's
    compiler: str


@dataclass(frozen=True, slots=True)
class BuildFailure:
    """Why there is no artefact: a short code, and the compiler's words, bounded."""

    reason: str
    output: str


class Builder(Protocol):
    def __call__(
        self, order: BuildOrder, store: Path, *, bubblewrap: bool = True
    ) -> Artefact | BuildFailure: ...


from avogit.build import cuda, cxx, triton  # noqa: E402  (they need the classes above)

BUILDERS: dict[str, Builder] = {"cpp": cxx.build, "cuda": cuda.build, "triton": triton.build}
GPU_LANGUAGES = frozenset({"cuda", "triton"})
NOOPS: dict[str, Callable[[str], BuildOrder]] = {"cpp": cxx.noop}  # entry -> does nothing
