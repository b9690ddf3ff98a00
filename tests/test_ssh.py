"""A bench that ssh reaches: measured there, ended there, and one line for all that can be wrong."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
import venv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from loopback_sshd import Host, loopback_host
from test_kill import alive, descendants
from test_workers import running, until

from avogit.bench.device import device_lock
from avogit.bench.host import Ready
from avogit.bench.protocol import TaskSpec
from avogit.bench.ssh import Reach, check
from avogit.bench.version import evaluator_version
from avogit.config import parse_config
from avogit.errors import AvogitError
from avogit.processor import processor_hash


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    (tmp_path / "host").mkdir()
    with loopback_host(tmp_path / "host") as found:
        yield found


def measure_on(repository: Path, bench: str) -> Path:
    with (repository / "avogit.yaml").open("a") as file:
        file.write(bench)
    return repository


def sessions(host: Host) -> list[int]:
    assert host.process is not None
    return descendants(host.process.pid)


def test_a_step(seeded: Path, host: Host, avogit) -> None:
    measure_on(seeded, host.bench())
    t = time.monotonic()
    done = avogit(seeded, "step", "--json")
    print(time.monotonic() - t, done.stdout[:500], done.stderr)
    print((host.folder / "log").read_text())
    assert done.returncode == 0
