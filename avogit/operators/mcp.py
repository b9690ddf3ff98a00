"""`mcp`: an agent that is already running drives the step, one call after another.

Owns the meeting of two threads. The step waits in `vary` and does all the work, as it does for
any operator; the agent's calls are laid on a `Desk` by another thread. Leaves the protocol to
`commands.mcp`, and what a call may do to `guest`.
"""

from __future__ import annotations

import contextvars
import os
import queue
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from avogit.door import Answer
from avogit.errors import AvogitError
from avogit.operators import Context, NoProposal
from avogit.operators.guest import INSTRUCTIONS, Guest, welcome
from avogit.operators.redaction import Redaction
from avogit.records import Proposal

TOOLS = ("list_files", "write_file", "edit_file")  # for an agent that has no hands of its own

_Laid = tuple[str, str, "Future[Answer]"]


@dataclass(slots=True)
class Desk:
    """Where calls of one step are laid down, to be answered by the step's own thread."""

    workspace: Future[Path] = field(default_factory=Future)  # set when the step has begun
    _calls: queue.SimpleQueue[_Laid | None] = field(default_factory=queue.SimpleQueue)

    def call(self, name: str, arguments: str) -> Future[Answer]:
        """Ask; the step answers when it comes to it."""
        answer: Future[Answer] = Future()
        self._calls.put((name, arguments, answer))
        return answer

    def leave(self) -> None:
        """Nobody will ask any more."""
        self._calls.put(None)

    def next(self) -> _Laid | None:
        """What was asked next; None when the agent has left."""
        return self._calls.get()


desk: contextvars.ContextVar[Desk] = contextvars.ContextVar("desk")


def vary(context: Context) -> Proposal | NoProposal:
    """What the agent at this thread's desk makes of the parent."""
    mine = desk.get(None)
    if mine is None:
        raise AvogitError("the operator `mcp` is driven by an agent: have it start `avogit mcp`")
    if mine.workspace.done():  # the step is made anew, but this agent has handed in and waits
        return NoProposal("overtaken", "another writer had this very tree measured meanwhile")
    guest = welcome(context, Redaction(os.environ), more=TOOLS, has_command=False)
    mine.workspace.set_result(guest.session.folder)
    context.progress(f"waiting for an agent's calls; {INSTRUCTIONS} in {guest.session.folder}")
    while guest.ending is None:
        laid = mine.next()
        if laid is None:
            return NoProposal("left", "the agent went away and had handed in nothing")
        _answer(guest, *laid)
    return guest.proposal("the agent")


def _answer(guest: Guest, name: str, arguments: str, answer: Future[Answer]) -> None:
    answer.set_result(guest.call(name, arguments))
