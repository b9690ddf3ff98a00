"""A candidate's subject as people name it: without what has a column of its own."""

from __future__ import annotations

from avogit.records import Candidate


def bare_subject(candidate: Candidate) -> str:
    """The subject without the task's name and the score.

    The task is named by its trailer: a folder that was renamed since changes nothing here.
    """
    task = candidate.trailers.get("Avo-Task", "").split(" ")[0]
    subject = candidate.subject.removeprefix(f"{task}: ") if task else candidate.subject
    said, _, last = subject.rpartition(", ")
    baseline = candidate.trailers.get("Avo-Baseline", "").split(" ")[0]
    states_score = bool(baseline) and baseline in last
    return said if said and (states_score or last == str(candidate.verdict)) else subject
