"""A commit of a lineage as a row: from `git log` to JSON values to a `Candidate`.

Owns which commits are candidates and how their trailers are read. A row is what
`avogit log --json` prints; a candidate is made from a row, so both always agree.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from avogit.records import Candidate, Ratio, Status, Verdict
from avogit.store import message, trailers

LOG_FORMAT = "--format=%H%n%T%n%P%n%ct%n%B"
LINK = "avogit tried "
ARCHIVE = "avogit retired "
_GRAVE = re.compile(
    r"^    (?P<oid>[0-9a-f]{40,64}) (?P<name>\S+) (?P<score>\S+) (?P<why>.*)$", re.M
)
_STATUSES = {str(status): status for status in Status}
_VERDICTS = {str(verdict): verdict for verdict in Verdict}


class LogEntry(NamedTuple):
    """One commit as `git log` gives it. A tuple: a walk makes hundreds of thousands."""

    oid: str
    tree: str
    parents: tuple[str, ...]
    time_s: int
    message: str


class Row(NamedTuple):
    """A candidate as it is kept: its place in the order, and its finished JSON line."""

    time_s: int
    generation: int
    oid: str
    line: str


class Grave(NamedTuple):
    """One row of the prune log."""

    oid: str
    name: str  # the head's short name; it is dead wherever it turns up with this tip
    score: str
    reason: str


def parse_log(chunks: Iterator[bytes]) -> Iterator[LogEntry]:
    """The commits of a `git log -z` with `LOG_FORMAT`."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\0")
        for record in whole:
            yield log_entry(record)
    if rest:
        yield log_entry(rest)


def log_entry(record: bytes) -> LogEntry:
    """One record of the log."""
    oid, tree, parents, time_s, text = record.decode("utf-8", "replace").split("\n", 4)
    return LogEntry(oid, tree, tuple(parents.split()), int(time_s), text)


def graves(entry: LogEntry) -> list[Grave]:
    """The rows of an archive commit; none for any other commit."""
    if not entry.message.startswith(ARCHIVE):
        return []
    found = _GRAVE.finditer(entry.message)
    return [Grave(m["oid"], m["name"], m["score"], m["why"]) for m in found]


def row(entry: LogEntry, population: str) -> dict[str, Any] | None:
    """The candidate's JSON values; None for a commit that is none of this population."""
    if entry.message.startswith((LINK, ARCHIVE)) or "\nAvo-Population:" not in entry.message:
        return None
    block = _avo_block(entry.message)
    if block.get("Avo-Population") != population or block.get("Avo-Status") not in _STATUSES:
        return None
    if block.get("Avo-Format") != message.FORMAT:
        return None
    score, verdict = _score(block), block.get("Avo-Verdict")
    measured_tree = block.get("Avo-Tree", "")
    return {
        "oid": entry.oid,
        "tree": entry.tree,
        "parents": list(entry.parents),
        "time_s": entry.time_s,
        "subject": entry.message.split("\n", 1)[0],
        "population": population,
        "status": block["Avo-Status"],
        "verdict": verdict if verdict in _VERDICTS else None,
        "measured": entry.tree == measured_tree,
        "measured_tree": measured_tree,
        "score": {"value": score[0], "low": score[1], "high": score[2]} if score else None,
        "workload_scores": _workload_scores(block.get("Avo-Score-Workloads", "")),
        "operator": block.get("Avo-Operator", ""),
        "generation": _whole(block.get("Avo-Generation", "")),
        "trailers": block,
    }


def to_line(values: Any) -> str:
    """A row, or any value of one, as compact JSON on one line."""
    return orjson.dumps(values).decode()


def kept(values: Mapping[str, Any]) -> Row:
    """A row with its place: oldest first, parents before children, the same in every clone."""
    return Row(values["time_s"], values["generation"], values["oid"], to_line(values))


def from_line(line: str) -> Candidate:
    """The candidate that a JSON line tells of."""
    return candidate(orjson.loads(line))


def candidate(values: Mapping[str, Any]) -> Candidate:
    """The candidate that a row tells of."""
    score, verdict = values["score"], values["verdict"]
    return Candidate(
        oid=values["oid"],
        tree=values["tree"],
        parents=tuple(values["parents"]),
        time_s=values["time_s"],
        subject=values["subject"],
        population=values["population"],
        status=_STATUSES[values["status"]],
        verdict=_VERDICTS[verdict] if verdict else None,
        measured_tree=values["measured_tree"],
        score=Ratio(score["value"], score["low"], score["high"]) if score else None,
        workload_scores=values["workload_scores"],
        operator=values["operator"],
        generation=values["generation"],
        trailers=values["trailers"],
    )


def versus_parent(found: Candidate) -> Ratio | None:
    """Parent time / this time, as its message states it; None where it states none."""
    return stated_ratio(found.trailers.get("Avo-Versus-Parent", ""))


def stated_ratio(text: str) -> Ratio | None:
    """`<value> <low> <high>` as a ratio; None where the text is none."""
    try:
        value, low, high = map(float, text.split())
        return Ratio(value, low, high)
    except ValueError:
        return None


def _avo_block(text: str) -> dict[str, str]:
    """A message's `Avo-` trailers; empty where one of them stands there twice."""
    pairs = trailers.parse(text)
    block = dict(pairs)
    if len(block) == len(pairs) > 0 and min(block) > "Avo-" and max(block) < "Avo.":
        return block  # all of them are: "." comes next after "-"
    ours = [(key, value) for key, value in pairs if key[:4] == "Avo-"]
    block = dict(ours)
    return block if len(block) == len(ours) else {}


def _score(block: Mapping[str, str]) -> tuple[float, float, float] | None:
    """The score with its interval; None unless it is one, for whatever reason."""
    if block.get("Avo-Verdict") != Verdict.PASSED.value:
        return None
    try:
        value = float(block["Avo-Score"])
        low, high = map(float, block["Avo-Score-CI"].split())
    except (KeyError, ValueError):
        return None
    return (value, low, high) if 0 < low <= value <= high < math.inf else None


def _workload_scores(text: str) -> dict[str, float]:
    found = {}
    for word in text.split():
        name, _, value = word.rpartition("=")
        try:
            score = float(value)
        except ValueError:
            continue
        if name and 0 < score < math.inf:
            found[name] = score
    return found


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
