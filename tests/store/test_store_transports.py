"""The same exchange over http and ssh, through broken connections, and killed in mid-push."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from git_http import GitServer
from store_helpers import POPULATION, Git, child, make_repository, seed

from avogit import store
from avogit.store import Repository

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def lineage(repo: Repository) -> Repository:
    """A repository with a seed and a child, and no remote yet."""
    with store.writer(repo, POPULATION) as writer:
        child(repo, writer, seed(repo, writer), "// 2\n")
    return repo


@pytest.fixture
def bare(tmp_path: Path) -> Git:
    at = tmp_path / "served" / "remote.git"
    at.mkdir(parents=True)
    Git(at)("init", "-q", "--bare", "-b", "main")
    return Git(at)


def joined(tmp_path: Path, url: str) -> Repository:
    """Another user's repository that knows this remote, after its exchange."""
    make_repository(tmp_path / "other")("remote", "add", "origin", url)
    other = store.open_repository(tmp_path / "other")
    assert store.exchange(other, "origin").refused == []
    return other


def log(repo: Repository) -> list[str]:
    return list(store.lineage_json_lines(repo, POPULATION))


def test_over_http_through_broken_connections(
    lineage: Repository, bare: Git, tmp_path: Path
) -> None:
    if not (Path(bare("--exec-path")) / "git-http-backend").exists():
        pytest.skip("this git has no http-backend")
    with GitServer(bare.at.parent) as server:
        url = f"{server.url}/remote.git"
        Git(lineage.cwd)("remote", "add", "origin", url)
        server.cuts = 3  # the push of all at once, then each ref for itself, then all again
        done = store.exchange(lineage, "origin")
        assert server.cuts == 0
        assert done.refused == []
        other = joined(tmp_path, url)
    assert log(other) == log(lineage)
    assert store.fsck(other) == ()


def test_over_ssh(
    lineage: Repository, bare: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sshd: str
) -> None:
    monkeypatch.setenv("GIT_SSH_COMMAND", sshd)
    url = f"ssh://127.0.0.1{bare.at}"
    Git(lineage.cwd)("remote", "add", "origin", url)
    assert store.exchange(lineage, "origin").refused == []
    assert log(joined(tmp_path, url)) == log(lineage)


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[str]:
    """A real sshd on the loopback with keys of its own; gives the ssh command that reaches it."""
    server = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if server is None or shutil.which("ssh") is None:
        pytest.skip("no sshd here: install openssh-server to run this")
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    for name in ("host", "user"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", keys / name], check=True
        )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": keys / "host",
        "AuthorizedKeysFile": keys / "user.pub",
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
    }
    (keys / "config").write_text("".join(f"{name} {value}\n" for name, value in options.items()))
    with subprocess.Popen(
        [server, "-D", "-e", "-f", keys / "config"], stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        told = running.stderr.readline()
        if "Server listening" not in told:
            running.kill()
            pytest.skip(f"sshd does not start here: {told.strip()}")
        yield (
            f"ssh -p {port} -i {keys / 'user'} -o StrictHostKeyChecking=no -o BatchMode=yes"
            f" -o UserKnownHostsFile={keys / 'known'} -o LogLevel=ERROR"
        )
        running.terminate()


def test_killed_in_mid_push(lineage: Repository, bare: Git, tmp_path: Path) -> None:
    Git(lineage.cwd)("remote", "add", "origin", str(bare.at))
    reached = tmp_path / "reached"
    hook = bare.at / "hooks" / "pre-receive"
    hook.write_text(f"#!/bin/sh\ntouch {reached}\nexec sleep 20\n")
    hook.chmod(0o755)
    with subprocess.Popen(
        [sys.executable, "-m", "avogit", "-C", lineage.cwd, "sync"],
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as victim:
        while not reached.exists() and victim.poll() is None:
            time.sleep(0.01)
        os.killpg(victim.pid, signal.SIGKILL)
    assert bare("for-each-ref") == ""
    hook.unlink()
    for name in ("avo-remote/origin/tried/x/y-0", "remotes/origin/avo/x/g0000-0123456789"):
        left = lineage.common_dir / "refs" / f"{name}.lock"
        left.parent.mkdir(parents=True, exist_ok=True)
        left.touch()
        os.utime(left, (0, 0))
    assert store.exchange(lineage, "origin").refused == []
    assert not list(lineage.common_dir.rglob("refs/**/*.lock"))
    assert log(joined(tmp_path, str(bare.at))) == log(lineage)
