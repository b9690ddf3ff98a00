"""Records in git: a writer's chain of commits, each holding record.json and its blobs.

Owns how a record is committed and found by its hash: one `git log` over the chains, whose
messages name the hashes. Leaves the JSON to `documents`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from avogit.errors import AvogitError
from avogit.store import documents, git, message, reader, rows, trailers
from avogit.store.documents import Document
from avogit.store.objects import REGULAR, TREE, NewObjects, TreeEntry
from avogit.store.population import chain_patterns, checked_name
from avogit.store.refs import read_refs
from avogit.store.repository import Repository
from avogit.store.signing import with_signature
from avogit.store.walk import walk_few

RECORD = "record.json"
TREE_NAME = "tree"  # of an attempt: the root tree that its workspace came to
_BLOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")


@dataclass(frozen=True, slots=True)
class RecordCommit:
    """Where a record lies, as its commit's message says."""

    commit: str
    name: str  # sha256:... of record.json
    kind: str
    time_s: int


def add_record(
    new: NewObjects,
    document: Document,
    kind: str,
    about: str,
    parent: str | None,
    time_s: int,
    tree: str = "",
    signing_key: str = "",
) -> str:
    """Take a record's commit in among new objects; gives its id. It holds `tree`, if any."""
    for name in document.blobs:
        if not _BLOB_NAME.fullmatch(name) or name in (RECORD, TREE_NAME):
            raise ValueError(f"a record cannot hold an attachment called {name!r}")
    entries = {name: TreeEntry(REGULAR, new.blob(data)) for name, data in document.blobs.items()}
    if tree:
        entries[TREE_NAME] = TreeEntry(TREE, tree)
    entries[RECORD] = TreeEntry(REGULAR, new.blob(document.data))
    pairs = [("Avo-Format", message.FORMAT), ("Avo-Record", document.name), ("Avo-Kind", kind)]
    block = "\n".join(f"{key}: {value}" for key, value in pairs)
    text = message.sealed(f"avogit recorded {message.one_line(about)}\n\n{block}\n", pairs)
    seal = functools.partial(with_signature, key=signing_key, object_format=new.repo.object_format)
    parents = [parent] if parent else []
    return new.commit(new.tree(entries), parents, text, time_s, seal=seal if signing_key else None)


def record_commits(
    repo: Repository, population: str, only: str = "", kind: str = ""
) -> Iterator[RecordCommit]:
    """The population's records, newest first; `only` the one of that name, or those of a kind."""
    tips = read_refs(repo, *chain_patterns("records", checked_name(population))).values()
    limit = ["-F", f"--grep=Avo-Record: {only}", "--max-count=1"] if only else []
    limit += ["-F", f"--grep=Avo-Kind: {kind}"] if kind else []
    for found in walked_records(repo, tips, limit):
        if not kind or found.kind == kind:  # else the words stand elsewhere in its message
            yield found


def walked_records(
    repo: Repository,
    tips: Collection[str],
    limit: Sequence[str] = (),
    without: Collection[str] = (),
) -> Iterator[RecordCommit]:
    """The records from these tips down to `without`, newest first, as `git log` limits them."""
    if not tips:
        return
    arguments = ["log", "-z", "--no-color", "--no-show-signature", rows.LOG_FORMAT, *limit]
    asked = "".join([*(f"{oid}\n" for oid in tips), *(f"^{oid}\n" for oid in without)]).encode()
    with git.stream(repo.cwd, *arguments, "--stdin", stdin=asked) as chunks:
        yield from map(_record_commit, rows.parse_log(chunks))


def newest_records(
    repo: Repository, tips: Collection[str], without: Collection[str]
) -> Iterable[RecordCommit]:
    """What these tips hold beyond `without`, newest first. A few of one chain need no process."""
    beyond = set(tips) - set(without)
    few = walk_few(repo, beyond, (without,)) if without and len(beyond) == 1 else None
    return walked_records(repo, tips, without=without) if few is None else map(_record_commit, few)


def _record_commit(entry: rows.LogEntry) -> RecordCommit:
    block = dict(trailers.parse(entry.message))
    name, kind = block.get("Avo-Record", ""), block.get("Avo-Kind", "")
    return RecordCommit(entry.oid, name, kind, entry.time_s)


def read_record(repo: Repository, population: str, sha: str) -> dict[str, Any]:
    """The record of this name (`sha256:...`)."""
    data = read_blob(repo, population, sha, RECORD)
    return documents.parse_document(data, f"record {sha[:19]}")


def read_blob(repo: Repository, population: str, sha: str, name: str) -> bytes:
    """One file of a record: an attachment, or `raw.json`."""
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", sha):
        raise AvogitError(f"{sha!r} names no record: `avogit show` prints a candidate's")
    found = next(record_commits(repo, population, sha), None)
    if found is None:
        raise AvogitError(
            f"record {sha[:19]} of {population} is not here: fetch refs/avo/* or run `avogit fsck`"
        )
    blob = reader.read_object(repo, f"{found.commit}:{name}")
    if blob is None:
        raise AvogitError(f"record {sha[:19]} holds no {name}")
    return blob[2]


def records(repo: Repository, population: str, kind: str = "") -> Iterator[dict[str, Any]]:
    """Every record of a population (of one kind), newest first, with its `name` and `commit`."""
    commits = list(record_commits(repo, population, kind=kind))
    found = reader.read_objects(repo, [f"{item.commit}:{RECORD}" for item in commits])
    for item, blob in zip(commits, found, strict=True):
        if blob is not None:
            document = documents.parse_document(blob[2], f"record {item.name[:19]}")
            yield document | {"name": item.name, "commit": item.commit}


def attachment(repo: Repository, commit: str, name: str) -> bytes | None:
    """A file beside the record that this commit holds."""
    found = reader.read_object(repo, f"{commit}:{name}")
    return found[2] if found else None
