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
_PATIENCE_S = 60.0
_MAX_DIFF = 6_000
_MAX_WORDS = 400
_MAX_TEXT = 1_000

Lesson = Mapping[str, object]


def lesson(
    session: Session, work: store.WorkInHand, parent: Candidate, judged: Judgement, meter: Meter
) -> tuple[Lesson | None, Usage | None]:
    """What a decided child teaches, where its effect is clear; what asking for words cost."""
    before, after = session.source(parent.oid), session.source(work.tree)
    found = lessons.distil(
        work.subject, work.plan, judged.evaluation, judged.decision, before.files, after.files
    )
    settings = session.config.agent
    if found is None or work.operator not in _ASKED_OF or not settings.lessons or meter.reached():
        return found, None
    question = _question(session, work, found, judged, before, after)
    words, usage = _words(session, question)
    if usage is not None:
        usage = priced(usage, session.config.prices)
        meter.charge_beside(usage)
    return (lessons.in_words(found, words) if words else found), usage


def _words(session: Session, question: str) -> tuple[str, Usage | None]:
    """The model's words; empty where it has none."""
    settings = replace(session.config.agent, timeout_s=_PATIENCE_S, retries=0)
    tool: dict[str, Any] = json.loads(template_text("agent/lesson.json"))
    session.progress("asking what this taught")
    try:
        answer, usage = ask(settings, settings.model, question, tool)
    except NoAdvice as silence:
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
