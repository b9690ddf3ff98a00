"""What the oracle and a launcher say to each other: JSON frames of `bench.protocol`, no others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Born:
    """A launcher's first word: it has a context and waits."""

    pid: int


@dataclass(frozen=True, slots=True)
class Arena:
    """An allocation of the oracle's."""

    handle: str  # to map it by, in hexadecimal
    nbytes: int


@dataclass(frozen=True, slots=True)
class Place:
    """A tensor in an arena."""

    arena: str
    offset: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class LaunchCase:
    """One kind of call. `rings`: for each place of the ring, where its tensors lie by name."""

    name: str
    rings: tuple[Mapping[str, Place], ...]


@dataclass(frozen=True, slots=True)
class Load:
    """Map these arenas, load this bundle, bind its plans. Answered by `Loaded` or `Broken`."""

    bundle: str
    device: str  # a name in `avogit.devices`, whose limits the plans must keep
    arenas: Mapping[str, Arena]
    cases: tuple[LaunchCase, ...]
    fill: int  # a word that workspaces are filled with first


@dataclass(frozen=True, slots=True)
class Loaded:
    """All is bound."""


@dataclass(frozen=True, slots=True)
class Go:
    """Launch a case so often, from this place of the ring on. Answered by `Done` or `Broken`."""

    case: int
    ring: int
    launches: int
    hold_cycles: int  # of the spin ahead of the first event
    nonce: str


@dataclass(frozen=True, slots=True)
class Done:
    """All of it ended. Times by events."""

    nonce: str
    queued_us: float  # by the launcher's clock, from the order to hold until all was queued
    hold_us: float
    launches_us: float  # of all launches, as one
    sm_mhz: float  # of the multiprocessors' clock in the launches; 0 where it is not known


@dataclass(frozen=True, slots=True)
class Broken:
    """The driver reported an error; the launcher ends."""

    stage: str  # "load" or "run"
    code: str  # as the driver calls it
    detail: str
