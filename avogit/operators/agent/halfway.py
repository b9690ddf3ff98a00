"""A step's conversation and workspace as they are kept after each reply, and taken up from there.

Owns that form. A process that is killed loses the request that it waited for, and nothing else:
a reply that was paid for is acted on by the next process, again where that is cheap. Leaves where
it is kept to whoever gave the context.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from avogit.operators import GOING_ON
from avogit.operators.agent.memory import OPENING, Conversation, as_message, summary
from avogit.operators.agent.replies import Reply, Tokens, ToolCall
from avogit.operators.agent.session import Draft, Session
from avogit.records import Candidate, Halfway, Plan, Status

_COUNTERS = ("turns", "unusable", "mistaken", "called", "summed_up")


def halfway(session: Session, conversation: Conversation, pending: Reply | None = None) -> Halfway:
    """How far the step came, without secrets. `pending`: a reply that is to be acted on."""
    files = session.unfinished()
    redaction = session.redaction
    told: Any = redaction.data([*conversation.said, *([as_message(pending)] if pending else [])])
    state = {
        **{name: getattr(conversation, name) for name in _COUNTERS},
        "counted": list(conversation.counted),
        "pending": redaction.data(dataclasses.asdict(pending)) if pending else None,
        "words": redaction.text(session.words),
        "drafts": [_draft_to_json(draft) for draft in session.drafts],
        "lost": not files and session.is_changed(session.state().files),
    }
    return Halfway(
        parent=session.parent.oid,
        said=tuple(told),
        state=state,
        files=files,
        plan=session.plan,
        summary=redaction.text(summary(session)),
        version=GOING_ON["agent"],
    )


def taken_up(session: Session, left: Halfway) -> Conversation:
    """The conversation that an earlier process left; the session becomes what it was."""
    state = left.state
    said = [dict(message) for message in left.said]
    pending = _reply(state["pending"])
    if pending is not None:
        said.pop()
    session.take_up(
        session.context.lineage.candidates[left.parent],
        left.files,
        left.plan,
        state["words"],
    )
    drafts = (_draft(session, told) for told in state["drafts"])
    session.drafts = [draft for draft in drafts if draft is not None]
    notice = session.context.render("agent/resumed.md.j2", lost=bool(state["lost"]))
    return Conversation(
        messages=[*said[:OPENING], *said[state["summed_up"] :]],
        said=said,
        counted=tuple(state["counted"]),
        pending=pending,
        notice=notice.strip(),
        **{name: state[name] for name in _COUNTERS},
    )


def _draft_to_json(draft: Draft) -> dict[str, Any]:
    return {
        "number": draft.number,
        "parent": draft.parent.oid,
        "tree": draft.evaluation.tree,
        "subject": draft.subject,
        "plan": dataclasses.asdict(draft.plan) if draft.plan else None,
        "full": draft.full,
    }


def _draft(session: Session, told: Mapping[str, Any]) -> Draft | None:
    """A draft as its commit and its record tell it; None where they are gone."""
    context = session.context
    parent = context.lineage.candidates.get(told["parent"])
    found = _recorded_draft(session, told["tree"], told["parent"])
    recorded = context.read_record(found.oid) if found else None
    if parent is None or recorded is None:
        return None
    files = context.task.editable_files(context.read_tree(told["tree"]))
    plan = Plan(**told["plan"]) if told["plan"] else None
    full = bool(told["full"])
    return Draft(told["number"], parent, files, told["subject"], plan, recorded.evaluation, full)


def _recorded_draft(session: Session, tree: str, parent: str) -> Candidate | None:
    """The newest draft of a parent that held this tree."""
    known = reversed(tuple(session.context.lineage.candidates.values()))
    same = (c for c in known if c.status is Status.DRAFT and c.tree == tree)
    return next((c for c in same if c.parents[:1] == (parent,)), None)


def _reply(told: Mapping[str, Any] | None) -> Reply | None:
    if told is None:
        return None
    calls = tuple(ToolCall(**call) for call in told["calls"])
    tokens = Tokens(*told["tokens"]) if told["tokens"] else None
    return Reply(told["text"], calls, tokens, told["broken"])
