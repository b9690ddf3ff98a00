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
from avogit.judging import Judgement
from avogit.operators.advice import NoAdvice, ask
from avogit.operators.prompts import render, template_text
from avogit.operators.text import bounded, files_diff, one_line
from avogit.records import Candidate, Usage
from avogit.session import Session

ASKED = "lesson-asked"  # the kind of record that tells what asking cost
_ASKED_OF = ("agent",)  # the operator whose model is at hand
_PATIENCE_S = 15.0  # the next step waits for it
_MAX_DIFF = 6_000
_MAX_WORDS = 400
_MAX_TEXT = 1_000

Lesson = Mapping[str, object]


def facts(
    session: Session, work: store.WorkInHand, parent: Candidate, judged: Judgement
) -> Lesson | None:
    """What a decided child teaches, where its effect is clear."""
    before, after = session.source(parent.oid), session.source(work.tree)
    return lessons.distil(
        work.subject, work.plan, judged.evaluation, judged.decision, before.files, after.files
    )


def add_words(
    session: Session,
    writer: store.Writer,
    work: store.WorkInHand,
    judged: Judgement,
    candidate: Candidate,
    found: Lesson,
    meter: Meter,
) -> None:
    """Ask for the cause of what a child taught. The child is recorded: no kill can lose it now."""
    asked = work.operator in _ASKED_OF and session.config.agent.lessons and not session.silent_model
    if not asked or meter.reached():
        return
    try:
        question = _question(session, work, found, judged)
    except AvogitError as error:  # the user's template: no reason to end a run
        session.progress(f"the lesson is the facts alone: {error}")
        return
    words, usage = _words(session, question)
    if usage is not None:
        usage = priced(usage, session.config.prices)
        if not usage.unreported:  # else its cost is unknown; a lesson is not worth a run
            meter.charge_beside(usage)
        payload = {"parent": candidate.oid, "usage": store.usage_to_json(usage)}
        writer.append(ASKED, payload, {})
    if words:
        writer.teach(session.task.name, candidate, lessons.in_words(found, words))


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
) -> str:
    before, after = session.source(work.parent), session.source(work.tree)
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
