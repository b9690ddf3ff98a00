"""`avogit checkout` and `avogit submit`: a person (or any agent) as the operator.

A workspace is a plain directory with the task's files, no git in it. Which candidate it came
from is kept beside the repository's other local state, not in the workspace.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from avogit import store, workspace
from avogit.errors import AvogitError
from avogit.records import Plan, Proposal
from avogit.session import Progress, Session, find_candidate, open_session
from avogit.settling import StepResult
from avogit.step import submit as submit_proposal


@dataclass(frozen=True, slots=True)
class CheckedOut:
    """A workspace, ready to edit."""

    directory: Path
    parent: str
    editable: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of a workspace."""

    population: str
    directory: Path
    step: StepResult


def checkout(path: Path, rev: str, directory: Path | None, progress: Progress) -> CheckedOut:
    """Write a candidate's task folder to a plain directory."""
    with open_session(path, progress) as session:
        candidate = find_candidate(session.repo, session.lineage(), rev)
        target = (directory or _default_directory(session, candidate.oid)).resolve()
        if target.exists() and any(target.iterdir()):
            raise AvogitError(f"{target} is not empty: name another directory")
        files = store.folder_files(session.repo, candidate.oid, session.task.path)
        workspace.write_workspace(target, files)
        _remember(session, target, candidate.oid)
        editable = tuple(name for name in sorted(files) if session.task.is_editable(name))
        return CheckedOut(target, candidate.oid, editable)


def submit(
    path: Path,
    directory: Path | None,
    subject: str,
    body: str,
    plan: Plan | None,
    progress: Progress,
) -> Submitted:
    """Evaluate what a workspace holds and record it as a child of where it came from."""
    with open_session(path, progress) as session:
        target, parent = _find_workspace(session, directory)
        before = store.folder_files(session.repo, parent, session.task.path)
        files, violations = workspace.read_back(target, session.task, before)
        if not violations and files == session.task.editable_files(before):
            raise AvogitError(f"nothing changed in {target}: edit {', '.join(sorted(files))} first")
        proposal = Proposal(
            parent=parent, files=files, subject=subject, body=body, plan=plan, violations=violations
        )
        return Submitted(session.population, target, submit_proposal(session, proposal, "manual"))


def _default_directory(session: Session, oid: str) -> Path:
    folder = session.repo.state_dir / "work"
    names = (folder / f"{oid[:10]}{suffix}" for suffix in ("", *(f"-{n}" for n in range(2, 1000))))
    return next(name for name in names if not name.exists())


def _register(session: Session) -> Path:
    folder = session.repo.state_dir / "workspaces"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _remember(session: Session, directory: Path, parent: str) -> None:
    name = hashlib.sha256(str(directory).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    entry = {"directory": str(directory), "parent": parent, "population": session.population}
    (_register(session) / f"{name}.json").write_text(json.dumps(entry), encoding="utf-8")


def _find_workspace(session: Session, directory: Path | None) -> tuple[Path, str]:
    """The workspace named, or the one we stand in, or the only one there is."""
    entries = [json.loads(p.read_text("utf-8")) for p in sorted(_register(session).glob("*.json"))]
    known = {Path(e["directory"]): e for e in entries if Path(e["directory"]).is_dir()}
    wanted = directory.resolve() if directory else None
    here = Path.cwd().resolve()
    if wanted is None:
        inside = [p for p in known if p == here or p in here.parents]
        wanted = inside[0] if inside else (next(iter(known)) if len(known) == 1 else None)
    if wanted is None or wanted not in known:
        listed = ", ".join(str(p) for p in known) or "none yet: `avogit checkout REV` makes one"
        raise AvogitError(f"which workspace? Known: {listed}")
    if known[wanted]["population"] != session.population:
        raise AvogitError(f"{wanted} belongs to {known[wanted]['population']}: the task changed")
    return wanted, str(known[wanted]["parent"])
