"""task.yaml -> `Task`: what is optimised, on which workloads, and which files may change.

Owns the format of a task folder and its version. Leaves running `problem.py` to the oracle
(`bench`), compiling to `build`, and reading git to `store`: a `Task` is made from the bytes
of a folder, wherever they came from.
"""

from __future__ import annotations

import fnmatch
import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from avogit.errors import AvogitError

FORMAT = 1
TASK_FILE = "task.yaml"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
_TUNABLE = re.compile(
    rb"^(?P<before>(?:\s*constexpr\s+\w+\s+)?(?P<name>\w+)\s*=\s*)(?P<value>-?\d+)"
    rb"(?P<after>\s*(?:;\s*//|#)\s*tune:\s*(?P<choices>-?\d+(?:\s+-?\d+)*)\s*)$",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Workload:
    """One shape: a name, and integer parameters by name (booleans are 0 and 1)."""

    name: str
    params: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Correctness:
    """What a candidate's answers must satisfy before it is timed."""

    row_rmse: float  # worst row's RMS error relative to the row's RMS, against float64
    shapes: tuple[Workload, ...]  # odd shapes, checked and never timed
    held_out: tuple[Workload, ...] = ()  # checked when a champion is confirmed, and only then

    @property
    def only_checked(self) -> tuple[Workload, ...]:
        return (*self.shapes, *self.held_out)


@dataclass(frozen=True, slots=True)
class Buffer:
    """A tensor of a GPU task. An extent is a number, or the name of a workload's parameter."""

    shape: tuple[int | str, ...]
    element_bytes: int

    def nbytes(self, params: Mapping[str, int]) -> int:
        extents = (params[e] if isinstance(e, str) else e for e in self.shape)
        return math.prod(extents, start=self.element_bytes)


@dataclass(frozen=True, slots=True)
class Build:
    """How sources become an artefact."""

    language: str  # a name in avogit.build.BUILDERS
    sources: tuple[str, ...]
    flags: tuple[str, ...]
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Task:
    """A task folder, parsed. `files` holds every file of it, `path` says where it lies."""

    path: str  # folder relative to the repository's root, no trailing slash
    name: str
    summary: str
    editable: tuple[str, ...]  # globs relative to the folder
    build: Build
    entry: str  # exported C symbol; a GPU task has none
    arguments: tuple[str, ...]  # input names, "out", then workload parameters, in call order
    threads: int
    workloads: tuple[Workload, ...]
    correctness: Correctness
    baseline: str  # a name that problem.py's `baseline` stands for, shown in messages
    beside: tuple[str, ...]  # of problem.py's BASELINES: shown with a confirmation, for a GPU
    max_gflops: float  # per thread; a faster result is impossible
    call_timeout_s: float
    buffers: Mapping[str, Buffer]  # of a GPU task, by argument
    presets: Mapping[str, tuple[Workload, ...]]  # named sets that `workloads` may choose
    files: Mapping[str, bytes]

    @property
    def version(self) -> str:
        """`sha256:...` over the trusted files, names and contents."""
        digest = hashlib.sha256()
        for name in sorted(self.files):
            if not self.is_editable(name) and not name.startswith("knowledge/"):
                blob = hashlib.sha256(self.files[name]).hexdigest()
                digest.update(f"{name}\0{blob}\n".encode())
        return f"sha256:{digest.hexdigest()}"

    def is_editable(self, name: str) -> bool:
        """Whether a candidate may change this file (path relative to the folder)."""
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.editable)

    def editable_files(self, files: Mapping[str, bytes]) -> dict[str, bytes]:
        """The editable ones among a folder's files."""
        return {name: data for name, data in files.items() if self.is_editable(name)}

    def knowledge(self) -> dict[str, bytes]:
        """What an operator may read beside the kernel."""
        return {n: data for n, data in self.files.items() if n.startswith("knowledge/")}


@dataclass(frozen=True, slots=True)
class Tunable:
    """A constant declared searchable beside its definition: `= 4;  // tune: 1 2 4 8`."""

    file: str
    name: str
    value: int
    choices: tuple[int, ...]


def parse_task(path: str, files: Mapping[str, bytes]) -> Task:
    """A task from its folder's files (names relative to the folder)."""
    if TASK_FILE not in files:
        raise AvogitError(
            f"no {TASK_FILE} in {path}: is this a task folder? `avogit tasks` lists them"
        )
    try:
        document = yaml.safe_load(files[TASK_FILE])
    except yaml.YAMLError as error:
        raise AvogitError(
            f"{path}/{TASK_FILE} is not YAML: {' '.join(str(error).split())}"
        ) from error
    return _Fields(f"{path}/{TASK_FILE}", document).task(path.rstrip("/"), files)


def tunables(files: Mapping[str, bytes]) -> tuple[Tunable, ...]:
    """The tunables that these files declare, in order of file and line."""
    found = []
    for file in sorted(files):
        for match in _TUNABLE.finditer(files[file]):
            choices = tuple(int(c) for c in match["choices"].split())
            found.append(Tunable(file, match["name"].decode(), int(match["value"]), choices))
    return tuple(found)


def with_tunable(source: bytes, name: str, value: int) -> bytes:
    """The source with one tunable's definition changed."""

    def replace(match: re.Match[bytes]) -> bytes:
        if match["name"].decode() != name:
            return match[0]
        return match["before"] + str(value).encode() + match["after"]

    return _TUNABLE.sub(replace, source)


class _Fields:
    """Reads one YAML document field by field; every complaint names file and field."""

    def __init__(self, where: str, document: object) -> None:
        self.where = where
        if not isinstance(document, dict):
            raise AvogitError(f"{where} must be a mapping of fields; see docs/writing-a-task.md")
        self.document: dict[str, Any] = document
        self.known: set[str] = set()

    def get(self, name: str, kind: type | tuple[type, ...], default: object = ...) -> Any:
        self.known.add(name)
        value = self.document.get(name, default)
        if value is ...:
            raise AvogitError(
                f"{self.where}: field `{name}` is missing; see docs/writing-a-task.md"
            )
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            wanted = kind.__name__ if isinstance(kind, type) else "number"
            raise AvogitError(f"{self.where}: `{name}` must be a {wanted}, found {value!r}")
        return value

    def strings(self, name: str, default: object = ...) -> tuple[str, ...]:
        value = self.get(name, list, default)
        if not all(isinstance(item, str) for item in value):
            raise AvogitError(f"{self.where}: `{name}` must be a list of strings, found {value!r}")
        return tuple(value)

    def part(self, name: str) -> _Fields:
        return _Fields(f"{self.where}: {name}", self.get(name, dict))

    def done(self) -> None:
        unknown = sorted(set(self.document) - self.known)
        if unknown:
            known = ", ".join(sorted(self.known))
            raise AvogitError(f"{self.where}: unknown field `{unknown[0]}`; known: {known}")

    def presets(self) -> dict[str, tuple[Workload, ...]]:
        if not self.get("presets", dict, {}):
            return {}
        part = self.part("presets")
        return {name: part.workloads(name) for name in part.document}

    def chosen(self, presets: Mapping[str, tuple[Workload, ...]]) -> tuple[Workload, ...]:
        """`workloads`: a list, or the name of a preset."""
        name = self.document.get("workloads")
        if not isinstance(name, str):
            return self.workloads("workloads")
        self.known.add("workloads")
        if name not in presets:
            known = ", ".join(presets) or "none"
            raise AvogitError(f"{self.where}: no preset `{name}`; there is: {known}")
        return presets[name]

    def buffers(self) -> dict[str, Buffer]:
        if not self.get("buffers", dict, {}):
            return {}
        part = self.part("buffers")
        return {name: part.part(name).buffer() for name in part.document}

    def buffer(self) -> Buffer:
        shape = tuple(self.get("shape", list))
        if not shape or not all(type(extent) in (int, str) for extent in shape):
            raise AvogitError(f"{self.where}: `shape` must hold numbers and parameters' names")
        found = Buffer(shape, self.get("element_bytes", int))
        self.done()
        return found

    def workloads(self, name: str, *, optional: bool = False) -> tuple[Workload, ...]:
        found = []
        for entry in self.get(name, list, [] if optional else ...):
            fields = _Fields(f"{self.where}: {name}", entry)
            label = fields.get("name", str)
            if not _NAME.fullmatch(label):
                raise AvogitError(
                    f"{self.where}: workload name {label!r} must match {_NAME.pattern}"
                )
            params = {k: v for k, v in fields.document.items() if k != "name"}
            if not all(isinstance(v, (int, bool)) for v in params.values()):
                raise AvogitError(
                    f"{self.where}: {label}: parameters must be whole numbers: {params}"
                )
            found.append(Workload(label, {k: int(v) for k, v in params.items()}))
        names = [w.name for w in found]
        if not (found or optional) or len(set(names)) != len(names):
            raise AvogitError(f"{self.where}: `{name}` needs at least one entry and distinct names")
        return tuple(found)

    def task(self, path: str, files: Mapping[str, bytes]) -> Task:
        if self.get("format", int) != FORMAT:
            raise AvogitError(f"{self.where}: format {self.document['format']} is not {FORMAT}")
        name = self.get("name", str)
        if not _NAME.fullmatch(name):
            raise AvogitError(f"{self.where}: name {name!r} must match {_NAME.pattern}")
        build, correctness = self.part("build"), self.part("correctness")
        presets, buffers = self.presets(), self.buffers()
        task = Task(
            path=path,
            name=name,
            summary=self.get("summary", str),
            editable=self.strings("editable"),
            build=Build(
                language=build.get("language", str),
                sources=build.strings("sources"),
                flags=build.strings("flags", []),
                timeout_s=float(build.get("timeout_s", (int, float), 120)),
            ),
            entry=self.get("entry", str, "" if buffers else ...),
            arguments=self.strings("arguments"),
            threads=self.get("threads", int, 1),
            workloads=self.chosen(presets),
            correctness=Correctness(
                row_rmse=float(correctness.get("row_rmse", (int, float))),
                shapes=correctness.workloads("shapes"),
                held_out=correctness.workloads("held_out", optional=True),
            ),
            baseline=self.get("baseline", str),
            beside=self.strings("beside", []),
            max_gflops=float(self.get("max_gflops", (int, float), 1000)),
            call_timeout_s=float(self.get("call_timeout_s", (int, float), 10)),
            buffers=buffers,
            presets=presets,
            files=dict(files),
        )
        for fields in (self, build, correctness):
            fields.done()
        self._check(task)
        return task

    def _check(self, task: Task) -> None:
        for protected in (TASK_FILE, "problem.py"):
            if task.is_editable(protected):
                raise AvogitError(
                    f"{self.where}: `editable` covers {protected}, which must be trusted"
                )
        for needed in ("problem.py", *task.build.sources):
            if needed not in task.files:
                raise AvogitError(f"{self.where} names {needed}, which is not in {task.path}")
        if task.arguments.count("out") != 1:
            raise AvogitError(f"{self.where}: `arguments` must name `out` exactly once")
        wanted = set(task.arguments[task.arguments.index("out") + 1 :])
        if task.buffers:
            self._check_buffers(task)
            extents = (e for buffer in task.buffers.values() for e in buffer.shape)
            wanted |= {extent for extent in extents if isinstance(extent, str)}
        preset = (workload for workloads in task.presets.values() for workload in workloads)
        for workload in (*task.workloads, *preset, *task.correctness.only_checked):
            missing = wanted - set(workload.params)
            if missing:
                raise AvogitError(f"{self.where}: workload {workload.name} lacks {sorted(missing)}")

    def _check_buffers(self, task: Task) -> None:
        named = task.arguments[: task.arguments.index("out") + 1]
        if set(named) != set(task.buffers):
            raise AvogitError(f"{self.where}: `buffers` must be of {', '.join(named)}, no others")
