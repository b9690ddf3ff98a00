"""What a clone did not bring, and the command that fetches it."""

from __future__ import annotations

from avogit.store import git
from avogit.store.repository import Repository

_CHAINS = ("tried", "records", "archive", "base")


def missing_refs_hint(repo: Repository) -> str:
    """The `git fetch` command that brings the rest of a lineage; empty where it is all here."""
    patterns = ("refs/remotes/**/avo/*/*", "refs/avo-remote/", "refs/avo/tried/")
    out = git.line(repo.cwd, "for-each-ref", "--format=%(refname)", *patterns)
    lines: set[str] = set()
    fetched: set[str] = set()
    for ref in out.splitlines():
        if ref.startswith("refs/avo/"):
            continue
        if ref.startswith("refs/remotes/"):
            lines.add(ref.removeprefix("refs/remotes/").split("/avo/")[0])
        else:
            fetched.update(
                ref.removeprefix("refs/avo-remote/").split(f"/{kind}/")[0]
                for kind in _CHAINS
                if f"/{kind}/" in ref
            )
    remote = next(iter(sorted(lines - fetched)), None)
    return f"git fetch {remote} {fetch_refspecs(remote)}" if remote else ""


def fetch_refspecs(remote: str) -> str:
    """The refspecs that bring a remote's chains to where readers look, never over our own."""
    specs = [f"'refs/avo/{kind}/*:refs/avo-remote/{remote}/{kind}/*'" for kind in _CHAINS]
    return " ".join([*specs, "'refs/tags/avo/*:refs/tags/avo/*'"])
