"""Comparison, attribution, blame and pull requests as text."""

from __future__ import annotations

from tabulate import tabulate

from avogit import store
from avogit.ablation import Ablation, Part
from avogit.commands.ablate import Blamed, BlamedLine
from avogit.commands.compare import Compared
from avogit.commands.pr import CheckedRequest, Proposed, Series
from avogit.records import Ratio
from avogit.report.terminal import printable
from avogit.report.text import evaluation_text


def compare_text(result: Compared) -> str:
    first, second = result.first.oid[:10], result.second.oid[:10]
    lines = [
        f"{side.oid[:10]}  {side.score}  {printable(side.subject)}"
        for side in (result.first, result.second)
    ]
    table = [
        [row.workload, _time(row.first_us), _time(row.second_us), _ratio(row.ratio)]
        for row in result.rows
    ]
    if result.total is not None:
        table.append(["geometric mean", "", "", _ratio(result.total)])
    heading = ["workload", f"{first} us", f"{second} us", f"{second} against {first}"]
    return "\n".join([*lines, "", tabulate(table, heading), *result.notes])


def ablation_text(result: Ablation) -> str:
    oid, base = result.candidate.oid[:10], result.since[:10]
    table = [
        [_numbers(part), part.finding, _ratio(part.gain), part.places] for part in result.parts
    ]
    lines = [
        f"{oid} since {base}: how much faster with each part than without it "
        f"({result.confidence:.0%} for all together)",
        tabulate(table, ["hunk", "finding", "gain", "where"]),
    ]
    if result.minimal is None:
        lines.append("nothing to drop: every part earns its keep or is needed")
    else:
        made, dropped = result.minimal, ", ".join(map(str, result.dropped))
        lines.append(f"without {dropped}: {result.kernel[:10]} {made.outcome}: {made.reason}")
    return "\n".join(lines)


def blame_text(result: Blamed) -> str:
    width = len(str(len(result.lines)))
    return "\n".join(_blamed(line, width) for line in result.lines)


def pr_text(result: Proposed) -> str:
    lines = [result.title, f"branch {result.branch} at {result.commit[:10]}"]
    lines.append(result.opened.done or "not opened")
    lines.append(f"its words: {result.body_file}")
    if result.opened.to_run:
        lines += ["to go on, run:", *(f"  {command}" for command in result.opened.to_run)]
    return "\n".join(lines)


def series_text(result: Series) -> str:
    count, folder = len(result.files), result.files[0].parent if result.files else ""
    if not count:
        return f"{result.candidate[:10]} differs from its seed in nothing: no patch to write"
    return f"{count} patch{'' if count == 1 else 'es'} in {folder}: `git am {folder}/*.patch`"


def check_text(result: CheckedRequest) -> str:
    lines = [result.reason]
    if result.trusted:
        lines.append(f"changes files that a candidate may not: {', '.join(result.trusted)}")
    table = evaluation_text(result.evaluation)
    return "\n".join([*lines, table, "the incumbent in this table is the base's kernel"])


def _blamed(line: BlamedLine, width: int) -> str:
    found = line.candidate
    score = f"{found.score.value:.3f}x" if found and found.score else ""
    versus = store.versus_parent(found) if found else None
    change = f"{100 * (versus.value - 1):+.1f}%" if versus else ""
    return (
        f"{line.commit[:10]} {score:>8} {change:>8}  {line.number:{width}d}  {line.text}".rstrip()
    )


def _numbers(part: Part) -> str:
    return "+".join(str(hunk.number) for hunk in part.hunks)


def _time(latency_us: float | None) -> str:
    return f"{latency_us:.1f}" if latency_us is not None else "-"


def _ratio(ratio: Ratio | None) -> str:
    return str(ratio) if ratio else "-"
