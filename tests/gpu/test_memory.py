"""Where tensors lie in a GPU's memory: apart, aligned, and with room for guards."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from without_gpu import needs

from avogit.bench.protocol import TaskSpec, WorkloadSpec
from avogit.corpus import gpu_task
from avogit.devices import find_device
from avogit.evaluation.evaluator import task_spec
from avogit.resources import folder_files
from avogit.task import Task, parse_task

needs("torch", "cuda.bindings")

from avogit.bench.gpu.frames import LaunchCase, Place  # noqa: E402
from avogit.bench.gpu.memory import (  # noqa: E402
    GUARD,
    OUTPUT,
    input_bytes,
    input_name,
    lay_out,
    output_bytes,
)

KERNELS = Path(__file__).resolve().parents[2] / "kernels"
ALIGNED = 256  # what the driver promises of an allocation; kernels may rely on it
RING = 3


def shipped(name: str) -> Task:
    """A task with every workload that it has: the papers' 24, and those that are held out."""
    task = parse_task(f"kernels/{name}", folder_files(KERNELS / name))
    every = tuple(workload for preset in task.presets.values() for workload in preset)
    return replace(task, workloads=every)


TASKS = {"attention-cuda": shipped("attention-cuda"), "cheats": gpu_task()}


@pytest.fixture(params=TASKS)
def spec(request: pytest.FixtureRequest, tmp_path: Path) -> TaskSpec:
    return task_spec(TASKS[request.param], tmp_path, find_device("h200"))


def laid(spec: TaskSpec) -> list[LaunchCase]:
    inputs = spec.arguments[: spec.arguments.index("out")]
    return [lay_out(w, inputs, RING) for w in (*spec.workloads, *spec.shapes)]


def made_up() -> Iterator[list[LaunchCase]]:
    """Tasks whose sizes are no round numbers."""
    chance = random.Random(1)
    for _ in range(200):
        names = ["a", "b", "c"][: chance.randint(1, 3)]
        sizes = [{n: chance.randint(1, 1 << 18) for n in (*names, "out")} for _ in range(3)]
        ring = chance.randint(1, 4)
        yield [lay_out(WorkloadSpec("w", {}, nbytes), names, ring) for nbytes in sizes]


def ends_before_the_next(places: Sequence[tuple[int, int]]) -> bool:
    """Whether none of these stretches (from, to) reaches into another."""
    return all(end <= begin for (_, end), (begin, _) in pairwise(sorted(places)))


def stretch(place: Place, around: int = 0) -> tuple[int, int]:
    return place.offset - around, place.offset + place.nbytes + around


def assert_sound(cases: Sequence[LaunchCase]) -> None:
    """Nothing overlaps, all begins aligned, and everything fits into what is asked for."""
    into, out_of = input_bytes(cases), output_bytes(cases)
    for case in cases:
        outs = [stretch(ring["out"], GUARD) for ring in case.rings]
        assert ends_before_the_next(outs)
        assert min(outs)[0] >= 0
        assert max(outs)[1] <= out_of
        for number, ring in enumerate(case.rings):
            inputs = [place for name, place in ring.items() if name != "out"]
            assert ring["out"].arena == OUTPUT
            assert {place.arena for place in inputs} == {input_name(number)}
            assert ends_before_the_next([stretch(place) for place in inputs])
            assert max(stretch(place)[1] for place in inputs) <= into
            assert all(place.offset % ALIGNED == 0 for place in ring.values())


def test_every_workload_of_the_tasks_fits(spec: TaskSpec) -> None:
    cases = laid(spec)
    assert len(cases) == len(spec.workloads) + len(spec.shapes)
    assert_sound(cases)
    for case, workload in zip(cases, (*spec.workloads, *spec.shapes), strict=True):
        assert case.name == workload.name
        assert len(case.rings) == RING
        for ring in case.rings:
            assert {n: place.nbytes for n, place in ring.items()} == dict(workload.nbytes)


def test_any_sizes_fit() -> None:
    for cases in made_up():
        assert_sound(cases)


def test_all_arms_of_the_papers_workloads_fit_on_the_card(spec: TaskSpec) -> None:
    """Inputs of the ring, and an output for candidate, incumbent and parent."""
    cases = laid(spec)
    assert RING * input_bytes(cases) + 3 * output_bytes(cases) < 16 << 30


def test_little_is_wasted(spec: TaskSpec) -> None:
    """A launcher maps each arena whole, and three arms have an output each."""
    largest = max(sum(w.nbytes.values()) - w.nbytes["out"] for w in spec.workloads)
    assert input_bytes(laid(spec)) < 1.01 * largest + (1 << 20)
    largest = max(w.nbytes["out"] for w in spec.workloads)
    assert output_bytes(laid(spec)) < 1.01 * RING * largest + (1 << 20)
