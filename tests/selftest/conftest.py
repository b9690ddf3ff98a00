"""One evaluator for all cheats of a device: its oracle and its artefacts stay warm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from avogit import corpus
from avogit.commands.selftest import build_together
from avogit.errors import AvogitError
from avogit.evaluation import Evaluator
from avogit.evaluation.device import gpu_device
from avogit.task import Task

MANY = 20


@pytest.fixture(scope="session")
def evaluator(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Evaluator]:
    state = tmp_path_factory.mktemp("state")
    yield from opened(request, state, corpus.cpu_task(), corpus.cpu_specimens())


@pytest.fixture(scope="session")
def gpu_evaluator(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Evaluator]:
    task, state = corpus.gpu_task(), tmp_path_factory.mktemp("gpu-state")
    try:
        gpu_device(task)
    except AvogitError as error:
        pytest.skip(str(error))
    yield from opened(request, state, task, corpus.gpu_specimens())


def opened(
    request: pytest.FixtureRequest, state: Path, task: Task, kernels: Sequence[corpus.Specimen]
) -> Iterator[Evaluator]:
    """The evaluator that a fixture gives. Where many tests stand on it, all kernels are built."""
    standing = [i for i in request.session.items if request.fixturename in i.fixturenames]
    with Evaluator(task, state_dir=state, confidence=0.99) as found:
        if len(standing) > MANY:
            build_together(found, kernels)
        yield found
