"""The shell: a command beside the workspace, confined.

Owns what it may see and change. There is no network, no repository, no environment of the
user's; temporary files are private to the step. Leaves isolation to `sandbox` and the process
to `operators.process`.
"""

from __future__ import annotations

import os

from avogit.operators.agent.session import Refused, Session
from avogit.operators.agent.tools.results import Arguments
from avogit.operators.process import TIMEOUT, Bounds, Ended, run_bounded
from avogit.sandbox import SYSTEM_PROGRAMS, Confinement, Limits, confined, probe

_PATH = "/usr/local/bin:/usr/bin:/bin"
_MEMORY_BYTES = 8 << 30
_FILE_BYTES = 256 << 20
_DISK_BYTES = 1 << 30
_PROCESSES = 128


def shell(session: Session, arguments: Arguments) -> str:
    """Run a command in the workspace; before a plan it can only read there."""
    if not probe().certified:
        raise Refused("no shell: the sandbox does not hold on this machine (`avogit doctor`)")
    ended = _run(session, arguments["command"])
    lines = [_ending(ended), ended.output.rstrip()]
    violations = session.violations()
    if violations:
        named = "; ".join(violations)
        lines.append(f"[not allowed in the workspace, undo it or `restart_from parent`: {named}]")
    return "\n".join(line for line in lines if line)


def _run(session: Session, command: str) -> Ended:
    scratch, workspace = str(session.scratch), str(session.folder)
    may_write = session.plan is not None
    timeout_s = session.context.config.agent.shell_timeout_s
    how = Confinement(
        work=workspace if may_write else scratch,
        read=(*SYSTEM_PROGRAMS, workspace),
        write=(scratch,),
        env={
            "PATH": _PATH,
            "HOME": scratch,
            "TMPDIR": scratch,
            "LANG": "C.UTF-8",
            "WORKSPACE": workspace,
            "GIT_CONFIG_NOSYSTEM": "1",  # it is not shown, and git gives up where that is refused
        },
        limits=Limits(int(timeout_s) + 1, _MEMORY_BYTES, _FILE_BYTES),
    )
    line = f'cd "$WORKSPACE" || exit\n{command}'
    argv = confined(["/bin/sh", "-c", line], how)
    bounds = Bounds(timeout_s, _PROCESSES, _DISK_BYTES, session.context.workdir)
    return run_bounded(argv, cwd=session.scratch, environ=_clean(), bounds=bounds)


def _clean() -> dict[str, str]:
    """What the sandbox itself needs; the command gets the variables above and no others."""
    return {"PATH": os.environ.get("PATH", _PATH)}


def _ending(ended: Ended) -> str:
    if ended.stopped == TIMEOUT:
        return f"[stopped after {ended.seconds:.0f} s]"
    if ended.stopped:
        return f"[stopped: too much of {ended.stopped} used]"
    return f"[exit status {ended.status}, {ended.seconds:.1f} s]"
