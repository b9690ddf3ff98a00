"""The launcher: maps buffers, loads cubins, replays plans, and times them by events.

`main` is a zygote: it has imported everything and made no context, so that the launchers it
forks cost a context and no more. A launcher serves one arm, in some blocks of one evaluation or
more. It is trusted code; what it launches is not, and can reach what its context has mapped.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from cuda.bindings import driver

from avogit.bench.gpu.driver import (
    CudaError,
    Stream,
    allocate,
    call,
    destroy_events,
    elapsed_us,
    forget_persisting_lines,
    free,
    map_memory,
    open_context,
)
from avogit.bench.gpu.frames import Born, Broken, Done, Go, LaunchCase, Load, Loaded
from avogit.bench.gpu.frequency import Frequency
from avogit.bench.gpu.launching import Bound, Program
from avogit.bench.plan import PlanRefused
from avogit.bench.plan_checks import checked_plans
from avogit.bench.protocol import receive, send
from avogit.bundle import read_bundle
from avogit.devices import find_device
from avogit.processes import die_with_parent, exit_if_orphaned

STREAMS = 2  # file descriptors that come with a request: where orders come from, answers go to


def main(argv: Sequence[str]) -> int:
    """Fork a launcher for every request on the socket named, until the oracle goes away."""
    die_with_parent()
    requests = socket.socket(fileno=int(argv[0]))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps
    gc.freeze()
    zygote = os.getpid()
    while True:
        data, fds, _, _ = socket.recv_fds(requests, 16, STREAMS)
        if not data:
            return 0
        if os.fork() == 0:
            try:
                requests.close()
                die_with_parent()
                exit_if_orphaned(zygote)
                serve(os.fdopen(fds[0], "rb"), os.fdopen(fds[1], "wb"))
            finally:  # a fork must never run on in its parent's code
                os._exit(0)
        for fd in fds:
            os.close(fd)


def serve(orders: IO[bytes], answers: IO[bytes]) -> None:
    """Be one launcher. Ends with its orders, or at the first error: then its context is void."""
    stage = "load"
    try:
        open_context()
        stream, room = Stream(), Room()
        frequency = Frequency(stream.handle)
        send(answers, Born(os.getpid()))
        while True:
            order = receive(orders, Load, Go)
            stage = "load" if isinstance(order, Load) else "run"
            if isinstance(order, Load):
                room.load(order)
                send(answers, Loaded())
            else:
                send(answers, room.go(order, stream, frequency))
    except EOFError:
        return
    except CudaError as error:
        send(answers, Broken(stage, error.code, error.function))
    except PlanRefused as refused:
        send(answers, Broken(stage, f"plan-{refused.reason}", refused.detail))


class Room:
    """What a launcher holds: memory that stays mapped, and one bundle at a time."""

    def __init__(self) -> None:
        self._mapped: dict[str, int] = {}  # by handle
        self._program: Program | None = None
        self._spaces: dict[str, tuple[int, int]] = {}  # a workspace's address and size
        self._bound: dict[tuple[int, int], Bound] = {}

    def load(self, order: Load) -> None:
        """Bind every case at every place of the ring; what was loaded before is let go."""
        bundle = read_bundle(Path(order.bundle))
        sizes = {case.name: _sizes(case) for case in order.cases}
        plans = checked_plans(bundle, sizes, find_device(order.device).architecture)
        bases = {name: self._map(arena.handle) for name, arena in order.arenas.items()}
        self._clear()
        self._program = program = Program(bundle)
        for index, case in enumerate(order.cases):
            plan = plans[case.name]
            spaces = {n: self._space(n, size, order.fill) for n, size in plan.workspaces.items()}
            for ring, places in enumerate(case.rings):
                pointers = {name: bases[p.arena] + p.offset for name, p in places.items()}
                self._bound[index, ring] = program.bind(plan, pointers, spaces)

    def go(self, order: Go, stream: Stream, frequency: Frequency) -> Done:
        """Everything is queued behind a spin, so that no event waits for this process."""
        rings = sum(case == order.case for case, _ in self._bound)
        begun = stream.event()
        began_ns = time.perf_counter_ns()
        stream.hold(order.hold_cycles)
        frequency.begin()
        first = stream.event()
        for number in range(order.launches):
            self._bound[order.case, (order.ring + number) % rings].enqueue(stream.handle)
        last = stream.event()
        frequency.end()
        queued_us = (time.perf_counter_ns() - began_ns) / 1e3
        stream.wait()
        hold_us, launches_us = elapsed_us(begun, first), elapsed_us(first, last)
        done = Done(order.nonce, queued_us, hold_us, launches_us, frequency.mhz())
        destroy_events(begun, first, last)
        forget_persisting_lines()
        return done

    def _map(self, handle: str) -> int:
        if handle not in self._mapped:
            self._mapped[handle] = map_memory(handle)
        return self._mapped[handle]

    def _clear(self) -> None:
        self._bound.clear()
        if self._program is not None:
            self._program.unload()
        for address, _ in self._spaces.values():
            free(address)
        self._spaces.clear()

    def _space(self, name: str, nbytes: int, fill: int) -> int:
        """Scratch memory of a plan's, full of one word; cases share it by name."""
        address, size = self._spaces.get(name, (0, 0))
        if size < nbytes:
            words = -(-nbytes // 4)
            address = allocate(words * 4)
            call(driver.cuMemsetD32, address, fill, words)
            self._spaces[name] = (address, nbytes)
        return address


def _sizes(case: LaunchCase) -> dict[str, int]:
    return {name: place.nbytes for name, place in case.rings[0].items()}
