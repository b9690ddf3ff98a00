"""What git hooks ask: does an `Avo-` block, or a whole line, say what its records say?

Owns those two questions. Leaves the records to `record_checks` and the whole population to
`fsck`.
"""

from __future__ import annotations

from collections.abc import Mapping

from avogit.store import git, rows, trailers
from avogit.store.population import populations
from avogit.store.record_checks import Finding, check_records
from avogit.store.repository import Repository

# Copied text may name any tree: its numbers speak of `Avo-Tree`, wherever it stands.
_TOLD = ("Avo-Verdict", "Avo-Tree", "Avo-Score", "Avo-Score-CI")


def message_of(repo: Repository, oid: str) -> str:
    """A commit's message."""
    return git.line(repo.cwd, "log", "--no-walk", "--format=%B", oid)


def message_problem(repo: Repository, message: str) -> str | None:
    """What is wrong with the `Avo-` block of a message; None where a record backs it."""
    block = {k: v for k, v in trailers.parse(message) if k.startswith("Avo-")}
    if not block:
        return "it is not the message's last paragraph"
    population = block.get("Avo-Population", "")
    if population not in populations(repo):
        return f"it names the population {population!r}, which is not here"
    return _difference(block, _findings(repo, population))


def line_problems(repo: Repository, tip: str) -> list[str]:
    """Measured commits of a line whose numbers differ from their records, a line each."""
    problems = []
    known: dict[str, Mapping[str, Finding]] = {}
    for entry in _line(repo, tip):
        block = dict(trailers.parse(entry.message))
        population = block.get("Avo-Population")
        if population is None or block.get("Avo-Tree") != entry.tree:
            continue  # the user's own commit, or an unmeasured copy
        if population not in known:
            known[population] = _findings(repo, population)
        if (problem := _difference(block, known[population])) is not None:
            problems.append(f"{entry.oid[:10]}: {problem}")
    return problems


def _line(repo: Repository, tip: str) -> list[rows.LogEntry]:
    """The commits from a line's tip down to where the user's branches begin."""
    arguments = ("log", "-z", "--no-color", "--no-show-signature", rows.LOG_FORMAT, tip)
    with git.stream(repo.cwd, *arguments, "--not", "--exclude=avo/*", "--branches", "--") as chunks:
        return list(rows.parse_log(chunks))


def _findings(repo: Repository, population: str) -> Mapping[str, Finding]:
    return check_records(repo, population)[0]


def _difference(block: Mapping[str, str], findings: Mapping[str, Finding]) -> str | None:
    name = block.get("Avo-Evaluation", "")
    finding = findings.get(name)
    if finding is None:
        return f"no record {name[:19] or 'is named'} backs it"
    wrong = [key for key in _TOLD if block.get(key, "") != finding.trailers.get(key, "")]
    return f"{', '.join(wrong)} differs from the record {name[:19]}" if wrong else None
