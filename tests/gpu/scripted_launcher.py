"""A zygote and its launchers without a GPU: they speak the real frames, and follow a script.

`scripted_launcher.py SOCKET [WORD...]`. Each order is answered as the next word of the script
says, and the last word again and again; without words all is well:

    ok                  a load is answered by `Loaded`, a launch by `Done`
    broken:CODE:DETAIL  the driver reported that
    nonce               `Done`, to another order
    exit, silence, nonsense
    unborn:CODE:DETAIL  it never comes to an order: the driver gave it no context
    time:US             `Done`, after so many microseconds
    busy:S:US           a launch takes S seconds, and its events say US microseconds
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from dataclasses import replace
from itertools import chain, repeat

from avogit.bench.gpu.frames import Born, Broken, Done, Go, Load, Loaded
from avogit.bench.protocol import receive, send
from avogit.processes import die_with_parent


def main(requests: socket.socket, script: list[str]) -> None:
    """Fork a launcher for every request, as the real zygote does."""
    die_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        data, fds, _, _ = socket.recv_fds(requests, 16, 2)
        if not data:
            return
        if os.fork() == 0:
            die_with_parent()
            requests.close()
            serve(fds[0], fds[1], script)
            os._exit(0)
        for fd in fds:
            os.close(fd)


def serve(orders: int, answers: int, script: list[str]) -> None:
    """Be one launcher."""
    told, said = os.fdopen(orders, "rb"), os.fdopen(answers, "wb")
    if script[0].startswith("unborn"):
        send(said, Broken("load", *script[0].split(":")[1:]))
        return
    send(said, Born(os.getpid()))
    for line in chain(script, repeat(script[-1])):
        try:
            order = receive(told, Load, Go)
        except EOFError:
            return
        word, *rest = line.split(":")
        if word == "exit":
            return
        if word == "silence":
            time.sleep(60)
        elif word == "nonsense":
            said.write(b"\0\0\0\2{}")
            said.flush()
        elif word == "broken":
            send(said, Broken("load" if isinstance(order, Load) else "run", *rest))
        else:
            send(said, Loaded() if isinstance(order, Load) else done(order, word, rest))


def done(order: Go, word: str, rest: list[str]) -> Done:
    """A launch that took no time, unless the script says otherwise."""
    answer = Done(order.nonce, 1.0, 2.0, 10.0 * order.launches, 1800.0)
    if word == "nonce":
        return replace(answer, nonce="0" * len(order.nonce))
    if word == "time":
        return replace(answer, launches_us=float(rest[0]))
    if word == "busy":
        time.sleep(float(rest[0]))
        return replace(answer, launches_us=float(rest[1]))
    return answer


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:] or ["ok"])
