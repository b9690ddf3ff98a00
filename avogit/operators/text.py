"""Values as bounded plain text, for a model, a program, or a log.

Owns how a lineage, a diff and a long output look to an operator. Leaves sentences to the
templates and what people see on a terminal to `report`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

from avogit.records import Attempt, Candidate, Lineage, Status, Verdict

SHORT = 10  # characters of a commit id, as git abbreviates it
_HEAD_PART = 3  # a cut text keeps 1/3 of its room for its beginning: errors stand early and late


def bounded(text: str, limit: int) -> str:
    """At most about `limit` characters: beginning and end, and how much was cut between."""
    if len(text) <= limit:
        return text
    head = limit // _HEAD_PART
    tail = limit - head
    cut = len(text) - limit
    return f"{text[:head]}\n[... {cut} characters cut here ...]\n{text[-tail:]}"


def one_line(text: str, limit: int = 300) -> str:
    """The text on one line, at most so long."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else f"{flat[: limit - 3]}..."


def log_lines(candidates: Sequence[Candidate]) -> list[str]:
    """One line a candidate, under a heading."""
    heading = f"{'commit':<{SHORT}}  {'status':<8}  {'verdict':<19}  score [interval]  subject"
    return [heading, *(_log_line(c) for c in candidates)]


def _log_line(candidate: Candidate) -> str:
    verdict = str(candidate.verdict or "-")
    return (
        f"{candidate.oid[:SHORT]}  {candidate.status!s:<8}  {verdict:<19}  "
        f"{score_text(candidate)}  {one_line(candidate.subject, 100)}"
    )


def failure_lines(lineage: Lineage, attempts: Iterable[Attempt]) -> list[str]:
    """A line for all that came to nothing, newest first: candidates, and steps without one."""
    lines = [(a.time_s, _attempt_line(a)) for a in attempts]
    lines += [(c.time_s, _failure_line(c)) for c in lineage.candidates.values() if _failed(c)]
    return [line for _, line in sorted(lines, key=lambda entry: -entry[0])]


def _failed(candidate: Candidate) -> bool:
    failed = candidate.verdict is not Verdict.PASSED
    return failed or candidate.status is Status.REJECTED


def _failure_line(candidate: Candidate) -> str:
    above = candidate.parents[0][:SHORT] if candidate.parents else "-"
    told = candidate.trailers
    why = told.get("Avo-Failure") or told.get("Avo-Reason", "")
    return one_line(
        f"{candidate.oid[:SHORT]} from {above} {candidate.status}, {candidate.verdict}: "
        f"{candidate.subject} ({why})"
    )


def _attempt_line(attempt: Attempt) -> str:
    planned = f"; planned: {attempt.plan.hypothesis}" if attempt.plan else ""
    return one_line(
        f"no child from {attempt.parent[:SHORT]}: {attempt.outcome}, {attempt.detail}{planned}"
    )


def score_text(candidate: Candidate) -> str:
    """A candidate's score with its interval, or why it has none."""
    if not candidate.measured:
        return "unmeasured"
    score = candidate.score
    return f"{score.value:.4f} [{score.low:.4f}, {score.high:.4f}]" if score else "no score"


def newest(lineage: Lineage, count: int) -> list[Candidate]:
    """The newest candidates, newest first."""
    return list(lineage.candidates.values())[::-1][:count]


def best(lineage: Lineage, count: int) -> list[Candidate]:
    """The candidates with the best scores, best first."""
    scored = [c for c in lineage.candidates.values() if c.score is not None and c.measured]
    return sorted(scored, key=lambda c: -c.score.value if c.score else 0.0)[:count]


def text_of(data: bytes) -> str:
    """A file's text; bytes that are no UTF-8 are shown as escapes."""
    return data.decode("utf-8", "backslashreplace")


def files_diff(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> str:
    """A unified diff between two sets of files."""
    lines: list[str] = []
    for name in sorted({*before, *after}):
        old, new = (text_of(side.get(name, b"")).splitlines() for side in (before, after))
        lines += difflib.unified_diff(old, new, f"a/{name}", f"b/{name}", lineterm="")
    return "\n".join(lines)
