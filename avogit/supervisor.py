"""The supervisor: looks at the search before each step, and steers it when it stands still.

Owns an intervention: who is asked, what is recorded of it, and which direction a step gets.
Leaves detecting to `guidance` and what rules find to `directions`. Nothing is remembered but
in git, so that every process and every clone sees the same supervisor.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from avogit import guidance, store
from avogit.budget import Meter, priced
from avogit.directions import Direction, directions
from avogit.errors import AvogitError
from avogit.guidance import Alarm, Course
from avogit.operators import on_a_line
from avogit.operators.advice import NoAdvice, ask
from avogit.operators.prompts import template_text
from avogit.operators.text import best, bounded, log_lines, newest, one_line
from avogit.records import Candidate, Lineage, Usage
from avogit.session import Session

RULES = "rules"
_MOST = 4
_TEXT = 600
_SHORTEST_REVISION = 4

Advice = tuple[tuple[Direction, ...], str, Usage | None, str]  # ways, who, cost, why not a model


class Advisor(Protocol):
    """Says where a search that stands still should go."""

    def __call__(self, session: Session, lineage: Lineage, seen: Course, alarm: Alarm, /) -> Advice:
        """Several directions, the first to be tried first."""


def steer(
    session: Session, writer: store.Writer, lineage: Lineage, meter: Meter
) -> Direction | None:
    """The direction of the next step; intervenes first where the search stands still."""
    seen, alarm = _look(session, lineage)
    if alarm is not None:
        with store.alone(session.repo, "supervisor"):  # of several steps that saw it, one answers
            seen, alarm = _look(session, lineage)
            if alarm is not None:
                return _intervene(session, writer, lineage, seen, alarm, meter)
    return seen.interventions[-1].current() if seen.interventions else None


def _look(session: Session, lineage: Lineage) -> tuple[Course, Alarm | None]:
    seen = guidance.course(lineage, store.events(session.repo, session.population))
    return seen, guidance.alarm(seen.quiet, session.config.supervisor)


def _intervene(
    session: Session,
    writer: store.Writer,
    lineage: Lineage,
    seen: Course,
    alarm: Alarm,
    meter: Meter,
) -> Direction | None:
    session.progress(f"supervisor: {alarm.reason}")
    settings = session.config.supervisor
    advisor: Advisor = asked_model if settings.model else by_rules
    ways, who, usage, why = advisor(session, lineage, seen, alarm)
    payload = guidance.intervention_payload(alarm, ways, who, settings.steps_per_direction)
    if usage is not None:
        usage = priced(usage, session.config.prices)
        meter.charge_beside(usage)
    payload |= {"usage": store.usage_to_json(usage), "no_model": why}
    writer.append(guidance.INTERVENTION, payload, {})
    return ways[0] if ways else None


def by_rules(_session: Session, lineage: Lineage, _seen: Course, _alarm: Alarm, /) -> Advice:
    """The directions that need no model."""
    return directions(lineage)[:_MOST], RULES, None, ""


def asked_model(session: Session, lineage: Lineage, seen: Course, alarm: Alarm, /) -> Advice:
    """The model's directions; the rules' where it has none that can be used."""
    model = session.config.supervisor.model
    question = _question(session, lineage, seen, alarm)
    tool = json.loads(template_text("supervisor/steer.json"))
    usage: Usage | None = None
    try:
        answer, usage = ask(session.config.agent, model, question, tool)
        return _checked(answer, lineage), model, usage, ""
    except (NoAdvice, AvogitError) as error:
        spent = error.usage if isinstance(error, NoAdvice) else None
        ways, who, _, _ = by_rules(session, lineage, seen, alarm)
        return ways, who, usage or spent, one_line(str(error))


def _question(session: Session, lineage: Lineage, seen: Course, alarm: Alarm) -> str:
    from avogit.operators.prompts import render

    past = [
        (way.text, guidance.result_text(found.followed(number)))
        for found in seen.interventions[-3:]
        for number, way in enumerate(found.directions)
    ]
    return render(
        "supervisor/review.md.j2",
        reason=alarm.reason,
        counts=counts_text(alarm.counts),
        summary=bounded(session.task.summary, _TEXT),
        newest_lines=log_lines(newest(lineage, 20)),
        best_lines=log_lines(best(lineage, 10)),
        pruned=list(lineage.pruned.items())[-10:],
        attempts=[bounded(step.what, 200) for step in seen.quiet if not step.oid][-10:],
        past=past,
        directions=directions(lineage),
    )


def counts_text(counts: Mapping[str, int]) -> str:
    """The counters in one line."""
    return ", ".join(f"{count} {kind}" for kind, count in counts.items())


def _checked(answer: Mapping[str, Any], lineage: Lineage) -> tuple[Direction, ...]:
    """The directions of an answer whose parents a child may have."""
    told = answer.get("directions")
    entries = told if isinstance(told, list) else []
    found = [_direction(e, lineage) for e in entries[:_MOST] if isinstance(e, dict)]
    ways = tuple(way for way in found if way is not None)
    if not ways:
        raise NoAdvice("it gave no direction that can be taken")
    return ways


def _direction(entry: Mapping[str, Any], lineage: Lineage) -> Direction | None:
    text, parent = one_line(str(entry.get("text") or ""), _TEXT), entry.get("parent") or ""
    if not parent:
        return Direction("advice", "", text) if text else None
    known = _named(str(parent), list(lineage.candidates.values()))
    return Direction("advice", known.oid, text) if known and text else None


def _named(revision: str, candidates: Sequence[Candidate]) -> Candidate | None:
    """The one candidate on a line whose id begins so."""
    if len(revision) < _SHORTEST_REVISION:
        return None
    found = [c for c in candidates if c.oid.startswith(revision) and on_a_line(c)]
    return found[0] if len(found) == 1 else None
