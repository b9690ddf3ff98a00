"""One step as an agent outside of avogit meets it, whatever door it came through.

Owns what it may call, how often and how long, its end, and what becomes of its workspace. The
tools are the built-in agent's own (`agent.tools`), less those that edit: this agent has hands.
Leaves the socket to `command.service` and MCP to `commands.mcp`. Nothing is believed that
comes in here: a call is checked like a model's.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from avogit.door import Answer
from avogit.operators import Context, NoProposal
from avogit.operators.agent.session import Draft, Refused, Session
from avogit.operators.agent.tools import GaveUp, Submitted, call_tool, tool_list
from avogit.operators.redaction import Redaction
from avogit.operators.text import best, log_lines, newest, one_line, score_text
from avogit.records import Evaluation, Plan, Proposal

INSTRUCTIONS = "AVOGIT.md"
MESSAGE = "AVOGIT_MESSAGE.txt"
PLAN = "AVOGIT_PLAN.json"
_OFFERED = (
    "lineage_log",
    "lineage_show",
    "lineage_diff",
    "lineage_failures",
    "read_file",
    "knowledge_search",
    "knowledge_read",
    "plan",
    "evaluate",
    "profile",
    "submit",
    "give_up",
)
_OWN_FILES = (MESSAGE, PLAN, ".git")  # an agent may keep a repository of its own; never read
_MAX_CALLS = 500
_NOTE_BYTES = 8192


@dataclass(slots=True)
class _Meter:
    """The draft door with a limit on its time, and closed to files that hold a secret."""

    context: Context
    redaction: Redaction
    used_s: float = 0.0

    def __call__(
        self,
        files: Mapping[str, bytes],
        subject: str,
        plan: Plan | None,
        against: str,
        /,
        *,
        full: bool = False,
    ) -> Evaluation:
        refuse_secrets(files, self.redaction)
        limit_s = self.context.config.command.evaluation_s
        if self.used_s >= limit_s:
            raise Refused(f"the step's {limit_s:.0f} s of evaluations are used up: submit")
        started = time.monotonic()
        try:
            return self.context.evaluate(files, subject, plan, against, full=full)
        finally:
            self.used_s += time.monotonic() - started


@dataclass(slots=True)
class Guest:
    """The state of the step: made by `welcome`."""

    session: Session
    redaction: Redaction
    tools: list[dict[str, Any]] = field(default_factory=list)
    ending: Submitted | GaveUp | None = None
    calls: int = 0

    def call(self, name: str, arguments: str) -> Answer:
        """Answer one call; `arguments` is JSON, as the agent wrote it."""
        self.calls += 1
        if self.ending is not None:
            return Answer(False, "the step is over: end now")
        if self.calls > _MAX_CALLS:
            return Answer(False, f"all {_MAX_CALLS} calls of this step are used up: end now")
        try:
            result = call_tool(self.session, name, arguments, self.tools)
            if isinstance(result, Submitted):
                refuse_secrets(result.files, self.redaction)
            passes = name != "evaluate" or self._passes()
        except Refused as refusal:
            return Answer(False, f"avogit: {refusal}")
        if not isinstance(result, str):
            self.ending = result
            return Answer(True, "taken; it is measured when you have ended, so end now")
        return Answer(passes, self.redaction.text(result))

    def over(self) -> str:
        """Why there is nothing more to do for it; empty while there is."""
        if self.ending is not None:
            return "done"
        return "calls" if self.calls > _MAX_CALLS else ""

    def _passes(self) -> bool:
        draft = self.session.evaluated(self.session.files())
        return draft is not None and draft.may_be_submitted

    def proposal(self, program: str) -> Proposal | NoProposal:
        """What it made: what it handed in, else what its workspace holds now."""
        if isinstance(self.ending, GaveUp):
            return NoProposal("gave-up", self.ending.reason)
        if self.ending is not None:
            files, subject, body = self.ending.files, self.ending.subject, self.ending.why
            return self._child(files, subject, body)
        return self._left_behind(program)

    def _left_behind(self, program: str) -> Proposal | NoProposal:
        session, state = self.session, self.session.state()
        if not state.violations and not session.is_changed(state.files):
            return NoProposal("no-change", f"{program} ended and had changed no editable file")
        names = ", ".join(n for n, d in state.files.items() if session.parent_files.get(n) != d)
        subject, body = self._message()
        return self._child(
            state.files,
            subject or f"{program} edits {names or 'nothing editable'}",
            body,
            state.violations,
        )

    def _child(
        self, files: Mapping[str, bytes], subject: str, body: str, violations: tuple[str, ...] = ()
    ) -> Proposal | NoProposal:
        try:
            refuse_secrets(files, self.redaction)
        except Refused as refusal:
            return NoProposal("secret-in-files", str(refusal))
        parent, plan = self.session.parent.oid, self._plan()
        return Proposal(parent, files, subject, body, plan, violations=violations)

    def best_draft(self, why: str) -> Proposal | None:
        """The draft that beat its parent by most, where the agent did not end well."""
        draft = self.session.best_draft()
        return None if draft is None else _handed_in(draft, why)

    def _message(self) -> tuple[str, str]:
        """Subject and body from the file that it was told to write, if it did."""
        text = self.redaction.text(self._note(MESSAGE)).strip()
        subject, _, body = text.partition("\n")
        return one_line(subject, 100), body.strip()

    def _plan(self) -> Plan | None:
        """What it said through the door, else in its file; one that makes no sense is no plan."""
        if self.session.plan is None and (text := self._note(PLAN)):
            try:
                call_tool(self.session, "plan", text, self.tools)
            except Refused as refusal:
                self.session.context.progress(f"{PLAN} is not used: {refusal}")
        return self.session.plan

    def _note(self, name: str) -> str:
        """A small file of the agent's, never through a link; empty where there is none."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            with os.fdopen(os.open(self.session.folder / name, flags), "rb") as file:
                return file.read(_NOTE_BYTES).decode("utf-8", "replace")
        except OSError:
            return ""


def welcome(
    context: Context,
    redaction: Redaction,
    *,
    leaves: Collection[str] = (),
    more: Collection[str] = (),
    has_command: bool = True,
) -> Guest:
    """Write the workspace with its instructions.

    `leaves`: globs of files to overlook; `more`: tools beside the usual; `has_command`: whether
    it finds an `avogit` in its workspace, or calls the tools by their names.
    """
    limits = context.config.command
    agent = replace(context.config.agent, max_evaluations=limits.max_evaluations)
    metered = replace(
        context,
        config=replace(context.config, agent=agent),
        evaluate=_Meter(context, redaction),
    )
    notes = {INSTRUCTIONS: _instructions(context, has_command).encode()}
    session = Session(metered, redaction, notes, (*_OWN_FILES, *leaves), plan_first=False)
    return Guest(session, redaction, offered_tools(more))


def offered_tools(more: Collection[str] = ()) -> list[dict[str, Any]]:
    """The tools that a guest may call, in the API's form."""
    names = (*_OFFERED, *more)
    offered = [tool for tool in tool_list() if tool["function"]["name"] in names]
    for tool in offered:
        if tool["function"]["name"] == "plan":  # it may say less than our own agent must
            tool["function"]["parameters"]["required"] = ["hypothesis"]
    return offered


def refuse_secrets(files: Mapping[str, bytes], redaction: Redaction) -> None:
    """Refuse files that hold a secret: what is committed may be pushed."""
    if held := redaction.held_by(files):
        raise Refused(f"{held}: a secret is never committed")


def _instructions(context: Context, has_command: bool) -> str:
    task = context.task
    trusted = [name for name in task.files if not task.is_editable(name)]
    limits = context.config.command
    return context.render(
        "command/AVOGIT.md.j2",
        task=task,
        files=sorted({*trusted, *context.parent_files, INSTRUCTIONS}),
        editable=sorted(context.parent_files),
        knowledge=sorted(task.knowledge()),
        parent=context.parent,
        parent_score=score_text(context.parent),
        assignment=context.assignment,
        best_lines=log_lines(best(context.lineage, 10)),
        newest_lines=log_lines(newest(context.lineage, 10)),
        has_command=has_command,
        message_file=MESSAGE,
        plan_file=PLAN,
        max_evaluations=limits.max_evaluations,
        minutes=f"{limits.timeout_s / 60:.0f}",
    )


def _handed_in(draft: Draft, why: str) -> Proposal:
    body = (
        f"Not handed in by the agent: {one_line(why)}. "
        f"This is its best draft, draft-{draft.number}."
    )
    return Proposal(draft.parent.oid, draft.files, draft.subject, body, draft.plan)
