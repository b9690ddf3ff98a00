"""The module map of docs/architecture.md, read from the imports."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "avogit"

# An outside package, and the only part of avogit that may import it.
DOORS = {
    "git": "store",
    "openai": "operators.agent",
    "orjson": "store",
    "torch": "bench",
    "triton": "build",
    "cuda": ("build", "bench"),
    "rich": "report",
    "tabulate": "report",
    "yaml": ("config", "task"),
    "click": "cli",
    "matplotlib": "report",
    "jinja2": ("operators", "report"),
    "mcp": "commands.mcp",
}
# Higher may import lower, never the other way round.
LAYERS = (
    ("errors", "records"),
    (
        "bundle",
        "devices",
        "processor",
        "resources",
        "statistics",
        "processes",
        "config",
        "task",
        "door",
    ),
    ("workspace", "sandbox", "budget", "corpus"),
    ("selection", "acceptance", "store", "genealogy", "trajectory"),
    ("calibration", "ledger", "lessons", "directions"),
    ("guidance", "operators"),
    ("build", "bench"),
    ("evaluation",),
    ("trust",),
    ("session",),
    ("context", "supervisor", "halfway"),
    ("confirm", "founding", "judging"),
    ("teaching",),
    ("settling",),
    ("step",),
    ("trial",),
    ("ablation",),
    ("loop",),
    ("workers",),
    ("commands",),
    ("report", "crash"),
    ("cli",),
    ("__main__",),
)
RANKS = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
MODULES = sorted(PACKAGE.rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            pytest.fail(f"{path}: relative import")
    return found


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_outside_packages_have_one_door(path: Path) -> None:
    name = module_name(path)
    for imported in imports(path):
        door = DOORS.get(imported.split(".")[0])
        if door is not None:
            doors = (door,) if isinstance(door, str) else door
            allowed = any(name == d or name.startswith(f"{d}.") for d in doors)
            assert allowed, f"{name} imports {imported}, whose door is {door}"


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_point_down(path: Path) -> None:
    name = module_name(path)
    mine = name.split(".")[0]
    if not mine:
        return
    for imported in imports(path):
        parts = imported.split(".")
        if parts[0] != "avogit" or len(parts) == 1 or parts[1] not in RANKS or parts[1] == mine:
            continue
        assert RANKS[parts[1]] < RANKS[mine], f"{name} imports {imported}: not downwards"


def test_every_module_has_a_rank() -> None:
    tops = {module_name(path).split(".")[0] for path in MODULES} - {""}
    assert tops <= set(RANKS), f"no rank for {tops - set(RANKS)}"
