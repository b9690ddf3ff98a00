"""`command`: any program that edits a workspace, such as a coding agent's command line.

Owns the workspace's contents, the program's environment, time and end. The program runs as
the user, by the user's choice: it is not sandboxed. What it hands back is: nothing but bytes
of editable files is taken from it. Leaves starting and watching processes to `process`.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from avogit.errors import AvogitError
from avogit.operators import Context, NoProposal
from avogit.operators.process import Ended, run_bounded
from avogit.operators.prompts import render
from avogit.operators.redaction import Redaction
from avogit.operators.text import best, log_lines, newest, one_line, score_text
from avogit.records import Proposal
from avogit.workspace import WorkspaceState, changed, read_back, write_workspace

INSTRUCTIONS = "AVOGIT.md"
MESSAGE = "AVOGIT_MESSAGE.txt"
_MESSAGE_BYTES = 8192
_LAST_LINES = 5


def vary(context: Context) -> Proposal | NoProposal:
    """What the program made of the parent."""
    words = _words(context)
    workspace = context.workdir / "workspace"
    before = _workspace_files(context)
    protected = [name for name in before if not context.task.is_editable(name)]
    write_workspace(workspace, before, protected)
    context.progress(f"running {words[0]} in {workspace}")
    redaction = Redaction(os.environ)
    ended = run_bounded(
        words,
        cwd=workspace,
        environ=_environment(os.environ, context.workdir),
        timeout_s=context.config.command.timeout_s,
    )
    transcript = redaction.text(ended.output)
    attachments = {"transcript.txt": transcript.encode("utf-8", "backslashreplace")}
    if not ended.ok:
        return NoProposal(*_failure(words[0], ended, transcript), attachments=attachments)
    state = read_back(workspace, context.task, before, ignored=(MESSAGE,))
    if not state.violations and not changed(context.parent_files, state.files):
        detail = f"{words[0]} ended and had changed no editable file"
        return NoProposal("no-change", detail, attachments=attachments)
    subject, body = _message(workspace, redaction, words[0], state, context)
    return Proposal(
        parent=context.parent.oid,
        files=state.files,
        subject=subject,
        body=body,
        violations=state.violations,
        attachments=attachments,
    )


def _words(context: Context) -> list[str]:
    line = context.command or context.config.command.command
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise AvogitError(f"cannot split the command {line!r} into words: {error}") from error
    if not words:
        raise AvogitError(
            "the command operator needs a program: give `--command '...'` or set "
            "command.command in avogit.yaml"
        )
    return words


def _workspace_files(context: Context) -> dict[str, bytes]:
    """The task folder at the parent, and the instructions."""
    trusted = {n: d for n, d in context.task.files.items() if not context.task.is_editable(n)}
    files = {**trusted, **context.parent_files}
    return {**files, INSTRUCTIONS: _instructions(context, files).encode()}


def _instructions(context: Context, files: Mapping[str, bytes]) -> str:
    return render(
        "command/AVOGIT.md.j2",
        task=context.task,
        files=sorted(files),
        editable=sorted(context.parent_files),
        parent=context.parent,
        parent_score=score_text(context.parent),
        best_lines=log_lines(best(context.lineage, 10)),
        newest_lines=log_lines(newest(context.lineage, 10)),
        message_file=MESSAGE,
    )


def _environment(environ: Mapping[str, str], workdir: Path) -> dict[str, str]:
    """The user's environment, since coding agents need their keys, less what points git at us.

    Variables inherited from a git hook would send the program's git to the user's repository.
    """
    temporary = workdir / "tmp"
    temporary.mkdir(exist_ok=True)
    kept = {name: value for name, value in environ.items() if not name.startswith("GIT_")}
    return {**kept, "TMPDIR": str(temporary), "GIT_CEILING_DIRECTORIES": str(workdir)}


def _failure(program: str, ended: Ended, transcript: str) -> tuple[str, str]:
    if ended.timed_out:
        return "timeout", f"{program} was stopped after {ended.seconds:.0f} s"
    lines = [line for line in transcript.splitlines() if line.strip()][-_LAST_LINES:]
    said = one_line(" | ".join(lines), 600) or "it printed nothing"
    return "command-failed", f"{program} ended with exit status {ended.status}: {said}"


def _message(
    workspace: Path,
    redaction: Redaction,
    program: str,
    state: WorkspaceState,
    context: Context,
) -> tuple[str, str]:
    """Subject and body: the program's own, or which files it changed."""
    path = workspace / MESSAGE
    text = ""
    if path.is_file() and not path.is_symlink():
        with path.open("rb") as file:
            text = redaction.text(file.read(_MESSAGE_BYTES).decode("utf-8", "replace")).strip()
    subject, _, body = text.partition("\n")
    names = ", ".join(changed(context.parent_files, state.files)) or "nothing editable"
    return one_line(subject, 100) or f"{Path(program).name} edits {names}", body.strip()
