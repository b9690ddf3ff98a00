"""Where templates, hooks, tasks and cheats lie: in the wheel's package, else in the checkout."""

from __future__ import annotations

from pathlib import Path

from avogit.errors import AvogitError

_PACKAGE = Path(__file__).resolve().parent
_PLACES = (_PACKAGE, _PACKAGE.parent, _PACKAGE.parent / "tests")


def resource(name: str) -> Path:
    """The folder `templates`, `hooks`, `kernels` or `cheats`."""
    for place in _PLACES:
        if (place / name).is_dir():
            return place / name
    raise AvogitError(f"avogit's own {name}/ folder is missing from {_PACKAGE}: reinstall avogit")


def task_folders() -> dict[str, Path]:
    """The task folders that ship with avogit, by name."""
    folders = sorted(p for p in resource("kernels").iterdir() if (p / "task.yaml").is_file())
    return {folder.name: folder for folder in folders}


def folder_files(folder: Path) -> dict[str, bytes]:
    """Every regular file below a folder, by its path relative to it; caches left out."""
    paths = (p for p in sorted(folder.rglob("*")) if p.is_file() and not p.is_symlink())
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in paths
        if "__pycache__" not in p.parts
    }
