"""What avogit, the oracle and the runners say to each other.

Owns the frames (a length and JSON, parsed into frozen dataclasses; never pickle), the two
16-byte frames of a timed call, and the switches of the defences. Leaves what the words mean
to the programs. Imports no torch: every process uses it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import functools
import json
import struct
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from avogit.sandbox import Layers

MAX_FRAME = 64 << 20
TOKEN = struct.Struct("=Q8s")  # index of the case, nonce: "go", and the same again: "done"
READY = TOKEN.pack((1 << 64) - 1, b"\0" * 8)
COPIED = TOKEN.pack((1 << 64) - 2, b"\0" * 8)  # from the baseline: its result lies in its buffer
EXIT_LOAD, EXIT_ENTRY = 71, 72  # a runner could not load the artefact; found no entry in it
_LENGTH = struct.Struct(">I")


class ProtocolError(Exception):
    """The other side said what it must not say, or went away in the middle of it."""


@dataclass(frozen=True, slots=True)
class Defences:
    """What keeps cheats out. All on; a test switches one off to show the cheat that it stops."""

    namespaces: bool = True
    landlock: bool = True
    seccomp: bool = True
    readonly_inputs: bool = True
    fresh_inputs: bool = True
    hard_inputs: bool = True  # every kind of input, not the first alone
    odd_shapes: bool = True  # the task's shapes that are never timed
    poison: bool = True
    guards: bool = True
    stop_at_done: bool = True
    done_token: bool = True
    count_threads: bool = True
    check_timed: bool = True
    speed_limit: bool = True

    def layers(self) -> Layers:
        return Layers(self.namespaces, self.landlock, self.seccomp)


@dataclass(frozen=True, slots=True)
class WorkloadSpec:
    name: str
    params: Mapping[str, int]
    nbytes: Mapping[str, int] = field(default_factory=dict)  # of a GPU task's buffers, by name


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """The first frame to an oracle: what it will judge until it ends."""

    folder: str  # holds the trusted files, problem.py among them
    entry: str
    arguments: tuple[str, ...]
    workloads: tuple[WorkloadSpec, ...]
    shapes: tuple[WorkloadSpec, ...]
    row_rmse: float
    threads: int
    max_gflops: float
    call_timeout_s: float
    held_out: tuple[WorkloadSpec, ...] = ()
    device: str = ""  # a name in `avogit.devices`; empty: this machine's processor


@dataclass(frozen=True, slots=True)
class Hello:
    """The oracle's answer to a `TaskSpec`: what it measures with, as it is where it runs."""

    baseline: str
    device: str  # its name, for people
    sandbox: tuple[str, ...]  # layers that hold there, as probed
    certified: bool


@dataclass(frozen=True, slots=True)
class ArmSpec:
    name: str
    artefact: str


@dataclass(frozen=True, slots=True)
class Order:
    """Judge the first arm; the others are its rivals."""

    arms: tuple[ArmSpec, ...]
    rival: str  # the arm whose comparison decides when to stop; empty: the baseline
    sample: str
    budget_s: float
    confidence: float
    noop: str  # artefact of a kernel that does nothing
    library_dirs: tuple[str, ...]
    defences: Defences = field(default_factory=Defences)
    beside: tuple[str, ...] = ()  # baselines of problem.py's that are shown and decide nothing
    sustained_s: float = 0.0  # how long to measure at the card's power limit, after the rest
    audit: bool = False  # whether the device's own checker looks at the candidate
    busy_wait_s: float = 0.0  # how long to wait where others use the device


@dataclass(frozen=True, slots=True)
class Report:
    """The oracle's verdict, with raw times in nanoseconds: blocks[i][workload][arm]."""

    verdict: str
    reason: str = ""
    detail: str = ""
    blocks: tuple[Mapping[str, Mapping[str, tuple[int, ...]]], ...] = ()
    confidence: float = 0.0  # of the intervals that these blocks give
    checked_calls: int = 0
    worst_row_rmse: float = 0.0
    repeated_rounds: int = 0  # because something interfered
    overhead_us: float = 0.0
    seeds: Mapping[str, str] = field(default_factory=dict)
    stages_s: Mapping[str, float] = field(default_factory=dict)
    voids: tuple[str, ...] = ()  # why blocks did not count, one text each
    machine: Mapping[str, object] = field(default_factory=dict)  # what the device said of itself
    sustained: tuple[Mapping[str, Mapping[str, tuple[int, ...]]], ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    text: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The user or their machine must act: the text says how."""

    text: str


@dataclass(frozen=True, slots=True)
class Region:
    """A float32 tensor in a shared buffer."""

    name: str
    offset: int  # bytes
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of call: where its tensors lie, and its parameters."""

    name: str
    params: Mapping[str, int]
    inputs: tuple[Region, ...]
    out: Region


@dataclass(frozen=True, slots=True)
class Spawn:
    """To a zygote: fork a runner. The file descriptors travel beside it, in `SPAWN_FDS` order."""

    artefact: str  # empty for the baseline
    entry: str
    arguments: tuple[str, ...]
    cases: tuple[Case, ...]
    input_bytes: int
    output_bytes: int
    cores: tuple[int, ...]
    threads: int
    read: tuple[str, ...]
    writable_inputs: bool
    layers: Layers


SPAWN_FDS = ("go", "done", "inputs", "output", "words", "status")


def send(stream: IO[bytes], message: object) -> None:
    """Write one frame: the dataclass's name and fields."""
    data = encode(message)
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def receive(stream: IO[bytes], *kinds: type[Any]) -> Any:
    """Read one frame of one of these kinds. `EOFError` where the stream ended between frames."""
    head = stream.read(_LENGTH.size)
    if not head:
        raise EOFError
    if len(head) < _LENGTH.size:
        raise ProtocolError("a frame's length is cut off")
    (length,) = _LENGTH.unpack(head)
    if length > MAX_FRAME:
        raise ProtocolError(f"a frame of {length} bytes")
    data = stream.read(length)
    if len(data) < length:
        raise ProtocolError("a frame is cut off")
    return decode(data, *kinds)


def encode(message: object) -> bytes:
    """A dataclass as JSON, with its name."""
    assert dataclasses.is_dataclass(message)
    assert not isinstance(message, type)
    document = {"is": type(message).__name__, **dataclasses.asdict(message)}
    return json.dumps(document).encode()


def decode(data: bytes, *kinds: type[Any]) -> Any:
    """The dataclass that this JSON says, if it is one of these kinds."""
    try:
        document = json.loads(data)
    except ValueError as error:
        raise ProtocolError(f"not JSON: {error}") from error
    by_name = {kind.__name__: kind for kind in kinds}
    if not isinstance(document, dict) or document.get("is") not in by_name:
        raise ProtocolError(f"expected {' or '.join(by_name)}")
    return _parse(by_name[document.pop("is")], document)


def _parse(kind: Any, value: Any) -> Any:
    """A value of a type: dataclass, tuple of one type, mapping from str, union, or scalar."""
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        return _parse_one_of(typing.get_args(kind), value)
    if kind is object:
        return value
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _parse_member(kind, value)
    if dataclasses.is_dataclass(kind) and isinstance(value, dict):
        return _parse_fields(kind, value)
    if origin is tuple and isinstance(value, list):
        (item, _) = typing.get_args(kind)
        return tuple(_parse(item, v) for v in value)
    if origin is not None and issubclass(origin, Mapping) and isinstance(value, dict):
        (_, item) = typing.get_args(kind)
        return {k: _parse(item, v) for k, v in value.items()}
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is kind:
        return value
    raise ProtocolError(f"expected {kind}, found {str(value)[:80]!r}")


def _parse_one_of(kinds: tuple[Any, ...], value: Any) -> Any:
    for kind in kinds:
        with contextlib.suppress(ProtocolError):
            return _parse(kind, value)
    raise ProtocolError(f"expected one of {kinds}, found {str(value)[:80]!r}")


def _parse_member(kind: type[enum.Enum], value: Any) -> enum.Enum:
    try:
        return kind(value)
    except ValueError as error:
        raise ProtocolError(str(error)) from error


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _parse_fields(kind: Any, document: Mapping[str, Any]) -> Any:
    hints = _hints(kind)
    unknown = set(document) - set(hints)
    if unknown:
        raise ProtocolError(f"{kind.__name__} has no {sorted(unknown)[0]}")
    values = {name: _parse(hints[name], value) for name, value in document.items()}
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise ProtocolError(str(error)) from error
