"""What an agent says that it was paid for, where its output is lines of JSON.

Owns finding `usage` at the top of such a line, or opencode's `tokens` of a step: the forms in
which the agents of `presets` print them. A program's own words: they are recorded, and decide
nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from avogit.records import Usage

_INPUT = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_OUTPUT = ("output_tokens", "reasoning")
_MOST = 1 << 40


def usage_told(transcript: str) -> Usage | None:
    """The sum of all usages told; None where none was."""
    found = list(_documents(transcript))
    if not found:
        return None
    given = sum(_count(usage, name) for _, usage in found for name in _INPUT)
    made = sum(_count(usage, name) for _, usage in found for name in _OUTPUT)
    cached = sum(_count(usage, _INPUT[2]) for _, usage in found)
    return Usage(next((m for m, _ in found if m), ""), given, made, cached)


def _documents(transcript: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """A model's name, or "", and a usage."""
    for line in transcript.splitlines():
        if line.startswith("{") and ('"usage"' in line or '"tokens"' in line):
            try:
                document = json.loads(line)
            except (ValueError, RecursionError):
                continue
            usage = document.get("usage") or _of_opencode(document.get("part"))
            if isinstance(usage, dict):
                yield _model(document), usage


def _of_opencode(part: object) -> dict[str, Any] | None:
    """The tokens of one reply, where that is what ended; they name input without cached ones."""
    tokens = part.get("tokens") if isinstance(part, dict) else None
    if not isinstance(part, dict) or not isinstance(tokens, dict):
        return None
    cache = tokens.get("cache")
    cached = cache if isinstance(cache, dict) else {}
    return {
        "input_tokens": tokens.get("input"),
        "output_tokens": tokens.get("output"),
        "reasoning": tokens.get("reasoning"),
        "cache_creation_input_tokens": cached.get("write"),
        "cache_read_input_tokens": cached.get("read"),
    }


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
