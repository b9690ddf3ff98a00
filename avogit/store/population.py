"""Names: populations, writers, and the refs that belong to them.

Owns every ref name of the public format. One ref has one updater at a time, and a writer
deletes none.
"""

from __future__ import annotations

import hashlib
import re
import socket

from avogit.errors import AvogitError
from avogit.store import git
from avogit.store.repository import Repository

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")
_OWNER = re.compile(
    r"refs/(?:heads/avo|tags/avo|avo/(?:tried|wip|records|archive|base)"
    r"|remotes/.+?/avo|avo-remote/.+?/(?:tried|records|archive|base|tags))/(?P<population>[^/]+)/[^/]+"
)


def population_name(task_name: str, device_class: str, task_version: str) -> str:
    """`<task>-<device>-<6 hex of the task's version>`."""
    name = f"{task_name}-{device_class}-{task_version.removeprefix('sha256:')[:6]}"
    return checked_name(re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-"))


def checked_name(population: str) -> str:
    """The name, if it may be part of a ref's name."""
    if not _NAME.fullmatch(population):
        raise AvogitError(f"population name {population!r} must match {_NAME.pattern}")
    return population


def populations(repo: Repository) -> tuple[str, ...]:
    """The populations that this repository knows, its own and fetched ones."""
    patterns = (
        "refs/heads/avo/",
        "refs/avo/tried/",
        "refs/remotes/**/avo/*/*",
        "refs/avo-remote/**/tried/*/*",
    )
    out = git.line(repo.cwd, "for-each-ref", "--format=%(refname)", *patterns)
    found = {population_of(ref) for ref in out.splitlines()}
    return tuple(sorted(name for name in found if _NAME.fullmatch(name)))


def population_of(ref: str) -> str:
    """The population that a ref belongs to; empty for a ref of another shape."""
    match = _OWNER.fullmatch(ref)
    return match["population"] if match else ""


def host_name(repo: Repository) -> str:
    """`<host>-<6 hex>`: this clone on this machine. Two clones never write the same chain."""
    place = repo.common_dir.stat()
    identity = f"{socket.gethostname()}\0{repo.common_dir}\0{place.st_dev}\0{place.st_ino}"
    slug = re.sub(r"[^a-z0-9]+", "-", socket.gethostname().lower()).strip("-")[:24]
    return f"{slug or 'host'}-{hashlib.sha256(identity.encode()).hexdigest()[:6]}"


def head_ref(population: str, name: str) -> str:
    """A live line."""
    return f"refs/heads/avo/{population}/{name}"


def head_name(generation: int, oid: str) -> str:
    """The name of the line whose tip is this candidate."""
    return f"g{generation:04d}-{oid[:10]}"


def chain_ref(kind: str, population: str, owner: str) -> str:
    """`tried`, `records`, `wip`, `archive`, `base` or `lessons`.

    Lessons are for all tasks, so their place names no population's folder; one ref has one
    updater all the same, and a writer's name alone is not unique among populations.
    """
    joint = "." if kind == "lessons" else "/"
    return f"refs/avo/{kind}/{population}{joint}{owner}"


def champion_ref(population: str, oid: str) -> str:
    """A confirmed champion's tag."""
    return f"refs/tags/avo/{population}/champion-{oid[:10]}"


def chain_patterns(kind: str, population: str) -> tuple[str, str]:
    """Patterns for our own refs of this kind and for fetched ones."""
    return f"refs/avo/{kind}/{population}/", f"refs/avo-remote/**/{kind}/{population}/*"


def lineage_patterns(population: str) -> tuple[str, ...]:
    """Every ref that a lineage is read from."""
    return (
        f"refs/heads/avo/{population}/",
        f"refs/remotes/**/avo/{population}/*",
        f"refs/tags/avo/{population}/",
        f"refs/avo-remote/**/tags/{population}/*",
        *chain_patterns("tried", population),
        *chain_patterns("archive", population),
        *chain_patterns("base", population),
    )
