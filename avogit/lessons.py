"""Lessons: what a measured change taught, across tasks, until a later measurement contradicts it.

Owns which steps teach something, the words of a lesson, and joining lessons that are about the
same change; all are pure functions. Leaves keeping them to `store`.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from avogit.records import PARENT, Decision, Evaluation, Plan, Ratio, Status, Verdict

FASTER, SLOWER = "faster", "slower"
_SHORT = 10
_MOST_SHOWN = 100

Files = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Lesson:
    """One change's effect, as often as it was measured."""

    text: str
    claim: str  # faster | slower
    task: str
    device: str
    effects: tuple[Ratio, ...]  # against the parent, one a measurement, oldest first
    commits: tuple[str, ...]  # the candidates that support it
    contradicted_by: tuple[str, ...]  # candidates measured later that say otherwise
    time_s: int


def distil(
    subject: str,
    plan: Plan | None,
    evaluation: Evaluation,
    decision: Decision,
    before: Files,
    after: Files,
) -> dict[str, object] | None:
    """What a decided child teaches; None where its effect is not clear."""
    effect = evaluation.versus.get(PARENT)
    if evaluation.verdict is not Verdict.PASSED or effect is None:
        return None
    claim = _claim(effect, decision.status)
    if claim is None:
        return None
    change, undoing = _digests(before, after)
    return {
        "text": _text(subject, plan, effect),
        "claim": claim,
        "effect": [effect.value, effect.low, effect.high],
        "kind": plan.kind if plan else "",
        "device": evaluation.device,
        "change": change,
        "undoing": undoing,
    }


def in_words(found: Mapping[str, object], words: str) -> dict[str, object]:
    """The lesson with its cause in a model's words, after the facts."""
    return {**found, "text": f"{found['text']}. {words}", "words": words}


def joined(told: Sequence[Mapping[str, Any]]) -> tuple[Lesson, ...]:
    """Lessons from their payloads, oldest first: the same change and claim make one.

    Of two about one commit the later stands for both: it is the same measurement, in more words.
    """
    told = tuple({payload["commit"]: payload for payload in told}.values())
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, payload in enumerate(told):
        key = (payload["task"], payload["device"], payload["change"], payload["claim"])
        groups.setdefault(key, []).append(number)
    return tuple(_joined(told, numbers) for numbers in groups.values())


def matching(found: Iterable[Lesson], words: Sequence[str]) -> tuple[Lesson, ...]:
    """The lessons that hold every word."""
    wanted = [word.lower() for word in words]
    return tuple(
        lesson
        for lesson in found
        if all(word in f"{lesson.text} {lesson.task} {lesson.device}".lower() for word in wanted)
    )


def document(found: Sequence[Lesson], task: str) -> str:
    """Lessons as Markdown for an operator: the task's own first, then the newest."""
    order = sorted(found, key=lambda lesson: (lesson.task != task, -lesson.time_s))
    parts = [f"## {lesson.task}: {lesson.text}\n\n{_standing(lesson)}" for lesson in order]
    return "\n\n".join(["# What measurements taught", *parts[:_MOST_SHOWN]]) + "\n"


def _standing(lesson: Lesson) -> str:
    seen = f"Measured {len(lesson.commits)} times, on {lesson.device}."
    if lesson.contradicted_by:
        others = ", ".join(oid[:_SHORT] for oid in lesson.contradicted_by)
        return f"{seen} CONTRADICTED by later measurements: {others}."
    return f"{seen} Nothing contradicts it."


def _claim(effect: Ratio, status: Status) -> str | None:
    if status is Status.ACCEPTED and effect.low > 1:
        return FASTER
    return SLOWER if status is Status.REJECTED and effect.high < 1 else None


def _text(subject: str, plan: Plan | None, effect: Ratio) -> str:
    value, low, high = ((part - 1) * 100 for part in (effect.value, effect.low, effect.high))
    text = f"{subject}: {value:+.1f}% ({low:+.1f} to {high:+.1f})"
    if plan is None:
        return text
    gain = plan.expected_gain_pct
    expected = f", expected {gain:+.3g}%" if gain is not None else ""
    return f"{text}. The plan: {' '.join(plan.hypothesis.split())}{expected}"


def _digests(before: Files, after: Files) -> tuple[str, str]:
    """Names for a change and for its opposite: the lines that go and come, wherever they stand."""
    forth, back = [], []
    for name in sorted({*before, *after}):
        old, new = (side.get(name, b"").decode("latin-1").splitlines() for side in (before, after))
        matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
        for tag, a, b, c, d in matcher.get_opcodes():
            if tag != "equal":
                forth.append([name, old[a:b], new[c:d]])
                back.append([name, new[c:d], old[a:b]])
    return _digest(forth), _digest(back)


def _digest(hunks: object) -> str:
    return hashlib.sha256(json.dumps(hunks).encode()).hexdigest()


def _joined(told: Sequence[Mapping[str, Any]], numbers: Sequence[int]) -> Lesson:
    group = [told[number] for number in numbers]
    last, newest = group[-1], numbers[-1]
    against = [p for p in told[newest + 1 :] if _contradicts(p, last)]
    return Lesson(
        text=last["text"],
        claim=last["claim"],
        task=last["task"],
        device=last["device"],
        effects=tuple(Ratio(*payload["effect"]) for payload in group),
        commits=tuple(payload["commit"] for payload in group),
        contradicted_by=tuple(payload["commit"] for payload in against),
        time_s=last["time_s"],
    )


def _contradicts(later: Mapping[str, Any], lesson: Mapping[str, Any]) -> bool:
    """The same change had the other effect, or undoing it had the same one."""
    if (later["task"], later["device"]) != (lesson["task"], lesson["device"]):
        return False
    opposite = bool(later["claim"] != lesson["claim"])
    changed: str = later["change"]
    about: str = lesson["change"] if opposite else lesson["undoing"]
    return changed == about
