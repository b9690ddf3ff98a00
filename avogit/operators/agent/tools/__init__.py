"""The tools that the model calls: text in, bounded text out.

Owns the list of tools and checking a call against `templates/agent/tools.json`. To add one: a
function in a module here, its line in `TOOLS`, its entry in tools.json. By subject: `files`,
`shell`, `lineage`, `notes`, `planning`, `measuring`, `ending`; what is done lies in `session`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from avogit.operators.agent.replies import clean, parse_json
from avogit.operators.agent.session import Refused, Session
from avogit.operators.agent.tools import (
    ending,
    files,
    lineage,
    measuring,
    notes,
    planning,
    shell,
)
from avogit.operators.agent.tools.results import Arguments, GaveUp, Result, Submitted
from avogit.operators.prompts import template_text
from avogit.operators.text import bounded, one_line

__all__ = ["LASTING", "TOOLS", "GaveUp", "Malformed", "Submitted", "call_tool", "tool_list"]

MAX_RESULT = 16_000  # characters of one tool result

TOOLS: dict[str, Callable[[Session, Arguments], Result]] = {
    "list_files": files.list_files,
    "read_file": files.read_file,
    "search_files": files.search_files,
    "knowledge_search": notes.knowledge_search,
    "knowledge_read": notes.knowledge_read,
    "lineage_log": lineage.lineage_log,
    "lineage_show": lineage.lineage_show,
    "lineage_diff": lineage.lineage_diff,
    "lineage_failures": lineage.lineage_failures,
    "restart_from": planning.restart_from,
    "plan": planning.plan,
    "write_file": files.write_file,
    "edit_file": files.edit_file,
    "shell": shell.shell,
    "build": measuring.build,
    "evaluate": measuring.evaluate,
    "profile": measuring.profile,
    "submit": ending.submit,
    "give_up": ending.give_up,
}

# What leaves something, or takes long. All others give the same again at once, to a process that
# goes on with the step.
LASTING = (
    "restart_from",
    "plan",
    "write_file",
    "edit_file",
    "shell",
    "build",
    "evaluate",
    "profile",
)


class Malformed(Refused):
    """A call that names no tool, or whose arguments are not what the tool takes."""


def tool_list() -> list[dict[str, Any]]:
    """The tools in the API's form."""
    entries = json.loads(template_text("agent/tools.json"))
    return [{"type": "function", "function": entry} for entry in entries]


def call_tool(session: Session, name: str, arguments: str, tools: list[dict[str, Any]]) -> Result:
    """Run one call. Raises `Refused`, or `Malformed` where it is no proper call."""
    known = {entry["function"]["name"]: entry["function"]["parameters"] for entry in tools}
    if name not in known:
        raise Malformed(f"there is no tool {name!r}; there are: {', '.join(known)}")
    result = TOOLS[name](session, _parsed(name, arguments, known[name]))
    return bounded(result, MAX_RESULT) if isinstance(result, str) else result


def _parsed(name: str, text: str, schema: Mapping[str, Any]) -> Arguments:
    try:
        arguments = parse_json(text or "{}")
    except ValueError as error:
        raise Malformed(
            f"the arguments of {name} are not valid JSON ({error}): {one_line(text, 200)}"
        ) from error
    if not isinstance(arguments, dict):
        raise Malformed(f"the arguments of {name} must be a JSON object")
    properties = schema["properties"]
    for key in arguments:
        if key not in properties:
            raise Malformed(
                f"{name} takes no {key!r}; it takes: {', '.join(properties) or 'nothing'}"
            )
    for key in schema["required"]:
        if key not in arguments:
            raise Malformed(f"{name} needs {key!r}")
    for key, value in arguments.items():
        _check(f"{name}: {key}", value, properties[key])
    return {k: clean(v) if isinstance(v, str) else v for k, v in arguments.items()}


def _check(where: str, value: object, schema: Mapping[str, Any]) -> None:
    types: dict[str, type | tuple[type, ...]] = {
        "string": str,
        "integer": int,
        "number": (int, float),
    }
    if not isinstance(value, types[schema["type"]]) or isinstance(value, bool):
        found = one_line(repr(value), 80)
        raise Malformed(f"{where} must be of type {schema['type']}, found {found}")
    if "enum" in schema and value not in schema["enum"]:
        raise Malformed(f"{where} must be one of {', '.join(schema['enum'])}, found {value!r}")
