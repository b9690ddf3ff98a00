"""What git hooks ask: does an `Avo-` block, or a whole line, say what its records say?

Owns those two questions. Leaves the records to `record_checks` and the whole population to
`fsck`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from avogit.errors import AvogitError
from avogit.store import git, records_log, refs, rows, trailers
from avogit.store.population import chain_patterns, populations
from avogit.store.record_checks import differences, finding_of
from avogit.store.repository import Repository
from avogit.store.walk import read_commits, walk

_NEEDED = ("Avo-Format", "Avo-Population", "Avo-Status", "Avo-Tree", "Avo-Evaluation")


def message_problem(repo: Repository, message: str) -> str | None:
    """Why an `Avo-` block is not one that avogit wrote; None where its record backs it.

    A message that a cherry-pick, an amend or a rebase carries along is backed like any other:
    its `Avo-Tree` says which tree the numbers are about.
    """
    pairs = trailers.parse(message)
    block = {key: value for key, value in pairs if key.startswith("Avo-")}
    if not block:
        return "its last paragraph is not made of trailers alone, so git reads none of them"
    if len(block) != sum(key.startswith("Avo-") for key, _ in pairs):
        return "a key stands there twice"
    missing = [key for key in _NEEDED if key not in block]
    if missing:
        return f"{missing[0]} is missing"
    return _against_record(repo, block, message.lstrip("\n").split("\n", 1)[0])


def line_problems(repo: Repository, oid: str) -> list[str]:
    """What is wrong with the measured candidates on a line, from its tip to the user's commits."""
    found = []
    for population in populations(repo):
        bases = refs.read_refs(repo, *chain_patterns("base", population)).values()
        if any(refs.read_refs(repo, *chain_patterns("records", population))):
            found += list(_line_problems(repo, population, oid, set(bases)))
    return found


def message_of(repo: Repository, oid: str) -> str:
    """A commit's message."""
    return git.run(repo.cwd, "log", "-1", "--format=%B", oid, "--").decode("utf-8", "replace")


def messages(repo: Repository, oids: Collection[str]) -> dict[str, str]:
    """Many commits' messages, by their ids."""
    return {entry.oid: entry.message for entry in read_commits(repo, oids)}


def _line_problems(repo: Repository, population: str, oid: str, bases: set[str]) -> Iterator[str]:
    for entry in walk(repo, [oid], bases):
        row = rows.row(entry, population)
        if row is None or not row["measured"]:
            continue
        if wrong := _against_record(repo, row["trailers"], row["subject"]):
            yield f"{entry.oid[:10]}: {wrong}"


def _against_record(repo: Repository, block: Mapping[str, str], subject: str) -> str | None:
    name = block.get("Avo-Evaluation", "")
    try:
        document = records_log.read_record(repo, block["Avo-Population"], name)
        finding = finding_of(document["payload"])
    except AvogitError:
        finding = None
    if finding is None:
        return f"no record {name[:19] or 'is named that'} backs it"
    wrong = differences(finding, block, subject)
    return f"{', '.join(wrong)} differs from the record {name[:19]}" if wrong else None
