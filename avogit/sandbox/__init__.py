"""The isolation ladder: how a program that we do not trust is run.

Owns the layers (namespaces, landlock, system-call filters, limits, bubblewrap for compilers),
how they are stacked for a forked runner and for a program, and the report of what holds on
this machine. Leaves attacking them to `breakout`, and what runs inside to `build` and `bench`.
Runs under `python -I -S`, before anything of the candidate is loaded.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import os
import platform
import resource
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from avogit.errors import AvogitError
from avogit.processes import (
    die_with_parent,
    libc_call,
    program,
    set_no_new_privs,
    unshare,
)
from avogit.sandbox import landlock, seccomp

SYSTEM_LIBRARIES = (
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/etc/ld.so.cache",
    "/nix/store",
    "/gnu/store",
)
SYSTEM_PROGRAMS = (
    *SYSTEM_LIBRARIES,
    "/usr",
    "/bin",
    "/sbin",
    "/etc/alternatives",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
)
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
# process ids, System V and POSIX queues, mounts, host name
_NEW_OTHERS = 0x20000000 | 0x08000000 | 0x00020000 | 0x04000000
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION = 0x20080522
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Layers:
    """Which layers to use; all of them, but in a test that shows what one is good for."""

    namespaces: bool = True
    landlock: bool = True
    seccomp: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """What a confined program may use up."""

    cpu_s: int = 600
    memory_bytes: int = 8 * GIB
    file_bytes: int = GIB
    open_files: int = 256


@dataclass(frozen=True, slots=True)
class SandboxReport:
    """What holds on this machine, found by trying to break out."""

    layers: tuple[str, ...]
    certified: bool
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a confined program may see, change, and use."""

    work: str  # the one folder that it may write, and starts in
    read: tuple[str, ...] = SYSTEM_PROGRAMS
    write: tuple[str, ...] = ()
    env: Mapping[str, str] = ()  # type: ignore[assignment]
    limits: Limits = Limits()
    network: bool = False
    bubblewrap: bool = True  # where it works
    temporary: str = ""  # a folder that stands for /tmp and /dev/shm, and bounds what they hold
    keep_env: bool = False  # keep our environment, which no list of processes shows, not `env`


def confined(argv: Sequence[str], how: Confinement) -> list[str]:
    """The command that runs `argv` confined; its exit status is the program's."""
    wrapped = how.bubblewrap and bubblewrap_works()
    command = _bubblewrap(argv, how) if wrapped else list(argv)
    spec = {**asdict(how), "env": dict(how.env or {}), "bubblewrap": wrapped}
    return program("avogit.sandbox", json.dumps(spec), *command, bare=True)


@functools.cache
def bubblewrap_works() -> bool:
    """Whether bubblewrap is installed and may make namespaces here."""
    if shutil.which("bwrap") is None:
        return False
    command = _bubblewrap(["true"], Confinement(work="/usr"))
    done = subprocess.run(command, capture_output=True, check=False, timeout=30)
    return done.returncode == 0


def confines_programs() -> str:
    """What `confined` confines a program with on this machine; empty where it cannot."""
    if bubblewrap_works():
        return "bubblewrap"
    return "landlock" if landlock.version() else ""


@functools.cache
def probe() -> SandboxReport:
    """Try to break out of the sandbox, of a runner and of the compiler; takes some 0.2 s."""
    command = program("avogit.sandbox.breakout", bare=True)
    done = subprocess.run(command, capture_output=True, check=False, timeout=60, text=True)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise AvogitError(f"the sandbox's self-test failed to run ({last}); try `avogit doctor`")
    found = json.loads(done.stdout)
    problems = tuple(found["problems"])
    return SandboxReport(tuple(found["layers"]), not problems, problems)


def _bubblewrap(argv: Sequence[str], how: Confinement) -> list[str]:
    options = ["--unshare-all", "--die-with-parent", "--new-session"]
    options += [] if how.keep_env else ["--clearenv"]
    options += ["--share-net"] if how.network else []
    options += ["--proc", "/proc", "--dev", "/dev"]
    if how.temporary:
        options += ["--bind", how.temporary, "/tmp", "--bind", how.temporary, "/dev/shm"]
    else:
        options += ["--tmpfs", "/tmp"]
    for path in how.read:
        options += ["--ro-bind-try", path, path]
    for path in (*how.write, how.work):
        options += ["--bind", path, path]
    for name, value in dict(how.env or {}).items():
        options += ["--setenv", name, value]
    if how.temporary:  # what is left of the new root lies in memory
        options += ["--remount-ro", "/dev", "--remount-ro", "/"]
    return [shutil.which("bwrap") or "bwrap", *options, "--chdir", how.work, "--", *argv]


def leave_namespaces(network: bool = False) -> bool:
    """Have new namespaces; the next child that is forked lives in them. False: not allowed."""
    return unshare(_NEW_USER | _NEW_OTHERS | (0 if network else _NEW_NETWORK))


def fork_first() -> int:
    """The first process of a new pid namespace; it does nothing, and ends with its parent.

    A namespace's first process ignores the signals of its own (an abort, say), so that
    whatever is measured or built must not be it.
    """
    ready, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        die_with_parent()
        os.close(ready)
        with contextlib.suppress(OSError):  # the parent died before this process was tied to it
            os.write(tell, b".")
            os.closerange(0, 1024)
            while True:
                signal.pause()
        os._exit(1)
    os.close(tell)
    os.read(ready, 1)
    os.close(ready)
    return pid


def set_limits(limits: Limits) -> None:
    """Limit this process and its children; no core files."""
    wanted = {
        resource.RLIMIT_CPU: limits.cpu_s,
        resource.RLIMIT_AS: limits.memory_bytes,
        resource.RLIMIT_FSIZE: limits.file_bytes,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_CORE: 0,
    }
    for what, value in wanted.items():
        _, hard = resource.getrlimit(what)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(what, (value, value))


def drop_capabilities() -> None:
    """Keep no right of root's; one without such rights loses nothing."""
    number = _CAPSET.get(platform.machine())
    if number is None:
        return
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION, 0), 8)
    nothing = ctypes.create_string_buffer(24)
    libc_call(number, ctypes.addressof(header), ctypes.addressof(nothing))


def confine(layers: Layers, read: Sequence[str], threads: int = 1) -> tuple[str, ...]:
    """Confine this forked process before it loads a candidate. Gives the layers in force."""
    drop_capabilities()
    set_no_new_privs()
    die_with_parent()  # again: the change of capabilities undid it
    found = ["no-new-privs"]
    if layers.landlock:
        abi = landlock.restrict(read)
        found += [f"landlock:{abi}"] if abi else []
    if layers.seccomp and seccomp.install(seccomp.loading_rules(threads), seccomp.ALLOW):
        found.append("seccomp")
    return tuple(found)


def main(argv: Sequence[str]) -> int:
    """Runs a program confined: a JSON `Confinement`, then the command."""
    document = json.loads(argv[0])
    how = Confinement(**{**document, "limits": Limits(**document["limits"])})
    die_with_parent()
    set_limits(how.limits)
    if how.bubblewrap:
        os.execv(argv[1], list(argv[1:]))
    separate = leave_namespaces(how.network)
    if separate:
        fork_first()
    pid = os.fork()
    if pid == 0:
        _run_confined(how, list(argv[1:]))
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _run_confined(how: Confinement, argv: list[str]) -> None:
    drop_capabilities()
    die_with_parent()
    os.chdir(how.work)
    landlock.restrict(how.read, (how.work, *how.write, *_DEVICES), network=how.network)
    seccomp.install(seccomp.building_rules(how.network), seccomp.ALLOW)
    try:
        os.execvpe(argv[0], argv, os.environ if how.keep_env else dict(how.env))
    except OSError as error:
        sys.stderr.write(f"cannot run {Path(argv[0]).name}: {error.strerror}\n")
        os._exit(127)
