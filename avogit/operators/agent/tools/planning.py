"""Tools before an edit: where to start from, and what is hoped for."""

from __future__ import annotations

from avogit.operators.agent.session import Refused, Session
from avogit.operators.agent.tools.results import Arguments, said
from avogit.operators.text import SHORT
from avogit.records import Plan

MAX_GAIN_PCT = 10_000
MAX_HYPOTHESIS = 500


def plan(session: Session, arguments: Arguments) -> str:
    """What the model will try, said before it edits."""
    gain, confidence = arguments.get("expected_gain_pct"), arguments.get("confidence")
    if gain is not None and not -100 <= gain <= MAX_GAIN_PCT:
        raise Refused(f"expected_gain_pct must be a percentage up to {MAX_GAIN_PCT}")
    if confidence is not None and not 0 <= confidence <= 1:
        raise Refused("confidence must lie between 0 and 1")
    hypothesis = said(session, arguments, "hypothesis", MAX_HYPOTHESIS)
    kind, difficulty = arguments.get("kind", ""), arguments.get("difficulty", "")
    session.plan = Plan(hypothesis, gain, kind, difficulty, confidence)
    return "noted; now edit"


def restart_from(session: Session, arguments: Arguments) -> str:
    """Start again from another revision."""
    start = session.restart_from(arguments["revision"])
    text = f"the workspace holds {start.oid[:SHORT]} now; earlier edits of this step are gone"
    if start.oid != session.parent.oid:
        above = session.parent.oid[:SHORT]
        text += f"; it never entered a line, so your child's parent is its ancestor {above}"
    return text
