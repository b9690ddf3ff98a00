"""Tools that end a step: with a child, or without."""

from __future__ import annotations

from avogit.operators.agent.session import Refused, Session
from avogit.operators.agent.tools.measuring import refuse_repeat, refuse_unchanged
from avogit.operators.agent.tools.results import MAX_DETAIL, Arguments, GaveUp, Submitted, said
from avogit.operators.text import bounded


def submit(session: Session, arguments: Arguments) -> Submitted:
    """The workspace becomes the child."""
    files = session.files()
    refuse_unchanged(session, files)
    session.need_plan("submit")
    known = session.evaluated(files)
    if known is not None and not known.may_be_submitted:
        raise Refused(
            f"this version is draft-{known.number}: {known.evaluation.verdict}; repair it"
        )
    refuse_repeat(session, files)
    why = bounded(session.redaction.text(arguments["why"]), MAX_DETAIL)
    return Submitted(files, said(session, arguments, "subject", 100), why)


def give_up(session: Session, arguments: Arguments) -> GaveUp:
    """No child from this step."""
    return GaveUp(said(session, arguments, "reason", 500))
