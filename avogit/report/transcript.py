"""A transcript as turns of text: a chat's messages, or whatever a program printed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from avogit.commands.transcript import Told, told

_LIMIT = 200_000  # characters of one transcript


def turns(name: str, data: bytes) -> list[tuple[str, str]]:
    """(who, text) of every turn, cut where there is too much of it."""
    return list(_cut(_spoken(told(name, data))))


def transcript_text(result: Told) -> str:
    """The whole of it for a terminal, which must not obey what a model or a program said."""
    found = _spoken(result)
    return "\n\n".join(_printable(f"--- {who}\n{text.rstrip()}") for who, text in found)


def _spoken(result: Told) -> list[tuple[str, str]]:
    if isinstance(result.said, str):
        return [("output", result.said)]
    return [turn for message in result.said for turn in _turns(message)]


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text)


def _turns(message: Any) -> Iterator[tuple[str, str]]:
    """A chat message of the common shape; anything else as the JSON that it is."""
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        yield "", json.dumps(message, ensure_ascii=False, indent=1)
        return
    content = message.get("content")
    if isinstance(content, list):
        content = "\n".join(p.get("text", "") if isinstance(p, dict) else str(p) for p in content)
    if content:
        yield message["role"], str(content)
    for call in message.get("tool_calls") or ():
        function = call.get("function", {}) if isinstance(call, dict) else {}
        yield f"{message['role']} calls", f"{function.get('name')} {function.get('arguments')}"


def _cut(found: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    room = _LIMIT
    for who, text in found:
        yield who, text[:room]
        room -= len(text)
        if room <= 0:
            yield "", "[cut here; the record has the rest]"
            return
