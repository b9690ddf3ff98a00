"""Tries to break out of the sandbox, and says what it could not do.

Owns the attacks: each is made by a process of its own, confined just as a runner (or a
compiler) is. A program: prints one JSON object. Leaves the layers themselves to `sandbox`.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from avogit import sandbox
from avogit.processes import die_with_parent, libc_call

_PTRACE = {"x86_64": 101, "aarch64": 117}
_SHMGET = {"x86_64": 29, "aarch64": 194}
_SHMCTL = {"x86_64": 31, "aarch64": 195}
_SHM_KEY, _CREATE, _REMOVE = 0x61766F, 0o1600, 0
_ATTACH = 16


@dataclass(frozen=True, slots=True)
class Target:
    """What there is to reach: a process, a secret file, a folder, and two listening sockets."""

    pid: int
    secret: str
    folder: str
    port: int
    abstract: bytes


def write_a_file(target: Target) -> bool:
    return _writes(f"{target.folder}/planted")


def write_a_temporary_file(target: Target) -> bool:
    return any(_writes(f"{folder}/avogit-{os.urandom(8).hex()}") for folder in _temporary())


def read_a_secret(target: Target) -> bool:
    return Path(target.secret).read_bytes() != b""


def read_a_process(target: Target) -> bool:
    return os.open(f"/proc/{target.pid}/mem", os.O_RDONLY) >= 0


def trace_a_process(target: Target) -> bool:
    return libc_call(_PTRACE[os.uname().machine], _ATTACH, target.pid, 0, 0) == 0


def signal_a_process(target: Target) -> bool:
    os.kill(target.pid, 0)
    return True


def start_a_process(target: Target) -> bool:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return True


def become_a_program(target: Target) -> bool:  # exits 0 there
    os.execv("/bin/true", ["true"])


def connect_to_tcp(target: Target) -> bool:
    with socket.create_connection(("127.0.0.1", target.port), timeout=2):
        return True


def connect_to_a_socket(target: Target) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(target.abstract)
    return True


def share_memory(target: Target) -> bool:
    return libc_call(_SHMGET[os.uname().machine], _SHM_KEY, 4096, 0) >= 0


ATTACKS: tuple[Callable[[Target], bool], ...] = (
    write_a_file,
    write_a_temporary_file,
    read_a_secret,
    read_a_process,
    trace_a_process,
    signal_a_process,
    start_a_process,
    become_a_program,
    connect_to_tcp,
    connect_to_a_socket,
    share_memory,
)


def succeeds(attack: Callable[[Target], bool], target: Target, layers: sandbox.Layers) -> bool:
    """Whether an attack works from a process that is confined as a runner is."""
    middle = os.fork()
    if middle == 0:
        if layers.namespaces and sandbox.leave_namespaces():
            sandbox.fork_first()
        runner = os.fork()
        if runner == 0:
            try:
                sandbox.confine(layers, sandbox.SYSTEM_LIBRARIES)
                os._exit(0 if _attempt(attack, target) else 1)
            finally:  # a fork must never run on in its parent's code
                os._exit(1)
        _, status = os.waitpid(runner, 0)
        os._exit(0 if status == 0 else 1)
    _, status = os.waitpid(middle, 0)
    return status == 0


def main(argv: Sequence[str]) -> int:
    """Attack, and print what is in force and what got through."""
    die_with_parent()
    with tempfile.TemporaryDirectory(prefix="avogit-probe-") as folder, _target(folder) as target:
        through = [a.__name__ for a in ATTACKS if succeeds(a, target, sandbox.Layers())]
        problems = [f"a confined runner could {name.replace('_', ' ')}" for name in through]
        problems += _compiler_problems(target, Path(folder))
    compiler = "bubblewrap" if sandbox.bubblewrap_works() else "landlock"
    layers = [*_layers_in_force(), "limits", f"compiler:{compiler}"]
    json.dump({"layers": layers, "problems": problems}, sys.stdout)
    return 0


def _attempt(attack: Callable[[Target], bool], target: Target) -> bool:
    try:
        return attack(target)
    except OSError:
        return False


def _writes(path: str) -> bool:
    with contextlib.suppress(OSError):
        Path(path).write_bytes(b"x")
        Path(path).unlink(missing_ok=True)
        return True
    return False


def _temporary() -> tuple[str, ...]:
    return (tempfile.gettempdir(), "/dev/shm", "/var/tmp", str(Path.cwd()))


@contextlib.contextmanager
def _target(folder: str) -> Iterator[Target]:
    secret = Path(folder, "secret")
    secret.write_bytes(os.urandom(16))
    name = b"\0avogit-probe-" + os.urandom(8).hex().encode()
    segment = libc_call(_SHMGET[os.uname().machine], _SHM_KEY, 4096, _CREATE)
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as unix:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        unix.bind(name)
        unix.listen()
        yield Target(os.getpid(), str(secret), folder, tcp.getsockname()[1], name)
    libc_call(_SHMCTL[os.uname().machine], segment, _REMOVE, 0)


def _layers_in_force() -> list[str]:
    read_end, write_end = os.pipe()
    middle = os.fork()
    if middle == 0:
        separate = sandbox.leave_namespaces()
        if separate:
            sandbox.fork_first()
        if os.fork() == 0:
            found = sandbox.confine(sandbox.Layers(), sandbox.SYSTEM_LIBRARIES)
            os.write(
                write_end, json.dumps((["namespaces"] if separate else []) + list(found)).encode()
            )
            os._exit(0)
        os.wait()
        os._exit(0)
    os.close(write_end)
    os.waitpid(middle, 0)
    with os.fdopen(read_end, "rb") as pipe:
        return list(json.loads(pipe.read() or b"[]"))


def _compiler_problems(target: Target, folder: Path) -> list[str]:
    """Attack as a compiler would: what it writes must not appear out here."""
    work = folder / "work"
    work.mkdir()
    script = (
        f"cat {target.secret} >/dev/null && echo read a secret;"
        f"kill -0 {target.pid} && echo signal a process;"
        f"echo x > {target.folder}/planted; true"
    )
    how = sandbox.Confinement(work=str(work), env={"PATH": "/usr/bin:/bin"})
    command = sandbox.confined(["sh", "-c", script], how)
    done = subprocess.run(command, capture_output=True, check=False, timeout=30, text=True)
    found = done.stdout.splitlines()
    found += ["write a file"] if (folder / "planted").exists() else []
    found += ["not be run at all"] if done.returncode != 0 else []
    return [f"a confined compiler could {name}" for name in found]
