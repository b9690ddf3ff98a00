"""A step of the agent: its beginning and its end.

Owns the first prompt, what becomes of a stopped step, and the transcript. Leaves the
conversation between them to `loop`.
"""

from __future__ import annotations

import os
from dataclasses import replace

from avogit.calibration import calibration_text
from avogit.operators import Context, NoProposal
from avogit.operators.agent.carry import Carried, unfinished_work
from avogit.operators.agent.client import Client, Message, Stopped, read_endpoint
from avogit.operators.agent.halfway import taken_up
from avogit.operators.agent.loop import converse
from avogit.operators.agent.memory import Conversation, summary
from avogit.operators.agent.session import Draft, Session
from avogit.operators.agent.tools import GaveUp, Submitted
from avogit.operators.agent.tools.files import list_files
from avogit.operators.redaction import Redaction
from avogit.operators.text import best, log_lines, newest, one_line, score_text
from avogit.records import TRANSCRIPT, Proposal, Usage

Ending = Submitted | GaveUp | Stopped


def vary(context: Context) -> Proposal | NoProposal:
    """What the model made of the parent, or of the revision that it went back to."""
    endpoint = read_endpoint(context.config.agent, os.environ)
    redaction = Redaction(os.environ, OPENAI_API_KEY=endpoint.key)
    session = Session(context, redaction)
    conversation = _begun(session)
    ending = _converse(session, Client(endpoint), conversation)
    usage = context.meter.usage or Usage(endpoint.model)
    attachments = {TRANSCRIPT: conversation.transcript(redaction)}
    found = _outcome(session, ending)
    if isinstance(found, NoProposal):
        return _attempt(session, found, usage, attachments)
    body = redaction.text(found.body)
    return replace(found, body=body, usage=usage, attachments=attachments)


def _begun(session: Session) -> Conversation:
    """Where an earlier process left it, or the first prompt."""
    if (left := session.context.halfway) is not None:
        return taken_up(session, left)
    carried = unfinished_work(session.context)
    if carried is not None:
        session.carry(carried.files, carried.summary)
    return Conversation(_first_messages(session, carried))


def _converse(session: Session, client: Client, conversation: Conversation) -> Ending:
    context = session.context
    try:
        return converse(session, client, conversation, context.config.agent, context.progress)
    except Stopped as stopped:
        return stopped


def _first_messages(session: Session, carried: Carried | None) -> list[Message]:
    context = session.context
    limits = context.config.agent
    system = context.render(
        "agent/system.md.j2",
        editable=context.task.editable,
        max_turns=limits.max_turns,
        max_evaluations=limits.max_evaluations,
    )
    task = context.render(
        "agent/task.md.j2",
        task=context.task,
        parent=context.parent,
        parent_score=score_text(context.parent),
        file_list=list_files(session, {}),
        notes=sorted(context.knowledge()),
        calibration=calibration_text(context.lineage, "agent"),
        newest_lines=log_lines(newest(context.lineage, 8)),
        best_lines=log_lines(best(context.lineage, 5)),
        assignment=context.assignment,
        carried=carried,
    )
    return [{"role": "system", "content": system}, {"role": "user", "content": task}]


def _outcome(session: Session, ending: Ending) -> Proposal | NoProposal:
    """A child, or the outcome's name. A stopped step still hands in its best draft."""
    match ending:
        case Submitted(files, subject, why):
            return Proposal(session.parent.oid, files, subject, why, session.plan)
        case GaveUp(reason):
            return NoProposal("gave-up", reason)
        case Stopped():
            draft = session.best_draft()
            if draft is None:
                return NoProposal(ending.outcome, ending.detail)
            return _handed_in(draft, ending)


def _attempt(
    session: Session, found: NoProposal, usage: Usage, attachments: dict[str, bytes]
) -> NoProposal:
    """What a step without a child leaves: its plan, and how far its workspace came."""
    return NoProposal(
        found.outcome,
        session.redaction.text(found.detail),
        usage,
        attachments,
        parent=session.parent.oid,
        plan=session.plan,
        files=session.unfinished(),
        summary=session.redaction.text(summary(session)),
    )


def _handed_in(draft: Draft, stopped: Stopped) -> Proposal:
    body = (
        f"Not submitted by the model: the step ended with {stopped.outcome} "
        f"({one_line(stopped.detail)}). This is its best draft, draft-{draft.number}."
    )
    return Proposal(draft.parent.oid, draft.files, draft.subject, body, draft.plan)
