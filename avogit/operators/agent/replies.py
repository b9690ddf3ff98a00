"""What a model answered: a reply and its tool calls, from bodies that are trusted in nothing.

Owns parsing, strictly: servers that call themselves compatible send nulls, objects for strings,
and pages of HTML. Leaves asking to `client`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call as the model wrote it; `arguments` should be a JSON object and may be anything."""

    id: str
    name: str
    arguments: str

    @property
    def valid_arguments(self) -> str:
        """What may be sent back: some servers fail on a history that holds broken JSON."""
        try:
            parsed = parse_json(self.arguments)
        except ValueError:
            return "{}"
        return self.arguments if isinstance(parsed, dict) else "{}"


class Tokens(NamedTuple):
    """What a reply cost."""

    read: int  # all of the input, cached ones too
    written: int
    cached: int  # of the input


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of the model."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    tokens: Tokens | None = None  # None: the provider did not tell
    broken: str = ""  # why it cannot be used: cut off, or no chat completion at all


def parse_json(text: str) -> object:
    """A JSON value. Raises ValueError, also for what is nested too deeply to be parsed."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def clean(text: str) -> str:
    """The text without lone surrogates: JSON can spell them, and nothing can encode them."""
    return text.encode("utf-8", "replace").decode("utf-8")


def parse_reply(body: str) -> Reply:
    """A reply from a response body. Tokens count even where the rest cannot be used."""
    try:
        return read_reply(mapping(parse_json(body)))
    except ValueError:
        return Reply(broken="the endpoint's answer is not JSON, or was cut off")


def read_reply(document: Mapping[str, Any]) -> Reply:
    """A reply from a chat completion."""
    tokens = tokens_in(document)
    choices = document.get("choices")
    if not isinstance(choices, list) or not choices:
        return Reply(tokens=tokens, broken="the endpoint's answer holds no choices")
    choice = mapping(choices[0])
    message = mapping(choice.get("message"))
    text = message.get("content")
    cut = choice.get("finish_reason") == "length"
    return Reply(
        clean(text) if isinstance(text, str) else "",
        () if cut else _calls(message.get("tool_calls")),
        tokens,
        broken="the reply was cut off at the endpoint's length limit" if cut else "",
    )


def tokens_in(document: Mapping[str, Any]) -> Tokens | None:
    """The tokens that a completion tells of."""
    spent = document.get("usage")
    if not isinstance(spent, dict) or not spent:
        return None
    cached = mapping(spent.get("prompt_tokens_details")).get("cached_tokens")
    read = _count(spent.get("prompt_tokens"))
    return Tokens(read, _count(spent.get("completion_tokens")), min(_count(cached), read))


def mapping(value: object) -> Mapping[str, Any]:
    """The value where it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def _calls(value: object) -> tuple[ToolCall, ...]:
    entries = value if isinstance(value, list) else []
    return tuple(_call(mapping(entry), number) for number, entry in enumerate(entries))


def _call(entry: Mapping[str, Any], number: int) -> ToolCall:
    function = mapping(entry.get("function"))
    arguments = function.get("arguments")
    text = arguments if isinstance(arguments, str) else json.dumps(arguments or {})
    name = clean(str(function.get("name")))
    return ToolCall(clean(str(entry.get("id") or f"call-{number}")), name, clean(text))


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
