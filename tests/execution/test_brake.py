# SPDX-License-Identifier: Apache-2.0
"""The brake: whatever is asked of it, what it lets through is within plan, counts and day."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.execution.brake import BrakeState, Held, Weight, allows, messaged, moved, planned
from tidegate.model.actions import Order
from tidegate.model.mandate import Limits
from tidegate.model.times import DAY_MS, SECOND_MS

NOW = 1_700_000_000_000
LIMITS = Limits(
    messages_per_s=3, repeats=4, repeats_in_s=10.0, loss_per_day=0.1, turnover_per_day=2.0
)
FREE = msgspec.structs.replace(LIMITS, messages_per_s=10_000, repeats=10_000)
EQUITY = Weight("alpha", 1_000.0, 100_000.0)


def order(lots: int, name: str = "alpha:BTC", *, reduces: bool = False) -> Order:
    return Order("o", name, lots, reduces, "test")


def rule(held: Held | None) -> str | None:
    return None if held is None else held.rule


Lots = st.integers(-5, 5).filter(bool)
Orders = st.lists(st.tuples(st.sampled_from(["alpha:BTC", "alpha:ETH"]), Lots), max_size=40)


@given(Orders, Orders)
def test_lots_let_through_are_never_more_than_the_plan_has_on_either_side(
    plan: list[tuple[str, int]], asked: list[tuple[str, int]]
) -> None:
    state, sent = planned(BrakeState(), [order(lots, name) for name, lots in plan]), []
    for name, lots in asked:
        state, held = allows(state, order(lots, name, reduces=True), NOW, EQUITY, FREE)
        if held is None:
            sent.append((name, lots))
        else:
            assert held.rule == "plan"
    for name in ("alpha:BTC", "alpha:ETH"):
        for side in (1, -1):
            total, allowed = (
                sum(max(side * lots, 0) for n, lots in of if n == name) for of in (sent, plan)
            )
            assert total <= allowed


@given(Orders)
def test_plan_itself_is_let_through_whole(plan: list[tuple[str, int]]) -> None:
    orders = [order(lots, name) for name, lots in plan]
    state = planned(BrakeState(), orders)
    for asked in orders:
        state, held = allows(state, asked, NOW, EQUITY, FREE)
        assert held is None


@given(st.lists(st.integers(-500, 900), max_size=60))
def test_messages_let_through_never_exceed_the_rate_in_any_second(steps: list[int]) -> None:
    state, now_ms, sent = BrakeState(), NOW, []
    for step in steps:
        now_ms += step
        state, held = messaged(state, "alpha", now_ms, LIMITS)
        if held is None:
            sent.append(now_ms)
    for at_ms in sent:
        within = [ts_ms for ts_ms in sent if at_ms <= ts_ms < at_ms + SECOND_MS]
        # A clock that steps back counts what it saw before as recent.
        assert len(within) <= LIMITS.messages_per_s or sent != sorted(sent)


def test_message_held_passes_a_second_later_and_at_another_venue() -> None:
    state = BrakeState()
    for _ in range(3):
        state, held = messaged(state, "alpha", NOW, LIMITS)
        assert held is None
    _, held = messaged(state, "alpha", NOW + SECOND_MS - 1, LIMITS)
    assert held is not None
    assert held.passes
    assert messaged(state, "alpha", NOW + SECOND_MS, LIMITS)[1] is None
    assert messaged(state, "beta", NOW, LIMITS)[1] is None


@given(st.lists(st.integers(0, 4_000), max_size=40))
def test_same_trade_is_let_through_at_most_so_often_in_a_window(steps: list[int]) -> None:
    state, now_ms, sent = planned(BrakeState(), [order(1_000)]), NOW, []
    for step in steps:
        now_ms += step
        state, held = allows(state, order(1, reduces=True), now_ms, EQUITY, LIMITS)
        if held is None:
            sent.append(now_ms)
    for at_ms in sent:
        assert sum(at_ms <= ts_ms < at_ms + 10_000 for ts_ms in sent) <= LIMITS.repeats


def test_repeats_are_held_on_their_side_alone_and_until_the_plan_changes() -> None:
    limits = msgspec.structs.replace(LIMITS, messages_per_s=100)
    state = planned(BrakeState(), [order(10), order(-10)])
    for _ in range(4):
        state, held = allows(state, order(1), NOW, EQUITY, limits)
        assert held is None
    state, held = allows(state, order(1), NOW, EQUITY, limits)
    assert rule(held) == "repeats"
    assert allows(state, order(-1), NOW, EQUITY, limits)[1] is None
    assert allows(planned(state, [order(1)]), order(1), NOW, EQUITY, limits)[1] is None


def test_order_that_is_held_takes_nothing_from_the_plan() -> None:
    state = planned(BrakeState(), [order(3)])
    after, held = allows(state, order(4), NOW, EQUITY, LIMITS)
    assert rule(held) == "plan"
    assert after.planned == state.planned
    assert after.messages == state.messages


def day(
    equities_usd: list[float | None],
    asked: Order,
    ts_ms: int = NOW,
    state: BrakeState | None = None,
) -> Held | None:
    """What becomes of an order after others at these equities on one day."""
    made = planned(state or BrakeState(), [order(50), order(-50)])
    held = None
    for equity_usd in equities_usd:
        made, held = allows(made, asked, ts_ms, Weight("alpha", 10.0, equity_usd), FREE)
    return held


@pytest.mark.parametrize(
    ("equities_usd", "expected"),
    [
        ([100.0, 90.0], None),
        ([100.0, 89.9], "loss"),
        ([100.0, 80.0, 100.0], "loss"),
        ([100.0, None], "loss"),
        ([100.0, float("nan")], None),
        ([None], "loss"),
        ([float("nan")], "turnover"),
        ([-5.0], "loss"),
        ([100.0] * 20, None),
        ([100.0] * 21, "turnover"),
    ],
)
def test_day_of_too_much_loss_or_turnover_ends_what_raises_and_not_what_reduces(
    equities_usd: list[float | None], expected: str | None
) -> None:
    assert rule(day(equities_usd, order(1))) == expected
    assert day(equities_usd, order(1, reduces=True)) is None


def test_next_day_begins_anew_and_a_clock_that_steps_back_opens_none() -> None:
    state = planned(BrakeState(), [order(50)])
    for equity_usd in (100.0, 80.0):
        state, held = allows(state, order(1), NOW, Weight("alpha", 10.0, equity_usd), FREE)
    assert rule(held) == "loss"
    assert rule(day([80.0], order(1), NOW - DAY_MS, state)) == "loss"
    assert day([80.0], order(1), NOW + DAY_MS, state) is None


def test_capital_that_comes_or_leaves_is_no_profit_and_no_loss() -> None:
    state, _ = allows(planned(BrakeState(), [order(9)]), order(1), NOW, EQUITY, FREE)
    left = moved(state, -50_000.0)
    assert allows(left, order(1), NOW, Weight("alpha", 1.0, 50_000.0), FREE)[1] is None
    lost = Weight("alpha", 1.0, 44_000.0)
    assert rule(allows(left, order(1), NOW, lost, FREE)[1]) == "loss"
    assert moved(BrakeState(), 5.0) == BrakeState()
