"""The tools that the model calls: text in, bounded text out.

Owns checking a call's arguments against `templates/agent/tools.json`, and the words of every
result. Leaves what is done to `session`. To add one: a function here, its line in `TOOLS`, its
entry in tools.json.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from avogit.operators.agent.client import clean, parse_json
from avogit.operators.agent.session import WORKSPACE, Draft, Refused, Session
from avogit.operators.prompts import render, template_text
from avogit.operators.text import (
    SHORT,
    best,
    bounded,
    files_diff,
    log_lines,
    newest,
    one_line,
    score_text,
    text_of,
)
from avogit.records import Plan, Verdict

MAX_RESULT = 16_000  # characters of one tool result
MAX_DETAIL = 4_000  # of them, compiler output or where an answer differs
MAX_LINES = 400  # of a file, where the model does not ask for fewer
MAX_LOG = 50
MAX_GAIN_PCT = 10_000


class Malformed(Refused):
    """A call that names no tool, or whose arguments are not what the tool takes."""


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
Arguments = Mapping[str, Any]  # checked against tools.json before a tool sees them


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
        _check_type(f"{name}: {key}", value, properties[key]["type"])
    return {k: clean(v) if isinstance(v, str) else v for k, v in arguments.items()}


def _check_type(where: str, value: object, kind: str) -> None:
    types: dict[str, type | tuple[type, ...]] = {
        "string": str,
        "integer": int,
        "number": (int, float),
    }
    if not isinstance(value, types[kind]) or isinstance(value, bool):
        raise Malformed(f"{where} must be of type {kind}, found {one_line(repr(value), 80)}")


def list_files(session: Session, _: Arguments) -> str:
    """Names, sizes, and which may be changed."""
    files = session.files_at(WORKSPACE)
    rows = (
        f"{name}  {len(files[name])} bytes  "
        f"{'editable' if session.task.is_editable(name) else 'read-only'}"
        for name in sorted(files)
    )
    return "\n".join(rows)


def read_file(session: Session, arguments: Arguments) -> str:
    """Lines of a file, in the workspace or at a revision."""
    name, revision = arguments["path"], arguments.get("revision", WORKSPACE)
    files = session.files_at(revision)
    if name not in files:
        raise Refused(f"no {name!r} at {revision}; there are: {', '.join(sorted(files))}")
    return _lines(f"{name} at {revision}", files[name], arguments)


def _lines(title: str, data: bytes, arguments: Arguments) -> str:
    lines = text_of(data).split("\n")
    first = max(1, arguments.get("first_line", 1))
    shown = lines[first - 1 :][: max(1, arguments.get("lines", MAX_LINES))]
    last = first + len(shown) - 1
    heading = f"{title}, lines {first} to {last} of {len(lines)}"
    if last < len(lines):
        heading += f" (go on with first_line={last + 1})"
    return "\n".join([f"[{heading}]", *shown])


def write_file(session: Session, arguments: Arguments) -> str:
    """A whole file, new or replaced."""
    data = arguments["content"].encode("utf-8", "replace")
    session.write(arguments["path"], data)
    return f"wrote {arguments['path']}, {len(data)} bytes"


def edit_file(session: Session, arguments: Arguments) -> str:
    """One exact, unique piece of text replaced."""
    name, old, new = arguments["path"], arguments["old"], arguments["new"]
    files = session.files()
    if name not in files:
        raise Refused(f"no editable file {name!r}; there are: {', '.join(sorted(files))}")
    data, wanted = files[name], old.encode("utf-8", "replace")
    count = data.count(wanted) if wanted else 0
    if count != 1:
        raise Refused(
            f"`old` must stand exactly once in {name}, found {count} times; "
            "copy it with its spaces, and more lines around it where it repeats"
        )
    session.write(name, data.replace(wanted, new.encode("utf-8", "replace")))
    line = data[: data.index(wanted)].count(b"\n") + 1
    return f"edited {name} at line {line}"


def lineage_log(session: Session, arguments: Arguments) -> str:
    """The lineage's candidates, with scores."""
    count = min(max(1, arguments.get("count", 20)), MAX_LOG)
    order = arguments.get("order", "newest")
    if order not in ("newest", "best"):
        raise Refused(f"order must be newest or best, found {order!r}")
    lineage = session.context.lineage
    chosen = newest(lineage, count) if order == "newest" else best(lineage, count)
    lines = log_lines(chosen)
    return "\n".join([*lines, f"[{len(chosen)} of {len(lineage.candidates)} candidates]"])


def lineage_show(session: Session, arguments: Arguments) -> str:
    """All that a candidate's message says in numbers and names."""
    candidate = session.candidate(arguments["revision"])
    scores = [f"  {name}: {score:.4f}" for name, score in candidate.workload_scores.items()]
    trailers = [f"{name}: {value}" for name, value in candidate.trailers.items()]
    return "\n".join(
        [
            f"{candidate.oid} (parents: {' '.join(p[:SHORT] for p in candidate.parents)})",
            candidate.subject,
            f"score: {score_text(candidate)}",
            *scores,
            *trailers,
        ]
    )


def lineage_diff(session: Session, arguments: Arguments) -> str:
    """What differs between two revisions' editable files."""
    sides = [
        session.task.editable_files(session.files_at(arguments[key])) for key in ("from", "to")
    ]
    return files_diff(*sides) or "no difference in editable files"


def knowledge(session: Session, arguments: Arguments) -> str:
    """The knowledge folder's files, or one of them."""
    files = session.task.knowledge()
    name = arguments.get("file")
    if name is None:
        return "\n".join(f"{n}  {len(d)} bytes" for n, d in sorted(files.items())) or "none"
    if name not in files:
        raise Refused(f"no {name!r}; there are: {', '.join(sorted(files)) or 'none'}")
    return _lines(name, files[name], arguments)


def plan(session: Session, arguments: Arguments) -> str:
    """What the model will try, said before it edits."""
    gain = arguments.get("expected_gain_pct")
    if gain is not None and not -100 <= gain <= MAX_GAIN_PCT:
        raise Refused(f"expected_gain_pct must be a percentage up to {MAX_GAIN_PCT}")
    session.plan = Plan(_said(session, arguments, "hypothesis", 500), gain)
    return "noted; now edit"


def take_parent(session: Session, arguments: Arguments) -> str:
    """Start again from another revision."""
    start = session.take_parent(arguments["revision"])
    text = f"the workspace holds {start.oid[:SHORT]} now; earlier edits of this step are gone"
    if start.oid != session.parent.oid:
        above = session.parent.oid[:SHORT]
        text += f"; it never entered a line, so your child's parent is its ancestor {above}"
    return text


def evaluate(session: Session, arguments: Arguments) -> str:
    """The verdict on the workspace as it is."""
    files = session.files()
    if not session.is_changed(files):
        raise Refused("nothing differs from the parent: edit first")
    known = session.evaluated(files)
    draft = known or session.evaluate(files, _said(session, arguments, "subject", 100))
    left = session.context.config.agent.max_evaluations - len(session.drafts)
    return evaluation_text(draft, left, again=known is not None)


def evaluation_text(draft: Draft, left: int, *, again: bool = False) -> str:
    """A verdict as the model reads it."""
    return render(
        "agent/evaluation.md.j2",
        draft=draft,
        evaluation=draft.evaluation,
        detail=bounded(draft.evaluation.detail, MAX_DETAIL),
        passed=draft.evaluation.verdict is Verdict.PASSED,
        left=left,
        again=again,
    )


def submit(session: Session, arguments: Arguments) -> Submitted:
    """The workspace becomes the child."""
    files = session.files()
    if not session.is_changed(files):
        raise Refused("nothing differs from the parent: there is nothing to submit")
    known = session.evaluated(files)
    if known is not None and known.evaluation.verdict is not Verdict.PASSED:
        raise Refused(
            f"this version is draft-{known.number}: {known.evaluation.verdict}; repair it"
        )
    why = bounded(session.redaction.text(arguments["why"]), MAX_DETAIL)
    return Submitted(files, _said(session, arguments, "subject", 100), why)


def give_up(session: Session, arguments: Arguments) -> GaveUp:
    """No child from this step."""
    return GaveUp(_said(session, arguments, "reason", 500))


def _said(session: Session, arguments: Arguments, key: str, limit: int) -> str:
    """One line of the model's for git: without secrets, even where the cut would split one."""
    return one_line(session.redaction.text(arguments[key]), limit)


TOOLS: dict[str, Callable[[Session, Arguments], Result]] = {
    "list_files": list_files,
    "read_file": read_file,
    "knowledge": knowledge,
    "lineage_log": lineage_log,
    "lineage_show": lineage_show,
    "lineage_diff": lineage_diff,
    "take_parent": take_parent,
    "plan": plan,
    "write_file": write_file,
    "edit_file": edit_file,
    "evaluate": evaluate,
    "submit": submit,
    "give_up": give_up,
}
