"""A rig whose time is its own, for what decides how often and for how long calls are made."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace

import pytest
import torch

from avogit.bench import correctness
from avogit.bench.arms import Timed
from avogit.bench.protocol import Case, Region
from avogit.bench.rig import Answer
from avogit.records import CANDIDATE

CALL_S = 0.1


class Rig:
    """All answers are ones, and all times a millisecond.

    `call_s`: by arm, what a call takes of the rig's time, where it is not `CALL_S`. `cost_s`: what
    one call of every arm is expected to take, where it is not the longest of them. `noise`: by
    workload, the share by which the candidate's calls are now longer, now shorter. `wrong`: the
    number of the candidate's calls from which on its answers are. `voids`: so many blocks are.
    """

    warms = True
    yardstick = False
    regime = "burst"
    repeated_share = 0.3
    patience_s = 1.0
    spec = SimpleNamespace(call_timeout_s=1.0, row_rmse=0.01)

    def __init__(
        self,
        *names: str,
        call_s: Mapping[str, float] | None = None,
        cost_s: float | None = None,
        again_share: float = 0.0,
        noise: Mapping[str, float] | None = None,
        wrong: int = 1_000_000,
        voids: int = 0,
    ) -> None:
        self.timed = [Case(name, {}, (), Region("out", 0, (4, 2))) for name in names]
        self.again_share = again_share
        self.voids = voids
        self.now_s, self.begun = 0.0, 0  # the latter: blocks
        self.arms: set[str] = set()  # that were called
        self.asked: list[str] = []  # of the candidate, by workload
        self._call_s, self._cost_s = call_s or {}, cost_s
        self._noise, self._wrong = noise or {}, wrong
        self.problem = SimpleNamespace(
            INPUT_KINDS=("mixed",), reference=self._reference, flops=lambda params: 1.0
        )

    def assemble(self, artefacts: Mapping[str, str]) -> None:
        """Nothing to start."""

    def cost_s(self, calls_s: Sequence[float]) -> float:
        return max(calls_s) if self._cost_s is None else self._cost_s

    @contextlib.contextmanager
    def started(self, artefacts: Mapping[str, str], *_: object) -> Iterator[dict[str, str]]:
        self.begun += 1
        yield {name: name for name in artefacts}

    def watch(self) -> SimpleNamespace:
        return SimpleNamespace(void=self._void)

    def fill(self, *_: object) -> dict[str, torch.Tensor]:
        return {}

    def call(self, arm: str, one: Case, *_: object) -> Answer:
        self.arms.add(arm)
        self.now_s += self._call_s.get(arm, CALL_S)
        ns, out = 1_000_000.0, torch.ones(4, 2)
        if arm == CANDIDATE:
            self.asked.append(one.name)
            sign = (-1) ** self.asked.count(one.name)
            ns *= 1 + sign * self._noise.get(one.name, 0.0)
            out *= 2 if len(self.asked) >= self._wrong else 1
        return Answer(Timed(round(ns), 0, False), out, None, None)

    def most_gflops(self, one: Case) -> float:
        return 1e9

    def _void(self) -> str:
        self.voids -= 1
        return "it slowed itself down" if self.voids >= 0 else ""

    def _reference(
        self, params: dict[str, int], inputs: object, rows: torch.Tensor
    ) -> torch.Tensor:
        return torch.ones(len(rows), 2, dtype=torch.float64)


def by_its_time(monkeypatch: pytest.MonkeyPatch, rig: Rig) -> None:
    """From now on deadlines are by the rig's time."""
    monkeypatch.setattr(correctness.time, "monotonic", lambda: rig.now_s)
