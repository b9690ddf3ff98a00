"""Frozen values -> what `json` can write: mappings, lists, strings and numbers."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from pathlib import Path


def plain(value: object) -> object:
    """A JSON-able copy; bytes are left out, since no result is about them."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {f.name: plain(getattr(value, f.name)) for f in fields}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items() if not isinstance(v, bytes)}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return value
