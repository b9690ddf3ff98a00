"""A lineage in one file, by git's own bundles: written from all that is known, read as a remote.

Owns which refs go in, and where those of a bundle land. Leaves names to `remotes`.
"""

from __future__ import annotations

from pathlib import Path

from avogit.errors import AvogitError
from avogit.store import archive, git
from avogit.store.population import population_of, populations
from avogit.store.remotes import HEADS, LESSONS, Known, copy_of, known_refs, public_name
from avogit.store.repository import Repository
from avogit.store.sync import Broken, fetch, furthest

_MAGIC = (b"# v2 git bundle\n", b"# v3 git bundle\n")


def write_bundle(repo: Repository, file: Path, population: str | None) -> int:
    """Write all that is known of one population, or of all; gives how many refs that were."""
    wanted = populations(repo) if population is None else (population,)
    chosen = _chosen(repo, wanted)
    if not chosen:
        raise AvogitError("there is no lineage here to write: `avogit seed` founds one")
    if file.exists() and not _is_bundle(file):
        raise AvogitError(f"{file} exists and is no bundle: it is not overwritten; name another")
    git.run(repo.cwd, "bundle", "create", "--quiet", str(file.resolve()), *chosen)
    return len(chosen)


def read_bundle(repo: Repository, file: Path, name: str) -> list[tuple[str, str]]:
    """Bring a bundle's lineages to the places of a remote of this name.

    Gives what would not be updated, and why.
    """
    if not file.is_file() or not _is_bundle(file):
        raise AvogitError(f"{file} is no git bundle: `avogit bundle FILE` writes one")
    if git.call(repo.cwd, "check-ref-format", f"refs/remotes/{name}/avo").status != 0:
        raise AvogitError(f"{name!r} cannot name a remote: choose one with --name")
    path = str(file.resolve())
    verified = git.call(repo.cwd, "bundle", "verify", path)
    if verified.status != 0:
        raise AvogitError(f"{file} cannot be read here: {' '.join(verified.error.split())}")
    refs = [text.split(" ", 1)[1] for text in git.line(
        repo.cwd, "bundle", "list-heads", path
    ).splitlines()]  # fmt: skip
    places = {public: ref for ref in sorted(refs, reverse=True) if (public := public_name(ref)[0])}
    if not places:
        raise AvogitError(f"{file} holds no lineage: its refs are {', '.join(refs[:5]) or 'none'}")
    specs = [f"{'+' if public.startswith(HEADS) else ''}{ref}:{copy_of(public, name)}"
             for public, ref in places.items()]  # fmt: skip
    try:
        return fetch(repo, path, specs)
    except Broken as error:
        raise AvogitError(f"{file} cannot be read here: {error}") from error


def _chosen(repo: Repository, wanted: tuple[str, ...]) -> list[str]:
    """One ref for every public name of these populations: the copy that holds most."""
    dead = {
        (f"{HEADS}{name}/{short}", oid)
        for name in wanted
        for short, oid in archive.dead(repo, name)
    }
    copies: dict[str, list[Known]] = {}
    for known in known_refs(repo):
        belongs = known.name.startswith(LESSONS) or population_of(known.name) in wanted
        if belongs and (known.name, known.oid) not in dead:
            copies.setdefault(known.name, []).append(known)
    best = {name: furthest(repo, None, of) for name, of in copies.items()}
    return [next(k.ref for k in of if k.oid == best[name]) for name, of in copies.items()]


def _is_bundle(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(_MAGIC[0])) in _MAGIC
