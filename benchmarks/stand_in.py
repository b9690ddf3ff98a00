"""A device that needs no quiet machine: it sleeps as long as a measurement would take.

Owns the stand-in slot, the compiler that takes its time, and the model's scripted words. All
that is measured with them is orchestration: who waits for whom.
"""

from __future__ import annotations

import itertools
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "store")]

from lent_slot import report  # noqa: E402
from scripted_openai import Reply, calls, say  # noqa: E402

from avogit.bench.device import CPU, any_device_lock  # noqa: E402
from avogit.bench.protocol import Hello, Order  # noqa: E402
from avogit.evaluation import Judged  # noqa: E402
from avogit.records import CANDIDATE  # noqa: E402

KERNEL = (ROOT / "tests/tasks/polynomial/kernel.cpp").read_text(encoding="utf-8")
_COMPILER = """#!/bin/sh
case "$1" in --version | -print-file-name=*) exec {compiler} "$@" ;; esac
sleep {seconds}
exec {compiler} "$@"
"""


class StandInSlot:
    """A slot whose every candidate is 2 % slower than all it is compared with."""

    def __init__(self, seconds: float) -> None:
        self.ends_s: list[float] = []  # when each measurement ended
        self.waits_s: list[float] = []  # how long each order waited
        self._seconds = seconds

    def judge(self, order: Order, progress: Callable[[str], None], /) -> Judged:
        """Take the device for so long."""
        asked = time.monotonic()
        with any_device_lock(progress, (CPU,)):
            self.waits_s.append(time.monotonic() - asked)
            time.sleep(self._seconds)
            self.ends_s.append(time.monotonic())
        told = report(order, {CANDIDATE: [1.02]}, self._seconds)
        return Judged(told, Hello("stand-in", "none", (), False), self._seconds)

    def busy_s(self) -> float:
        return self._seconds * len(self.ends_s)

    def close(self) -> None:
        """Nothing was started."""


def slow_compiler(folder: Path, seconds: float) -> str:
    """A g++ that takes so much longer; what CXX is set to."""
    compiler = shutil.which("g++")
    assert compiler, "there is no g++"
    path = folder / "toolchain" / "bin" / "g++"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_COMPILER.format(seconds=seconds, compiler=compiler), encoding="utf-8")
    path.chmod(0o755)
    return str(path)


class Model:
    """The same model for everybody: a new kernel, after so long."""

    def __init__(self, latency_s: float) -> None:
        self._latency_s = latency_s
        self._numbers = itertools.count(1)

    def __call__(self, body: dict[str, Any]) -> Reply:
        """By tools where there are any; else as a code block."""
        time.sleep(self._latency_s)
        number = next(self._numbers)
        kernel = f"// version {number}\n{KERNEL}"
        if body.get("tools"):
            plan = {"hypothesis": f"version {number}", "kind": "other", "expected_gain_pct": 1}
            return calls(
                ("plan", {**plan, "difficulty": "easy", "confidence": 0.5}),
                ("write_file", {"path": "kernel.cpp", "content": kernel}),
                ("submit", {"subject": f"version {number}", "why": "It may be faster."}),
            )
        return say(f"<NAME>\nversion_{number}\n</NAME>\n\n```cpp\n{kernel}```\n")
