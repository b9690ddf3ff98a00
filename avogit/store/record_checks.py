"""What fsck asks of records: hashes that hold, and scores that their raw times give.

Owns reading every record once and what a candidate's message must therefore say.
"""

from __future__ import annotations

import json
import math
import statistics as middle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from avogit.errors import AvogitError
from avogit.records import BASELINE, CANDIDATE, Evaluation, Ratio, Status
from avogit.store import documents, message, objects
from avogit.store.records_log import RECORD, RecordCommit, record_commits
from avogit.store.repository import Repository

_BATCH = 100
_TOLERANCE = 1e-6

Complaint = tuple[str, str, str]  # what, where, remedy


@dataclass(frozen=True, slots=True)
class Finding:
    """What the message of a record's candidate must say."""

    trailers: Mapping[str, str]
    stated: str  # the subject's ratio; empty where there is no score


def check_records(repo: Repository, population: str) -> tuple[dict[str, Finding], list[Complaint]]:
    """Findings by record name, and what is wrong with the records themselves."""
    commits = list(record_commits(repo, population))
    findings: dict[str, Finding] = {}
    complaints: list[Complaint] = []
    for at in range(0, len(commits), _BATCH):
        batch = commits[at : at + _BATCH]
        documents_found = objects.read_objects(repo, [f"{c.commit}:{RECORD}" for c in batch])
        for commit, blob in zip(batch, documents_found, strict=True):
            for complaint in _check(repo, commit, blob[1] if blob else b"", findings):
                complaints.append(complaint)
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
    blobs = objects.read_objects(repo, [f"{commit.commit}:{name}" for name in names])
    for name, blob in zip(names, blobs, strict=True):
        told = document["blobs"][name]["sha256"]
        if blob is None or documents.sha256(blob[1]) != f"sha256:{told}":
            yield f"{name} differs from its hash", where, "restore its chain from a clone"
    if found is not None:
        raw = next(
            (b[1] for n, b in zip(names, blobs, strict=True) if n == documents.RAW and b), b""
        )
        yield from _check_score(found, raw, where)
        if commit.kind == "evaluation":
            findings[commit.name] = _finding(payload, found)


def _check_score(found: Evaluation, raw: bytes, where: str) -> Iterator[Complaint]:
    if found.score is None or not raw.strip():
        return
    again = recomputed(json.loads(raw))
    if again is not None and not _close(again, found.score):
        what = f"score {found.score.value:.6f} is not what its raw times give ({again.value:.6f})"
        yield what, where, "believe the raw times; `avogit measure` measures anew"


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


def _finding(payload: Mapping[str, Any], found: Evaluation) -> Finding:
    told = {
        "Avo-Status": str(Status(payload["status"])),
        "Avo-Verdict": str(found.verdict),
        "Avo-Tree": found.tree,
        "Avo-Score": message.number(found.score.value) if found.score else "",
        "Avo-Score-CI": message.interval(found.score) if found.score else "",
    }
    return Finding(told, f"{found.score.value:.3f}" if found.score else "")


def _close(one: Ratio, other: Ratio) -> bool:
    pairs = ((one.value, other.value), (one.low, other.low), (one.high, other.high))
    return all(math.isclose(a, b, rel_tol=_TOLERANCE) for a, b in pairs)
