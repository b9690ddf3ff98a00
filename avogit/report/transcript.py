"""A transcript as turns of text: a chat's messages, or whatever a program printed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

_LIMIT = 200_000  # characters of one transcript


def turns(name: str, data: bytes) -> list[tuple[str, str]]:
    """(who, text) of every turn, cut where there is too much of it."""
    text = data.decode("utf-8", "replace")
    try:
        found = json.loads(text) if name.endswith(".json") else None
    except ValueError:
        found = None
    messages = found.get("messages") if isinstance(found, dict) else found
    if not isinstance(messages, list):
        return list(_cut([("output", text)]))
    return list(_cut([turn for message in messages for turn in _turns(message)]))


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
