"""Launchers as the oracle has them, played by processes that need no GPU."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from without_gpu import scripted

if TYPE_CHECKING:
    from avogit.bench.gpu.pool import Launcher


@pytest.fixture
def launcher() -> Iterator[Callable[..., Launcher]]:
    """Makes launchers, each following a script of its own."""
    from avogit.bench.gpu.pool import Launcher

    made: list[Launcher] = []
    with contextlib.ExitStack() as zygotes:

        def make(*script: str) -> Launcher:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            command = scripted(str(theirs.fileno()), *script)
            zygotes.enter_context(subprocess.Popen(command, pass_fds=[theirs.fileno()]))
            zygotes.enter_context(ours)  # closed first: a zygote ends with its socket
            theirs.close()
            made.append(Launcher(ours))
            made[-1].born()
            return made[-1]

        yield make
        for one in made:
            one.kill()
            one.ended()
