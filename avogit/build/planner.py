"""A candidate's `launch.py`: one `plan(workload, device)` for every workload, as JSON.

Runs confined, under a bare Python, in the folder of the sources. What it writes is a candidate's
word, for others to judge: nothing here is to be relied on.
"""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ORDER, PLANS = "avogit-order.json", "avogit-plans.json"
LAUNCH = "launch"
EXIT_FAILED = 3


def main(argv: Sequence[str]) -> int:
    """Plan all workloads of the order in the working directory."""
    return report_errors(plan_all)


def plan_all() -> None:
    """Read the order, write the plans."""
    order = json.loads(Path(ORDER).read_text(encoding="utf-8"))
    write_plans(order, candidate_module(LAUNCH))


def write_plans(order: Mapping[str, Any], launch: Any) -> None:
    """What the module's `plan` says of each workload."""
    plans = {
        name: launch.plan(dict(params), dict(order["device"]))
        for name, params in order["workloads"].items()
    }
    Path(PLANS).write_text(json.dumps(plans, allow_nan=False), encoding="utf-8")


def candidate_module(name: str) -> Any:
    """A module of the candidate, from the working directory."""
    sys.dont_write_bytecode = True
    if sys.path[0] != str(Path.cwd()):
        sys.path.insert(0, str(Path.cwd()))
    return importlib.import_module(name)


def report_errors(work: Callable[[], None]) -> int:
    """Run it; a candidate's error is told as Python tells it, from the candidate's lines on."""
    try:
        work()
    except BaseException as error:  # a candidate may raise SystemExit or worse  # noqa: BLE001
        frames = traceback.extract_tb(error.__traceback__)
        here = str(Path.cwd())
        theirs = [frame for frame in frames if frame.filename.startswith(here)]
        lines = [*traceback.format_list(theirs), *traceback.format_exception_only(error)]
        sys.stderr.write("".join(lines))
        return EXIT_FAILED
    return 0
