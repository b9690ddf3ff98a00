"""The oracle's process, as avogit sees it.

Owns starting it, its environment, the conversation, and its end. A dead oracle is an
`OracleDied`; whether to try again is the evaluator's to say.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

from avogit.bench.protocol import (
    Hello,
    Order,
    Progress,
    ProtocolError,
    Report,
    TaskSpec,
    receive,
    send,
)
from avogit.errors import AvogitError
from avogit.processes import program

_KEPT_VARIABLES = (
    "HOME",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "PATH",
    "PYTHONHOME",
    "PYTHONPATH",
    "TMPDIR",
    "USER",
    "VIRTUAL_ENV",
)
# torch gives each result new memory; without these every large one costs page faults anew.
_ALLOCATOR = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    "MALLOC_TOP_PAD_": str(64 << 20),
}
_END_TIMEOUT_S = 3.0


class OracleDied(Exception):
    """It ended, or spoke nonsense; the text is its last word."""


class Oracle:
    """A started oracle, told its task."""

    def __init__(self, spec: TaskSpec, gpu: str = "") -> None:
        """`gpu`: the UUID of the one that it is to see; empty for a task on a CPU."""
        if importlib.util.find_spec("torch") is None:
            raise AvogitError(
                "measuring needs torch, which is not installed: `pip install 'avogit[oracle]'`"
                " (the README says how to get a build for the CPU alone)"
            )
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed by `close`)
        self._process = subprocess.Popen(
            program("avogit.bench.oracle", str(os.getpid()), bare=False),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=_environment(os.environ, gpu),
            cwd="/",
            start_new_session=True,  # Ctrl-C is for us; we end it
        )
        self.pid = self._process.pid
        try:
            self.hello: Hello = self._ask(spec, Hello, lambda _: None)
        except OracleDied:
            self.close()
            raise

    def judge(self, order: Order, progress: Callable[[str], None]) -> Report:
        """Have an order carried out."""
        report = self._ask(order, Report, progress)
        assert isinstance(report, Report)
        return report

    def close(self) -> None:
        """End it: gently by the end of its input, else by force."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def _ask(
        self, message: TaskSpec | Order, kind: type[Any], progress: Callable[[str], None]
    ) -> Any:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            send(stdin, message)
            while True:
                answer = receive(stdout, kind, Progress)
                if not isinstance(answer, Progress):
                    return answer
                progress(answer.text)
        except (EOFError, BrokenPipeError, ProtocolError) as error:
            raise OracleDied(self._last_words() or str(error) or "it ended") from error

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read()[-4000:].decode("utf-8", "replace").strip().splitlines()
        return lines[-1].strip() if lines else ""


def _environment(ours: Mapping[str, str], gpu: str) -> dict[str, str]:
    kept = {name: ours[name] for name in _KEPT_VARIABLES if name in ours}
    seen = {"CUDA_VISIBLE_DEVICES": gpu} if gpu else {}
    return {**kept, **_ALLOCATOR, **seen, "PYTHONDONTWRITEBYTECODE": "1"}
