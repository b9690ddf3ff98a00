"""Budgets: sums and limits, and runs that meet them against a real scripted server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from planted import plant_seed
from scripted_openai import Reply, Script, ScriptedOpenAI, call

from avogit.budget import Meter, Purse, Spent, priced, reached
from avogit.config import Limit, Price, RunLimit, parse_config
from avogit.errors import AvogitError
from avogit.records import Halfway, Usage

MILLION = 1_000_000
PRICES = {"gpt-5": Price(input=2.0, cached=0.5, output=10.0)}


def test_a_price_is_for_a_million_tokens() -> None:
    usage = priced(Usage("gpt-5", MILLION, MILLION, cached_tokens=MILLION // 2), PRICES)
    assert usage.cost_usd == pytest.approx(1.0 + 0.25 + 10.0)
    plain = {"gpt-5": Price(input=2.0, output=10.0)}
    assert priced(Usage("gpt-5", MILLION, 0, MILLION), plain).cost_usd == pytest.approx(2.0)


def test_a_price_that_nobody_knows_is_no_zero() -> None:
    assert priced(Usage("other", 5, 5), PRICES).cost_usd is None
    assert priced(Usage("gpt-5", 0, 0, unreported=1), PRICES).cost_usd is None
    both = priced(Usage("gpt-5", 10, 10), PRICES) + Usage("gpt-5", 1, 1, unreported=1)
    assert (both.cost_usd, both.unreported, both.input_tokens) == (None, 1, 11)


def test_a_meter_keeps_every_reply_before_the_next() -> None:
    kept: list[Usage | None] = []
    meter = Meter(Limit(tokens=25), PRICES, journal=lambda meter: kept.append(meter.usage))
    meter.charge(Usage("gpt-5", 10, 1))
    assert meter.reached() == ""
    meter.charge(Usage("gpt-5", 20, 2))
    assert [usage.input_tokens for usage in kept if usage] == [10, 30]
    assert "25 tokens" in meter.reached()
    meter.settle(Usage("gpt-5", 999, 999))
    assert meter.spent().tokens == 33
    meter.charge_beside(Usage("gpt-5", 1, 1))
    assert (meter.spent().tokens, len(kept)) == (35, 2)


def test_a_step_that_goes_on_counts_whole_for_its_limit_and_once_for_the_run() -> None:
    now = [100.0]
    meter = Meter(Limit(tokens=100), PRICES, clock=lambda: now[0])
    meter.go_on(Usage("gpt-5", 80, 10, unreported=1), None, 30.0)
    now[0] += 5
    assert (meter.spent_here().tokens, meter.spent_here().unknown) == (0, "")
    meter.charge(Usage("gpt-5", 20, 2))
    meter.charge_beside(Usage("gpt-5", 1, 0))
    assert "100 tokens" in meter.reached()
    assert (meter.spent().tokens, meter.spent().wall_s) == (113, 35.0)
    here = meter.spent_here()
    assert (here.tokens, here.wall_s, here.unknown) == (23, 5.0, "")
    assert here.cost_usd == pytest.approx((21 * 2.0 + 2 * 10.0) / MILLION)


def test_a_reply_is_noted_also_where_the_step_cannot_be_told() -> None:
    kept: list[Usage | None] = []
    meter = Meter(journal=lambda meter: kept.append(meter.usage))

    def unreadable() -> Halfway:
        raise OSError("the workspace cannot be read")

    with pytest.raises(OSError, match="workspace"):
        meter.charge(Usage("gpt-5", 10, 1), unreadable)
    assert kept == [Usage("gpt-5", 10, 1)]


@pytest.mark.parametrize(
    ("limit", "spent", "words"),
    [
        (Limit(), Spent(99, 99, 99, 99, "who knows"), ""),
        (Limit(cost_usd=1), Spent(cost_usd=0.99), ""),
        (Limit(cost_usd=1), Spent(cost_usd=1.0), "$1 is used up"),
        (Limit(cost_usd=1), Spent(unknown="it reported no usage"), "it reported no usage"),
        (Limit(tokens=5), Spent(tokens=5), "5 tokens"),
        (Limit(wall_s=60), Spent(wall_s=61), "60 s"),
        (Limit(device_s=60), Spent(device_s=61), "60 device s"),
    ],
)
def test_limits(limit: Limit, spent: Spent, words: str) -> None:
    assert words in reached(limit, spent, "run")
    assert bool(words) == bool(reached(limit, spent, "run"))


def test_a_step_gets_no_more_than_the_run_has_left() -> None:
    purse = Purse(RunLimit(cost_usd=10, tokens=100, steps=3), clock=lambda: 0.0)
    purse.take(Spent(cost_usd=8, tokens=100))
    step = purse.step_limit(Limit(cost_usd=5, wall_s=30))
    assert (step.cost_usd, step.tokens, step.wall_s) == (2, 1, 30)
    assert purse.left() == "2 steps, $2, 0 tokens"
    assert "100 tokens" in purse.reached()


def test_the_config_says_so() -> None:
    text = """
task: t
budget: {step: {tokens: 1000}, run: {cost_usd: 2, steps: 7}}
prices: {gpt-5: {input: 1.25, cached: 0.125, output: 10}}
"""
    config = parse_config(text, "avogit.yaml")
    assert (config.budget.step.tokens, config.budget.run.cost_usd) == (1000, 2.0)
    assert (config.budget.run.steps, config.prices["gpt-5"].cached) == (7, 0.125)
    for wrong in ("budget: {run: {cost_usd: -1}}", "prices: {m: {input: x}}", "prices: 3"):
        with pytest.raises(AvogitError, match=r"budget|prices"):
            parse_config(f"task: t\n{wrong}\n", "avogit.yaml")


def give_up(**usage: object) -> Reply:
    """The model has no idea; `usage` is what the provider tells of it."""
    document = json.loads(call("give_up", reason="no idea").body)
    document["usage"] = usage or None
    return Reply(json.dumps(document).encode())


@contextmanager
def serving(script: Script) -> Iterator[dict[str, str]]:
    with ScriptedOpenAI(script) as server:
        yield {"OPENAI_BASE_URL": server.base_url, "AVOGIT_MODEL": "scripted-1"}


def run(avogit, directory: Path, script: Script) -> dict[str, object]:
    with serving(script) as environment:
        done: subprocess.CompletedProcess[str] = avogit(
            directory, "run", "--operator", "agent", "--no-confirm", "--json", env=environment
        )
    assert done.returncode == 0, done.stderr
    ran: dict[str, object] = json.loads(done.stdout)["run"]
    return ran


@pytest.fixture
def priced_project(polynomial: Path) -> Path:
    """A run may cost 20 cents; a reply of 100 and 10 tokens, half of the input cached, 11."""
    plant_seed(polynomial)
    with (polynomial / "avogit.yaml").open("a") as file:
        file.write("budget: {run: {cost_usd: 0.2}}\n")
        file.write("prices: {scripted-1: {input: 1200, cached: 800, output: 1000}}\n")
    return polynomial


def test_a_run_ends_when_its_money_is_spent_and_any_clone_tells_the_cost(
    priced_project: Path, avogit, git, tmp_path: Path
) -> None:
    told = {"prompt_tokens": 100, "completion_tokens": 10}
    reply = give_up(**told, prompt_tokens_details={"cached_tokens": 50})
    ran = run(avogit, priced_project, [reply] * 9)
    assert ran["ended"] == "the run's budget of $0.2 is used up"
    assert [step["left"] for step in ran["steps"]] == ["$0.09", "$0"]
    git(tmp_path, "clone", "-q", "--mirror", str(priced_project), "clone")
    cost = json.loads(avogit(tmp_path / "clone", "cost", "--json").stdout)
    assert cost["total"]["cost_usd"] == pytest.approx(0.22)
    by_model = {row["name"]: row for row in cost["by_model"]}
    assert by_model["scripted-1"]["input_tokens"] == 200
    assert by_model["scripted-1"]["cached_tokens"] == 100
    outcomes = {row["name"]: row["count"] for row in cost["by_outcome"]}
    assert outcomes == {"seed": 1, "gave-up": 2}
    assert cost["total"]["device_s"] == pytest.approx(1.5)
    assert len([row for row in cost["by_line"] if row["cost_usd"]]) == 1
    assert "$0.2200" in avogit(priced_project, "cost").stdout


def test_a_provider_that_tells_no_usage_ends_a_run_with_a_money_budget(
    priced_project: Path, avogit
) -> None:
    ran = run(avogit, priced_project, [give_up()] * 9)
    assert "cannot be kept: scripted-1 reported no usage" in ran["ended"]
    assert len(ran["steps"]) == 1
    assert "replies came without usage" in avogit(priced_project, "cost").stdout


@pytest.mark.slow
def test_a_step_that_meets_its_budget_keeps_its_work(seeded: Path, avogit) -> None:
    with (seeded / "avogit.yaml").open("a") as file:
        file.write("budget: {step: {tokens: 300}, run: {steps: 1}}\n")
    script = [
        call(
            "plan",
            hypothesis="one pass suffices",
            kind="algorithm",
            expected_gain_pct=300,
            difficulty="easy",
            confidence=0.8,
        ),
        call(
            "edit_file",
            path="kernel.cpp",
            old="constexpr int PASSES = 8;",
            new="constexpr int PASSES = 1;",
        ),
        call("evaluate", subject="one pass"),
        call("submit", subject="never asked for", why="the budget is used up"),
    ]
    ran = run(avogit, seeded, script)
    (step,) = ran["steps"]
    assert step["outcome"] == "accepted"
    assert step["candidate"]["trailers"]["Avo-Tokens"] == "in=300 out=30"
    body = avogit(seeded, "show", step["candidate"]["oid"]).stdout
    assert "the step's budget of 300 tokens is used up" in " ".join(body.split())
    assert step["spent"]["tokens"] == 330
    assert step["spent"]["device_s"] > 0
    assert avogit(seeded, "fsck").returncode == 0
