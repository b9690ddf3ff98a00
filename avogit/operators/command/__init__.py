"""`command`: any program that edits a workspace, such as a coding agent's command line.

Owns one step of it, from its words to a proposal. Read `presets` for what is known of an agent,
`confinement` for what it sees, `service` for its door to evaluation, `process` for its end, and
`operators.guest` for what it may ask and what is taken from it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from avogit.door import VARIABLE
from avogit.errors import AvogitError
from avogit.operators import Context, NoProposal
from avogit.operators.agent.session import WORKSPACE
from avogit.operators.command.confinement import Rooms, copy_home, make_rooms, wrapped
from avogit.operators.command.presets import Preset, choose, environment, filled
from avogit.operators.command.service import Service, write_client
from avogit.operators.command.usage import usage_told
from avogit.operators.guest import Guest, welcome
from avogit.operators.process import TIMEOUT, Bounds, Ended, run_bounded
from avogit.operators.redaction import Redaction
from avogit.operators.text import one_line
from avogit.records import Proposal
from avogit.sandbox import confines_programs

_LAST_LINES = 5


def vary(context: Context) -> Proposal | NoProposal:
    """What the program made of the parent."""
    words, preset = choose(context.command or context.config.command.command)
    rooms = make_rooms(context.workdir, WORKSPACE)
    copied = copy_home(rooms, preset.home, Path.home())
    redaction = Redaction(os.environ, **copied)
    guest = welcome(context, redaction, leaves=preset.leaves)
    ended, sandbox = _run(context, guest, rooms, words, preset)
    transcript = redaction.text(ended.output)
    usage = usage_told(transcript)
    attachments = {
        "transcript.txt": transcript.encode("utf-8", "backslashreplace"),
        "program.json": _account(words, ended, sandbox, redaction),
    }
    found = _outcome(guest, Path(words[0]).name, ended, transcript)
    return replace(found, usage=usage, attachments=attachments)


def _run(
    context: Context, guest: Guest, rooms: Rooms, words: tuple[str, ...], preset: Preset
) -> tuple[Ended, str]:
    """Run it to its end, serving its door; and what it was confined with."""
    settings = context.config.command
    environ = _environment(os.environ, preset, settings.env, rooms)
    command = filled(words, sorted(context.parent_files))
    program = shutil.which(command[0], path=environ["PATH"])
    if program is None:
        raise AvogitError(f"cannot start `{command[0]}`: is it installed and on PATH?")
    command[0] = str(Path(program).absolute())  # it starts in the workspace, not here
    sandbox = confines_programs() if settings.sandbox else ""
    disk_bytes = settings.disk_mb << 20
    if sandbox:
        command = wrapped(command, rooms, environ, settings.read.split(), disk_bytes)
        environ["HOME"] = str(rooms.home)
    elif settings.sandbox:
        context.progress(f"no sandbox on this machine: {words[0]} runs as you do")
    context.progress(f"running {words[0]} in {rooms.workspace}")
    bounds = Bounds(settings.timeout_s, settings.max_processes, disk_bytes, context.workdir)
    write_client(rooms.programs)
    with Service(rooms.door, guest.call) as service:
        ended = run_bounded(
            command,
            cwd=rooms.workspace,
            environ=environ,
            bounds=bounds,
            attach=service.attach,
            over=guest.over,
        )
    return ended, sandbox


def _environment(
    environ: Mapping[str, str], preset: Preset, more: str, rooms: Rooms
) -> dict[str, str]:
    """Facts and what was declared, its `avogit` first on PATH, and no way to our repository."""
    kept = environment(environ, preset, more)
    return {
        **kept,
        "HOME": environ.get("HOME", str(rooms.home)),
        "PATH": f"{rooms.programs}{os.pathsep}{kept.get('PATH', os.defpath)}",
        "TMPDIR": str(rooms.temporary),
        "GIT_CEILING_DIRECTORIES": str(rooms.workspace.parent),
        # The machine's own settings may hold tokens, so they are not shown; git, where it finds
        # a file that it may not read, gives up.
        "GIT_CONFIG_NOSYSTEM": "1",
        VARIABLE: str(rooms.door),
    }


def _outcome(guest: Guest, program: str, ended: Ended, transcript: str) -> Proposal | NoProposal:
    """What it handed in; else what it left, if it ended well; else its best draft."""
    if guest.ending is not None or ended.ok:
        return guest.proposal(program)
    outcome, detail = _failure(program, ended, transcript)
    return guest.best_draft(detail) or NoProposal(outcome, detail)


def _failure(program: str, ended: Ended, transcript: str) -> tuple[str, str]:
    if ended.stopped == TIMEOUT:
        return "timeout", f"{program} was stopped after {ended.seconds:.0f} s"
    if ended.stopped:
        return "over-limit", f"{program} was stopped: it used up too much ({ended.stopped})"
    lines = [line for line in transcript.splitlines() if line.strip()][-_LAST_LINES:]
    said = one_line(" | ".join(lines), 600) or "it printed nothing"
    return "command-failed", f"{program} ended with exit status {ended.status}: {said}"


def _account(words: tuple[str, ...], ended: Ended, sandbox: str, redaction: Redaction) -> bytes:
    """What was run, how, and how it ended: for the record."""
    document = {
        "words": [redaction.text(word) for word in words],
        "sandbox": sandbox,
        "status": ended.status,
        "stopped": ended.stopped,
        "seconds": round(ended.seconds, 3),
    }
    return json.dumps(document, indent=1).encode()
