"""What tools take and give, and the shape of their texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from avogit.operators.agent.session import Session
from avogit.operators.text import one_line, text_of

MAX_LINES = 400  # of a file, where the model does not ask for fewer
MAX_DETAIL = 4_000  # characters: compiler output, or where an answer differs

Arguments = Mapping[str, Any]  # checked against tools.json before a tool sees them


@dataclass(frozen=True, slots=True)
class Submitted:
    """The model is done with a child."""

    files: Mapping[str, bytes]
    subject: str
    why: str


@dataclass(frozen=True, slots=True)
class GaveUp:
    """The model is done without one."""

    reason: str


Result = str | Submitted | GaveUp


def said(session: Session, arguments: Arguments, key: str, limit: int) -> str:
    """One line of the model's for git: without secrets, even where the cut would split one."""
    return one_line(session.redaction.text(arguments[key]), limit)


def numbered_part(title: str, data: bytes, arguments: Arguments) -> str:
    """The lines of a file that were asked for, and how to read on."""
    lines = text_of(data).split("\n")
    first = max(1, arguments.get("first_line", 1))
    shown = lines[first - 1 :][: max(1, arguments.get("lines", MAX_LINES))]
    last = first + len(shown) - 1
    heading = f"{title}, lines {first} to {last} of {len(lines)}"
    if last < len(lines):
        heading += f" (go on with first_line={last + 1})"
    return "\n".join([f"[{heading}]", *shown])
