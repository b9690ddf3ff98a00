"""Signed records: git verifies them, and signed, unsigned, unknown and bad are told apart."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from store_helpers import POPULATION, Git, child, seed

from avogit import store
from avogit.errors import AvogitError
from avogit.store import Repository

pytestmark = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="no ssh-keygen here")


def key(tmp_path: Path, name: str, passphrase: str = "") -> tuple[Path, bytes]:
    """A key, and the line of an allowed-signers file that names it."""
    path = tmp_path / name
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f", path]
    subprocess.run(command, check=True)
    public = path.with_suffix(".pub").read_text()
    return path, f'{name}@example.org namespaces="git" {public}'.encode()


def states(repo: Repository, allowed: bytes) -> list[str]:
    """Of all candidates."""
    found = store.signatures(repo, POPULATION, allowed)
    oids = store.read_lineage(repo, POPULATION).candidates
    return sorted(str(found.get(oid, store.UNSIGNED)) for oid in oids)


def test_signed_unsigned_and_unknown(git: Git, repo: Repository, tmp_path: Path) -> None:
    (ada, adas), (eve, _) = key(tmp_path, "ada"), key(tmp_path, "eve")
    with store.writer(repo, POPULATION) as writer:
        first = seed(repo, writer)
    assert store.fsck(repo) == ()
    for number, name in enumerate((ada, eve)):
        git("config", "avogit.signingKey", str(name))
        opened = store.open_repository(git.at)
        with store.writer(opened, POPULATION) as writer:
            child(opened, writer, first, f"// {number}\n")
    expected = ["signed by ada@example.org", "signed by an unknown key", "unsigned"]
    assert states(repo, adas) == expected
    assert states(store.open_repository(git.at), adas) == expected  # from the cache
    assert states(repo, b"") == [*["signed by an unknown key"] * 2, "unsigned"]
    shutil.rmtree(repo.state_dir / "cache")
    assert states(repo, adas) == expected
    told = {(p.what, p.severity, p.where.split()[0]) for p in store.fsck(repo, adas)}
    assert told == {(what, "info", "1") for what in expected}
    chain = git("for-each-ref", "--format=%(objectname)", "refs/avo/records/")
    (tmp_path / "allowed").write_bytes(adas)
    signers = ("-c", f"gpg.ssh.allowedSignersFile={tmp_path / 'allowed'}")
    git(*signers, "verify-commit", f"{chain}^")  # plain git says so too
    with pytest.raises(AssertionError, match="No principal matched"):
        git(*signers, "verify-commit", chain)


def test_a_signature_that_does_not_fit_is_an_error(
    git: Git, repo: Repository, tmp_path: Path
) -> None:
    ada, adas = key(tmp_path, "ada")
    git("config", "avogit.signingKey", str(ada))
    with store.writer(repo, POPULATION) as writer:
        first = seed(repo, writer)
    (ref,) = git("for-each-ref", "--format=%(refname)", "refs/avo/records/").split()
    forged = git("cat-file", "commit", ref).replace("committer avogit", "committer other") + "\n"
    git("update-ref", ref, git("hash-object", "-t", "commit", "-w", "--stdin", stdin=forged))
    assert states(repo, adas) == ["signature does not fit"]
    (problem,) = store.fsck(repo, adas)
    assert (problem.what, problem.severity) == ("signature does not fit", "error")
    assert first.measured


def test_a_key_that_would_ask_is_refused_before_anything_is_paid(
    git: Git, repo: Repository, tmp_path: Path
) -> None:
    locked, _ = key(tmp_path, "locked", "a passphrase")
    for path in (locked, tmp_path / "missing"):
        git("config", "avogit.signingKey", str(path))
        opened = store.open_repository(git.at)
        with (
            pytest.raises(AvogitError, match=r"cannot sign a record.*ssh-agent"),
            store.writer(opened, POPULATION),
        ):
            pass
    git("config", "--unset", "avogit.signingKey")
    with store.writer(store.open_repository(git.at), POPULATION) as writer:
        seed(repo, writer)
