"""`fsck`: proves that what the messages say is what was recorded and measured.

Owns the walk over a population and what each finding means. Reads git alone, never the cache.
Leaves the records themselves to `record_checks`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from avogit.store import lineage, message, rows, signing, trailers
from avogit.store.population import chain_patterns, populations
from avogit.store.record_checks import Finding, check_lessons, check_records, differences
from avogit.store.refs import read_refs
from avogit.store.repository import Repository
from avogit.store.rows import LogEntry
from avogit.store.walk import walk

_SHAPES = (
    re.compile(r"refs/heads/avo/[^/]+/g\d{4,}-[0-9a-f]{10}(-r\d+)?"),
    re.compile(r"refs/avo/(wip|tried|records)/[^/]+/[a-z0-9-]+-\d+"),
    re.compile(r"refs/avo/lessons/[a-z0-9-]+\.[a-z0-9-]+-\d+"),
    re.compile(r"refs/avo/archive/[^/]+/[a-z0-9-]+"),
    re.compile(r"refs/avo/base/[^/]+/[0-9a-f]{10}"),
)


_SIGNATURES = {
    signing.SIGNED: "nothing to do",
    signing.NONE: "`git config avogit.signingKey KEY` signs the next ones",
    signing.UNKNOWN: "whose key is it? signing.allowed_signers in avogit.yaml names a file of them",
    signing.BAD: "`git verify-commit` tells more; do not believe them",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding. `info` is something to know, no damage."""

    what: str
    where: str
    remedy: str
    severity: str = "error"


def fsck(repo: Repository, allowed: bytes = b"") -> tuple[Problem, ...]:
    """Every problem of every population, errors first; empty where all holds.

    `allowed`: an allowed-signers file, against which signatures are checked.
    """
    found = list(_shapes(repo))
    for population in populations(repo):
        found += _check_population(repo, population)
        found += _check_signatures(repo, population, allowed)
    found += [Problem(*complaint) for complaint in check_lessons(repo)]
    return tuple(sorted(found, key=lambda problem: problem.severity != "error"))


def _check_population(repo: Repository, population: str) -> Iterator[Problem]:
    refs = lineage.read_refs(repo, population)
    walked = walk(repo, refs.tips, refs.bases)
    commits = {entry.oid: entry for entry in walked}
    tried: set[str] = set()
    for ref, tip in read_refs(repo, *chain_patterns("tried", population)).items():
        yield from _check_chain(ref, tip, commits, tried)
    for ref, tip in read_refs(repo, *chain_patterns("archive", population)).items():
        yield from _check_archive(ref, tip, commits)
    for head in refs.heads:
        if head.oid not in tried:
            yield _foreign_head(head.ref, head.oid)
    recorded = read_refs(repo, *chain_patterns("records", population))
    findings, problems = check_records(repo, population) if recorded else ({}, [])
    yield from (Problem(*problem) for problem in problems)
    if not recorded:
        yield _no_records(population)
    for entry in commits.values():
        yield from _check_commit(entry, population, findings if recorded else None)


def _check_signatures(repo: Repository, population: str, allowed: bytes) -> Iterator[Problem]:
    """Who signed the records; nothing where nobody did and nobody is asked to."""
    found = signing.counted(repo, population, allowed)
    if not allowed and set(found) <= {signing.UNSIGNED}:
        return
    for signature, count in sorted(found.items(), key=lambda item: (item[0].state, item[0].signer)):
        severity = "error" if signature.state == signing.BAD else "info"
        where = f"{count} records of {population}"
        yield Problem(str(signature), where, _SIGNATURES[signature.state], severity)


def _check_chain(
    ref: str, tip: str, commits: Mapping[str, LogEntry], tried: set[str]
) -> Iterator[Problem]:
    """Every link names the candidate that it holds; collects the candidates."""
    at: str | None = tip
    while at is not None:
        entry = commits.get(at)
        linked = entry.message[len(rows.LINK) :].strip() if entry else ""
        if entry is None or not entry.message.startswith(rows.LINK) or linked not in entry.parents:
            yield Problem(
                "broken chain", f"{ref} at {at[:10]}", "restore the ref from a clone or its reflog"
            )
            return
        tried.add(linked)
        at = entry.parents[0] if len(entry.parents) == 2 else None


def _check_archive(ref: str, tip: str, commits: Mapping[str, LogEntry]) -> Iterator[Problem]:
    """Every archive commit holds the tips that it names."""
    at: str | None = tip
    while at is not None:
        entry = commits.get(at)
        named = {grave.oid for grave in rows.graves(entry)} if entry else set()
        if entry is None or not named or not named <= set(entry.parents):
            yield Problem(
                "broken archive",
                f"{ref} at {at[:10]}",
                "restore the ref from a clone or its reflog",
            )
            return
        first = entry.parents[0]
        at = first if first not in named else None


def _check_commit(
    entry: LogEntry, population: str, findings: Mapping[str, Finding] | None
) -> Iterator[Problem]:
    if entry.message.startswith((rows.LINK, rows.ARCHIVE)):
        return
    row = rows.row(entry, population)
    if row is None:
        yield from _unreadable(entry, population)
    elif row["measured"] and findings is not None:
        yield from _check_numbers(row, findings)


def _unreadable(entry: LogEntry, population: str) -> Iterator[Problem]:
    """A commit that claims to be one of ours and cannot be read as one."""
    block = dict(trailers.parse(entry.message))
    if block.get("Avo-Population") != population and f"\nAvo-Population: {population}\n" not in (
        entry.message
    ):
        return
    if block.get("Avo-Population", population) == population and "Avo-Champion" not in block:
        version = block.get("Avo-Format", "")
        if version.isdigit() and version != message.FORMAT:
            yield Problem(f"format {version}", entry.oid, "a newer avogit reads it", "info")
        else:
            yield Problem("unreadable Avo- block", entry.oid, "nothing is read from this commit")


def _check_numbers(row: Mapping[str, Any], findings: Mapping[str, Finding]) -> Iterator[Problem]:
    """The message's numbers are the record's."""
    block: Mapping[str, str] = row["trailers"]
    name = block.get("Avo-Evaluation", "")
    finding = findings.get(name)
    if finding is None:
        yield Problem(
            "missing record", f"{row['oid']}: {name or 'none named'}", "fetch refs/avo/records/*"
        )
        return
    wrong = differences(finding, block, row["subject"])
    if wrong:
        yield Problem(
            "forged message", f"{row['oid']}: {', '.join(wrong)} differs from its record",
            "believe the record; `avogit measure` measures anew",
        )  # fmt: skip


def _foreign_head(ref: str, oid: str) -> Problem:
    what = "head on no tried chain"
    return Problem(
        what, f"{ref} at {oid[:10]}", "fetched without its chain, or made by hand", "info"
    )


def _no_records(population: str) -> Problem:
    return Problem("records are not here", population, "fetch refs/avo/records/*", "info")


def _shapes(repo: Repository) -> Iterator[Problem]:
    for ref in read_refs(repo, "refs/heads/avo/", "refs/avo/"):
        if not any(shape.fullmatch(ref) for shape in _SHAPES):
            severity = "info" if ref.startswith("refs/heads/") else "error"
            yield Problem("ref of another shape", ref, "avogit did not make it", severity)
