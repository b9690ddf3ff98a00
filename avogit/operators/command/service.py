"""The step's end of the door: a socket beside the workspace, served while the program runs.

Owns connections: how many, how long a line, and that none can hold the step up. Everything is
answered in the step's own thread, between two looks at the program, since an oracle ends with
the thread that started it. Leaves the answers to `guest`.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shlex
import socket
from collections.abc import Callable
from pathlib import Path

from avogit.door import MAX_REQUEST, SOCKET, Answer, encode
from avogit.processes import program

_MAX_CONNECTIONS = 16
_SEND_S = 2.0

Respond = Callable[[str, str], Answer]


class Service:
    """A listening socket in a folder; a context manager."""

    def __init__(self, folder: Path, respond: Respond) -> None:
        self._respond = respond
        self._open: dict[socket.socket, bytearray] = {}
        self._selector: selectors.BaseSelector | None = None
        self._listener = socket.socket(socket.AF_UNIX)
        bind_inside(self._listener, folder)
        self._listener.listen(_MAX_CONNECTIONS)
        self._listener.setblocking(False)

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *exception: object) -> None:
        self._selector = None  # closed by its owner
        for connection in list(self._open):
            self._close(connection)
        self._listener.close()

    def attach(self, selector: selectors.BaseSelector) -> None:
        """Be called back by this selector's owner, through each key's `data`."""
        self._selector = selector
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it went away again
            connection, _ = self._listener.accept()
            if len(self._open) >= _MAX_CONNECTIONS or self._selector is None:
                connection.close()
                return
            connection.setblocking(False)
            self._open[connection] = bytearray()
            self._selector.register(
                connection, selectors.EVENT_READ, lambda: self._read(connection)
            )

    def _read(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(MAX_REQUEST)
        except OSError:
            data = b""
        line = self._open[connection]
        line += data
        if b"\n" in data:
            self._answer(connection, bytes(line.partition(b"\n")[0]))
        if not data or b"\n" in data or len(line) > MAX_REQUEST:
            self._close(connection)

    def _answer(self, connection: socket.socket, line: bytes) -> None:
        answer = self._respond(*_call(line))
        with contextlib.suppress(OSError):  # the asker is gone, or does not read
            connection.settimeout(_SEND_S)
            connection.sendall(encode(answer._asdict()))

    def _close(self, connection: socket.socket) -> None:
        del self._open[connection]
        if self._selector is not None:
            self._selector.unregister(connection)
        connection.close()


def bind_inside(listener: socket.socket, folder: Path) -> None:
    """Bind in a folder whose path may be longer than a socket's name can be."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        short = Path(f"/proc/self/fd/{handle}")
        listener.bind(str((short if short.exists() else folder) / SOCKET))
    finally:
        os.close(handle)


def write_client(folder: Path) -> None:
    """Put an `avogit` into a folder, for the program's PATH: it speaks to the door alone."""
    folder.mkdir(exist_ok=True)
    words = shlex.join(program("avogit.door", bare=True))
    script = folder / "avogit"
    script.write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
    script.chmod(0o755)


def _call(line: bytes) -> tuple[str, str]:
    """The tool and its arguments as JSON; what is no request names no tool."""
    try:
        document = json.loads(line)
        return str(document["tool"]), json.dumps(document["arguments"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return "", "{}"
