"""Branches and patches for review: a lineage, or one commit that cites it, on its way to main.

Owns `refs/heads/avo-pr/`, the squash commit's form, and a line as patches. A review branch is
created once and never moved; what is proposed again gets a name of its own. Leaves the words of a
pull request, and where it is opened, to `commands`.
"""

from __future__ import annotations

from avogit.errors import AvogitError
from avogit.records import Candidate, Lineage
from avogit.store import git, message, refs, walk
from avogit.store.objects import NewObjects
from avogit.store.population import checked_name
from avogit.store.refs import Update
from avogit.store.repository import Repository
from avogit.store.revisions import tree_of
from avogit.store.writer import author

_ATTEMPTS = 100


def review_branch(repo: Repository, population: str, candidate: str, commit: str) -> str:
    """A branch at a commit that proposes a candidate; the same one again for the same commit."""
    stem = f"refs/heads/avo-pr/{checked_name(population)}/{candidate[:10]}"
    taken = refs.read_refs(repo, stem, f"{stem}-*")
    for number in range(1, _ATTEMPTS):
        ref = stem if number == 1 else f"{stem}-{number}"
        if taken.get(ref) == commit:
            return ref
        if ref not in taken:
            refs.transact(repo, [Update(ref, commit, None)])
            return ref
    raise AvogitError(f"{_ATTEMPTS} review branches of {candidate[:10]} exist: delete some of them")


def squash(
    repo: Repository, base: str, tree: str, candidate: Candidate, subject: str, body: str
) -> str:
    """One commit on `base` with this tree, citing the candidate. The same call makes the same one.

    It is no candidate: its numbers are the cited one's, and stand in no `Avo-` block of its own.
    """
    pairs = [("Evolved-From", candidate.oid)]
    if model := candidate.trailers.get("Avo-Model"):
        pairs.append(("Assisted-by", model))
    pairs = message.clean(pairs)
    block = "\n".join(f"{key}: {value}" for key, value in pairs)
    parts = [message.one_line(subject, message.MAX_SUBJECT), message.safe_body(body), block]
    text = message.sealed("\n\n".join(part for part in parts if part) + "\n", pairs)
    new = NewObjects(repo)
    (below,) = walk.read_commits(repo, [base])
    oid = new.commit(tree, [base], text, max(candidate.time_s, below.time_s), author(repo))
    new.write()
    return oid


def line_of(lineage: Lineage, candidate: Candidate) -> list[Candidate]:
    """The candidates from the seed to this one, by first parents."""
    line = [candidate]
    while line[-1].parents and line[-1].parents[0] in lineage.candidates:
        line.append(lineage.candidates[line[-1].parents[0]])
    return line[::-1]


def line_as_mails(repo: Repository, line: list[Candidate]) -> list[bytes]:
    """The line as mails that `git am` applies, one a candidate. What changes no file is left out.

    A crossover's patch is its difference from the first parent: patches know one parent only.
    """
    changing = [
        candidate for candidate in line if candidate.tree != tree_of(repo, candidate.parents[0])
    ]
    return [_patch(repo, candidate.oid) for candidate in changing]


def _patch(repo: Repository, oid: str) -> bytes:
    plain = ("--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--binary")
    return git.run(
        repo.cwd, "show", "--format=email", "--stat", "-p", "--first-parent", "-m", *plain, oid
    )
