"""The small test task, and an evaluator of it that stays warm."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from avogit.evaluation import Evaluator, Source
from avogit.resources import folder_files
from avogit.task import Task, parse_task

FOLDER = Path(__file__).resolve().parent.parent / "tasks" / "polynomial"


@pytest.fixture(scope="session")
def task() -> Task:
    return parse_task("kernels/polynomial", folder_files(FOLDER))


@pytest.fixture(scope="session")
def seed(task: Task) -> bytes:
    return task.files["kernel.cpp"]


@pytest.fixture(scope="session")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="session")
def evaluator(task: Task, state_dir: Path) -> Iterator[Evaluator]:
    with Evaluator(task, state_dir=state_dir, confidence=0.99) as found:
        yield found


@pytest.fixture(scope="session")
def source() -> Callable[[bytes], Source]:
    def make(kernel: bytes) -> Source:
        return Source("0" * 40, {"kernel.cpp": kernel})

    return make


@pytest.fixture
def descendants() -> Callable[[int], set[int]]:
    """All processes below one, as the kernel tells it."""

    def find(root: int) -> set[int]:
        found: set[int] = set()
        waiting = [root]
        while waiting:
            for pid in _children(waiting.pop()) - found:
                found.add(pid)
                waiting.append(pid)
        return found

    return find


@pytest.fixture
def gone() -> Callable[[set[int]], bool]:
    """Whether all these processes end within a few seconds."""

    def wait(pids: set[int]) -> bool:
        deadline = time.monotonic() + 5
        while any(map(_alive, pids)) and time.monotonic() < deadline:
            time.sleep(0.02)
        return not any(map(_alive, pids))

    return wait


def _alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def _children(parent: int) -> set[int]:
    found = set()
    for name in (path.name for path in Path("/proc").iterdir()):
        if name.isdigit():
            try:
                status = Path(f"/proc/{name}/stat").read_text()
            except OSError:
                continue
            if int(status.rpartition(")")[2].split()[1]) == parent:
                found.add(int(name))
    return found
