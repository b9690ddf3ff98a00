"""Signatures of records: made by an ssh key, checked against the signers that a team allows.

Owns the signature in a record's commit, which names the candidate that the record is about, so
one signature covers code, message and numbers. Any git reads it: `git verify-commit`. What was
checked once is kept in the cache. Leaves what an unsigned record means to `trust`.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from avogit.errors import AvogitError
from avogit.store import cache, git
from avogit.store.lineage import existing
from avogit.store.population import chain_patterns
from avogit.store.refs import read_refs
from avogit.store.repository import Repository

KEY = "avogit.signingKey"
SIGNED, UNKNOWN, BAD, NONE = "signed", "unknown", "bad", "unsigned"
_STATES = {"G": SIGNED, "U": UNKNOWN, "E": UNKNOWN, "N": NONE}  # of git's %G?; others: bad
_BEST_FIRST = (SIGNED, UNKNOWN, BAD, NONE)
_ABOUT = re.compile(r"avogit recorded an evaluation of ([0-9a-f]{40,64})")
_TIMEOUT_S = 60
_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Signature:
    """What a record's signature came to."""

    state: str  # signed | unknown (nobody allowed) | bad (it does not fit) | unsigned
    signer: str = ""  # as the allowed-signers file names them

    def __str__(self) -> str:
        return f"signed by {self.signer}" if self.state == SIGNED else _WORDS[self.state]


UNSIGNED = Signature(NONE)
_WORDS = {
    NONE: "unsigned",
    UNKNOWN: "signed by an unknown key",
    BAD: "signature does not fit",
}


def signing_key(repo: Repository) -> str:
    """The key that this clone signs its records with; empty where it signs none."""
    found = git.ordinary(repo.cwd, "config", "--type=path", "--get", KEY)
    key = found.out.decode("utf-8", "surrogateescape").rstrip("\n")
    if key:
        sign(key, b"avogit")  # before an operator is paid for what could not be recorded
    return key


def sign(key: str, data: bytes) -> str:
    """An ssh signature as git makes it. Never asks for anything: an agent holds what is locked."""
    command = ["ssh-keygen", "-Y", "sign", "-n", "git", "-f", key]
    quiet = {**os.environ, "SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command,
            input=data,
            capture_output=True,
            env=quiet,
            start_new_session=True,  # no terminal to ask at
            timeout=_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AvogitError(f"cannot sign a record: {error}; {KEY} is {key}") from error
    if done.returncode != 0:
        why = " ".join(done.stderr.decode("utf-8", "replace").split())
        raise AvogitError(
            f"cannot sign a record with {key} ({KEY}): {why}; put the key into ssh-agent and name"
            " its .pub file, or unset it"
        )
    return done.stdout.decode("ascii", "replace")


def with_signature(commit: bytes, key: str, object_format: str) -> bytes:
    """A commit's bytes with their signature in the header."""
    name = "gpgsig" if object_format == "sha1" else f"gpgsig-{object_format}"
    folded = sign(key, commit).rstrip("\n").replace("\n", "\n ")
    heading, _, message = commit.partition(b"\n\n")
    return heading + f"\n{name} {folded}\n\n".encode() + message


def signatures(repo: Repository, population: str, allowed: bytes) -> Mapping[str, Signature]:
    """The best signature on a record about each candidate, by its id."""
    found: dict[str, Signature] = {}
    for candidate, state, signer in _checked(repo, population, allowed):
        known = found.get(candidate)
        if candidate and (known is None or _rank(state) < _rank(known.state)):
            found[candidate] = Signature(state, signer)
    return found


def counted(repo: Repository, population: str, allowed: bytes) -> Mapping[Signature, int]:
    """How many records of a population have which signature."""
    found: dict[Signature, int] = {}
    for _, state, signer in _checked(repo, population, allowed):
        signature = Signature(state, signer)
        found[signature] = found.get(signature, 0) + 1
    return found


def _checked(repo: Repository, population: str, allowed: bytes) -> list[tuple[str, str, str]]:
    """(candidate or empty, state, signer) of every record; checks those that are new."""
    signers = hashlib.sha256(allowed).hexdigest()
    tips = frozenset(read_refs(repo, *chain_patterns("records", population)).values())
    with cache.connect(repo, population) as connection:
        for _ in range(_ATTEMPTS):
            known = cache.checked_tips(connection, signers)
            if known == tips:
                return cache.checked(connection, signers)
            new = list(_verified(repo, tips - known, existing(repo, known), allowed))
            if cache.store_checked(connection, signers, known, tips, new):
                return cache.checked(connection, signers)
    raise AvogitError("signatures kept changing while they were read: try again")


def _verified(
    repo: Repository, tips: frozenset[str], without: frozenset[str], allowed: bytes
) -> Iterator[cache.CheckedRow]:
    """Every record's commit with what git says of its signature."""
    if not tips:
        return
    asked = "".join([*(f"{oid}\n" for oid in tips), *(f"^{oid}\n" for oid in without)])
    with tempfile.TemporaryDirectory(prefix="avogit-") as folder:
        signers = Path(folder) / "allowed_signers"
        signers.write_bytes(allowed)
        options = ("-c", f"gpg.ssh.allowedSignersFile={signers}")
        command = (*options, "log", "-z", "--format=%H%n%G?%n%GS%n%s", "--stdin")
        for record in git.run(repo.cwd, *command, stdin=asked.encode()).split(b"\0"):
            if record:
                oid, letter, signer, subject = record.decode("utf-8", "replace").split("\n", 3)
                about = _ABOUT.fullmatch(subject.strip())
                yield oid, about[1] if about else "", _STATES.get(letter, BAD), signer


def _rank(state: str) -> int:
    return _BEST_FIRST.index(state)
