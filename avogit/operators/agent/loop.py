"""The conversation: ask, run the tools that were called, tell the results, until it ends.

Owns turns, limits and patience with a model that errs. Leaves the endpoint to `client`, and
what tools do to `tools`. Nothing a model sends raises anything but `Stopped`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from avogit.budget import Meter
from avogit.config import Agent as Limits
from avogit.operators.agent.client import Client, Message, Stopped, no_tools
from avogit.operators.agent.halfway import halfway
from avogit.operators.agent.memory import Conversation, compact
from avogit.operators.agent.replies import Reply, ToolCall
from avogit.operators.agent.session import Refused, Session
from avogit.operators.agent.tools import (
    LASTING,
    GaveUp,
    Malformed,
    Submitted,
    call_tool,
    tool_list,
)
from avogit.operators.text import one_line

CUT_OFF_LIMIT = 3  # replies in a row that could not be used
LIVE_CHARACTERS = 90
MISTAKE_LIMIT = 5  # replies in a row whose every tool call was malformed, or that called none

Ending = Submitted | GaveUp


def converse(
    session: Session,
    client: Client,
    conversation: Conversation,
    limits: Limits,
    progress: Callable[[str], None],
) -> Ending:
    """Take turns until the model submits or gives up. Raises `Stopped` for every other end."""
    tools = tool_list()
    meter = session.context.meter
    deadline = time.monotonic() + min(limits.step_timeout_s - meter.earlier_s, meter.left_s())
    reply, conversation.pending = conversation.pending, None
    session.replays = reply is not None
    while True:
        numbered = _numbered(progress, conversation.turns)
        if reply is not None:
            ending = _answer(session, conversation, reply, tools, numbered)
            if ending is not None:
                return ending
            if any(call.name in LASTING for call in reply.calls):
                meter.keep(halfway(session, conversation))
        session.replays = False
        if conversation.turns >= limits.max_turns:
            raise Stopped("budget", f"all {limits.max_turns} turns are used up")
        if used_up := meter.reached():
            raise Stopped("budget", used_up)
        conversation.tell_notice()
        if compact(session, client, conversation, max(0.0, deadline - time.monotonic())):
            meter.keep(halfway(session, conversation))  # the summary was paid for
        conversation.turns += 1
        heard = Live(_numbered(progress, conversation.turns))
        reply = _ask(client, conversation.messages, tools, deadline, heard, meter)
        meter.charge(client.charge(reply), partial(halfway, session, conversation, reply))


class Live:
    """Shows the end of what the model is saying while it says it."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self._progress, self._text = progress, ""

    def __call__(self, text: str) -> None:
        self._text = (self._text + text)[-LIVE_CHARACTERS:]
        self._progress(" ".join(self._text.split()))


def _ask(
    client: Client,
    messages: list[Message],
    tools: list[dict[str, Any]],
    deadline: float,
    heard: Callable[[str], None],
    meter: Meter,
) -> Reply:
    """The next reply, if the step's time allows one."""
    left_s = deadline - time.monotonic()
    used_up = Stopped("budget", "the step's time is used up")
    if left_s <= 0:
        raise used_up
    try:
        return client.complete(messages, tools, left_s, heard)
    except Stopped as stopped:
        if stopped.begun:
            meter.charge(client.charge(Reply()))
        if stopped.outcome == "timeout" and time.monotonic() >= deadline:
            raise used_up from stopped
        raise


def _numbered(progress: Callable[[str], None], turn: int) -> Callable[[str], None]:
    return lambda text: progress(f"turn {turn}: {text}")


def _answer(
    session: Session,
    conversation: Conversation,
    reply: Reply,
    tools: list[dict[str, Any]],
    progress: Callable[[str], None],
) -> Ending | None:
    """Put the reply and what it led to into the conversation."""
    conversation.heard(reply)
    if reply.broken:
        _nudge(session, conversation, reply.broken)
        conversation.unusable += 1
        if conversation.unusable >= CUT_OFF_LIMIT:
            raise Stopped("bad-reply", f"{CUT_OFF_LIMIT} in a row: {reply.broken}")
        return None
    conversation.unusable = 0
    if not reply.calls:
        _nudge(session, conversation, "no-tool-call")
        _mistake(conversation, "an answer without a tool call")
        return None
    conversation.called = True
    return _run_calls(session, conversation, reply.calls, tools, progress)


def _run_calls(
    session: Session,
    conversation: Conversation,
    calls: tuple[ToolCall, ...],
    tools: list[dict[str, Any]],
    progress: Callable[[str], None],
) -> Ending | None:
    """Run the calls in order; the first that ends the step ends it."""
    complaints = []
    for call in calls:
        progress(one_line(f"{call.name} {call.arguments}", 100))
        try:
            result = call_tool(session, call.name, call.arguments, tools)
        except Refused as refusal:
            result = f"error: {refusal}"
            if isinstance(refusal, Malformed):
                complaints.append(str(refusal))
        if not isinstance(result, str):
            return result
        conversation.add({"role": "tool", "tool_call_id": call.id, "content": result})
    if len(complaints) == len(calls):
        _mistake(conversation, complaints[-1])
    else:
        conversation.mistaken = 0
    return None


def _mistake(conversation: Conversation, what: str) -> None:
    conversation.mistaken += 1
    if conversation.mistaken >= MISTAKE_LIMIT and not conversation.called:
        raise Stopped("no-tools", no_tools("the model"))
    if conversation.mistaken >= MISTAKE_LIMIT:
        raise Stopped("bad-reply", f"{MISTAKE_LIMIT} in a row: {one_line(what)}")


def _nudge(session: Session, conversation: Conversation, reason: str) -> None:
    text = session.context.render("agent/nudge.md.j2", reason=reason).strip()
    conversation.add({"role": "user", "content": text})
