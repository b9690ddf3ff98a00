"""Results -> text for a person at a terminal. Each function renders one kind of result."""

from __future__ import annotations

from tabulate import tabulate

from avogit import store
from avogit.commands.care import Checked, Finding, Packed, Pruned, Restored
from avogit.commands.init import Initialised
from avogit.commands.manual import CheckedOut, Submitted
from avogit.commands.measure import Bisected, Measured
from avogit.commands.read import Best, Log, Shown, TaskRow
from avogit.commands.step import Ran, Seeded, Stepped
from avogit.confirm import Confirmation
from avogit.evaluation.remarks import RIVALS, remarks
from avogit.records import (
    BASELINE,
    INCUMBENT,
    SEED,
    Candidate,
    Evaluation,
    Ratio,
)
from avogit.report.profile import profile_text
from avogit.report.subjects import bare_subject
from avogit.settling import StepResult

_ARMS = (BASELINE, *RIVALS)


_STOCK = (
    ("loose objects", "loose_objects"),
    ("packs", "packs"),
    ("kB", "kilobytes"),
    ("loose refs", "loose_refs"),
)


def init_text(result: Initialised) -> str:
    lines = [f"task {result.task} in {result.task_path}"]
    committed = f"committed as {result.commit[:10]}" if result.commit else "was committed already"
    lines[0] += f", {committed}"
    if result.hooks_installed:
        lines.append(f"hooks installed: {', '.join(result.hooks_installed)}")
    lines += [f"hook left alone: {why}" for why in result.hooks_left]
    return "\n".join([*lines, *result.notes])


def seed_text(result: Seeded) -> str:
    word = "was seeded already" if result.already else "seeded"
    lines = [f"{result.population} {word}"]
    lines += [f"{c.oid[:10]}  {_interval(c.score)}  {c.subject}" for c in result.candidates]
    return "\n".join(lines)


def step_line(number: int, step: StepResult) -> str:
    """One line for one step of a run, with what is left of a limited budget."""
    left = f"  [left: {step.left}]" if step.left else ""
    if step.candidate is None:
        return f"{number:4d}  {step.outcome:<9} {'':8} {step.reason}{left}"
    score = step.candidate.score
    shown = f"{score.value:.3f}x" if score else str(step.candidate.verdict)
    return (
        f"{number:4d}  {step.outcome:<9} {shown:<8} {bare_subject(step.candidate)}  "
        f"({step.reason}){left}"
    )


def step_text(result: Stepped) -> str:
    step = result.step
    if step.candidate is None:
        return f"{step.outcome}: {step.reason}"
    lines = [f"{step.outcome} {step.candidate.oid[:10]}: {step.reason}"]
    if step.evaluation is not None:
        lines.append(evaluation_text(step.evaluation))
    lines += [f"pruned {oid[:10]}" for oid in step.pruned]
    return "\n".join(lines)


def run_text(result: Ran) -> str:
    accepted = sum(step.outcome == "accepted" for step in result.run.steps)
    lines = [
        f"{len(result.run.steps)} steps in {result.run.seconds:.0f} s, {accepted} accepted; "
        f"ended because {result.run.ended}"
    ]
    if result.confirmation is not None:
        lines.append(confirmation_text(result.confirmation))
    return "\n".join(lines)


def confirmation_text(result: Confirmation) -> str:
    oid, evaluation = result.candidate.oid[:10], result.evaluation
    if not result.confirmed:
        return f"{oid} is not confirmed: {result.reason}"
    lines = [
        f"champion {oid} confirmed by the rule `{result.rule}` ({evaluation.blocks} sets of fresh "
        f"processes on {evaluation.device})",
        f"  vs {evaluation.baseline}: {_interval(evaluation.score)}",
    ]
    for arm, name in ((SEED, "its seed"), (INCUMBENT, "the champion before")):
        if (ratio := evaluation.versus.get(arm)) is not None:
            lines.append(f"  vs {name}: {_interval(ratio)}")
    lines += [f"  {remark}" for remark in remarks(evaluation)]
    return "\n".join(lines)


def evaluation_text(evaluation: Evaluation) -> str:
    """The table of one evaluation, or why there is none."""
    if evaluation.score is None:
        return f"{evaluation.verdict} {evaluation.reason}\n{evaluation.detail}".strip()
    versus = evaluation.workloads[0].versus
    arms = [arm for arm in _ARMS if arm in versus] + sorted(set(versus) - set(_ARMS))
    rows = [
        [t.workload, f"{t.latency_us['candidate']:.1f}", *(_interval(t.versus[a]) for a in arms)]
        for t in evaluation.workloads
    ]
    totals = [evaluation.score, *(evaluation.versus.get(a) for a in arms if a != BASELINE)]
    rows.append(["geometric mean", "", *(_interval(ratio) for ratio in totals)])
    names = [evaluation.baseline if a == BASELINE else a.replace("-", " ") for a in arms]
    table = tabulate(rows, ["workload", "this us", *(f"vs {n}" for n in names)])
    layers = "+".join(evaluation.sandbox) or "no sandbox"
    suffix = "" if evaluation.certified else "; NOT CERTIFIED: the sandbox did not hold"
    where = f"{evaluation.device}, {evaluation.blocks} sets of processes, {layers}{suffix}"
    return "\n".join([table, where, *remarks(evaluation)])


def log_text(result: Log) -> str:
    lineage = result.lineage
    live = {head.oid for head in lineage.heads}
    champions = {c.oid for c in lineage.champions}
    rows = []
    for candidate in reversed(list(lineage.candidates.values())):
        marks = ("*" if candidate.oid in live else "") + ("!" if candidate.oid in champions else "")
        marks += "?" if candidate.distrust else ""
        change = store.versus_parent(candidate)
        rows.append(
            [
                candidate.oid[:10] + marks,
                str(candidate.status),
                f"{candidate.score.value:.3f}x" if candidate.score else str(candidate.verdict),
                f"{100 * (change.value - 1):+.1f}%" if change else "",
                candidate.operator,
                bare_subject(candidate),
                *_signed(result, candidate),
            ]
        )
    headers = ["candidate", "status", "score", "vs parent", "operator", "subject"]
    table = tabulate(rows, [*headers, "record"] if result.signatures else headers)
    lines = [lineage.population, table, "* a live line, ! a confirmed champion"]
    if any(candidate.distrust for candidate in lineage.candidates.values()):
        lines[-1] += ", ? counts as unmeasured: `avogit show` says why"
    return "\n".join([*lines, result.hint] if result.hint else lines)


def _signed(result: Log, candidate: Candidate) -> list[str]:
    signatures = result.signatures
    return [str(signatures.get(candidate.oid, store.UNSIGNED))] if signatures else []


def show_text(result: Shown) -> str:
    state = "live" if result.live else (f"pruned: {result.pruned}" if result.pruned else "not live")
    if not result.candidate.measured:
        why = result.candidate.distrust or "its tree is not the one that the numbers are about"
        state += f"; unmeasured: {why}"
    lines = [f"commit {result.candidate.oid}", f"state  {state}"]
    if result.champion:
        lines.append(f"tag    {result.champion}")
    if result.signature:
        lines.append(f"record {result.signature}")
    lines += ["", result.message.rstrip()]
    if result.profile is not None:
        lines += ["", f"profile: {profile_text(result.profile)}"]
    return "\n".join(lines)


def best_text(result: Best) -> str:
    if result.incumbent is None:
        return f"{result.population} has no live measured candidate"
    incumbent = result.incumbent
    lines = [f"{incumbent.oid[:10]}  {_interval(incumbent.score)}  {bare_subject(incumbent)}"]
    lines += [
        f"champion {c.oid[:10]}  {c.ref.removeprefix('refs/tags/')}" for c in result.champions
    ]
    if not result.champions:
        lines.append("not confirmed yet: `avogit best --confirm`")
    return "\n".join(lines)


def measure_text(result: Measured) -> str:
    return f"{result.rev} measured afresh\n{evaluation_text(result.evaluation)}"


def bisect_text(result: Bisected) -> str:
    return result.reason


def checkout_text(result: CheckedOut) -> str:
    files = ", ".join(result.editable)
    return (
        f"{result.directory}\nedit {files} there, then: "
        f"avogit submit {result.directory} -m 'what you did'"
    )


def submit_text(result: Submitted) -> str:
    return step_text(Stepped(result.population, "", result.step))


def prune_text(result: Pruned) -> str:
    if not result.retired:
        return "nothing to prune"
    pairs = zip(result.retired, result.reasons, strict=True)
    return "\n".join(f"pruned {oid[:10]}: {reason}" for oid, reason in pairs)


def restore_text(result: Restored) -> str:
    return f"{result.oid[:10]} lives again as {result.ref.removeprefix('refs/heads/')}"


def fsck_text(result: Checked) -> str:
    if not result.problems:
        return f"{result.candidates} candidates, no problem found"
    lines = [f"{p.severity}: {p.where}: {p.what}; {p.remedy}".rstrip("; ") for p in result.problems]
    return "\n".join([*lines, f"{result.candidates} candidates, {len(lines)} findings"])


def gc_text(result: Packed) -> str:
    rows = [[name, *(f"{getattr(stock, field):,}" for stock in (result.before, result.after))]
            for name, field in _STOCK]  # fmt: skip
    return tabulate(rows, ["", "before", "now"], colalign=("left", "right", "right"))


def doctor_text(findings: tuple[Finding, ...]) -> str:
    lines = []
    for finding in findings:
        remedy = f"\n          {finding.remedy}" if finding.remedy else ""
        lines.append(f"{finding.level:<8}  {finding.what}{remedy}")
    return "\n".join(lines)


def tasks_text(rows: tuple[TaskRow, ...]) -> str:
    return tabulate(
        [[r.name, r.where, r.workloads, r.summary] for r in rows],
        ["task", "where", "workloads", "summary"],
    )


def _interval(ratio: Ratio | None) -> str:
    """A ratio with its interval, or a dash."""
    return str(ratio) if ratio else "-"
