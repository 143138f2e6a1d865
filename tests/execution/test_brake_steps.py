# SPDX-License-Identifier: Apache-2.0
"""Thousands of steps of engines that run away, before the brake: no count is ever exceeded."""

from __future__ import annotations

from collections import Counter
from random import Random

import msgspec
import pytest

from tests.execution.test_brake import LIMITS, NOW, order
from tests.soak import Budget
from tidegate.execution.brake import BrakeState, Weight, allows, planned, rolled
from tidegate.model.actions import Order
from tidegate.model.times import DAY_MS, SECOND_MS

STEPS, RUNS, SOAK_RUNS = 100, 100, 10_000
NAMES, VENUES = ("alpha:BTC", "alpha:ETH", "beta:BTC"), ("alpha", "beta")
BOUNDS = msgspec.structs.replace(LIMITS, loss_per_day=0.05, turnover_per_day=3.0, repeats=6)


class Seen:
    """What was let through, counted apart from the brake."""

    def __init__(self) -> None:
        self.messages = list[tuple[str, int]]()
        self.trades = list[tuple[str, int, int]]()
        self.left = Counter[tuple[str, int]]()
        self.turnover = Counter[int]()

    def take(self, sent: Order, venue: str, now_ms: int, usd: float) -> None:
        side = 1 if sent.lots > 0 else -1
        self.left[sent.instrument, side] -= abs(sent.lots)
        self.messages.append((venue, now_ms))
        self.trades.append((sent.instrument, side, now_ms))
        self.turnover[now_ms // DAY_MS] += usd if not sent.reduce_only else 0
        assert self.left[sent.instrument, side] >= 0, "more lots than the plan has"
        recent = [v for v, ts_ms in self.messages if v == venue and ts_ms > now_ms - SECOND_MS]
        assert len(recent) <= BOUNDS.messages_per_s, "more messages than the mandate allows"
        window_ms = round(BOUNDS.repeats_in_s * SECOND_MS)
        alike = [t for t in self.trades if t[:2] == (sent.instrument, side)]
        assert sum(t[2] > now_ms - window_ms for t in alike) <= BOUNDS.repeats, "repeats"


def run_away(number: int) -> int:
    """A hundred steps of an engine that sends whatever comes to it; how many were let through."""
    dice, state, seen = Random(f"brake {number}"), BrakeState(), Seen()
    now_ms, base_usd, equity_usd, let = NOW, 1_000.0, 1_000.0, 0
    state = rolled(state, equity_usd, now_ms, BOUNDS)
    day, lost = now_ms // DAY_MS, False
    for _ in range(STEPS):
        now_ms += dice.choice((0, 1, 200, 900, 5_000, DAY_MS // 40))
        equity_usd *= dice.choice((1.0, 1.0, 1.0, 0.999, 0.99, 1.005))
        if now_ms // DAY_MS > day:
            day, base_usd, lost = now_ms // DAY_MS, equity_usd, False
        lost |= base_usd - equity_usd > BOUNDS.loss_per_day * base_usd
        if dice.random() < 0.1:
            plan = [order(dice.choice((-40, -3, 5, 60)), n) for n in dice.choices(NAMES, k=3)]
            state = planned(state, plan)
            seen.left = Counter()
            for wished in plan:
                seen.left[wished.instrument, 1 if wished.lots > 0 else -1] += abs(wished.lots)
        reduces, name = dice.random() < 0.4, dice.choice(NAMES)
        asked = order(dice.choice((-7, -2, -1, 1, 3, 8)), name, reduces=reduces)
        usd = dice.uniform(1.0, 300.0)
        venue = name.split(":")[0]
        state, held = allows(state, asked, now_ms, Weight(venue, usd, equity_usd), BOUNDS)
        if held is None:
            let += 1
            assert reduces or not lost, "an order that raises on a day that is lost"
            seen.take(asked, venue, now_ms, usd)
            most_usd = BOUNDS.turnover_per_day * base_usd
            assert reduces or seen.turnover[day] <= most_usd, "more turnover than a day may have"
    return let


def test_ten_thousand_steps_of_engines_that_run_away_exceed_no_count() -> None:
    assert sum(run_away(number) for number in range(RUNS)) > RUNS


@pytest.mark.soak(promise="R13", weight=1)
def test_fresh_engines_that_run_away_exceed_no_count(budget: Budget) -> None:
    let = 0

    def judge(number: int) -> None:
        nonlocal let
        let += run_away(number)

    budget.each("run", judge, SOAK_RUNS)
    budget.figures.append(f"{STEPS} steps in each run; {let:,} orders let through")
