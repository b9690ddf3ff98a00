"""`avogit pr`: a candidate proposed for a branch, measured afresh; and such a proposal checked.

Owns what is measured for a review and the facts that its body states. Leaves the branch to
`store`, the words to `templates/pull-request.md.j2`, and opening it to `forge`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avogit import __version__, store
from avogit.commands.forge import Opened, Request, open_request
from avogit.commands.measure import Speed, keep, speed
from avogit.errors import AvogitError
from avogit.genealogy import ancestry
from avogit.operators.prompts import render
from avogit.records import INCUMBENT, Candidate, Evaluation, Lineage, Ratio, Status, Verdict
from avogit.session import (
    Progress,
    Session,
    find_candidate,
    open_session,
    read_population,
)


@dataclass(frozen=True, slots=True)
class Proposed:
    """A branch for review, its words, and what became of opening it."""

    population: str
    candidate: str
    base: str
    branch: str
    commit: str
    title: str
    body: str
    body_file: Path
    evaluation: Evaluation
    opened: Opened


@dataclass(frozen=True, slots=True)
class Series:
    """A line as patches, in the order in which `git am` takes them."""

    candidate: str
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class CheckedRequest:
    """A branch beside its base, measured with the base's task; one that fails is slower."""

    judgement: Speed
    reason: str
    evaluation: Evaluation
    trusted: tuple[str, ...]  # files of the task that the branch changes and a candidate may not


def propose(
    path: Path,
    rev: str,
    base: str,
    *,
    squash: bool,
    to_open: bool,
    remote: str | None,
    forge: str | None,
    progress: Progress,
) -> Proposed:
    """A review branch of a candidate, confirmed beside the branch that it is for."""
    with open_session(path, progress, at=_branch(path, base)) as session:
        lineage = session.lineage()
        candidate = find_candidate(session.repo, lineage, rev)
        tree = _merged_tree(session, candidate, base)
        progress(f"measuring {candidate.oid[:10]} as merged into {base}")
        evaluation = _confirmed(session, candidate, tree, base)
        commit = _squashed(session, lineage, candidate, tree) if squash else candidate.oid
        ref = store.review_branch(session.repo, session.population, candidate.oid, commit)
        title = _title(session, evaluation, base)
        body = _body(session, lineage, candidate, evaluation, base, ref, tree)
        file = _write(session, ref, body)
        request = Request(ref, base, title, body, file)
        opened = open_request(session.repo, request, remote, forge) if to_open else Opened("")
        return Proposed(
            session.population,
            candidate.oid,
            base,
            request.branch,
            commit,
            title,
            body,
            file,
            evaluation,
            opened,
        )


def series(path: Path, rev: str, directory: Path) -> Series:
    """The line that leads to a candidate, as patches in a new or empty folder."""
    repo = store.open_repository(path)
    lineage = read_population(repo, None)
    candidate = find_candidate(repo, lineage, rev)
    if directory.exists() and any(directory.iterdir()):
        raise AvogitError(f"{directory} is not empty: name a new folder for the patches")
    line = store.line_of(lineage, candidate)
    mails = store.line_as_mails(repo, line)
    directory.mkdir(parents=True, exist_ok=True)
    files = [directory / f"{number:04d}.patch" for number in range(1, len(mails) + 1)]
    for file, mail in zip(files, mails, strict=True):
        file.write_bytes(mail)
    return Series(candidate.oid, tuple(files))


def check(path: Path, base: str, tolerance: float, progress: Progress) -> CheckedRequest:
    """Is the checked-out kernel right, and as fast as the base's?"""
    repo = store.open_repository(path)
    commit = store.head(repo)
    if commit is None:
        raise AvogitError("nothing is checked out here: check out the pull request's branch")
    # The base says what the task is: a pull request may not change how it is judged.
    with open_session(path, progress, at=_branch(path, base)) as session:
        rivals = {INCUMBENT: session.source(session.base)}
        budget_s = session.config.measure.confirm_s
        found = session.measure(session.source(commit), rivals, "confirmation", budget_s)
        judgement, reason = _judged(found, base, tolerance)
        return CheckedRequest(judgement, reason, found, _trusted(session, commit))


def _branch(path: Path, base: str) -> str:
    """The base branch, if it is here."""
    try:
        return store.resolve(store.open_repository(path), base)
    except AvogitError as error:
        raise AvogitError(f"no branch {base!r} here: name the one it is for with --base") from error


def _judged(found: Evaluation, base: str, tolerance: float) -> tuple[Speed, str]:
    if found.verdict is Verdict.UNMEASURED:
        return Speed.UNDECIDED, f"{found.verdict} {found.reason}: {found.detail}"
    if found.verdict is not Verdict.PASSED:
        return Speed.SLOWER, f"fails: {found.verdict} {found.reason}".strip()
    ratio = found.versus[INCUMBENT]
    said = {
        Speed.AS_FAST: "as fast as",
        Speed.SLOWER: "slower than",
        Speed.UNDECIDED: "not shown to be as fast as, or slower than,",
    }
    judgement = speed(ratio, tolerance)
    return judgement, f"{said[judgement]} {base}: {ratio}"


def _trusted(session: Session, commit: str) -> tuple[str, ...]:
    task = session.task
    before, after = (store.tree_of(session.repo, oid) for oid in (session.base, commit))
    named = store.tree_violations(session.repo, before, after, task.path, task.is_editable)
    return tuple(name for name in named if not name.startswith("outside-task"))


def _merged_tree(session: Session, candidate: Candidate, base: str) -> str:
    """What the branch will hold once the candidate is merged: that is what is measured."""
    if candidate.score is None:
        raise AvogitError(f"{candidate.oid[:10]} did not pass ({candidate.verdict}): not proposed")
    if not candidate.measured:
        why = candidate.distrust or "its tree is not the one that was measured"
        raise AvogitError(f"{candidate.oid[:10]} is unmeasured here: {why}; not proposed")
    found = store.merge(session.repo, session.base, candidate.oid)
    if found.ancestor == candidate.oid:
        raise AvogitError(f"{base} has {candidate.oid[:10]} already: nothing to propose")
    if found.conflicts:
        raise AvogitError(
            f"{candidate.oid[:10]} does not merge into {base}: conflicts in "
            f"{', '.join(found.conflicts)}; `avogit seed --from {candidate.oid[:10]}` on {base} "
            "founds a lineage there"
        )
    return found.tree


def _confirmed(session: Session, candidate: Candidate, tree: str, base: str) -> Evaluation:
    rivals = {INCUMBENT: session.source(session.base)}
    budget_s = session.config.measure.confirm_s
    found = session.measure(session.source(tree), rivals, "confirmation", budget_s)
    keep(session, candidate.oid, session.base, found)
    if found.score is None:
        raise AvogitError(
            f"{candidate.oid[:10]} merged into {base} gives {found.verdict} {found.reason}: "
            f"{found.detail or 'no more is known'}"
        )
    if found.versus[INCUMBENT].high < 1:
        raise AvogitError(
            f"{candidate.oid[:10]} is slower than {base}: {found.versus[INCUMBENT]}; not proposed"
        )
    return found


def _squashed(session: Session, lineage: Lineage, candidate: Candidate, tree: str) -> str:
    steps = _steps(lineage, candidate)
    listed = "\n".join(f"- {one.oid[:10]} {one.subject}" for one in steps)
    body = f"{len(steps)} measured steps in one commit:\n\n{listed}"
    return store.squash(session.repo, session.base, tree, candidate, candidate.subject, body)


def _steps(lineage: Lineage, candidate: Candidate) -> list[Candidate]:
    """What led from the seed to a candidate, both sides of a crossover, oldest first."""
    history = ancestry(lineage, candidate.oid)
    known = (one for oid, one in lineage.candidates.items() if oid in history)
    return [one for one in known if one.status is not Status.SEED]


def _title(session: Session, found: Evaluation, base: str) -> str:
    assert found.score is not None
    gain = _percent(found.versus[INCUMBENT])
    baseline = found.baseline.split(" ")[0]
    return f"{session.task.name}: {gain} on {base}, {found.score.value:.3f}x {baseline}"


def _body(
    session: Session,
    lineage: Lineage,
    candidate: Candidate,
    found: Evaluation,
    base: str,
    ref: str,
    tree: str,
) -> str:
    raw: Mapping[str, Any] = found.raw
    steps = _steps(lineage, candidate)
    return render(
        "pull-request.md.j2",
        base=base,
        base_oid=session.base,
        branch=ref.removeprefix("refs/heads/"),
        candidate=candidate,
        correctness=raw.get("correctness", {}),
        compiler=raw.get("compiler", ""),
        evaluation=found,
        same_tree=tree == candidate.tree,
        lessons=_lessons(session, candidate),
        percent=_percent,
        population=session.population,
        shapes=len(session.task.correctness.shapes),
        steps=steps,
        task=session.task,
        tokens=_tokens(steps),
        tried=len(lineage.candidates),
        version=__version__,
    )


def _lessons(session: Session, candidate: Candidate) -> list[str]:
    """What the newest ablation found, of this candidate or of what it is the minimal kernel of."""
    for record in store.records(session.repo, session.population):
        payload = record["payload"]
        about = (payload.get("candidate"), payload.get("minimal"))
        if record["kind"] == "ablation" and candidate.oid in about:
            return [part["lesson"] for part in payload["parts"]]
    return []


def _tokens(steps: list[Candidate]) -> Mapping[str, str]:
    """What models were paid for these candidates, by model; empty where none was."""
    totals: dict[str, list[int]] = {}
    for one in steps:
        words = dict(word.split("=", 1) for word in one.trailers.get("Avo-Tokens", "").split())
        model = one.trailers.get("Avo-Model", "")
        if model and {"in", "out"} <= words.keys():
            total = totals.setdefault(model, [0, 0])
            total[0] += int(words["in"])
            total[1] += int(words["out"])
    return {model: f"{paid[0]} in, {paid[1]} out" for model, paid in totals.items()}


def _percent(ratio: Ratio) -> str:
    """A gain with its interval."""
    value, low, high = (f"{100 * (part - 1):+.1f}" for part in (ratio.value, ratio.low, ratio.high))
    return f"{value}% ({low} to {high})"


def _write(session: Session, ref: str, body: str) -> Path:
    folder = session.repo.state_dir / "pr"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{ref.rpartition('/')[2]}.md"
    file.write_text(body, encoding="utf-8")
    return file
