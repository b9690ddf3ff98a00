"""What a program of the user's choice can see: folders, a home, an environment.

Owns the step's folder for it and which of the machine's files are shown. It needs the network,
so nothing here keeps it from sending what it can read: what it can read is therefore little.
Leaves the layers to `sandbox` and what it may use up to `process`.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from avogit.processes import PACKAGE
from avogit.sandbox import SYSTEM_PROGRAMS, Confinement, Limits, confined

_NETWORK = (
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/etc/resolv.conf",
    "/run/systemd/resolve",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/passwd",
    "/etc/group",
    "/etc/localtime",
    "/etc/inputrc",
)
_HOPS = 8  # links from a program's name to its file
_SHEBANG_BYTES = 256
_TOKEN = re.compile(r"[A-Za-z0-9_\-.~+/=]{20,}")
_ANY = 1 << 50


@dataclass(frozen=True, slots=True)
class Rooms:
    """The folders of one step's program, all below the step's own."""

    workspace: Path
    temporary: Path
    home: Path
    programs: Path  # holds the `avogit` that it finds
    door: Path


def make_rooms(workdir: Path, workspace: str) -> Rooms:
    """Make the folders; the workspace is for its writer to make."""
    rooms = Rooms(workdir / workspace, *(workdir / n for n in ("tmp", "home", "bin", "door")))
    for folder in (rooms.temporary, rooms.home, rooms.programs, rooms.door):
        folder.mkdir(exist_ok=True)
    return rooms


def copy_home(rooms: Rooms, names: Collection[str], home: Path) -> dict[str, str]:
    """Copy its own files from the user's home; gives what in them may be a secret, by name."""
    secrets = {}
    for name in names:
        source, target = home / name, rooms.home / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            target.chmod(0o600)
            found = _TOKEN.findall(target.read_text("utf-8", "replace"))
            secrets.update({f"{name} {n}": token for n, token in enumerate(found, 1)})
    return secrets


def wrapped(
    words: Sequence[str], rooms: Rooms, environ: Mapping[str, str], more: Collection[str], disk: int
) -> list[str]:
    """The command that runs the words in the sandbox; `more` are further folders to read."""
    read = [*SYSTEM_PROGRAMS, *_NETWORK, *_own_folders(), str(rooms.programs)]
    read += program_folders(words[0], environ.get("PATH", os.defpath))
    read += [word for word in words[1:] if word.startswith("/") and _is_file(word)]
    read += [str(Path(folder).expanduser()) for folder in more]
    how = Confinement(
        work=str(rooms.workspace),
        read=_outermost(read),
        write=(str(rooms.temporary), str(rooms.home), str(rooms.door)),
        limits=Limits(cpu_s=_ANY, memory_bytes=_ANY, file_bytes=disk, open_files=4096),
        network=True,
        temporary=str(rooms.temporary),
        keep_env=True,
    )
    return confined(words, how)


def _outermost(paths: Collection[str]) -> tuple[str, ...]:
    """The paths that lie in no other of them: what is shown whole needs no more."""
    kept: list[str] = []
    for path in sorted(set(paths), key=lambda p: (len(Path(p).parts), p)):
        if not any(Path(path).is_relative_to(folder) for folder in kept):
            kept.append(path)
    return tuple(kept)


def program_folders(program: str, path: str) -> list[str]:
    """What must be readable to run a program: its file, its installation, its interpreter's."""
    found: list[str] = []
    name: str | None = program
    while name and (file := shutil.which(name, path=path)) and file not in found:
        found += [file, *(folder for hop in _links(Path(file)) for folder in _installation(hop))]
        name = _interpreter(file)
    return found


def _own_folders() -> list[str]:
    """What the `avogit` in the workspace is made of."""
    return [*program_folders(sys.executable, ""), sys.base_prefix, str(PACKAGE)]


def _links(file: Path) -> Iterator[Path]:
    """A file, and what it links to, link by link."""
    for _ in range(_HOPS):
        yield file
        if not file.is_symlink():
            return
        file = Path(os.path.normpath(file.parent / file.readlink()))


def _installation(file: Path) -> list[str]:
    """The folder that a program was installed as, as far as it is one program's alone."""
    if "node_modules" in file.parts:
        return [str(Path(*file.parts[: file.parts.index("node_modules") + 1]))]
    prefix = file.parent.parent
    if (prefix / "pyvenv.cfg").is_file():
        return [str(prefix)]
    home = Path.home()
    shared = prefix in (home, home / ".local", *home.parents)
    if file.parent.name == "bin" and (prefix / "lib").is_dir() and not shared:
        return [str(prefix)]
    return [str(file)]


def _is_file(word: str) -> bool:
    try:
        return Path(word).is_file()
    except (OSError, ValueError):  # a whole script, say: no name of a file
        return False


def _interpreter(file: str) -> str | None:
    """The program that a script's first line names."""
    try:
        with Path(file).open("rb") as stream:
            first = stream.readline(_SHEBANG_BYTES)
    except OSError:
        return None
    words = first[2:].decode("utf-8", "replace").split() if first.startswith(b"#!") else []
    if len(words) > 1 and Path(words[0]).name == "env":
        words = [word for word in words[1:] if not word.startswith("-")]
    return words[0] if words else None
