"""`avogit ablate` and `avogit blame`: what each part of a kernel is worth, and who brought it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from avogit import store
from avogit.ablation import Ablation
from avogit.ablation import ablate as ablate_candidate
from avogit.errors import AvogitError
from avogit.records import Candidate, Lineage
from avogit.session import Progress, find_candidate, open_session, read_population


@dataclass(frozen=True, slots=True)
class BlamedLine:
    """One line; `candidate` is None where it is older than the lineage, or nobody measured it."""

    number: int
    text: str
    commit: str
    candidate: Candidate | None


@dataclass(frozen=True, slots=True)
class Blamed:
    """A file at a candidate, line by line."""

    file: str
    rev: str
    lines: tuple[BlamedLine, ...]


def ablate(path: Path, rev: str, since: str | None, context: int, progress: Progress) -> Ablation:
    """Which hunks since a base earn their keep."""
    with open_session(path, progress) as session:
        lineage = session.lineage()
        candidate = find_candidate(session.repo, lineage, rev)
        if candidate.score is None or not candidate.measured:
            raise AvogitError(f"{rev} ({candidate.oid[:10]}) has no score: nothing to attribute")
        seed = store.line_of(lineage, candidate)[0]
        base = store.resolve(session.repo, since) if since else seed.oid
        return ablate_candidate(session, candidate, base, context)


def blame(path: Path, population: str | None, file: str, rev: str) -> Blamed:
    """Each line of a file with the candidate that brought it."""
    repo = store.open_repository(path)
    lineage = read_population(repo, population)
    candidate = find_candidate(repo, lineage, rev)
    name = _find_file(repo, candidate, file)
    lines = store.blame(repo, candidate.oid, name)
    return Blamed(name, candidate.oid, tuple(_lines(lineage, lines)))


def _lines(lineage: Lineage, lines: list[tuple[str, str]]) -> list[BlamedLine]:
    return [
        BlamedLine(number, text, oid, lineage.candidates.get(oid))
        for number, (oid, text) in enumerate(lines, start=1)
    ]


def _find_file(repo: store.Repository, candidate: Candidate, wanted: str) -> str:
    """The path from the repository's root; the end of one is enough where it is the only such."""
    names = store.folder_files(repo, candidate.oid, "")
    if wanted in names:
        return wanted
    task = candidate.trailers.get("Avo-Task", "").split(" ")[0]
    ends = [name for name in names if name.endswith(f"/{wanted}")]
    matches = [name for name in ends if f"/{task}/" in f"/{name}"] or ends
    if len(matches) == 1:
        return matches[0]
    found = ", ".join(matches) or "none"
    raise AvogitError(f"no single file {wanted} at {candidate.oid[:10]}; ending so: {found}")
