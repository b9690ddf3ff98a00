"""A real sshd on this machine's loopback, with keys of its own: a host for tests to reach."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
SetEnv XDG_CACHE_HOME={cache}
{more}
"""


@dataclass
class Host:
    """The server, and what its sessions keep their files in."""

    folder: Path
    port: int
    more: str = ""  # lines of sshd's configuration
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def start(self) -> None:
        config = self.folder / "sshd_config"
        text = _CONFIG.format(port=self.port, folder=self.folder, cache=self.cache, more=self.more)
        config.write_text(text)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sshd_path(), "-D", "-e", "-f", str(config)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + 10
        while not self._answers():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, "sshd does not listen"
            time.sleep(0.02)

    def stop(self) -> None:
        """Only the server: its sessions go on."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def options(self) -> list[str]:
        """What ssh is told to come here."""
        return [
            f"Port={self.port}",
            f"IdentityFile={self.folder}/user",
            "IdentitiesOnly=yes",
            f"UserKnownHostsFile={self.folder}/known_hosts",
            "GlobalKnownHostsFile=/dev/null",
        ]

    def bench(self, python: str = sys.executable, options: list[str] | None = None) -> str:
        """A line of avogit.yaml."""
        words = ", ".join(f'"{option}"' for option in options or self.options())
        return f'bench: {{ssh: 127.0.0.1, python: "{python}", ssh_options: [{words}]}}\n'

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


def sshd_path() -> str:
    return shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or ""


@contextlib.contextmanager
def loopback_host(folder: Path, more: str = "") -> Iterator[Host]:
    """An sshd at work; the test is skipped where there is none."""
    if not sshd_path() or not shutil.which("ssh"):
        pytest.skip("no sshd: apt-get install openssh-server")
    if os.getuid() == 0 and not Path("/run/sshd").is_dir():
        pytest.skip("sshd, started by root, wants a folder: mkdir /run/sshd")
    for name in ("host", "user"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True
        )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    key = (folder / "host.pub").read_text()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {key}")
    host = Host(folder, port, more)
    host.start()
    try:
        yield host
    finally:
        host.stop()
