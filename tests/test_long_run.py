"""A short version of benchmarks/bench_steps.py: steps, kills, and every token counted once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))

import bench_steps
from scripted_openai import ScriptedOpenAI


@pytest.mark.slow
def test_no_token_is_counted_twice_or_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(bench_steps.ROOT))
    at = bench_steps.make_project(tmp_path / "project")
    with ScriptedOpenAI(bench_steps.Model()) as server:
        assert len(bench_steps.long_run(at, server, 2)) == 2
        assert bench_steps.uncounted(at, len(server.requests)) == 0
        bench_steps.killed_runs(at, server, kills=1, most_s=0.4)
        assert bench_steps.uncounted(at, len(server.requests)) <= 1
    assert bench_steps.problems(at) == []
