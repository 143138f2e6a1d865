# SPDX-License-Identifier: Apache-2.0
"""The brake against the same five rules worked out from everything that was ever let through."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.execution.brake import (
    BrakeState,
    Day,
    Weight,
    allows,
    messaged,
    moved,
    planned,
    rolled,
)
from tidegate.model.actions import Order
from tidegate.model.mandate import Limits
from tidegate.model.times import DAY_MS

MIDNIGHT = 1_700_000_000_000 // DAY_MS * DAY_MS
LIMITS = Limits(
    messages_per_s=3, repeats=2, repeats_in_s=4.0, loss_per_day=0.1, turnover_per_day=0.12
)
NAMES = ("alpha:BTC", "alpha:ETH", "beta:BTC")


@dataclass
class History:
    """All that was let through, from which each rule is answered anew."""

    sent: list[tuple[Order, int, float]] = field(default_factory=list)
    told: list[tuple[str, int]] = field(default_factory=list)
    plan: list[Order] = field(default_factory=list)
    before_plan: int = 0
    day: tuple[int, float] | None = None
    before_day: int = 0
    lost: bool = False

    def look(self, equity_usd: float | None, now_ms: int) -> None:
        if equity_usd is None:
            return
        if self.day is None or now_ms // DAY_MS > self.day[0]:
            self.day, self.lost, self.before_day = (
                (now_ms // DAY_MS, equity_usd),
                False,
                len(self.sent),
            )
        self.lost |= self.day[1] - equity_usd > 0.1 * self.day[1]

    def has_room(self, venue: str, now_ms: int) -> bool:
        return sum(v == venue and ts > now_ms - 1_000 for v, ts in self.told) < 3

    def rule(self, order: Order, now_ms: int, weight: Weight) -> str | None:
        side = 1 if order.lots > 0 else -1

        def like(orders: list[Order]) -> list[Order]:
            return [o for o in orders if o.instrument == order.instrument and o.lots * side > 0]

        gone = [o for o, _, _ in self.sent[self.before_plan :]]
        left = sum(abs(o.lots) for o in like(self.plan)) - sum(abs(o.lots) for o in like(gone))
        if abs(order.lots) > left:
            return "plan"
        if len(like([o for o, ts, _ in self.sent if ts > now_ms - 4_000])) >= 2:
            return "repeats"
        if not order.reduce_only:
            if self.day is None or weight.equity_usd is None or self.lost:
                return "loss"
            turned = sum(usd for _, _, usd in self.sent[self.before_day :])
            if turned + weight.notional_usd > 0.12 * self.day[1]:
                return "turnover"
        return None if self.has_room(weight.venue, now_ms) else "messages"


@st.composite
def happenings(draw: st.DrawFn) -> list[tuple[str, int, object]]:
    lots = st.sampled_from([1, 1, 1, -1, -3])
    order = st.builds(
        Order, st.just("o"), st.sampled_from((NAMES[0], *NAMES)), lots, st.booleans(), st.just("")
    )
    equity = st.sampled_from([1_000.0, 1_000.0, 950.0, 899.0, None])
    kinds = st.one_of(
        st.tuples(st.just("plan"), st.lists(order, min_size=2, max_size=6)),
        st.tuples(st.just("order"), st.tuples(order, equity)),
        *[st.tuples(st.just("order"), st.tuples(order, st.just(1_000.0)))] * 3,
        st.tuples(st.just("message"), st.sampled_from(["alpha", "beta"])),
        st.tuples(st.just("look"), equity),
    )
    steps = st.sampled_from([0, 1, 400, 400, 600, 999, 1_000, 3_999, DAY_MS // 2])
    return [(kind, draw(steps), what) for kind, what in draw(st.lists(kinds, max_size=30))]


@settings(max_examples=100)
@given(happenings())
def test_what_the_brake_lets_through_is_what_its_rules_say_of_all_that_went_before(
    drawn: list[tuple[str, int, object]],
) -> None:
    whole = [Order("o", name, lots, False, "") for name in NAMES for lots in (9, -9)]
    state, kept, now_ms = planned(BrakeState(), whole), History(plan=whole), MIDNIGHT
    for kind, step_ms, what in drawn:
        now_ms += step_ms
        if kind == "plan":
            state, kept.plan = planned(state, what), what  # type: ignore[arg-type,assignment]
            kept.before_plan = len(kept.sent)
        elif kind == "look":
            state = rolled(state, what, now_ms, LIMITS)  # type: ignore[arg-type]
            kept.look(what, now_ms)  # type: ignore[arg-type]
        elif kind == "message":
            room = kept.has_room(what, now_ms)  # type: ignore[arg-type]
            state, held = messaged(state, what, now_ms, LIMITS)  # type: ignore[arg-type]
            assert (held is None) == room
            kept.told += [(what, now_ms)] if room else []  # type: ignore[list-item]
        else:
            order, equity_usd = what  # type: ignore[misc]
            weight = Weight(order.instrument.split(":")[0], 60.0, equity_usd)
            kept.look(equity_usd, now_ms)
            expected = kept.rule(order, now_ms, weight)
            state, held = allows(state, order, now_ms, weight, LIMITS)
            assert (held.rule if held else None) == expected
            if held is None:
                kept.sent.append((order, now_ms, 60.0))
                kept.told.append((weight.venue, now_ms))
    if kept.day is not None:
        turned = 60.0 * len(kept.sent[kept.before_day :])
        assert state.day == Day(*kept.day, turned, kept.lost)


def test_capital_changes_the_days_equity_and_nothing_else() -> None:
    day = Day(MIDNIGHT // DAY_MS, 1_000.0, 17.0, lost=True)
    state = BrakeState(
        {"alpha": (MIDNIGHT,)}, {NAMES[0]: (3, 4)}, {(NAMES[0], 1): (MIDNIGHT,)}, day
    )
    after = msgspec.structs.replace(day, equity_usd=950.0)
    assert moved(state, -50.0) == msgspec.structs.replace(state, day=after)


def test_times_of_a_clock_that_was_ahead_count_as_recent() -> None:
    state = planned(BrakeState(), [Order("o", NAMES[0], 9, True, "")])
    again, weight = Order("o", NAMES[0], 1, True, ""), Weight("alpha", 1.0, 1_000.0)
    for _ in range(2):
        state, held = allows(state, again, MIDNIGHT + 9_000, weight, LIMITS)
        assert held is None
    state, held = messaged(state, "alpha", MIDNIGHT + 9_000, LIMITS)
    assert held is None
    _, held = messaged(state, "alpha", MIDNIGHT, LIMITS)
    assert held is not None
    _, held = allows(state, again, MIDNIGHT, weight, LIMITS)
    assert held is not None
    assert held.rule == "repeats"


@pytest.mark.parametrize("equity_usd", [inf, -inf])
def test_equity_without_end_is_not_known_and_begins_no_day(equity_usd: float) -> None:
    assert rolled(BrakeState(), equity_usd, MIDNIGHT, LIMITS) == BrakeState()
    state = rolled(BrakeState(), 1_000.0, MIDNIGHT, LIMITS)
    assert rolled(state, equity_usd, MIDNIGHT, LIMITS) == state
    order = Order("o", NAMES[0], 1, False, "")
    weight = Weight("alpha", 1.0, equity_usd)
    _, held = allows(planned(state, [order]), order, MIDNIGHT, weight, LIMITS)
    assert held is not None
    assert (held.rule, held.detail) == ("loss", "equity is not known")


def test_trades_in_between_do_not_make_a_repeated_one_new() -> None:
    free = msgspec.structs.replace(LIMITS, messages_per_s=100)
    trades = [(NAMES[0], 1), (NAMES[1], 1), (NAMES[0], -1), (NAMES[2], 1)]
    orders = [Order("o", name, side, True, "") for name, side in trades * 3]
    state = planned(BrakeState(), orders)
    rules = []
    for order in orders:
        weight = Weight(order.instrument.split(":")[0], 1.0, 1_000.0)
        state, held = allows(state, order, MIDNIGHT, weight, free)
        rules.append(held.rule if held else None)
    assert rules == [None] * 8 + ["repeats"] * 4
    state, rooms = BrakeState(), list[bool]()
    for venue in ("alpha", "beta", "alpha", "beta", "alpha", "alpha", "beta", "beta"):
        state, held = messaged(state, venue, MIDNIGHT, LIMITS)
        rooms.append(held is None)
    assert rooms == [True] * 5 + [False, True, False]
