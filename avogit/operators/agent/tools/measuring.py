"""Tools that ask the machine: does it build, is it right, how fast is it, what limits it."""

from __future__ import annotations

from collections.abc import Mapping

from avogit.errors import AvogitError
from avogit.operators.agent.session import Draft, Refused, Session
from avogit.operators.agent.tools.results import MAX_DETAIL, Arguments, said
from avogit.operators.text import SHORT, bounded


def build(session: Session, _: Arguments) -> str:
    """The compiler's answer; nothing is measured and nothing kept."""
    complaint = session.context.build(session.files())
    return bounded(complaint, MAX_DETAIL) if complaint else "it builds"


def evaluate(session: Session, arguments: Arguments) -> str:
    """The verdict on the workspace as it is."""
    files, full = session.files(), arguments.get("sample") == "full"
    refuse_unchanged(session, files)
    subject = said(session, arguments, "subject", 100)
    known = session.evaluated(files, full=full)
    draft = known or session.take_over(files, subject, full=full)
    if draft is None:
        refuse_repeat(session, files)
        draft = session.evaluate(files, subject, full=full)
    return evaluation_text(session, draft, again=known is not None)


def profile(session: Session, arguments: Arguments) -> str:
    """What the GPU's counters say of the workspace as it is."""
    if session.context.profile is None:
        raise Refused("profiles are of kernels on a GPU, and this task's run on the CPU")
    files = session.files()
    try:
        found = session.context.profile(files, arguments.get("workload", ""))
    except AvogitError as error:
        raise Refused(str(error)) from error
    return session.context.render("agent/profile.md.j2", profile=found)


def evaluation_text(session: Session, draft: Draft, *, again: bool = False) -> str:
    """A verdict as the model reads it."""
    evaluation = draft.evaluation
    return session.context.render(
        "agent/evaluation.md.j2",
        draft=draft,
        evaluation=evaluation,
        detail=bounded(evaluation.detail, MAX_DETAIL),
        passed=draft.passed,
        left=session.context.config.agent.max_evaluations - len(session.drafts),
        again=again,
    )


def refuse_unchanged(session: Session, files: Mapping[str, bytes]) -> None:
    """A version that is its parent is no version."""
    if not session.is_changed(files):
        raise Refused("nothing differs from the parent: edit first")


def refuse_repeat(session: Session, files: Mapping[str, bytes]) -> None:
    """A patch that came to nothing before would do so again."""
    same = session.context.find_repeat(files, session.parent.oid)
    if same is not None:
        why = same.trailers.get("Avo-Failure") or same.trailers.get("Avo-Reason", "")
        raise Refused(
            f"this very patch was tried from this parent: {same.oid[:SHORT]}, {same.status}, "
            f"{same.verdict}{f': {why}' if why else ''}; see `lineage_show {same.oid[:SHORT]}`, "
            "and change something else"
        )
