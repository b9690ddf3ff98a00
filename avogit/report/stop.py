"""What `avogit stop` found, in words."""

from __future__ import annotations

from avogit.commands.stop import Asked, Stopped


def stop_text(result: Stopped) -> str:
    """A line for each run."""
    if not result.runs:
        return "no run is at work in this repository"
    return "\n".join(_line(run, result.ended) for run in result.runs)


def _line(run: Asked, ended: bool) -> str:
    what = "has ended" if ended else "ends when its steps in hand are done"
    return f"the run of {run.population} (process {run.pid}) {what}"
