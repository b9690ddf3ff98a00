"""One evaluator for all cheats: its oracle and its artefacts stay warm."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from avogit import corpus
from avogit.errors import AvogitError
from avogit.evaluation import Evaluator, Source
from avogit.task import Task


@pytest.fixture(scope="session")
def small_attention() -> Task:
    return corpus.cpu_task()


@pytest.fixture(scope="session")
def evaluator(
    small_attention: Task, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Evaluator]:
    state = tmp_path_factory.mktemp("state")
    with Evaluator(small_attention, state_dir=state, confidence=0.99) as found:
        yield found


@pytest.fixture(scope="session")
def gpu_evaluator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evaluator]:
    state = tmp_path_factory.mktemp("state")
    try:
        opened = Evaluator(corpus.gpu_task(), state_dir=state, confidence=0.99)
    except AvogitError as error:
        pytest.skip(str(error))
    with opened as found:
        yield found


@pytest.fixture(scope="session", autouse=True)
def _built_together(request: pytest.FixtureRequest) -> None:
    """Compile on all processors at once; a few tests alone compile their own."""
    if sum("evaluator" in item.fixturenames for item in request.session.items) > 20:
        evaluator = request.getfixturevalue("evaluator")
        sources = [Source("0" * 40, kernel.files) for kernel in corpus.cpu_specimens()]
        with ThreadPoolExecutor() as pool:
            list(pool.map(evaluator._build, sources))
