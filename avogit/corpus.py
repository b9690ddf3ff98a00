"""The known cheats and the honest oddities that ship with avogit, and what must become of each.

Owns reading that folder: a CPU kernel says it in its first lines, those for a GPU stand in one
table. Leaves running them to `commands.selftest` and to the tests.

    // expect: VERDICT reason              with all defences (reason `*`: any)
    // without DEFENCE...: VERDICT reason  with these switched off, so that each is seen to work
    // not faster than the honest kernel   it passes, and gains nothing
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from avogit.resources import folder_files, resource
from avogit.task import Task, parse_task

_RULE = re.compile(r"^// (?:expect|without (?P<off>[a-z_ ]+)): (?P<want>.+)$", re.MULTILINE)
_HARMLESS = "// not faster than the honest kernel"
_TABLE = "cheats.json"
PASSES = "PASSED"


@dataclass(frozen=True, slots=True)
class Specimen:
    """One kernel. Honest ones are of no cheat, and pass."""

    name: str
    cheats: tuple[str, ...]  # numbers in docs/measuring.md
    files: Mapping[str, bytes]  # the task's editable ones
    expect: str  # verdict, and a reason or `*`
    without: Mapping[str, str] = field(default_factory=dict)  # defences off -> what is expected
    harmless: bool = False  # passes, but must not be faster than an honest kernel
    twin: Mapping[str, bytes] = field(default_factory=dict)  # that one, if not the task's own
    capability: int = 0  # of the least GPU that can run it

    @property
    def honest(self) -> bool:
        return not self.cheats


def is_met(expected: str, verdict: str, reason: str) -> bool:
    """Whether a verdict is the one that was expected."""
    wanted, _, why = expected.partition(" ")
    return verdict == wanted and why in ("*", reason)


def cpu_task() -> Task:
    """Attention small enough that a cheat is judged in a fraction of a second."""
    return _task("task")


def gpu_task() -> Task:
    """The same for a GPU."""
    return _task("gpu-task")


def cpu_specimens() -> tuple[Specimen, ...]:
    """All kernels for a CPU, cheats first."""
    folder = resource("cheats")
    honest = sorted((folder / "honest").glob("*.cpp"))
    return tuple(map(_cpu_specimen, [*sorted(folder.glob("h*.cpp")), *honest]))


def gpu_specimens() -> tuple[Specimen, ...]:
    """All candidates for a GPU, cheats first."""
    folder = resource("cheats") / "gpu"
    table = json.loads((folder / _TABLE).read_text(encoding="utf-8"))
    task = gpu_task()
    own = task.editable_files(task.files)
    files = {name: {**own, **folder_files(folder / name)} for name in table}
    found = [_gpu_specimen(name, fields, files) for name, fields in table.items()]
    return tuple(sorted(found, key=lambda specimen: (specimen.honest, specimen.name)))


def _task(name: str) -> Task:
    return parse_task(f"kernels/{name}", folder_files(resource("cheats") / name))


def _cpu_specimen(path: Path) -> Specimen:
    text = path.read_text(encoding="utf-8")
    wanted = {match["off"] or "": match["want"] for match in _RULE.finditer(text)}
    cheats = () if path.parent.name == "honest" else (path.stem[:3].upper(),)
    return Specimen(
        name=path.stem,
        cheats=cheats,
        files={"kernel.cpp": path.read_bytes()},
        expect=wanted.pop("", PASSES),
        without=wanted,
        harmless=_HARMLESS in text,
    )


def _gpu_specimen(
    name: str, fields: Mapping[str, Any], files: Mapping[str, Mapping[str, bytes]]
) -> Specimen:
    return Specimen(
        name=name,
        cheats=tuple(fields["cheats"]),
        files=files[name],
        expect=fields["expect"],
        without=fields.get("without", {}),
        harmless=not fields.get("gains", True),
        twin=files.get(fields.get("beside", ""), {}),
        capability=fields.get("capability", 0),
    )
