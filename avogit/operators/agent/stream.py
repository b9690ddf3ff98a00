"""A reply as it arrives: server-sent events put together, or one JSON document.

Owns telling the two apart and joining the pieces. A server that was asked to stream may answer
whole; a stream may end early. Tokens count as soon as they are told, whatever comes after.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from avogit.operators.agent.replies import (
    Reply,
    clean,
    mapping,
    parse_json,
    parse_reply,
    read_reply,
)

CUT_SHORT = "the connection closed before the reply was whole"


@dataclass(slots=True)
class Incoming:
    """Takes lines until the server is done. `heard` is told of text as it comes."""

    heard: Callable[[str], None]
    _lines: list[str] = field(default_factory=list)  # of an answer that is no stream
    _streams: bool = False
    _text: str = ""
    _calls: dict[str, dict[str, Any]] = field(default_factory=dict)
    _document: dict[str, Any] = field(default_factory=dict)  # the completion, less its message
    _ended: bool = False
    _wrong: str = ""

    def take(self, line: str) -> None:
        """One line of the response."""
        if not self._lines and line.startswith(("data:", "event:", "id:", ":")):
            self._streams = True
        if not self._streams:
            self._lines.append(line)
        elif line.startswith("data:"):
            self._event(line[5:].strip())

    def reply(self, *, cut: bool = False) -> Reply:
        """What came; `cut`: the connection broke."""
        if not self._streams:
            return Reply(broken=CUT_SHORT) if cut else parse_reply("\n".join(self._lines))
        message = {"content": self._text, "tool_calls": list(self._calls.values())}
        for choice in self._document.get("choices", ()):
            choice["message"] = message
            cut = cut or not (self._ended or choice["finish_reason"])
        found = read_reply(self._document)
        broken = self._wrong or found.broken or (CUT_SHORT if cut else "")
        return replace(found, calls=() if broken else found.calls, broken=broken)

    def _event(self, data: str) -> None:
        if data == "[DONE]":
            self._ended = True
            return
        try:
            chunk = mapping(parse_json(data))
        except ValueError:
            self._wrong = "the endpoint's stream holds what is not JSON"
            return
        if chunk.get("error"):
            said = mapping(chunk["error"]).get("message") or chunk["error"]
            self._wrong = f"the endpoint broke off: {clean(str(said))}"
        if isinstance(chunk.get("usage"), dict):
            self._document["usage"] = chunk["usage"]  # the last one counts: some tell sums
        choices = chunk.get("choices")
        if isinstance(choices, list) and choices:
            self._piece(mapping(choices[0]))

    def _piece(self, choice: Mapping[str, Any]) -> None:
        (kept,) = self._document.setdefault("choices", [{"finish_reason": None}])
        kept["finish_reason"] = choice.get("finish_reason") or kept["finish_reason"]
        delta = mapping(choice.get("delta") or choice.get("message"))
        text = delta.get("content")
        if isinstance(text, str) and text:
            self._text += text
            self.heard(clean(text))
        entries = delta.get("tool_calls")
        for entry in entries if isinstance(entries, list) else ():
            self._call(mapping(entry))

    def _call(self, entry: Mapping[str, Any]) -> None:
        """Some servers number the calls; others send each whole, with an id of its own."""
        number, name = entry.get("index"), entry.get("id")
        key = number if isinstance(number, int) else name or next(reversed(self._calls), "")
        call = self._calls.setdefault(str(key), {"id": name, "function": {}})
        whole = call["function"]
        for part, value in mapping(entry.get("function")).items():
            joined = isinstance(value, str) and isinstance(whole.get(part), str)
            whole[part] = whole[part] + value if joined else value or whole.get(part)
