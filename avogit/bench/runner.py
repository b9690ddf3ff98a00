"""A candidate's process: told "go", it calls the kernel on shared memory, and says "done".

Owns loading the artefact inside the sandbox, and the call loop. Leaves clock, inputs, answers
and verdicts to the oracle: whatever this process says beyond "done" is not believed. Runs
under `python -I -S`, forked by a zygote; nothing here is secret from the candidate.
"""

from __future__ import annotations

import ctypes
import fcntl
import gc
import mmap
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from avogit.bench import buffers, zygote
from avogit.bench.protocol import EXIT_ENTRY, EXIT_LOAD, READY, TOKEN, Case, Spawn
from avogit.errors import EXIT_OK
from avogit.processes import die_with_parent
from avogit.sandbox import Limits, confine, seccomp, set_limits

_GO, _DONE, _FIRST_OTHER = 3, 4, 5
_CPU_S, _OPEN_FILES = 120, 64


def main(argv: Sequence[str]) -> int:
    """The zygote of candidates' runners; its requests come through the socket named."""
    die_with_parent()
    zygote.serve(socket.socket(fileno=int(argv[0])), run)
    return EXIT_OK


def run(spawn: Spawn, fds: Mapping[str, int]) -> None:
    """Be one runner. Ends when the oracle closes its end, or kills it."""
    die_with_parent()
    os.sched_setaffinity(0, spawn.cores)
    inputs = buffers.attach(fds["inputs"], spawn.input_bytes, writable=spawn.writable_inputs)
    output = buffers.attach(fds["output"], spawn.output_bytes, writable=True)
    _keep_only(fds)
    os.chdir("/")
    os.environ.clear()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    set_limits(Limits(_CPU_S, memory, file_bytes=0, open_files=_OPEN_FILES))
    confine(spawn.layers, (*spawn.read, spawn.artefact), spawn.threads)
    entry = _load(spawn.artefact, spawn.entry)
    calls = [_bind(entry, case, spawn.arguments, inputs, output) for case in spawn.cases]
    gc.disable()
    if spawn.layers.seccomp:
        seccomp.install(seccomp.calling_rules(), seccomp.fails_with(1))
    _loop(calls)


def _keep_only(fds: Mapping[str, int]) -> None:
    """Standard streams, go and done; nothing else stays open."""
    words, go, done = (_above(fds[name]) for name in ("words", "go", "done"))
    null = _above(os.open(os.devnull, os.O_RDONLY))
    for fd, target in zip((null, words, words, go, done), range(_FIRST_OTHER), strict=True):
        os.dup2(fd, target, inheritable=False)
    os.closerange(_FIRST_OTHER, 4096)


def _above(fd: int) -> int:
    """The same file under a number that no fixed one will overwrite."""
    return fcntl.fcntl(fd, fcntl.F_DUPFD, _FIRST_OTHER)


def _load(artefact: str, entry: str) -> Any:
    try:
        library = ctypes.CDLL(artefact, mode=os.RTLD_NOW | os.RTLD_LOCAL)
    except OSError as error:
        os.write(2, f"{error}\n".encode())
        os._exit(EXIT_LOAD)
    try:
        function = getattr(library, entry)
    except AttributeError:
        os._exit(EXIT_ENTRY)
    function.restype = None
    return function


def _bind(
    entry: Any, case: Case, arguments: Sequence[str], inputs: mmap.mmap, output: mmap.mmap
) -> Callable[[], None]:
    """The call of one case, its arguments made ready."""
    input_base = _address(inputs)
    places = {region.name: input_base + region.offset for region in case.inputs}
    places["out"] = _address(output) + case.out.offset
    values = [
        ctypes.c_void_p(places[name]) if name in places else ctypes.c_int64(case.params[name])
        for name in arguments
    ]

    def call() -> None:
        entry(*values)

    return call


def _address(memory: mmap.mmap) -> int:
    """Where a mapping begins; it may be read-only, which ctypes' buffers do not take."""
    view = _Buffer()
    _get_buffer(ctypes.py_object(memory), ctypes.byref(view), 0)
    address = int(view.buf)
    _release_buffer(ctypes.byref(view))
    return address


class _Buffer(ctypes.Structure):
    """Python's Py_buffer, which is part of its stable interface."""

    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.c_void_p),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    )


_get_buffer = ctypes.pythonapi.PyObject_GetBuffer
_release_buffer = ctypes.pythonapi.PyBuffer_Release


def _loop(calls: Sequence[Callable[[], None]]) -> None:
    os.write(_DONE, READY)
    while True:
        token = os.read(_GO, TOKEN.size)
        if len(token) < TOKEN.size:
            os._exit(EXIT_OK)
        calls[TOKEN.unpack(token)[0]]()
        os.write(_DONE, token)
