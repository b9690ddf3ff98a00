"""A candidate's commit message: composed for people first, read back by its trailers.

Owns the public message format (docs/commit-format.md) and making an operator's text safe in
it. Leaves git's trailer rules to `trailers`, and rows and candidates to `rows`.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from avogit.records import BASELINE, PARENT, Evaluation, Plan, Ratio, Usage, Verdict
from avogit.store import trailers
from avogit.store.entry import Entry

FORMAT = "1"
MAX_SUBJECT = 100
MAX_BODY = 8000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_MISREAD = re.compile(r"#|---|diff -|Index: |From |Avo-", re.IGNORECASE)


def compose(entry: Entry, population: str, record: str) -> str:
    """The whole message of a candidate whose evaluation is the record `sha256:...`."""
    pairs = _trailers(entry, population, record)
    parts = [
        _subject(entry),
        safe_body(entry.body),
        _verdict(entry.evaluation),
        table(entry.evaluation),
        crossed_table(entry),
        "\n".join(f"{key}: {value}" for key, value in pairs),
    ]
    return sealed("\n\n".join(part for part in parts if part) + "\n", pairs)


def sealed(message: str, pairs: Sequence[tuple[str, str]]) -> str:
    """The message, once it has been read back as exactly these trailers."""
    found = trailers.parse(message)
    if found != list(pairs):
        raise ValueError(f"composed message reads back as {found!r}, not {list(pairs)!r}")
    return message


def one_line(text: str, limit: int = 200) -> str:
    """Text of any origin as one line without control characters."""
    line = " ".join(_CONTROL.sub(" ", text).split())
    return line if len(line) <= limit else line[: limit - 3].rstrip() + "..."


def safe_body(text: str) -> str:
    """An operator's prose, such that git, mail and people read nothing else into it."""
    text = _CONTROL.sub("", text.replace("\r\n", "\n").expandtabs(4)).strip()
    if len(text) > MAX_BODY:
        text = text[:MAX_BODY].rstrip() + "\n[cut here; the record has the rest]"
    lines = [part for line in text.split("\n") for part in _wrapped(line.rstrip())]
    safe = [f" {line}" if _MISREAD.match(line) else line for line in lines]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(safe)).strip("\n")


def number(value: float) -> str:
    """A score as the messages state it: four decimals, four digits where it is small."""
    return f"{value:.4f}" if value >= 0.1 else f"{value:.4g}"


def table(evaluation: Evaluation) -> str:
    """Per-workload timings as aligned text; empty where there are none."""
    if not evaluation.workloads:
        return ""
    arms = [arm for arm in (BASELINE, PARENT) if arm in evaluation.workloads[0].latency_us]
    names = {BASELINE: baseline_name(evaluation), PARENT: PARENT}
    heading = ["workload", *(names[arm] for arm in arms), "this"]
    rows = [[*heading, *(f"vs {names[arm]}" for arm in arms)]]
    for timing in evaluation.workloads:
        row = [timing.workload, *(f"{timing.latency_us[arm]:.1f}" for arm in arms)]
        row.append(f"{timing.latency_us['candidate']:.1f}")
        row += [_change(timing.versus.get(arm)) for arm in arms]
        rows.append(row)
    return (
        "\n".join(_aligned(rows))
        + "\n(latencies in us; changes with the half width of their interval)"
    )


def crossed_table(entry: Entry) -> str:
    """What each parent of a crossover and their union gained on the ancestor; else empty."""
    if entry.crossed is None:
        return ""
    first, second = (oid[:10] for oid in entry.parents)
    rows = [[f"over {entry.crossed.ancestor[:10]}", first, second, "both"]]
    rows += [[name, *map(_change, gains)] for name, gains in entry.crossed.gains.items()]
    return "\n".join([*_aligned(rows), "(what each parent gained on the ancestor, and both)"])


def baseline_name(evaluation: Evaluation) -> str:
    """The baseline without its version."""
    return evaluation.baseline.split(" ", 1)[0] or "the baseline"


def plan_text(plan: Plan) -> str:
    """A plan in one line."""
    gain = plan.expected_gain_pct
    expected = f", expected {gain:+.3g}%" if gain is not None else ""
    return one_line(plan.hypothesis) + expected


def plan_trailers(plan: Plan | None) -> list[tuple[str, str]]:
    """A plan for people, and its parts for queries."""
    if plan is None:
        return []
    gain, confidence = plan.expected_gain_pct, plan.confidence
    return [
        ("Avo-Plan", plan_text(plan)),
        ("Avo-Plan-Kind", plan.kind),
        ("Avo-Plan-Gain", "" if gain is None else f"{gain:.6g}"),
        ("Avo-Plan-Difficulty", plan.difficulty),
        ("Avo-Plan-Confidence", "" if confidence is None else f"{confidence:.6g}"),
    ]


def usage_trailers(usage: Usage | None) -> list[tuple[str, str]]:
    """What a model was paid for."""
    if usage is None or not usage.model:
        return []
    tokens = f"in={usage.input_tokens} out={usage.output_tokens}"
    tokens += f" cached={usage.cached_tokens}" if usage.cached_tokens else ""
    cost = "" if usage.cost_usd is None else f"usd={usage.cost_usd:.6g}"
    return [("Avo-Model", usage.model), ("Avo-Tokens", tokens), ("Avo-Cost", cost)]


def clean(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Trailers as they can be written: one line each, empty ones left out."""
    lines = [(key, one_line(value, 2000)) for key, value in pairs]
    return [(key, value) for key, value in lines if value]


def _subject(entry: Entry) -> str:
    score, versus = entry.evaluation.score, entry.evaluation.versus.get(PARENT)
    if score is None:
        ending = str(entry.evaluation.verdict)
    else:
        ending = f"{score.value:.3f}x {baseline_name(entry.evaluation)}"
        ending += f" ({_percent(versus.value)}%)" if versus else ""
    return f"{entry.task}: {one_line(entry.subject, MAX_SUBJECT) or 'a change'}, {one_line(ending)}"


def _verdict(evaluation: Evaluation) -> str:
    if evaluation.verdict is Verdict.PASSED:
        return ""
    head = f"{evaluation.verdict}: {one_line(evaluation.reason) or 'see below'}"
    detail = [one_line(line, 160) for line in evaluation.detail.split("\n") if line.strip()][:12]
    return "\n".join([head, *(f"    {line}" for line in detail)])


def _trailers(entry: Entry, population: str, record: str) -> list[tuple[str, str]]:
    found = entry.evaluation
    pairs = [
        ("Avo-Format", FORMAT),
        ("Avo-Population", population),
        ("Avo-Task", f"{entry.task} {entry.task_version}"),
        ("Avo-Evaluator", found.evaluator),
        ("Avo-Config", entry.config),
        ("Avo-Status", str(entry.decision.status)),
        ("Avo-Rule", entry.decision.rule),
        ("Avo-Reason", one_line(entry.decision.reason)),
        ("Avo-Verdict", str(found.verdict)),
        ("Avo-Failure", one_line(found.reason)),
        ("Avo-Tree", entry.tree),
        *score_trailers(found),
        *_crossed_trailers(entry),
        ("Avo-Baseline", found.baseline),
        ("Avo-Device", found.device),
        ("Avo-Operator", entry.operator),
        ("Avo-Generation", str(entry.generation)),
        *usage_trailers(entry.usage),
        *plan_trailers(entry.plan),
        ("Avo-Evaluation", record),
    ]
    return clean(pairs)


def _crossed_trailers(entry: Entry) -> list[tuple[str, str]]:
    if entry.crossed is None:
        return []
    keys = ("Avo-Gain-First", "Avo-Gain-Second", "Avo-Gain-Both")
    stated = (f"{number(gain.value)} {interval(gain)}" for gain in entry.crossed.gains["all"])
    return [("Avo-Ancestor", entry.crossed.ancestor), *zip(keys, stated, strict=True)]


def score_trailers(evaluation: Evaluation) -> list[tuple[str, str]]:
    """A score as trailers: the total, its interval, each workload, and against the parent."""
    if evaluation.score is None:
        return []
    by_workload = (
        f"{timing.workload}={number(timing.versus[BASELINE].value)}"
        for timing in evaluation.workloads
        if BASELINE in timing.versus
    )
    pairs = [
        ("Avo-Score", number(evaluation.score.value)),
        ("Avo-Score-CI", interval(evaluation.score)),
        ("Avo-Score-Workloads", " ".join(by_workload)),
    ]
    if (versus := evaluation.versus.get(PARENT)) is not None:
        pairs.append(("Avo-Versus-Parent", f"{number(versus.value)} {interval(versus)}"))
    return pairs


def interval(ratio: Ratio) -> str:
    """`low high`."""
    return f"{number(ratio.low)} {number(ratio.high)}"


def _change(ratio: Ratio | None) -> str:
    if ratio is None:
        return "-"
    return f"{_percent(ratio.value)}% +-{(ratio.high - ratio.low) * 50:.1f}"


def _percent(ratio: float) -> str:
    return f"{(ratio - 1) * 100:+.1f}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = []
    for first, *rest in rows:
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return lines


def _wrapped(line: str) -> list[str]:
    if len(line) <= 100 or line.startswith(" "):
        return [line]
    return textwrap.wrap(line, 76, break_long_words=False, break_on_hyphens=False)
