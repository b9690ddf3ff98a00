"""Launch plans: JSON that a candidate's `launch.py` returned -> frozen values.

Owns the schema: which fields there are, their types and ranges. Leaves to `plan_checks` what
depends on the kernels, the buffers and the device. A plan is untrusted data: whatever is not
exactly as described here is refused, with a reason that has a name.

    {"workspaces": {"partial": 1048576},
     "tensor_maps": {"keys": {"buffer": "k", "dtype": "bf16", "shape": [128, 4096],
                              "strides": [256], "box": [64, 128], "swizzle": 128}},
     "launches": [{"kernel": "attention", "grid": [132, 1, 1], "block": [384, 1, 1],
                   "cluster": [2, 1, 1], "shared_bytes": 231424,
                   "arguments": [{"buffer": "q"}, {"buffer": "k", "offset": 4096},
                                 {"workspace": "partial"}, {"tensor_map": "keys"},
                                 {"i32": 4096}, {"f32": 0.088}, {"null": true}]}]}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

MOST_LAUNCHES, MOST_ARGUMENTS, MOST_NAMES = 64, 256, 64
ADDRESS_LIKE = 1 << 40  # a whole number this large can only be meant as an address
LARGEST_WORKSPACES = 4 << 30  # bytes, of one call, together
_MOST_TEXT = 200
_LARGEST_FLOAT32 = 3.4028234663852886e38
_TENSOR_RANKS = range(1, 6)
ELEMENT_BYTES = {"u8": 1, "f16": 2, "bf16": 2, "u32": 4, "i32": 4, "f32": 4}
SWIZZLES = (0, 32, 64, 128)
SCALAR_BYTES = {"i32": 4, "u32": 4, "i64": 8, "f32": 4}
_RANGES = {
    "i32": (-(1 << 31), (1 << 31) - 1),
    "u32": (0, (1 << 32) - 1),
    "i64": (1 - ADDRESS_LIKE, ADDRESS_LIKE - 1),
}

Dim3 = tuple[int, int, int]


class PlanRefused(Exception):
    """A plan that will not be launched: a reason code, and what is wrong where."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Memory:
    """A place in a buffer of the task's (an input, `out`) or in a workspace of the plan's."""

    name: str
    workspace: bool
    offset: int


@dataclass(frozen=True, slots=True)
class TensorMap:
    """What the copy engine is told of a tensor: fastest dimension first, strides in bytes."""

    memory: Memory
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # of all dimensions but the fastest
    box: tuple[int, ...]
    swizzle: int  # bytes; 0 for none


@dataclass(frozen=True, slots=True)
class Scalar:
    kind: str
    value: int | float


@dataclass(frozen=True, slots=True)
class MapArgument:
    """A tensor map, passed by value."""

    name: str


@dataclass(frozen=True, slots=True)
class Null:
    """A pointer to nothing."""


Argument = Memory | Scalar | MapArgument | Null


@dataclass(frozen=True, slots=True)
class Launch:
    """One kernel launch."""

    kernel: str
    grid: Dim3
    block: Dim3
    cluster: Dim3
    shared_bytes: int  # dynamic
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """Everything that one call of a workload launches, in order, on one stream."""

    workspaces: Mapping[str, int]  # bytes
    tensor_maps: Mapping[str, TensorMap]
    launches: tuple[Launch, ...]


def parse_plan(document: object) -> LaunchPlan:
    """A plan from what JSON gave."""
    fields = _Fields("plan", document, ("workspaces", "tensor_maps", "launches"))
    plan = LaunchPlan(
        workspaces=fields.named("workspaces", _workspace),
        tensor_maps=fields.named("tensor_maps", _tensor_map),
        launches=fields.sequence("launches", MOST_LAUNCHES, _launch),
    )
    if not plan.launches:
        raise PlanRefused("no-launches", "a plan that launches nothing")
    total = sum(plan.workspaces.values())
    if total > LARGEST_WORKSPACES:
        detail = f"{total} bytes in all, at most {LARGEST_WORKSPACES} are given"
        raise PlanRefused("workspace-too-large", detail)
    return plan


def _workspace(where: str, document: object) -> int:
    return _whole(where, document, 1, LARGEST_WORKSPACES)


def _launch(where: str, document: object) -> Launch:
    known = ("kernel", "grid", "block", "cluster", "shared_bytes", "arguments")
    fields = _Fields(where, document, known)
    return Launch(
        kernel=fields.text("kernel"),
        grid=fields.dim3("grid"),
        block=fields.dim3("block"),
        cluster=fields.dim3("cluster", (1, 1, 1)),
        shared_bytes=fields.whole("shared_bytes", 0, 1 << 20, 0),
        arguments=fields.sequence("arguments", MOST_ARGUMENTS, _argument),
    )


def _argument(where: str, document: object) -> Argument:
    if isinstance(document, dict) and len(document) == 1:
        ((kind, value),) = document.items()
        if kind in SCALAR_BYTES:
            return _scalar(where, kind, value)
        if kind == "null" and value is True:
            return Null()
        if kind == "tensor_map":
            return MapArgument(_text(where, value))
    return _memory(_Fields(where, document, ("buffer", "workspace", "offset")))


def _memory(fields: _Fields) -> Memory:
    kinds = [kind for kind in ("buffer", "workspace") if kind in fields.document]
    if len(kinds) != 1:
        fields.refuse("names no single buffer or workspace, and is no scalar that is known")
    (kind,) = kinds
    return Memory(
        name=fields.text(kind),
        workspace=kind == "workspace",
        offset=fields.whole("offset", 0, ADDRESS_LIKE, 0),
    )


def _scalar(where: str, kind: str, value: object) -> Scalar:
    if kind == "f32":
        if type(value) not in (int, float) or not _is_float32(value):
            raise PlanRefused("not-a-plan", f"{where}: {_shown(value)} is no finite float32")
        return Scalar(kind, float(value))  # type: ignore[arg-type]
    low, high = _RANGES[kind]
    if kind == "i64" and type(value) is int and not low <= value <= high:
        raise PlanRefused(
            "address-like", f"{where}: {_shown(value)} can only be meant as an address"
        )
    return Scalar(kind, _whole(where, value, low, high))


def _tensor_map(where: str, document: object) -> TensorMap:
    known = ("buffer", "workspace", "offset", "dtype", "shape", "strides", "box", "swizzle")
    fields = _Fields(where, document, known)
    tensor = TensorMap(
        memory=_memory(fields),
        dtype=fields.text("dtype"),
        shape=fields.numbers("shape", 1, 1 << 32),
        strides=fields.numbers("strides", 1, ADDRESS_LIKE - 1),
        box=fields.numbers("box", 1, 256),
        swizzle=fields.whole("swizzle", 0, 128, 0),
    )
    rank = len(tensor.shape)
    if tensor.dtype not in ELEMENT_BYTES or tensor.swizzle not in SWIZZLES:
        fields.refuse(f"dtype {tensor.dtype!r} or swizzle {tensor.swizzle} is not known")
    if rank not in _TENSOR_RANKS or len(tensor.strides) != rank - 1 or len(tensor.box) != rank:
        fields.refuse("shape, box (as many) and strides (one less) must go together, 5 at most")
    return tensor


class _Fields:
    """Reads one mapping; whatever is not as described raises `not-a-plan`."""

    def __init__(self, where: str, document: object, known: tuple[str, ...]) -> None:
        self.where = where
        if not isinstance(document, dict):
            self.refuse(f"expected fields, found {_shown(document)}")
        assert isinstance(document, dict)
        unknown = [name for name in document if name not in known]
        if unknown:
            self.refuse(f"unknown field {_shown(unknown[0])}; known: {', '.join(known)}")
        self.document: dict[str, Any] = document

    def refuse(self, why: str) -> None:
        raise PlanRefused("not-a-plan", f"{self.where}: {why}")

    def whole(self, name: str, low: int, high: int, default: int | None = None) -> int:
        if name not in self.document and default is not None:
            return default
        return _whole(f"{self.where}.{name}", self.document.get(name), low, high)

    def text(self, name: str) -> str:
        return _text(f"{self.where}.{name}", self.document.get(name))

    def dim3(self, name: str, default: Dim3 | None = None) -> Dim3:
        if name not in self.document and default is not None:
            return default
        found = self.numbers(name, 1, (1 << 31) - 1)
        if len(found) != 3:
            self.refuse(f"{name} has {len(found)} numbers, not 3")
        return (found[0], found[1], found[2])

    def numbers(self, name: str, low: int, high: int) -> tuple[int, ...]:
        found: tuple[int, ...] = self.sequence(
            name, 8, lambda where, item: _whole(where, item, low, high)
        )
        return found

    def sequence(self, name: str, most: int, read: Callable[[str, object], Any]) -> Any:
        items = self.document.get(name)
        if not isinstance(items, list) or len(items) > most:
            self.refuse(f"{name} must be a list of at most {most}")
        assert isinstance(items, list)
        return tuple(read(f"{self.where}.{name}[{i}]", item) for i, item in enumerate(items))

    def named(self, name: str, read: Callable[[str, object], Any]) -> Any:
        items = self.document.get(name, {})
        if not isinstance(items, dict) or len(items) > MOST_NAMES:
            self.refuse(f"{name} must have names, {MOST_NAMES} at most")
        return {
            _text(f"{self.where}.{name}", key): read(f"{self.where}.{name}.{_shown(key)}", item)
            for key, item in items.items()
        }


def _whole(where: str, value: object, low: int, high: int) -> int:
    if type(value) is not int:
        raise PlanRefused("not-a-plan", f"{where}: {_shown(value)} is no whole number")
    if not low <= value <= high:
        raise PlanRefused("out-of-range", f"{where}: {_shown(value)} is not in {low}..{high}")
    return value


def _text(where: str, value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _MOST_TEXT or not value.isprintable():
        raise PlanRefused("not-a-plan", f"{where}: {_shown(value)} is no name")
    return value


def _is_float32(value: Any) -> bool:
    return bool(abs(value) <= _LARGEST_FLOAT32)  # false for what is not a number


def _shown(value: object) -> str:
    return ascii(value)[:60]
