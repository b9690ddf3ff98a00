"""`avogit prune`, `restore`, `fsck` and `doctor`: care of the lineage and of the machine."""

from __future__ import annotations

import importlib.util
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from avogit import sandbox, store
from avogit.build.cxx import find_compiler
from avogit.errors import AvogitError
from avogit.session import Progress, choose_population, found_config, open_session, reach
from avogit.step import prune as prune_population
from avogit.trust import allowed_signers


@dataclass(frozen=True, slots=True)
class Pruned:
    """The tips that were retired, with the reasons that the archive keeps."""

    population: str
    retired: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Restored:
    """A pruned candidate that lives again."""

    population: str
    oid: str
    ref: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What fsck found, over how many candidates."""

    candidates: int
    problems: tuple[store.Problem, ...]


@dataclass(frozen=True, slots=True)
class Packed:
    """What lay in the repository before and after."""

    before: store.Stock
    after: store.Stock


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `avogit doctor`."""

    level: str  # ok | note | problem
    what: str
    remedy: str = ""


def prune(path: Path, progress: Progress) -> Pruned:
    """Retire the lines that the selection rule names."""
    with open_session(path, progress) as session:
        retired = prune_population(session)
        reasons = session.lineage().pruned
        return Pruned(session.population, retired, tuple(reasons.get(o, "") for o in retired))


def restore(path: Path, population: str | None, rev: str) -> Restored:
    """Give a pruned candidate a live line again."""
    repo = store.open_repository(path)
    name = choose_population(repo, population)
    oid = store.resolve(repo, rev)
    return Restored(name, oid, store.restore(repo, name, oid))


def fsck(path: Path) -> Checked:
    """Prove that the lineage is whole and its numbers are those of its records."""
    repo = store.open_repository(path)
    counted = sum(len(store.read_lineage(repo, p).candidates) for p in store.populations(repo))
    config = found_config(repo)
    return Checked(counted, store.fsck(repo, allowed_signers(repo, config) if config else b""))


def gc(path: Path) -> Packed:
    """Pack refs and objects; nothing is dropped."""
    return Packed(*store.pack(store.open_repository(path)))


def doctor(path: Path, fix: bool) -> tuple[Finding, ...]:
    """What this machine and this repository offer, and what stands in the way."""
    findings = [_compiler(), _sandbox(), _git()]
    try:
        repo = store.open_repository(path)
    except AvogitError as error:
        return (*findings, _torch(), Finding("note", str(error)))
    return (*findings, _bench(repo), *_locks(repo, fix), *_hooks(repo))


def _compiler() -> Finding:
    try:
        found = find_compiler(os.environ.get("CXX", ""), os.environ.get("PATH", os.defpath))
        return Finding("ok", f"compiler: {found.version}")
    except AvogitError as error:
        return Finding("problem", "no C++ compiler", str(error))


def _torch() -> Finding:
    if importlib.util.find_spec("torch") is None:
        return Finding("problem", "torch is not installed", "pip install 'avogit[oracle]'")
    return Finding("ok", "torch is installed (the oracle and the baseline use it)")


def _bench(repo: store.Repository) -> Finding:
    """Whether what measures can: here, or on the host that the config names."""
    from avogit.evaluation import ask_host

    try:
        config = found_config(repo)
        host = reach(config.bench) if config else None
        if config is None or host is None:
            return _torch()
        processor = ask_host(host, config.bench.device)
    except AvogitError as error:
        return Finding("problem", "the bench that avogit.yaml names does not work", str(error))
    return Finding("ok", f"bench: {host.host}, with torch, on {processor}")


def _sandbox() -> Finding:
    report = sandbox.probe()
    layers = ", ".join(report.layers) or "none"
    if report.certified:
        return Finding("ok", f"sandbox: {layers}")
    return Finding(
        "problem",
        f"the sandbox does not hold ({'; '.join(report.problems)}); layers: {layers}",
        "install bubblewrap or allow user namespaces; until then no result is certified",
    )


def _git() -> Finding:
    found = shutil.which("git")
    if found is None:
        return Finding("problem", "git is not on PATH", "install git 2.31 or later")
    return Finding("ok", store.git_version())


def _locks(repo: store.Repository, fix: bool) -> tuple[Finding, ...]:
    stale = store.stale_locks(repo)
    if fix and stale:
        removed = store.remove_stale_locks(repo)
        return tuple(Finding("ok", f"removed {lock}") for lock in removed)
    return tuple(
        Finding("problem", f"a dead process left {lock}", "`avogit doctor --fix` removes it")
        for lock in stale
    )


def _hooks(repo: store.Repository) -> tuple[Finding, ...]:
    elsewhere = store.config_value(repo, "core.hooksPath")
    if not elsewhere:
        return ()
    return (Finding("note", f"core.hooksPath is {elsewhere}: avogit's hooks are not run"),)
