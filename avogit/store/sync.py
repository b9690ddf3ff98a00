"""Exchanging lineages with a remote: fetch what it has, publish what it lacks.

Owns the order that makes a kill at any point harmless: chains and lines are published before
a retired line leaves the remote, and nothing is forced. Every ref has one clone that moves it,
so clones never overwrite each other; what one of them lacks, any other that has it brings.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from avogit.errors import AvogitError
from avogit.store import archive, git, remotes
from avogit.store.lease import pruner_lock, try_lock
from avogit.store.locks import clear_locks_below
from avogit.store.population import populations
from avogit.store.refs import Conflict, Update, read_refs, transact
from avogit.store.remotes import HEADS, PUBLIC, TAGS, Known
from avogit.store.repository import Repository

_ATTEMPTS = 6
_PAUSE_S = 0.1
_CHUNK = 300  # refs in one push: some servers limit them
_REFUSED = re.compile(r"^ ! \[(?P<what>[^\]]+)\]\s+(?P<ref>\S+)\s+-> \S+(?:\s+\((?P<why>.*)\))?$")
_PUSH = (
    "--porcelain",
    "--no-verify",
    "--no-follow-tags",
    "--no-signed",
    "--recurse-submodules=no",
)

Move = tuple[str, str]  # (object id, public name)


@dataclass(slots=True)
class Exchange:
    """What one exchange with a remote came to."""

    remote: str
    published: dict[str, str] = field(default_factory=dict)  # public name -> where it was before
    retired: list[str] = field(default_factory=list)  # lines that left the remote
    refused: list[str] = field(default_factory=list)  # what would not move, and why


class Broken(Exception):
    """An exchange that did not go through. `refused` is empty where the connection broke."""

    def __init__(self, error: str, refused: Sequence[str] = ()) -> None:
        super().__init__(_cause(error))
        self.refused = refused


def exchange(repo: Repository, remote: str) -> Exchange:
    """Fetch from a remote and publish to it, until both have the same.

    Others may publish meanwhile, and connections break: what failed is tried again a few times.
    """
    with _alone(repo):
        _clear_locks(repo, remote)
        done = Exchange(remote)
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(_PAUSE_S * 2**attempt * random.uniform(0.5, 1))
            try:
                _attempt(repo, remote, done)
                _settle(repo, remote)
                return done
            except Broken as failure:
                last = failure
    if not last.refused:
        raise AvogitError(f"no exchange with {remote}: {last}; nothing is lost, try again")
    done.refused += last.refused
    return done


def _attempt(repo: Repository, remote: str, done: Exchange) -> None:
    """One round. What the remote had is asked first, so a line that left it is seen to leave."""
    there = _listed(repo, remote)
    refused = fetch(repo, remote, remotes.fetch_refspecs(remote))
    dead = _dead(repo)
    moves, diverged = _plan(repo, remote, there, dead)
    mended = {name for _, name in moves}  # it was cut off there, and we have the rest
    done.refused = [f"{name}: {why}" for name, why in refused if name not in mended] + diverged
    for chunk in _chunks(moves):
        _push(repo, remote, [f"{oid}:{name}" for oid, name in chunk])
        done.published |= {name: done.published.get(name, there.get(name, "")) for _, name in chunk}
    gone = [(oid, name) for name, oid in there.items() if (name, oid) in dead]
    for chunk in _chunks(gone):
        leases = [f"--force-with-lease={name}:{oid}" for oid, name in chunk]
        _push(repo, remote, [f":{name}" for _, name in chunk], leases)
        done.retired += [name for _, name in chunk]


def fetch(repo: Repository, source: str, refspecs: Sequence[str]) -> list[tuple[str, str]]:
    """Bring what a remote or a file has; gives the refs that git would not update, and why.

    Nothing of that is lost: what was fetched before stays.
    """
    found = git.call(
        repo.cwd,
        *("-c", "fetch.output=full"),
        "fetch",
        "--refmap=",
        "--no-tags",
        "--no-prune",
        "--no-write-fetch-head",
        "--no-recurse-submodules",
        "--",
        source,
        *refspecs,
    )
    matches = [match for text in found.error.splitlines() if (match := _REFUSED.match(text))]
    if found.status != 0 and not matches:
        raise Broken(found.error)
    why = "it was rewritten there and is kept as it was"
    return [(m["ref"], f"{why} ({m['why'] or m['what']})") for m in matches]


def _listed(repo: Repository, remote: str) -> dict[str, str]:
    """The ids of what a remote has, by public name."""
    patterns = [f"{prefix}*" for prefix in PUBLIC]
    found = git.call(repo.cwd, "ls-remote", "--refs", "--", remote, *patterns)
    if found.status != 0:
        raise Broken(found.error)
    pairs = (text.split("\t", 1) for text in found.out.decode("utf-8", "replace").splitlines())
    return {name: oid for oid, name in pairs if remotes.public_name(name)[0]}


def _plan(
    repo: Repository, remote: str, there: Mapping[str, str], dead: frozenset[Move]
) -> tuple[list[Move], list[str]]:
    """What the remote should get, and our own chains that have another history there."""
    by_name: dict[str, list[Known]] = {}
    for known in remotes.known_refs(repo):
        by_name.setdefault(known.name, []).append(known)
    tagged = {oid for name, oid in there.items() if name.startswith(TAGS)}
    moves: list[Move] = []
    diverged: list[str] = []
    for name, copies in by_name.items():
        at = there.get(name)
        if name.startswith(TAGS):
            moves += _tags(name, at, copies, tagged)
        elif name.startswith(HEADS):
            moves += [(copies[0].oid, name)] if not at and (name, copies[0].oid) not in dead else []
        elif at != (best := furthest(repo, at, copies)):
            moves.append((best, name))
        elif copies[0].remote == "" and not _holds(repo, at, copies[0].oid):
            diverged.append(
                f"{name}: {remote} holds another history under this name, so two clones share it;"
                " nothing was overwritten"
            )
    return moves, diverged


def _tags(name: str, at: str | None, copies: Sequence[Known], tagged: set[str]) -> Iterator[Move]:
    """Champions are never moved: one whose name is taken there is published under its own id."""
    for oid in dict.fromkeys(known.oid for known in copies):
        if oid not in tagged:
            yield oid, f"{name}-{oid[:10]}" if at else name
            at = oid


def furthest(repo: Repository, at: str | None, copies: Sequence[Known]) -> str:
    """The copy of a chain that holds what the remote has and most beyond it."""
    best = at or copies[0].oid
    for oid in dict.fromkeys(known.oid for known in copies):
        if oid != best and _holds(repo, oid, best):
            best = oid
    return best


def _holds(repo: Repository, oid: str, other: str) -> bool:
    """Whether `other` is in the history of `oid`."""
    return oid == other or git.call(
        repo.cwd, "merge-base", "--is-ancestor", other, oid
    ).status == 0  # fmt: skip


def _push(
    repo: Repository, remote: str, refspecs: Sequence[str], options: Sequence[str] = ()
) -> None:
    """Push at once where the server can, and each ref for itself where one of them cannot go."""
    found = git.call(repo.cwd, *_pushing(remote), "--atomic", *options, "--", remote, *refspecs)
    if found.status != 0:
        found = git.call(repo.cwd, *_pushing(remote), *options, "--", remote, *refspecs)
    if found.status != 0:
        answers = [text.split("\t") for text in found.out.decode("utf-8", "replace").splitlines()]
        refused = [f"{words[1]}: {words[2]}" for words in answers if words[0] == "!"]
        raise Broken(found.error, refused)


def _pushing(remote: str) -> list[str]:
    """A mirror's own setting would refuse to push anything less than all."""
    return ["-c", f"remote.{remote}.mirror=false", "push", *_PUSH]


def _dead(repo: Repository) -> frozenset[tuple[str, str]]:
    """(public name, id) of every line that some clone's archive names."""
    return frozenset(
        (f"{HEADS}{population}/{name}", oid)
        for population in populations(repo)
        for name, oid in archive.dead(repo, population)
    )


def _settle(repo: Repository, remote: str) -> None:
    """Copies of lines that are dead and gone leave; a fetched champion is a tag here too."""
    taken = read_refs(repo, TAGS)
    copies = [known for known in remotes.known_refs(repo) if known.remote == remote]
    for known in copies:
        if known.name.startswith(TAGS) and known.oid not in taken.values():
            with contextlib.suppress(Conflict):
                transact(repo, [Update(known.name, known.oid, None)])
    with pruner_lock(repo) as held:
        dead = _dead(repo) if held else frozenset()
        gone = [Update(k.ref, None, k.oid) for k in copies if (k.name, k.oid) in dead]
        with contextlib.suppress(Conflict):
            transact(repo, gone)


@contextlib.contextmanager
def _alone(repo: Repository) -> Iterator[None]:
    """One exchange at a time in a clone: copies of a remote's refs have one updater too."""
    descriptor = try_lock(repo.state_dir / "sync.lock")
    if descriptor is None:
        raise AvogitError("another `avogit sync` is at work in this clone: wait until it is done")
    try:
        yield
    finally:
        os.close(descriptor)


def _clear_locks(repo: Repository, remote: str) -> None:
    """What a killed exchange left on the copies of this remote's refs."""
    clear_locks_below(repo, f"refs/remotes/{remote}/avo", f"refs/avo-remote/{remote}")


def _chunks(moves: Sequence[Move]) -> Iterator[Sequence[Move]]:
    return (moves[at : at + _CHUNK] for at in range(0, len(moves), _CHUNK))


def _cause(error: str) -> str:
    """Git's own words, without what the other side said about its progress."""
    lines = [text.strip() for text in error.splitlines() if text.strip()]
    telling = [text for text in lines if text.startswith(("fatal:", "error:", "remote: "))]
    return " ".join(telling or lines)[:400] or "git gave no reason"
