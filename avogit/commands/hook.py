"""`avogit hook NAME`: what the git hooks in `hooks/` call.

prepare-commit-msg offers benchmark notes for a hand-made change of a kernel; commit-msg
refuses an `Avo-` block that no record backs; pre-push refuses a line whose measured commits
do not match their records. A repository without avogit.yaml is none of our business.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from avogit import store
from avogit.config import CONFIG_FILE, load_config
from avogit.errors import AvogitError
from avogit.records import Candidate
from avogit.session import load_task, read_population
from avogit.task import Task

ZERO = "0" * 40


@dataclass(frozen=True, slots=True)
class HookAnswer:
    """Whether git may go on, and what to tell the user."""

    allowed: bool
    lines: tuple[str, ...] = ()


def prepare_commit_msg(
    path: Path, message_file: Path, source: str, index_file: str | None
) -> HookAnswer:
    """Add, as comments, what was measured of the kernel that is about to be committed."""
    if source not in ("", "template"):
        return HookAnswer(True)
    repo = store.open_repository(path)
    task = _task(repo)
    if task is None:
        return HookAnswer(True)
    files = task.editable_files(store.staged_files(repo, index_file, task.path))
    head = store.head(repo)
    if head and files == task.editable_files(store.folder_files(repo, head, task.path)):
        return HookAnswer(True)
    notes = _notes(repo, task, files)
    with message_file.open("a", encoding="utf-8") as file:
        file.write("".join(f"# {line}\n" for line in notes))
    return HookAnswer(True)


def commit_msg(path: Path, message_file: Path) -> HookAnswer:
    """Refuse an `Avo-` block that is broken or that no record backs."""
    message = message_file.read_text(encoding="utf-8", errors="replace")
    if "\nAvo-" not in "\n" + message:
        return HookAnswer(True)
    repo = store.open_repository(path)
    problem = store.message_problem(repo, message)
    if problem is None:
        return HookAnswer(True)
    return HookAnswer(
        False,
        (f"the Avo- block of this message is not avogit's: {problem}", "remove its Avo- lines"),
    )


def pre_push(path: Path, lines: Iterable[str]) -> HookAnswer:
    """Refuse lines of candidates whose numbers differ from their records."""
    repo = store.open_repository(path)
    problems: list[str] = []
    for line in lines:
        _local, oid, remote_ref, _remote_oid = line.split()
        if remote_ref.startswith(("refs/heads/avo/", "refs/heads/avo-pr/")) and oid != ZERO:
            problems += store.line_problems(repo, oid)
    if not problems:
        return HookAnswer(True)
    shown = tuple(problems[:5]) + ((f"and {len(problems) - 5} more",) if len(problems) > 5 else ())
    return HookAnswer(False, (*shown, "`avogit fsck` says more; nothing was pushed"))


def _task(repo: store.Repository) -> Task | None:
    """The task of HEAD, where this repository uses avogit at all."""
    commit = store.head(repo)
    if repo.root is None or commit is None or not (repo.root / CONFIG_FILE).exists():
        return None
    config = load_config(repo.root)
    if not store.folder_files(repo, commit, config.task):
        return None
    return load_task(repo, config, commit)


def _notes(repo: store.Repository, task: Task, files: dict[str, bytes]) -> list[str]:
    try:
        known = _measured_as(repo, task, files)
    except AvogitError as error:  # as where the file of signers is only being committed
        return [f"avogit: {error}"]
    if known is None:
        return [f"avogit: {task.path} changed and this kernel was never measured;",
                "avogit: `avogit measure` after the commit does."]  # fmt: skip
    return [f"avogit: this kernel is candidate {known.oid[:10]}: {known.verdict},",
            f"avogit: {known.score or 'no score'} {known.trailers.get('Avo-Baseline', '')}"
            f" on {known.trailers.get('Avo-Device', '')}"]  # fmt: skip


def _measured_as(repo: store.Repository, task: Task, files: dict[str, bytes]) -> Candidate | None:
    for population in store.populations(repo):
        if not population.startswith(f"{task.name}-"):
            continue
        lineage = read_population(repo, population)
        for candidate in reversed(list(lineage.candidates.values())):
            theirs = task.editable_files(store.folder_files(repo, candidate.oid, task.path))
            if candidate.measured and theirs == files:
                return candidate
    return None
