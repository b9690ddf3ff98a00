"""What a step remembers: the conversation, its cost, and a summary where it grew too long.

Owns the messages that are sent, and all that were ever said. The facts of a summary (plan,
figures, dead ends) come from the step's own state and are never left to a model; the model adds
its words, where it has any. Leaves taking turns to `loop`.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from avogit.operators.agent.client import Client, Message, Stopped
from avogit.operators.agent.replies import Reply
from avogit.operators.agent.session import Session
from avogit.operators.redaction import Redaction
from avogit.operators.text import bounded, files_diff

OPENING = 2  # the system prompt and the task are always sent
_FEWEST = 6  # messages after them that are worth a summary
_CHARACTERS = 4  # a token's, roughly, where nobody counted
_MAX_DIFF = 4_000
_MAX_WORDS = 6_000


@dataclass(slots=True)
class Conversation:
    """Messages so far. Kept whole, whatever ends it."""

    messages: list[Message]  # what the model is sent
    said: list[Message] = field(default_factory=list)  # all of it, for the transcript
    turns: int = 0  # replies that were asked for
    unusable: int = 0  # in a row
    mistaken: int = 0  # in a row
    called: bool = False  # whether the model ever called a tool
    counted: tuple[int, int] = (0, 0)  # tokens of so many messages, as told
    summed_up: int = OPENING  # where in `said` begins what is sent after the opening
    pending: Reply | None = None  # was paid for; the process ended before it was acted on
    notice: str = ""  # to be told with the next request

    def __post_init__(self) -> None:
        self.said = self.said or list(self.messages)

    def add(self, message: Message) -> None:
        """One more message."""
        self.messages.append(message)
        self.said.append(message)

    def tell_notice(self) -> None:
        """What is to be told, once."""
        if self.notice:
            self.add({"role": "user", "content": self.notice})
            self.notice = ""

    def heard(self, reply: Reply) -> None:
        """A reply, as it goes back to the server."""
        self.add(as_message(reply))
        if reply.tokens is not None:
            self.counted = (reply.tokens.read + reply.tokens.written, len(self.messages))

    def size(self) -> int:
        """Tokens of what would be sent: as told, and estimated for what came since."""
        tokens, count = self.counted
        return tokens + len(json.dumps(self.messages[count:])) // _CHARACTERS

    def transcript(self, redaction: Redaction) -> bytes:
        """All that was said, without secrets, compressed; the same bytes for the same words."""
        text = json.dumps(redaction.data(self.said), indent=1, ensure_ascii=False)
        return gzip.compress(text.encode("utf-8", "backslashreplace"), mtime=0)

    def restart(self, summary: str) -> None:
        """Go on from the opening and a summary."""
        del self.messages[OPENING:]
        self.summed_up = len(self.said)
        self.add({"role": "user", "content": summary})
        self.counted = (0, 0)


def as_message(reply: Reply) -> Message:
    """The reply as it goes back to the server."""
    message: Message = {"role": "assistant", "content": reply.text}
    if reply.calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.valid_arguments},
            }
            for call in reply.calls
        ]
    return message


def compact(session: Session, client: Client, conversation: Conversation, left_s: float) -> bool:
    """Replace what was said by a summary, where it has grown past the limit; tells whether."""
    limit = session.context.config.agent.context_tokens
    past = conversation.messages[OPENING:]
    if conversation.size() <= limit or len(past) < _FEWEST:
        return False
    session.words = _words(session, client, past, left_s) or session.words
    conversation.restart(summary(session))
    return True


def summary(session: Session) -> str:
    """Where the step stands: facts, then the model's own words."""
    return session.context.render(
        "agent/summary.md.j2",
        plan=session.plan,
        parent=session.parent,
        drafts=session.drafts,
        diff=bounded(files_diff(session.parent_files, session.state().files), _MAX_DIFF),
        words=bounded(session.words, _MAX_WORDS),
    )


def _words(
    session: Session,
    client: Client,
    past: Sequence[Message],
    left_s: float,
) -> str:
    """The model's summary of what it did; empty where it gives none."""
    limit = session.context.config.agent.context_tokens * _CHARACTERS // 2
    told = bounded("\n\n".join(_as_text(message) for message in past), limit)
    asked = [
        {"role": "system", "content": session.context.render("agent/summarise.md.j2")},
        {"role": "user", "content": told},
    ]
    try:
        reply = client.complete(asked, [], left_s)
    except Stopped as stopped:
        if stopped.begun:
            session.context.meter.charge(client.charge(Reply()))
        return ""  # the next turn meets the same trouble, and names it
    session.context.meter.charge(client.charge(reply))
    return "" if reply.broken else reply.text.strip()


def _as_text(message: Message) -> str:
    calls: list[Any] = message.get("tool_calls", [])
    made = [f"{c['function']['name']} {c['function']['arguments']}" for c in calls]
    return "\n".join([f"[{message['role']}] {message['content']}", *made])
