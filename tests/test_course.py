"""What a run may still begin and spend, however many workers share it."""

from __future__ import annotations

from avogit.budget import Spent
from avogit.config import Budget, Limit, RunLimit
from avogit.loop import DIED, Course, Limits
from avogit.records import Lineage
from avogit.settling import StepResult

NOBODY = Lineage("none", {}, (), (), {})


def ended(outcome: str = "rejected", **spent: float) -> StepResult:
    return StepResult(outcome, "", "agent", spent=Spent(**spent))  # type: ignore[arg-type]


def test_steps_under_way_never_have_more_than_the_run_has_left() -> None:
    course = Course(Limits(), 2, budget=Budget(run=RunLimit(cost_usd=1.0, tokens=101, wall_s=60)))
    assert course.at_once == 3, "one is at the device"
    granted = [course.allowance(number) for number in (1, 2, 3)]
    assert [round(limit.cost_usd, 9) for limit in granted] == [round(1 / 3, 9)] * 3
    assert [limit.tokens for limit in granted] == [33, 34, 34]
    assert min(limit.wall_s for limit in granted) > 59, "time passes for all at once"
    course.enter(ended(cost_usd=0.2), NOBODY, 1)
    assert round(course.allowance(1).cost_usd, 9) == round(1 - 0.2 - 2 / 3, 9)


def test_a_step_keeps_its_own_limit() -> None:
    course = Course(Limits(), 2, budget=Budget(Limit(cost_usd=0.1), RunLimit(cost_usd=1.0)))
    assert course.allowance(1) == course.allowance(2) == Limit(cost_usd=0.1)


def test_a_dead_worker_is_taken_to_have_spent_what_it_might() -> None:
    course = Course(Limits(), 2, budget=Budget(run=RunLimit(cost_usd=1.0)))
    granted = [course.allowance(number).cost_usd for number in (1, 2, 3)]
    course.enter(ended(DIED), NOBODY, 1)
    course.enter(ended(cost_usd=0.1), NOBODY, 2)
    left = 1 - 0.1 - granted[0] - granted[2]
    assert round(course.allowance(1).cost_usd, 9) == round(left / 2, 9)


def test_no_step_more_than_asked_begins_however_it_was_asked() -> None:
    for limits, budget in (
        (Limits(steps=3), Budget()),
        (Limits(), Budget(run=RunLimit(steps=3))),
        (Limits(steps=5), Budget(run=RunLimit(steps=3))),
    ):
        course = Course(limits, 4, budget=budget)
        assert [course.begin() for _ in range(4)] == [True, True, True, False]


def test_one_workers_failures_do_not_end_a_run_of_many_at_once() -> None:
    course = Course(Limits(), 2)
    for _ in range(5):
        course.allowance(1)
        course.enter(ended("gave-up"), NOBODY, 1)
        assert course.ended() is None
    course.allowance(1)
    course.enter(ended("gave-up"), NOBODY, 1)
    assert course.ended() == "6 steps in a row proposed nothing: gave-up"
