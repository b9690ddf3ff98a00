"""What an agent says that it was paid for, where its output is lines of JSON.

Owns finding `usage` at the top of such a line: the form in which the agents that print their
tokens do so (`presets`). A program's own words: they are recorded, and decide nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from avogit.records import Usage

_INPUT = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_MOST = 1 << 40


def usage_told(transcript: str) -> Usage | None:
    """The sum of all usages told; None where none was."""
    found = list(_documents(transcript))
    if not found:
        return None
    given = sum(_count(usage, name) for _, usage in found for name in _INPUT)
    made = sum(_count(usage, "output_tokens") for _, usage in found)
    cached = sum(_count(usage, _INPUT[2]) for _, usage in found)
    return Usage(next((m for m, _ in found if m), ""), given, made, cached)


def _documents(transcript: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """A model's name, or "", and a usage."""
    for line in transcript.splitlines():
        if line.startswith("{") and '"usage"' in line:
            try:
                document = json.loads(line)
            except (ValueError, RecursionError):
                continue
            usage = document.get("usage")
            if isinstance(usage, dict):
                yield _model(document), usage


def _model(document: dict[str, Any]) -> str:
    """As `model`, or as the only key of a table of usage by model."""
    by_model = document.get("modelUsage")
    if isinstance(by_model, dict) and len(by_model) == 1:
        return str(next(iter(by_model)))
    model = document.get("model")
    return model if isinstance(model, str) else ""


def _count(usage: dict[str, Any], name: str) -> int:
    value = usage.get(name, 0)
    return value if type(value) is int and 0 <= value < _MOST else 0
