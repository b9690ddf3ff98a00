"""Shapes that a candidate meets when it is to be confirmed, and not before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from avogit.evaluation import Evaluator, Source
from avogit.records import Verdict
from avogit.task import Task, Workload

pytestmark = pytest.mark.measures

WRONG_THERE = b"""
extern "C" void polynomial(const float* x, float* out, long rows, long columns) {
    const float slope = rows == 77 ? 0.4f : 0.5f;
    for (long i = 0; i < rows * columns; ++i) out[i] = x[i] * (1.5f - slope * x[i]);
}
"""


def test_a_kernel_made_for_the_known_shapes_is_not_confirmed(task: Task, tmp_path: Path) -> None:
    unseen = Workload("unseen", {"rows": 77, "columns": 640})
    with_more = replace(task, correctness=replace(task.correctness, held_out=(unseen,)))
    source = Source("0" * 40, {"kernel.cpp": WRONG_THERE})
    with Evaluator(with_more, state_dir=tmp_path, confidence=0.99) as evaluator:
        for _ in range(3):  # a machine too busy to time gets another go
            quick = evaluator.evaluate(source, {}, sample="quick", budget_s=2)
            if quick.reason not in ("too-noisy", "out-of-time"):
                break
        confirmed = evaluator.evaluate(source, {}, sample="confirmation", budget_s=2)
    assert quick.verdict is Verdict.PASSED, quick.detail
    assert confirmed.verdict is Verdict.INCORRECT_NUMERICAL
    assert "(unseen, " in confirmed.detail
