"""`avogit show REV --transcript`: the conversation that made a candidate, or came to nothing."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avogit import store
from avogit.errors import AvogitError
from avogit.records import TRANSCRIPT
from avogit.session import choose_population, find_candidate, read_population

_NAMES = (TRANSCRIPT, "transcript.json", "transcript.txt")  # older ones are plain
_MAX_BYTES = 256 << 20  # unpacked
_GZIP = 31  # zlib's name for that format


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said: a file of a record, as it is kept."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Told:
    """What was said, unpacked: a model's messages, or the text that a program printed."""

    name: str
    said: Any


def transcript(path: Path, population: str | None, rev: str) -> Told:
    """The conversation of a candidate, or of an attempt by its record (`sha256:...`)."""
    repo = store.open_repository(path)
    chosen = choose_population(repo, population)
    name = rev
    if not rev.startswith("sha256:"):
        candidate = find_candidate(repo, read_population(repo, chosen), rev)
        name = candidate.trailers.get("Avo-Evaluation", "")
    listed = store.read_record(repo, chosen, name)["blobs"] if name else {}
    found = next((blob for blob in _NAMES if blob in listed), None)
    if found is None:
        raise AvogitError(
            f"{rev} has no transcript: `tune`, a person and drafts leave none; a draft's stands "
            "with the child or attempt that its step ended in"
        )
    return told(found, store.read_blob(repo, chosen, name, found))


def told(name: str, data: bytes) -> Told:
    """A transcript's content; what is not what its name says is text."""
    name, data = unpacked(name, data)
    text = data.decode("utf-8", "replace")
    try:
        found = json.loads(text) if name.endswith(".json") else text
    except ValueError:
        found = text
    messages = found.get("messages") if isinstance(found, dict) else found
    return Told(name, messages if isinstance(messages, list) else text)


def unpacked(name: str, data: bytes) -> tuple[str, bytes]:
    """Name and content without compression; what cannot be unpacked stays as it is."""
    if not name.endswith(".gz"):
        return name, data
    try:
        plain = zlib.decompressobj(_GZIP).decompress(data, _MAX_BYTES)
    except zlib.error:
        return name, data
    return name.removesuffix(".gz"), plain
