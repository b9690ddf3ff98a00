"""A small process that forks runners, so that a fresh one costs milliseconds.

Owns forking, the namespaces around a runner, and the report of how it ended. Leaves what the
runner does to `runner` (a candidate's) and `baseline` (ours). It knows nothing secret: what
a fork inherits from it a candidate may read.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Callable, Mapping

from avogit.bench.protocol import SPAWN_FDS, Spawn, decode
from avogit.processes import die_with_parent, exit_if_orphaned
from avogit.sandbox import fork_first, leave_namespaces

STATUS = struct.Struct("=i")  # a runner's process id, then (when it has ended) its wait status
_EXIT_ERROR = 70
_LARGEST_MESSAGE = 1 << 18

Child = Callable[[Spawn, Mapping[str, int]], None]


def serve(requests: socket.socket, child: Child) -> None:
    """Fork a runner for every request, until the oracle goes away."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps
    gc.freeze()
    zygote = os.getpid()
    while True:
        data, fds, _, _ = socket.recv_fds(requests, _LARGEST_MESSAGE, len(SPAWN_FDS))
        if not data:
            return
        spawn = decode(data, Spawn)
        if os.fork() == 0:
            try:
                requests.close()
                die_with_parent()
                exit_if_orphaned(zygote)
                _become(spawn, dict(zip(SPAWN_FDS, fds, strict=True)), child)
            finally:  # a fork must never run on in its parent's code
                _exit_with_words()
        for fd in fds:
            os.close(fd)


def _become(spawn: Spawn, fds: Mapping[str, int], child: Child) -> None:
    """A trusted runner at once; or the parent of one that is not, outside its namespaces."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    status = socket.socket(fileno=fds["status"])
    if not spawn.artefact:
        _introduce(status, os.getpid())
        child(spawn, fds)
        return
    if spawn.layers.namespaces and leave_namespaces():
        fork_first()
    runner = os.fork()
    if runner == 0:
        status.close()
        child(spawn, fds)
        return
    for name, fd in fds.items():
        if name != "status":
            os.close(fd)
    # Waiting for the process itself would wake us whenever it is stopped and told to go on.
    select.select([_introduce(status, runner)], [], [])
    _, how = os.waitpid(runner, 0)
    with contextlib.suppress(OSError):  # the oracle no longer wants to know
        status.send(STATUS.pack(how))


def _introduce(status: socket.socket, pid: int) -> int:
    pidfd = os.pidfd_open(pid)
    socket.send_fds(status, [STATUS.pack(pid)], [pidfd])
    return pidfd


def _exit_with_words() -> None:
    if sys.exc_info()[0] is None:
        os._exit(0)
    traceback.print_exc()
    os._exit(_EXIT_ERROR)
