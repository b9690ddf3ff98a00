"""`avogit lessons` as text."""

from __future__ import annotations

import textwrap

from avogit.commands.lessons import Lessons
from avogit.lessons import Lesson


def lessons_text(result: Lessons) -> str:
    """One paragraph a lesson."""
    if not result.of:
        return "no lessons yet: they come with accepted children and clear losses"
    shown = [_text(lesson) for lesson in result.lessons]
    return "\n".join([*shown, f"{len(shown)} of {result.of} lessons"])


def _text(lesson: Lesson) -> str:
    support = ", ".join(oid[:10] for oid in lesson.commits)
    lines = textwrap.wrap(f"{lesson.task}: {lesson.text}", 92, subsequent_indent="  ")
    lines.append(f"  seen in {support} on {lesson.device}")
    if lesson.contradicted_by:
        against = ", ".join(oid[:10] for oid in lesson.contradicted_by)
        lines.append(f"  CONTRADICTED by {against}")
    return "\n".join(lines)
