"""One evaluator for all cheats: its oracle and its artefacts stay warm."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from avogit.evaluation import Evaluator, Source
from avogit.resources import folder_files
from avogit.task import Task, parse_task

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def small_attention() -> Task:
    """Attention small enough that a cheat is judged in a fraction of a second."""
    return parse_task("kernels/small-attention", folder_files(HERE / "task"))


@pytest.fixture(scope="session")
def evaluator(
    small_attention: Task, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Evaluator]:
    state = tmp_path_factory.mktemp("state")
    with Evaluator(small_attention, state_dir=state, confidence=0.99) as found:
        yield found


@pytest.fixture(scope="session", autouse=True)
def _built_together(request: pytest.FixtureRequest, evaluator: Evaluator) -> None:
    """Compile on all processors at once; a few tests alone compile their own."""
    if len(request.session.items) > 20:
        kernels = [*HERE.glob("h*.cpp"), *(HERE / "honest").glob("*.cpp")]
        sources = [Source("0" * 40, {"kernel.cpp": path.read_bytes()}) for path in kernels]
        with ThreadPoolExecutor() as pool:
            list(pool.map(evaluator._build, sources))
