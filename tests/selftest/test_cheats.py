"""Every cheat for a CPU gets its status; what the files say is described in `avogit.corpus`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from avogit.bench.protocol import Defences
from avogit.commands.selftest import BUDGETS_S, beside_honest, evaluate, is_faster
from avogit.corpus import Specimen, cpu_specimens, cpu_task, is_met
from avogit.evaluation import Evaluator, Source
from avogit.records import INCUMBENT, Evaluation

ALL = cpu_specimens()
CHEATS = [kernel for kernel in ALL if not kernel.honest]
TRIES = 3
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
    """A quick evaluation with some defences off."""
    evaluator.defences = replace(Defences(), **dict.fromkeys(off.split(), False))
    try:
        budget_s = LATE_BUDGET_S if "stop_at_done" in off else BUDGETS_S["cpu"]
        return evaluate(evaluator, kernel, rivals or {}, budget_s)
    finally:
        evaluator.defences = Defences()


@pytest.fixture(autouse=True)
def _clean_up_after_disk_caches() -> None:
    for path in Path("/tmp").glob("avogit-cheat-*"):
        path.unlink()


# That a cheat gets through where its defence is off waits for `make check`.
RULES = [pytest.param(*rule, marks=[pytest.mark.slow] if rule[1] else []) for rule in rules()]


@pytest.mark.parametrize(("kernel", "off", "want"), RULES, ids=name)
def test_cheat_gets_its_status(evaluator: Evaluator, kernel: Specimen, off: str, want: str) -> None:
    for _ in range(TRIES if "speed" in want else 1):  # a busy machine can make it look possible
        found = judge(evaluator, kernel, off)
        if is_met(want, found.verdict.value, found.reason):
            break
    assert is_met(want, found.verdict.value, found.reason), f"{found.reason}: {found.detail}"
    assert found.certified == (not off)


@pytest.mark.parametrize("kernel", [k for k in CHEATS if k.harmless], ids=name)
def test_harmless_cheat_gains_nothing(evaluator: Evaluator, kernel: Specimen) -> None:
    found = judge(evaluator, kernel, rivals=beside_honest(kernel, cpu_task()))
    assert INCUMBENT in found.versus, f"{found.reason}: {found.detail}"
    assert not is_faster(found, "cpu")


@pytest.mark.parametrize("kernel", [k for k in ALL if k.honest], ids=name)
def test_honest_kernel_passes(evaluator: Evaluator, kernel: Specimen) -> None:
    found = judge(evaluator, kernel)
    assert found.verdict.value == "PASSED", f"{found.reason}: {found.detail}"


def test_every_defence_has_a_cheat_that_it_stops() -> None:
    switched_off = {defence for _, off, _ in rules() for defence in off.split()}
    assert switched_off == set(Defences.__dataclass_fields__)
