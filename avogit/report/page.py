"""`avogit report`: one HTML file that holds everything, for a browser with no network.

Owns how the data lies in the page: an index of rows, and the details in compressed blocks that the
page opens when one of theirs is looked at. Leaves markup, style and behaviour to
`templates/report/`. Text from operators is data to the page, never markup.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import jinja2

from avogit import store
from avogit.commands.report import Detail, Report
from avogit.errors import AvogitError
from avogit.genealogy import guides
from avogit.records import (
    BASELINE,
    CANDIDATE,
    PARENT,
    Candidate,
    Lineage,
    Ratio,
    Status,
    WorkloadTiming,
)
from avogit.report.subjects import bare_subject
from avogit.report.transcript import turns
from avogit.resources import resource
from avogit.session import silent
from avogit.trajectory import Trajectory

_BLOCK = 100  # candidates whose details are compressed together
_DIFF_LIMIT = 200_000  # characters of one diff
_LETTERS = {"line": "l", "fork": "f", "end": "e", "gap": "g"}


@dataclass(frozen=True, slots=True)
class Written:
    """The file that was written."""

    file: Path
    population: str
    candidates: int
    size_bytes: int


def write(report: Report, file: Path, progress: Callable[[str], None] = silent) -> Written:
    """Write the page; a file of that name is replaced."""
    unfinished = file.with_name(f"{file.name}.part")
    try:
        with unfinished.open("w", encoding="utf-8", errors="backslashreplace") as out:
            out.writelines(_parts(report, progress))
        unfinished.replace(file)
        size = file.stat().st_size
    except OSError as error:
        raise AvogitError(f"cannot write {file}: {error.strerror or error}") from error
    return Written(file, report.lineage.population, len(report.nodes), size)


def report_text(result: Written) -> str:
    """Where the page is."""
    size = result.size_bytes / 1e6
    return f"{result.file}: {result.candidates} candidates of {result.population}, {size:.1f} MB"


def _parts(report: Report, progress: Callable[[str], None]) -> Iterator[str]:
    folder = resource("templates") / "report"
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
    style, script = ((folder / name).read_text("utf-8") for name in ("page.css", "page.js"))
    values = {
        "style": style,
        "style_hash": _hash(style),
        "script": script,
        "script_hash": _hash(script),
        "index": _index(report),
        "summary": _summary(report.lineage),
        "blocks": _blocks(report.details, len(report.nodes), progress),
    }
    yield from environment.get_template("page.html.j2").generate(values)


def _hash(text: str) -> str:
    """What the page's content security policy knows a script by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _summary(lineage: Lineage) -> dict[str, Any]:
    """The figures at the top."""
    candidates = list(lineage.candidates.values())
    incumbent = lineage.incumbent()
    best = incumbent.oid if incumbent else ""
    confirmed = [store.confirmed_score(c) for c in lineage.champions if c.oid == best]
    trailers = (incumbent or candidates[-1]).trailers
    return {
        "population": lineage.population,
        "task": trailers.get("Avo-Task", "").split(" ")[0],
        "baseline": trailers.get("Avo-Baseline", "the baseline"),
        "device": trailers.get("Avo-Device", ""),
        "best": incumbent,
        "confirmed": confirmed[-1] if confirmed else None,
        "seed": lineage.seed(),
        "candidates": len(candidates),
        "entered": sum(c.status in (Status.SEED, Status.ACCEPTED) for c in candidates),
        "failed": sum(c.score is None for c in candidates),
        "live": len({head.oid for head in lineage.heads}),
        "when": _span(candidates[0].time_s, candidates[-1].time_s),
    }


def _span(from_s: int, to_s: int) -> str:
    first, last = (
        datetime.fromtimestamp(s, timezone.utc).strftime("%Y-%m-%d %H:%M") for s in (from_s, to_s)
    )
    same_day = first[:10] == last[:10]
    return f"{first} to {last[11:] if same_day else last} UTC"


def _index(report: Report) -> dict[str, Any]:
    """A row for every candidate, as columns, which are smaller; in the order of drawing."""
    drawn = report.nodes
    at = {node.candidate.oid: row for row, node in enumerate(drawn)}
    number = {oid: n for n, oid in enumerate(report.lineage.candidates)}
    incumbent = report.lineage.incumbent()
    found = [node.candidate for node in drawn]
    return {
        "oid": [c.oid for c in found],
        "number": [number[c.oid] for c in found],
        "under": [at.get(node.under, -1) for node in drawn],
        "continues": [int(node.continues) for node in drawn],
        "guides": ["".join(_LETTERS[word] for word in row) for row in guides(drawn)],
        "standing": [node.standing for node in drawn],
        "status": [str(c.status) for c in found],
        "verdict": [str(c.verdict or "") for c in found],
        "score": [_ratio(c.score) for c in found],
        "gain": [_ratio(store.versus_parent(c)) for c in found],
        "operator": [c.operator for c in found],
        "time": [c.time_s for c in found],
        "subject": [bare_subject(c) for c in found],
        "best": _steps(report.trajectory, at),
        "workloads": report.trajectory.workloads,
        "baselines": report.trajectory.baselines,
        "incumbent": at[incumbent.oid] if incumbent else 0,
        "block": _BLOCK,
    }


def _steps(found: Trajectory, at: dict[str, int]) -> list[dict[str, Any]]:
    names = found.workloads
    return [
        {"row": at[step.oid], "workloads": [step.workloads.get(name) for name in names]}
        for step in found.best
    ]


def _ratio(found: Ratio | None) -> list[float] | None:
    return [round(v, 5) for v in (found.value, found.low, found.high)] if found else None


def _blocks(
    details: Iterable[Detail], count: int, progress: Callable[[str], None]
) -> Iterator[str]:
    """The details, some candidates at a time: JSON, gzip, base64."""
    rest = iter(details)
    for first in range(0, count, _BLOCK):
        progress(f"reading candidates: {first} of {count}")
        block = [_detail(detail) for detail in itertools.islice(rest, _BLOCK)]
        text = json.dumps(block, ensure_ascii=False, separators=(",", ":"))
        packed = gzip.compress(text.encode("utf-8", "replace"), compresslevel=6, mtime=0)
        yield base64.b64encode(packed).decode()


def _detail(found: Detail) -> dict[str, Any]:
    transcript = found.transcript
    return {
        "why": _why(found.message),
        "trailers": found.candidate.trailers,
        "parents": found.candidate.parents,
        "unmeasured": _unmeasured(found.candidate),
        "table": [_row(timing) for timing in found.workloads],
        "diff": found.diff[:_DIFF_LIMIT],
        "cut": len(found.diff) > _DIFF_LIMIT,
        "record": found.record,
        "transcript": turns(transcript.name, transcript.data) if transcript else [],
        "file": transcript.name if transcript else "",
        "pruned": found.pruned,
        "champion": _why(found.champion.message) if found.champion else "",
    }


def _unmeasured(candidate: Candidate) -> str:
    if candidate.measured:
        return ""
    return candidate.distrust or "its tree is not the one that the numbers are about"


def _why(message: str) -> str:
    """A message's prose: without subject, table and trailers, which the page shows itself."""
    parts = message.strip().split("\n\n")[1:-1]
    return "\n\n".join(part for part in parts if not part.startswith("workload "))


def _row(timing: WorkloadTiming) -> dict[str, Any]:
    arms = {arm: [timing.latency_us.get(arm), _ratio(r)] for arm, r in timing.versus.items()}
    ordered = sorted(arms, key=lambda arm: (arm != BASELINE, arm != PARENT, arm))
    return {
        "workload": timing.workload,
        "this_us": timing.latency_us.get(CANDIDATE),
        "arms": {arm: arms[arm] for arm in ordered},
    }
