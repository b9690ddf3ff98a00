"""From incumbent to champion: a measurement afresh, on other processes and inputs.

The rule `fresh` asks for new processes and seeds. The rule `strict` asks in addition for
another device, or that some time has passed since the candidate was made, so that one quiet
or hot minute of a machine cannot crown a kernel. The record and the tag say which rule it was.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from avogit import store
from avogit.errors import AvogitError
from avogit.evaluation import Source
from avogit.records import INCUMBENT, SEED, Candidate, Evaluation, Lineage
from avogit.session import Session


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What the confirmation found. `tag` is empty where it did not confirm."""

    candidate: Candidate
    evaluation: Evaluation
    confirmed: bool
    reason: str
    rule: str
    tag: str = ""


def confirm(session: Session, candidate: Candidate) -> Confirmation:
    """Measure a candidate beside the seed and the reigning champion; tag it if it holds."""
    lineage = session.lineage()
    rule = session.config.measure.confirm
    _demand_later(session, candidate, rule)
    reigning = _reigning(lineage, candidate)
    session.progress(f"confirming {candidate.oid[:10]} on fresh processes")
    rivals = _rivals(session, lineage, reigning)
    budget_s = session.config.measure.confirm_s
    evaluation = session.evaluate(session.source(candidate.oid), rivals, "confirmation", budget_s)
    confirmed, reason = _holds(session, evaluation)
    record = {
        "candidate": candidate.oid,
        "rule": rule,
        "confirmed": confirmed,
        "reason": reason,
        "evaluation": store.evaluation_to_json(evaluation),
    }
    with store.writer(session.repo, session.population) as writer:
        name = writer.append("confirmation", record, {})
    if not confirmed:
        return Confirmation(candidate, evaluation, False, reason, rule)
    text = _tag_text(candidate, evaluation, rule)
    tag = store.tag_champion(session.repo, session.population, candidate.oid, text, name)
    return Confirmation(candidate, evaluation, True, reason, rule, tag)


def _demand_later(session: Session, candidate: Candidate, rule: str) -> None:
    elsewhere = not session.evaluator.is_on(candidate.trailers.get("Avo-Device", ""))
    if rule != "strict" or elsewhere:
        return
    wait_s = candidate.time_s + session.config.measure.confirm_delay_s - time.time()
    if wait_s > 0:
        raise AvogitError(
            "`confirm: strict` wants another device or a later time: try again in "
            f"{wait_s / 60:.0f} minutes, "
            "or set `measure: {confirm: fresh}`"
        )


def _reigning(lineage: Lineage, candidate: Candidate) -> Candidate | None:
    others = [c for c in lineage.champions if c.oid != candidate.oid]
    latest = max(others, key=lambda c: c.time_s, default=None)
    return lineage.candidates.get(latest.oid) if latest else None


def _rivals(session: Session, lineage: Lineage, reigning: Candidate | None) -> dict[str, Source]:
    rivals = {}
    if (seed := lineage.seed()) is not None:
        rivals[SEED] = session.source(seed.oid)
    if reigning is not None:
        rivals[INCUMBENT] = session.source(reigning.oid)
    return rivals


def _holds(session: Session, evaluation: Evaluation) -> tuple[bool, str]:
    if evaluation.score is None:
        return False, f"{evaluation.verdict} {evaluation.reason}: {evaluation.detail}".strip(": ")
    floor = 1 - session.config.acceptance.match_margin
    for arm, name in ((INCUMBENT, "the reigning champion"), (SEED, "the seed")):
        ratio = evaluation.versus.get(arm)
        if ratio is not None and ratio.high < floor:
            return False, f"slower than {name}: {ratio}"
    return True, f"{evaluation.score} {evaluation.baseline}"


def _tag_text(candidate: Candidate, evaluation: Evaluation, rule: str) -> str:
    lines = [f"Champion: {candidate.subject}", ""]
    if evaluation.score is not None:
        lines.append(f"{evaluation.score} {evaluation.baseline} on {evaluation.device}")
    for arm in (SEED, INCUMBENT):
        if (ratio := evaluation.versus.get(arm)) is not None:
            lines.append(f"{ratio} the {'seed' if arm == SEED else 'champion before'}")
    lines.append(f"Confirmed by the rule `{rule}` over {evaluation.blocks} sets of processes.")
    return "\n".join(lines) + "\n"
