"""Git objects made in memory and written together by one `git unpack-objects`.

Owns object ids and the bytes of blobs, trees and commits. A step writes a dozen small objects;
one process a step instead of one an object is what keeps a candidate cheap. Git checks what
it is given (`--strict`), and nothing is visible before a ref moves.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from avogit.store import git
from avogit.store.repository import Repository

REGULAR, EXECUTABLE, TREE, SYMLINK, GITLINK = "100644", "100755", "40000", "120000", "160000"
_ATTEMPTS = 8
_PACK_TYPES = {"commit": 1, "tree": 2, "blob": 3, "tag": 4}


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One name in a tree. Names are bytes with surrogates escaped."""

    mode: str
    oid: str


@dataclass(frozen=True, slots=True)
class Person:
    """Who an object says made it."""

    name: str
    email: str


AVOGIT = Person("avogit", "avogit@localhost")


@dataclass(slots=True)
class NewObjects:
    """Objects that are not written yet. Ids are known at once; `write` makes them real."""

    repo: Repository
    _made: dict[str, tuple[str, bytes]] = field(default_factory=dict)

    def add(self, kind: str, data: bytes) -> str:
        """Take one object in; gives its id."""
        header = f"{kind} {len(data)}\0".encode()
        oid = hashlib.new(self.repo.object_format, header + data).hexdigest()
        self._made[oid] = (kind, data)
        return oid

    def blob(self, data: bytes) -> str:
        """A file's content."""
        return self.add("blob", data)

    def tree(self, entries: Mapping[str, TreeEntry]) -> str:
        """A folder."""
        return self.add("tree", tree_bytes(entries))

    def commit(
        self,
        tree: str,
        parents: Sequence[str],
        message: str,
        time_s: int,
        author: Person = AVOGIT,
        seal: Callable[[bytes], bytes] | None = None,
    ) -> str:
        """A commit; avogit is its committer. `seal` gives its bytes with a signature."""
        lines = [f"tree {tree}", *(f"parent {oid}" for oid in parents)]
        lines += [signed("author", author, time_s), signed("committer", AVOGIT, time_s)]
        data = ("\n".join(lines) + "\n\n" + message).encode("utf-8", "replace")
        return self.add("commit", seal(data) if seal else data)

    def write(self) -> None:
        """Write them all as loose objects, in one process."""
        if self._made:
            pack = _pack(list(self._made.values()), self.repo.object_format)
            _unpack(self.repo, pack)
            self._made.clear()


def _unpack(repo: Repository, pack: bytes) -> None:
    """Write objects. A packing git removes empty folders, also one that was made this moment."""
    for _ in range(_ATTEMPTS):
        found = git.call(repo.cwd, "unpack-objects", "-q", "--strict", stdin=pack)
        if found.status == 0:
            return
        if "unable to create temporary file: No such file" not in found.error:
            break
    raise git.GitFailed("unpack-objects", found.status, found.error)


def signed(role: str, person: Person, time_s: int) -> str:
    """An author, committer or tagger line."""
    name, email = (
        re.sub(r"[<>\x00-\x1f]", "", part).strip() for part in (person.name, person.email)
    )
    return f"{role} {name or 'avogit'} <{email}> {time_s} +0000"


def tree_bytes(entries: Mapping[str, TreeEntry]) -> bytes:
    """A tree object's content, its entries in git's order."""
    parts = []
    for name in sorted(entries, key=lambda n: _sort_key(n, entries[n].mode)):
        entry = entries[name]
        raw_name = name.encode("utf-8", "surrogateescape")
        parts.append(f"{entry.mode} ".encode() + raw_name + b"\0" + bytes.fromhex(entry.oid))
    return b"".join(parts)


def parse_tree(data: bytes, object_format: str) -> dict[str, TreeEntry]:
    """The entries of a tree object's content."""
    size = hashlib.new(object_format).digest_size
    entries, at = {}, 0
    while at < len(data):
        end = data.index(b"\0", at)
        mode, name = data[at:end].split(b" ", 1)
        oid = data[end + 1 : end + 1 + size].hex()
        entries[name.decode("utf-8", "surrogateescape")] = TreeEntry(mode.decode(), oid)
        at = end + 1 + size
    return entries


def _sort_key(name: str, mode: str) -> bytes:
    raw = name.encode("utf-8", "surrogateescape")
    return raw + b"/" if mode == TREE else raw


def _pack(objects: Sequence[tuple[str, bytes]], object_format: str) -> bytes:
    parts = [b"PACK" + (2).to_bytes(4, "big") + len(objects).to_bytes(4, "big")]
    for kind, data in objects:
        parts += [_pack_header(_PACK_TYPES[kind], len(data)), zlib.compress(data, 0)]
    body = b"".join(parts)
    return body + hashlib.new(object_format, body).digest()


def _pack_header(kind: int, size: int) -> bytes:
    first, size = (kind << 4) | (size & 15), size >> 4
    header = bytearray()
    while size:
        header.append(first | 128)
        first, size = size & 127, size >> 7
    header.append(first)
    return bytes(header)
