"""What a measured child taught: the facts by rule, the cause in words of the agent's model.

Owns when that model is asked, and what for. Leaves to `lessons` which effects are clear, and what
is said where no model answers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from avogit import lessons, store
from avogit.budget import Meter, priced
from avogit.context import user_templates
from avogit.errors import AvogitError
from avogit.evaluation import Source
from avogit.judging import Judgement
from avogit.operators.advice import NoAdvice, ask
from avogit.operators.prompts import render, template_text
from avogit.operators.text import bounded, files_diff, one_line
from avogit.records import Candidate, Usage
from avogit.session import Session

_ASKED_OF = ("agent",)  # the operator whose model is at hand
_PATIENCE_S = 15.0  # a verdict that is measured waits for it
_MAX_DIFF = 6_000
_MAX_WORDS = 400
_MAX_TEXT = 1_000

Lesson = Mapping[str, object]


def lesson(
    session: Session,
    work: store.WorkInHand,
    parent: Candidate,
    judged: Judgement,
    meter: Meter,
    *,
    in_words: bool,
) -> tuple[Lesson | None, Usage | None]:
    """What a decided child teaches, where its effect is clear; the child's cost with the asking.

    Without `in_words` nobody is asked.
    """
    before, after = session.source(parent.oid), session.source(work.tree)
    found = lessons.distil(
        work.subject, work.plan, judged.evaluation, judged.decision, before.files, after.files
    )
    if found is None or not in_words or not _may_ask(session, work, meter):
        return found, work.usage
    try:
        question = _question(session, work, found, judged, before, after)
    except AvogitError as error:  # the user's template: the child is measured and has to be kept
        session.progress(f"the lesson is the facts alone: {error}")
        return found, work.usage
    words, usage = _words(session, question)
    paid = _with(work.usage, usage, session, meter) if usage is not None else work.usage
    return (lessons.in_words(found, words) if words else found), paid


def _may_ask(session: Session, work: store.WorkInHand, meter: Meter) -> bool:
    asked = work.operator in _ASKED_OF and session.config.agent.lessons and not session.silent_model
    return asked and not meter.reached()


def _with(own: Usage | None, asking: Usage, session: Session, meter: Meter) -> Usage:
    """The child's cost with that of asking.

    A request of unknown cost is counted as one, and makes neither the child's cost unknown nor
    the run's: a lesson is not worth a run.
    """
    if not asking.unreported:
        asking = priced(asking, session.config.prices)
        meter.charge_beside(asking)
        return own + asking if own is not None else asking
    if own is None:
        return asking
    return replace(own, unreported=own.unreported + asking.unreported)


def _words(session: Session, question: str) -> tuple[str, Usage | None]:
    """The model's words; empty where it has none. One that kept silent is not asked again."""
    settings = replace(session.config.agent, timeout_s=_PATIENCE_S, retries=0)
    tool: dict[str, Any] = json.loads(template_text("agent/lesson.json"))
    session.progress("asking what this taught")
    try:
        answer, usage = ask(settings, settings.model, question, tool)
    except NoAdvice as silence:
        session.silent_model = silence.usage is None or bool(silence.usage.unreported)
        return "", silence.usage
    except AvogitError:
        return "", None  # no endpoint is set: a child was left in hand, and its model is gone
    text = answer.get("text")
    return one_line(text, _MAX_WORDS) if isinstance(text, str) else "", usage


def _question(
    session: Session,
    work: store.WorkInHand,
    found: Lesson,
    judged: Judgement,
    before: Source,
    after: Source,
) -> str:
    return render(
        "agent/lesson.md.j2",
        user_templates(session),
        summary=bounded(session.task.summary, _MAX_TEXT),
        subject=work.subject,
        why=bounded(work.body, _MAX_TEXT),
        measured=found["text"],
        decision=judged.decision.reason,
        diff=bounded(files_diff(before.files, after.files), _MAX_DIFF),
    )
