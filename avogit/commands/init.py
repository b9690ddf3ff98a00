"""`avogit init`: put a task and avogit.yaml into a repository as one ordinary commit.

This is the only time that avogit touches the user's branch, index and working tree, and it
does it the way the user would: files, `git add`, `git commit -- those paths`. Hooks of avogit
are installed beside, never over, the user's own.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from avogit import resources, store
from avogit.build import GPU_LANGUAGES
from avogit.config import CONFIG_FILE
from avogit.errors import AvogitError
from avogit.task import Task, parse_task

HOOKS = ("prepare-commit-msg", "commit-msg", "pre-push")


@dataclass(frozen=True, slots=True)
class Initialised:
    """What `init` did, and what it left alone."""

    root: Path
    task: str
    task_path: str
    commit: str  # empty where everything was committed already
    hooks_installed: tuple[str, ...]
    hooks_left: tuple[str, ...]  # one line each: which hook, and why
    notes: tuple[str, ...]


def init(path: Path, task: str) -> Initialised:
    """Commit a shipped task (by name) or a folder's, and a config that names it."""
    repo = store.open_repository(path)
    if repo.root is None:
        raise AvogitError("this is a bare repository: run `avogit init` in a clone with files")
    _nothing_under_way(repo)
    folder = _task_folder(repo.root, task)
    parsed = parse_task(f"kernels/{folder.name}", resources.folder_files(folder))
    paths = _place(repo.root, folder, parsed)
    commit = _commit(repo, parsed, paths)
    installed, left = install_hooks(repo)
    return Initialised(
        repo.root, parsed.name, parsed.path, commit, installed, left, _notes(repo, parsed)
    )


def _nothing_under_way(repo: store.Repository) -> None:
    """A merge or rebase in progress would swallow our commit into the user's."""
    if busy := store.under_way(repo):
        raise AvogitError(f"a merge or rebase is under way here ({busy}): finish it first")
    if store.branch(repo) is None:
        raise AvogitError("HEAD is detached: `git switch BRANCH` first, init commits to a branch")


def _task_folder(root: Path, task: str) -> Path:
    """A task folder: one of the repository's, of any path, or one that ships with avogit."""
    shipped = resources.task_folders()
    for folder in (root / "kernels" / task, Path(task)):
        if (folder / "task.yaml").is_file():
            return folder.resolve()
    if task in shipped:
        return shipped[task]
    raise AvogitError(
        f"no task {task!r}: neither a folder with a task.yaml nor one of {', '.join(shipped)}"
    )


def _place(root: Path, folder: Path, task: Task) -> list[str]:
    """Copy the task and write the config, unless they are there; the paths to commit."""
    target = root / task.path
    if folder != target.resolve():
        for name, data in task.files.items():
            _write_new(target / name, data)
    config = root / CONFIG_FILE
    if not config.exists():
        more = _GPU_CONFIG if task.build.language in GPU_LANGUAGES else ""
        config.write_text(_CONFIG.format(task=task.path) + more, encoding="utf-8")
    return [CONFIG_FILE, task.path]


def _write_new(path: Path, data: bytes) -> None:
    if path.exists() and path.read_bytes() != data:
        raise AvogitError(f"{path} exists and differs from the task's file: move it away first")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _commit(repo: store.Repository, task: Task, paths: list[str]) -> str:
    """One ordinary commit of these paths alone; staged changes of the user stay staged."""
    if not store.changed(repo, paths):
        return ""
    return store.commit_paths(repo, paths, f"avogit: add the task {task.name}")


def install_hooks(repo: store.Repository) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Install avogit's git hooks where no hook stands; names of installed and of left ones."""
    elsewhere = store.config_value(repo, "core.hooksPath")
    if elsewhere:
        why = f"core.hooksPath is {elsewhere}: copy or call avogit's hooks there"
        return (), tuple(f"{name}: {why}" for name in HOOKS)
    installed, left = [], []
    folder = repo.common_dir / "hooks"
    folder.mkdir(exist_ok=True)
    for name in HOOKS:
        source, target = resources.resource("hooks") / name, folder / name
        if not target.exists():
            shutil.copyfile(source, target)
            target.chmod(0o755)
            installed.append(name)
        elif target.read_bytes() != source.read_bytes():
            left.append(f'{name}: you have one; add `avogit hook {name} "$@"` to it')
    return tuple(installed), tuple(left)


def _notes(repo: store.Repository, task: Task) -> tuple[str, ...]:
    store.set_reading_aids(repo)
    return (f"`avogit step` measures {task.path} and tries one change; `avogit log` shows it",)


_CONFIG = """\
# How this repository evolves its kernel. Every field but `task` has a default: see docs/.
format: 1
task: {task}
operator: tune  # tune | agent | command
"""
# A card must rest between calls, and there are more workloads.
_GPU_CONFIG = "measure: {budget_s: 19, fresh_s: 9, confirm_s: 19}\n"
