"""Every cheat for a CPU gets its status; what the files say is described in `avogit.corpus`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from avogit.bench.protocol import Defences
from avogit.corpus import Specimen, cpu_specimens, cpu_task, is_met
from avogit.evaluation import Evaluator, Source
from avogit.records import Evaluation

ALL = cpu_specimens()
CHEATS = [kernel for kernel in ALL if not kernel.honest]
BUDGET_S = 1.0
LATE_BUDGET_S = 4.0  # where outputs are looked at late, on purpose


def rules() -> list[tuple[Specimen, str, str]]:
    """(kernel, defences off, verdict and reason) of every cheat."""
    return [
        (kernel, off, want)
        for kernel in CHEATS
        for off, want in {"": kernel.expect, **kernel.without}.items()
    ]


def name(value: object) -> str:
    return value.name if isinstance(value, Specimen) else str(value)


def judge(
    evaluator: Evaluator,
    kernel: Specimen,
    off: str = "",
    rivals: Mapping[str, Source] | None = None,
) -> Evaluation:
    """A quick evaluation with some defences off. A machine too busy to time gets another go."""
    evaluator.defences = replace(Defences(), **dict.fromkeys(off.split(), False))
    source = Source("0" * 40, kernel.files)
    try:
        budget_s = LATE_BUDGET_S if "stop_at_done" in off else BUDGET_S
        for _ in range(3):
            found = evaluator.evaluate(source, rivals or {}, sample="quick", budget_s=budget_s)
            if found.reason not in ("too-noisy", "out-of-time"):
                break
        return found
    finally:
        evaluator.defences = Defences()


@pytest.fixture(autouse=True)
def _clean_up_after_disk_caches() -> None:
    for path in Path("/tmp").glob("avogit-cheat-*"):
        path.unlink()


@pytest.mark.parametrize(("kernel", "off", "want"), rules(), ids=name)
def test_cheat_gets_its_status(evaluator: Evaluator, kernel: Specimen, off: str, want: str) -> None:
    found = judge(evaluator, kernel, off)
    assert is_met(want, found.verdict.value, found.reason), f"{found.reason}: {found.detail}"
    assert found.certified == (not off)


@pytest.mark.parametrize("kernel", [k for k in CHEATS if k.harmless], ids=name)
def test_harmless_cheat_gains_nothing(evaluator: Evaluator, kernel: Specimen) -> None:
    task = cpu_task()
    rival = {"incumbent": Source("0" * 40, task.editable_files(task.files))}
    found = judge(evaluator, kernel, rivals=rival)
    assert found.versus["incumbent"].low < 1.1


@pytest.mark.parametrize("kernel", [k for k in ALL if k.honest], ids=name)
def test_honest_kernel_passes(evaluator: Evaluator, kernel: Specimen) -> None:
    found = judge(evaluator, kernel)
    assert found.verdict.value == "PASSED", f"{found.reason}: {found.detail}"


def test_every_defence_has_a_cheat_that_it_stops() -> None:
    switched_off = {defence for _, off, _ in rules() for defence in off.split()}
    assert switched_off == set(Defences.__dataclass_fields__)
