"""Reading objects through one open `git cat-file --batch` a handle.

Owns that process: it ends when its handle is forgotten, when this process ends in whatever
way (its input closes), or after an exchange that broke off. Asking an open one costs a
hundredth of starting a git.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from avogit.store import git
from avogit.store.repository import Repository

_KEY = "\0reader"
_CHUNK_BYTES = 16 << 10  # asked at once: less than a pipe holds, so neither side can block

Object = tuple[str, str, bytes]  # id, type, content


class _Batch:
    """The open process. `exchange` is all or nothing: a broken one is never used again."""

    def __init__(self, cwd: Path) -> None:
        self.process = git.start_batch(cwd)
        self.lock = threading.Lock()
        self.close = weakref.finalize(self, _close, self.process)

    def exchange(self, asked: bytes, count: int) -> list[Object | None]:
        with self.lock:
            try:
                self.process.stdin.write(asked)
                self.process.stdin.flush()
                return [self._answer() for _ in range(count)]
            except BaseException:
                self.close()
                raise

    def _answer(self) -> Object | None:
        heading = self.process.stdout.readline()
        if not heading.endswith(b"\n"):
            raise BrokenPipeError("git cat-file ended")
        words = heading[:-1].rsplit(b" ", 2)
        if words[-1] in (b"missing", b"ambiguous"):
            return None
        data = self.process.stdout.read(int(words[2]) + 1)
        return words[0].decode(), words[1].decode(), data[:-1]


def read_objects(repo: Repository, names: Sequence[str]) -> Iterator[Object | None]:
    """Id, type and content of every named object, None where there is none."""
    for chunk in _chunks(names):
        asked = "".join(f"{name}\n" for name in chunk).encode("utf-8", "surrogateescape")
        yield from _exchange(repo, asked, len(chunk))


def read_object(repo: Repository, name: str) -> Object | None:
    """One object by any name that git knows."""
    return next(read_objects(repo, [name]))


def _exchange(repo: Repository, asked: bytes, count: int) -> list[Object | None]:
    batch = repo.memory.get(_KEY)
    if isinstance(batch, _Batch) and batch.close.alive:
        try:
            return batch.exchange(asked, count)
        except BrokenPipeError:
            pass  # it was ended from outside, as by a Ctrl-C of the whole group
    batch = repo.memory[_KEY] = _Batch(repo.cwd)
    return batch.exchange(asked, count)


def _chunks(names: Sequence[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    size = 0
    for name in names:
        if "\n" in name:
            raise ValueError(f"git cannot be asked for {name!r}")
        if chunk and size + 4 * len(name) > _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(name)
        size += 4 * len(name) + 1
    if chunk:
        yield chunk


def _close(process: Any) -> None:
    git.end(process)
