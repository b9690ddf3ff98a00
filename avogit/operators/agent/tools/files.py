"""Tools on files: list, read, search, write, edit."""

from __future__ import annotations

from avogit.operators.agent.session import WORKSPACE, Refused, Session
from avogit.operators.agent.tools.results import Arguments, numbered_part
from avogit.operators.text import text_of

MAX_MATCHES = 60
MAX_WIDTH = 200  # characters of a line that is found


def list_files(session: Session, _: Arguments) -> str:
    """Names, sizes, and which may be changed."""
    files = session.files_at(WORKSPACE)
    rows = (
        f"{name}  {len(files[name])} bytes  "
        f"{'editable' if session.task.is_editable(name) else 'read-only'}"
        for name in sorted(files)
    )
    return "\n".join(rows)


def read_file(session: Session, arguments: Arguments) -> str:
    """Lines of a file, in the workspace or at a revision."""
    name, revision = arguments["path"], arguments.get("revision", WORKSPACE)
    files = session.files_at(revision)
    if name not in files:
        raise Refused(f"no {name!r} at {revision}; there are: {', '.join(sorted(files))}")
    return numbered_part(f"{name} at {revision}", files[name], arguments)


def search_files(session: Session, arguments: Arguments) -> str:
    """The lines that hold a text, whatever its case."""
    wanted, revision = arguments["text"].lower(), arguments.get("revision", WORKSPACE)
    files = session.files_at(revision)
    found = [
        f"{name}:{number}: {line[:MAX_WIDTH]}"
        for name in sorted(files)
        for number, line in enumerate(text_of(files[name]).split("\n"), 1)
        if wanted and wanted in line.lower()
    ]
    cut = [f"[{len(found) - MAX_MATCHES} more lines cut here]"] if len(found) > MAX_MATCHES else []
    return "\n".join([*found[:MAX_MATCHES], *cut]) or f"no line of {len(files)} files holds it"


def write_file(session: Session, arguments: Arguments) -> str:
    """A whole file, new or replaced."""
    data = arguments["content"].encode("utf-8", "replace")
    session.write(arguments["path"], data)
    return f"wrote {arguments['path']}, {len(data)} bytes"


def edit_file(session: Session, arguments: Arguments) -> str:
    """One exact, unique piece of text replaced."""
    name, old, new = arguments["path"], arguments["old"], arguments["new"]
    files = session.state().files  # whatever else is wrong there: an edit may put it right
    if name not in files:
        raise Refused(f"no editable file {name!r}; there are: {', '.join(sorted(files))}")
    data, wanted = files[name], old.encode("utf-8", "replace")
    count = data.count(wanted) if wanted else 0
    if count != 1:
        raise Refused(
            f"`old` must stand exactly once in {name}, found {count} times; "
            "copy it with its spaces, and more lines around it where it repeats"
        )
    session.write(name, data.replace(wanted, new.encode("utf-8", "replace")))
    line = data[: data.index(wanted)].count(b"\n") + 1
    return f"edited {name} at line {line}"
