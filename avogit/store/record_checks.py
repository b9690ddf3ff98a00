"""What fsck asks of records: hashes that hold, and scores that their raw times give.

Owns reading every record once and what a candidate's message must therefore say.
"""

from __future__ import annotations

import math
import re
import statistics as middle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from avogit.errors import AvogitError
from avogit.records import BASELINE, CANDIDATE, Evaluation, Ratio
from avogit.store import documents, message, reader
from avogit.store.lesson_log import lesson_commits
from avogit.store.records_log import RECORD, RecordCommit, record_commits
from avogit.store.repository import Repository

_MEASURE = "`avogit measure` measures anew"
_TOLERANCE = 1e-6
_STATED = re.compile(r", (\d+\.\d{3})x [^,]*$")

Complaint = tuple[str, str, str]  # what, where, remedy


@dataclass(frozen=True, slots=True)
class Finding:
    """What the message of a record's candidate must say."""

    trailers: Mapping[str, str]
    stated: str  # the subject's ratio; empty where there is no score


def check_records(repo: Repository, population: str) -> tuple[dict[str, Finding], list[Complaint]]:
    """Findings by record name, and what is wrong with the records themselves."""
    return _checked(repo, list(record_commits(repo, population)))


def check_lessons(repo: Repository) -> list[Complaint]:
    """What is wrong with the lessons of all populations."""
    return _checked(repo, lesson_commits(repo))[1]


def _checked(
    repo: Repository, commits: Sequence[RecordCommit]
) -> tuple[dict[str, Finding], list[Complaint]]:
    findings: dict[str, Finding] = {}
    complaints: list[Complaint] = []
    found = reader.read_objects(repo, [f"{commit.commit}:{RECORD}" for commit in commits])
    for commit, blob in zip(commits, found, strict=True):
        complaints += _check(repo, commit, blob[2] if blob else b"", findings)
    return findings, complaints


def _check(
    repo: Repository, commit: RecordCommit, data: bytes, findings: dict[str, Finding]
) -> Iterator[Complaint]:
    where = f"record {commit.name[:19]} in {commit.commit[:10]}"
    if documents.sha256(data) != commit.name:
        yield "record's hash differs", where, "restore its chain from a clone"
        return
    try:
        document = documents.parse_document(data, where)
        payload = document["payload"]
        names: list[str] = sorted(document["blobs"])
        evaluation = payload.get("evaluation")
        found = documents.evaluation_from_json(evaluation) if evaluation else None
    except (AvogitError, KeyError, TypeError) as error:
        yield f"unreadable record ({error})", where, "a newer avogit may read it"
        return
    asked = [f"{commit.commit}:{name}" for name in names]
    blobs = dict(zip(names, reader.read_objects(repo, asked), strict=True))
    for name, blob in blobs.items():
        told = document["blobs"][name]["sha256"]
        if blob is None or documents.sha256(blob[2]) != f"sha256:{told}":
            yield f"{name} differs from its hash", where, "restore its chain from a clone"
    if found is not None:
        raw = blobs.get(documents.RAW)
        yield from _check_score(found, raw[2] if raw else b"", where)
        if commit.kind == "evaluation":
            findings[commit.name] = _finding(payload, found)
    if deciding := blobs.get(documents.DECIDING):
        yield from _check_deciding(deciding[2], where)


def _check_deciding(data: bytes, where: str) -> Iterator[Complaint]:
    """The sample that decided is kept beside the one that is stated."""
    try:
        document = documents.parse_json(data)
        found = documents.evaluation_from_json(document)
    except (AvogitError, ValueError, TypeError) as error:
        yield f"{documents.DECIDING} cannot be read ({error})", where, "a newer avogit may read it"
        return
    yield from _check_score(found, documents.compact(found.raw), where)


def _check_score(found: Evaluation, raw: bytes, where: str) -> Iterator[Complaint]:
    if found.score is None:
        return
    try:
        again = recomputed(documents.parse_json(raw or b"{}"))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, ZeroDivisionError):
        yield "raw times cannot be read", where, _MEASURE
        return
    if again is None:
        yield "a score without raw times", where, _MEASURE
    elif not _close(again, found.score):
        what = f"score {found.score.value:.6f} is not what its raw times give ({again.value:.6f})"
        yield what, where, f"believe the raw times; {_MEASURE}"


def recomputed(raw: Mapping[str, Any]) -> Ratio | None:
    """The score that raw times give; None where there are none."""
    from avogit import statistics

    blocks = raw.get("blocks")
    if not blocks:
        return None
    names = list(blocks[0]["workloads"])
    by_workload = {
        name: [_block_ratio(block["workloads"][name]) for block in blocks] for name in names
    }
    return statistics.score(by_workload, float(raw["confidence"]))


def _block_ratio(arms: Mapping[str, Sequence[float]]) -> float:
    pairs = zip(arms[BASELINE], arms[CANDIDATE], strict=True)
    return middle.median(math.log(rival / mine) for rival, mine in pairs)


def finding_of(payload: Mapping[str, Any]) -> Finding | None:
    """What the message of a recorded candidate must say; None for a record of another kind."""
    if "status" not in payload or not payload.get("evaluation"):
        return None
    return _finding(payload, documents.evaluation_from_json(payload["evaluation"]))


def differences(finding: Finding, block: Mapping[str, str], subject: str) -> list[str]:
    """The parts of a message that are not as its record has them."""
    wrong = [key for key, value in finding.trailers.items() if block.get(key, "") != value]
    stated = _STATED.search(subject)
    if stated and finding.stated and stated[1] != finding.stated:
        wrong.append("the subject")
    return wrong


def _finding(payload: Mapping[str, Any], found: Evaluation) -> Finding:
    told = {
        "Avo-Status": str(payload["status"]),
        "Avo-Verdict": str(found.verdict),
        "Avo-Tree": found.tree,
        **dict.fromkeys(("Avo-Score", "Avo-Score-CI", "Avo-Score-Workloads"), ""),
        **dict(message.score_trailers(found)),
    }
    return Finding(told, f"{found.score.value:.3f}" if found.score else "")


def _close(one: Ratio, other: Ratio) -> bool:
    pairs = ((one.value, other.value), (one.low, other.low), (one.high, other.high))
    return all(math.isclose(a, b, rel_tol=_TOLERANCE) for a, b in pairs)
