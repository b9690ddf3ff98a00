"""What lies where in a remote and in a clone of it: names, refspecs, and which remote is meant.

Owns the mapping between a ref's public name, which a remote has it under, and the place where
a clone keeps a fetched copy. Leaves moving them to `sync`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from avogit.errors import AvogitError
from avogit.store import git
from avogit.store.population import population_of
from avogit.store.refs import read_refs
from avogit.store.repository import Repository

HEADS, TAGS, LESSONS = "refs/heads/avo/", "refs/tags/avo/", "refs/avo/lessons/"
CHAINS = ("tried", "records", "archive", "base", "lessons")
PUBLIC = (HEADS, *(f"refs/avo/{kind}/" for kind in CHAINS), TAGS)
_FETCHED = (
    (re.compile(r"refs/remotes/(?P<remote>.+?)/avo/(?P<rest>[^/]+/[^/]+)"), HEADS),
    (re.compile(r"refs/avo-remote/(?P<remote>.+?)/tags/(?P<rest>[^/]+/[^/]+)"), TAGS),
    (
        re.compile(
            r"refs/avo-remote/(?P<remote>.+?)/"
            r"(?P<rest>lessons/[^/]+|(?:tried|records|archive|base)/[^/]+/[^/]+)"
        ),
        "refs/avo/",
    ),
)


@dataclass(frozen=True, slots=True)
class Known:
    """A ref that this clone has: its own, or a copy of a remote's."""

    ref: str
    name: str  # what a remote calls it
    remote: str  # where the copy is from; empty for our own
    oid: str


def known_refs(repo: Repository) -> list[Known]:
    """Everything that may be published, our own first.

    Records are read last: a writer moves them first, so no candidate is seen without its own.
    """
    late = ("refs/avo/records/", "refs/avo-remote/**/records/**")
    early = [pattern for pattern in PUBLIC if pattern not in late]
    early += ["refs/remotes/**/avo/*/*", "refs/avo-remote/"]
    found = read_refs(repo, *early) | read_refs(repo, *late)
    named = [(ref, *public_name(ref), oid) for ref, oid in found.items()]
    known = [Known(ref, name, remote, oid) for ref, name, remote, oid in named if name]
    return sorted(known, key=lambda item: (item.remote != "", item.ref))


def public_name(ref: str) -> tuple[str, str]:
    """The name that a remote has a ref under, and whose copy this is; empty for others."""
    if ref.startswith(PUBLIC):
        fits = ref.startswith(LESSONS) or population_of(ref) != ""
        return (ref, "") if fits else ("", "")
    for shape, prefix in _FETCHED:
        if match := shape.fullmatch(ref):
            return prefix + match["rest"], match["remote"]
    return "", ""


def copy_of(name: str, remote: str) -> str:
    """Where a clone keeps its copy of what a remote has under a public name."""
    if name.startswith(HEADS):
        return f"refs/remotes/{remote}/avo/{name.removeprefix(HEADS)}"
    if name.startswith(TAGS):
        return f"refs/avo-remote/{remote}/tags/{name.removeprefix(TAGS)}"
    return f"refs/avo-remote/{remote}/{name.removeprefix('refs/avo/')}"


def fetch_refspecs(remote: str) -> tuple[str, ...]:
    """What brings a remote's refs to where readers look, never over our own.

    A branch may be force-pushed by a person. A chain only grows: one that was cut off is
    refused, so that what was fetched before stays.
    """
    specs = (f"{prefix}*:{copy_of(prefix, remote)}*" for prefix in PUBLIC)
    return tuple(f"+{spec}" if spec.startswith(HEADS) else spec for spec in specs)


def missing_refs_hint(repo: Repository) -> str:
    """The `git fetch` command that brings the rest of a lineage; empty where it is all here."""
    patterns = ("refs/remotes/**/avo/*/*", "refs/avo-remote/")
    out = git.line(repo.cwd, "for-each-ref", "--format=%(refname)", *patterns)
    named = [public_name(ref) for ref in out.splitlines()]
    lines = {remote for name, remote in named if name.startswith(HEADS)}
    fetched = {remote for name, remote in named if name.startswith("refs/avo/")}
    remote = next(iter(sorted(lines - fetched)), None)
    return f"git fetch {remote} {_quoted(fetch_refspecs(remote)[1:])}" if remote else ""


def remote_names(repo: Repository) -> list[str]:
    """The remotes that are configured here."""
    return git.line(repo.cwd, "remote").splitlines()


def choose_remote(repo: Repository, wanted: str | None) -> str:
    """The remote that is meant: the named one, the only one, or `origin`."""
    configured = remote_names(repo)
    if wanted is not None and wanted in configured:
        return wanted
    if not configured:
        raise AvogitError("this repository has no remote: `git remote add origin URL` names one")
    listed = ", ".join(configured)
    if wanted is not None:
        raise AvogitError(f"no remote {wanted!r}; known: {listed} (`git remote add` adds one)")
    if len(configured) > 1 and "origin" not in configured:
        raise AvogitError(f"several remotes and none is called origin: name one of {listed}")
    return "origin" if "origin" in configured else configured[0]


def _quoted(refspecs: Iterable[str]) -> str:
    return " ".join(f"'{spec}'" for spec in refspecs)
