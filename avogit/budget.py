"""Budgets: what a step and a run may spend, what they have spent, and what is left.

Owns prices, sums and limits: a `Meter` counts one step, a `Purse` one run. Leaves stopping in
mid-step to the operator, which charges the meter with every reply and asks whether a limit is
reached; what is under way then ends, and no more begins.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

from avogit.config import Limit, Price, RunLimit
from avogit.records import Halfway, Usage

Journal = Callable[["Meter"], None]
_PER_MILLION = 1e6


@dataclass(frozen=True, slots=True)
class Spent:
    """What was spent. `unknown` says why the money is not known; empty where it is."""

    cost_usd: float = 0.0
    tokens: int = 0
    wall_s: float = 0.0
    device_s: float = 0.0
    unknown: str = ""

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.cost_usd + other.cost_usd,
            self.tokens + other.tokens,
            self.wall_s + other.wall_s,
            self.device_s + other.device_s,
            self.unknown or other.unknown,
        )


def priced(usage: Usage, prices: Mapping[str, Price]) -> Usage:
    """The usage with its cost, where its model has a price and the provider told the tokens."""
    price = prices.get(usage.model)
    if usage.cost_usd is not None or price is None or usage.unreported:
        return usage
    fresh = usage.input_tokens - usage.cached_tokens
    cached = price.input if price.cached < 0 else price.cached
    total = fresh * price.input + usage.cached_tokens * cached + usage.output_tokens * price.output
    return replace(usage, cost_usd=total / _PER_MILLION)


def unknown_cost(usage: Usage | None) -> str:
    """Why this usage's cost is not known; empty where it is."""
    if usage is None:
        return "no usage was reported"
    if usage.unreported:
        return f"{usage.model or 'the operator'} reported no usage"
    if usage.cost_usd is None:
        return f"avogit.yaml has no price for {usage.model}: set prices.{usage.model}"
    return ""


@dataclass(slots=True)
class Meter:
    """What one step spends. An operator charges it with every reply of a model."""

    limit: Limit = field(default_factory=Limit)
    prices: Mapping[str, Price] = field(default_factory=dict)
    # keeps the sum so far, before the next reply is paid, and how far the step came
    journal: Journal = lambda _meter: None
    device_s: Callable[[], float] = lambda: 0.0
    clock: Callable[[], float] = time.monotonic
    usage: Usage | None = None  # of the whole step
    earlier_s: float = 0.0  # that the step took in a process that was killed
    halfway: Halfway | None = None  # how far the step came, where its operator tells
    _here: Usage | None = None  # of `usage`, what this process paid
    _beside: Usage | None = None
    _begun_s: float = 0.0
    _device_before_s: float = 0.0

    def __post_init__(self) -> None:
        self._begun_s, self._device_before_s = self.clock(), self.device_s()

    def charge(self, usage: Usage, halfway: Callable[[], Halfway] | None = None) -> None:
        """One reply was paid for; `halfway` tells how far the step is with it.

        The reply is noted also where that cannot be told: it was paid.
        """
        cost = priced(usage, self.prices)
        self.usage, self._here = _both(self.usage, cost), _both(self._here, cost)
        try:
            if halfway is not None:
                self.halfway = halfway()
        finally:
            self.journal(self)

    def keep(self, halfway: Halfway) -> None:
        """The step came further, at no cost."""
        self.halfway = halfway
        self.journal(self)

    def go_on(self, usage: Usage, halfway: Halfway | None, wall_s: float) -> None:
        """The step began in another process: what was spent there counts."""
        self.usage, self.halfway, self.earlier_s = usage, halfway, wall_s
        self._begun_s -= wall_s

    def charge_beside(self, usage: Usage) -> None:
        """Something else was paid on the step's account, and is recorded by itself."""
        cost = priced(usage, self.prices)
        self._beside = _both(self._beside, cost)

    def settle(self, usage: Usage | None) -> None:
        """The operator ended and says what it paid; what it charged before is that sum already."""
        if self.usage is None:
            self.usage = self._here = priced(usage or Usage(unreported=1), self.prices)

    def spent(self) -> Spent:
        """The step's sums up to now, an earlier process's among them."""
        return self._sums(self.usage, self.clock() - self._begun_s)

    def spent_here(self) -> Spent:
        """What this process spent: an earlier one's is no part of its run's budget."""
        return self._sums(self._here, self.clock() - self._begun_s - self.earlier_s)

    def _sums(self, own: Usage | None, wall_s: float) -> Spent:
        device_s = self.device_s() - self._device_before_s
        return spent_on(own, wall_s=wall_s, device_s=device_s) + spent_on(self._beside)

    def left_s(self) -> float:
        """Seconds until the step's time is used up; infinite without such a limit."""
        return self.limit.wall_s - self.spent().wall_s if self.limit.wall_s else math.inf

    def reached(self) -> str:
        """Which limit is reached, for people; empty while the step may go on."""
        return reached(self.limit, self.spent(), "step")


def _both(sum_so_far: Usage | None, more: Usage) -> Usage:
    return more if sum_so_far is None else sum_so_far + more


def spent_on(usage: Usage | None, *, wall_s: float = 0.0, device_s: float = 0.0) -> Spent:
    """One step's sums."""
    if usage is None:
        return Spent(wall_s=wall_s, device_s=device_s)
    tokens = usage.input_tokens + usage.output_tokens
    return Spent(usage.cost_usd or 0.0, tokens, wall_s, device_s, unknown_cost(usage))


def all_of(limit: Limit) -> Spent:
    """What a step has spent that used its limit up."""
    return Spent(limit.cost_usd, limit.tokens, limit.wall_s, limit.device_s)


def reached(limit: Limit, spent: Spent, what: str) -> str:
    """Which limit is reached; one that cannot be checked counts as reached."""
    if limit.cost_usd and spent.unknown:
        return f"the {what}'s money budget cannot be kept: {spent.unknown}"
    for entry in fields(Spent):
        most = getattr(limit, entry.name, 0)
        used = getattr(spent, entry.name)
        if most and used >= most:
            return f"the {what}'s budget of {_amount(entry.name, most)} is used up"
    return ""


@dataclass(slots=True)
class Purse:
    """What one run spends, over all its steps. Its time is the clock's, its steps' or not."""

    limit: RunLimit
    clock: Callable[[], float] = time.monotonic
    _sum: Spent = field(default_factory=Spent)
    _steps: int = 0
    _begun_s: float = 0.0

    def __post_init__(self) -> None:
        self._begun_s = self.clock()

    def take(self, spent: Spent) -> None:
        """A step ended."""
        self._sum += spent
        self._steps += 1

    def spent(self) -> Spent:
        """The run's sums up to now."""
        return replace(self._sum, wall_s=self.clock() - self._begun_s)

    def step_limit(self, limit: Limit, granted: Sequence[Limit] = (), among: int = 1) -> Limit:
        """What the next step may spend: its own limit, and no more than the run has left.

        `granted` is what steps under way may spend still; the rest is for so many steps at once.
        """
        spent, values = self.spent(), {}
        for entry in fields(Limit):
            own, whole = getattr(limit, entry.name), getattr(self.limit, entry.name)
            left = whole - getattr(spent, entry.name)
            if entry.name != "wall_s":  # time passes for all of them together
                left = (left - sum(getattr(other, entry.name) for other in granted)) / among
            left = max(left, _least(entry.name)) if whole else 0
            left = int(left) if entry.name == "tokens" else left
            values[entry.name] = min(own, left) if own and left else own or left
        return Limit(**values)

    def reached(self) -> str:
        """Which of the run's limits is reached; empty while it may go on."""
        if self.limit.steps and self._steps >= self.limit.steps:
            return f"the run's budget of {self.limit.steps} steps is used up"
        return reached(self.limit, self.spent(), "run")

    def left(self) -> str:
        """What is left, in one short line; empty where nothing is limited."""
        spent, parts = self.spent(), []
        if self.limit.steps:
            parts.append(f"{max(self.limit.steps - self._steps, 0)} steps")
        for entry in fields(Limit):
            if whole := getattr(self.limit, entry.name):
                rest = max(whole - getattr(spent, entry.name), 0)
                parts.append(_amount(entry.name, rest))
        return ", ".join(parts)


def _least(name: str) -> float:
    """A limit of 0 is none: what is used up is the smallest amount instead."""
    return 1 if name == "tokens" else 1e-9


def _amount(name: str, value: float) -> str:
    match name:
        case "cost_usd":
            return f"${value:.4g}"
        case "tokens":
            return f"{value:.0f} tokens"
        case "wall_s":
            return f"{value:.0f} s"
        case _:
            return f"{value:.0f} device s"
