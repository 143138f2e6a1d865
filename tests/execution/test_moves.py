# SPDX-License-Identifier: Apache-2.0
"""A leg that moves between venues closes and opens in the same slices; the rest only reduces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.risk import desk
from tidegate.costs.trading import TradingCosts
from tidegate.execution.planning import Targets, plan_targets
from tidegate.model.account import Account, Portfolio, Position
from tidegate.model.actions import Action, Order
from tidegate.model.instruments import Instrument, InstrumentId, Perpetual
from tidegate.model.market import MarketSnapshot
from tidegate.risk.plan import Plan, Situation, Terms, held_lots, situation_after

LOTS = ("0.001", "0.00001", "0.0005", "0.01")
VENUES = ("a", "b", "c", "d")
CONTRACTS: dict[InstrumentId, Instrument] = {
    f"{venue}:BTC": Perpetual(venue, "BTC", "BTC", "USDC", Decimal("0.1"), Decimal(lot))
    for venue, lot in zip(VENUES, LOTS, strict=True)
}
# A hundredth of a coin is a whole number of lots of every contract.
UNIT = 0.01
TICKS = 600_000
NAKED_USD = 25_000
PLANS_MAX = 6
MANDATE = desk.with_limits(naked_usd=NAKED_USD, minimum_trade_usd=1)


def terms(names: tuple[InstrumentId, ...]) -> Terms:
    own = {name: CONTRACTS[name] for name in names}
    return Terms(MANDATE, own, {}, dict.fromkeys(own, TradingCosts(0, 0, 0)), {})


def situation(units: Mapping[InstrumentId, int]) -> Situation:
    accounts = {}
    for name, count in units.items():
        contract = CONTRACTS[name]
        lots = round(count * UNIT / float(contract.lot))
        held = {name: Position(lots, contract.entry_cost(lots, TICKS))} if lots else {}
        accounts[contract.venue] = Account(contract.venue, {"USDC": 10**12}, held)
    quotes = {name: desk.quote(next(iter(desk.INSTRUMENTS)), TICKS) for name in units}
    book = Portfolio(desk.NOW_MS, accounts, ())
    snapshot = MarketSnapshot(desk.NOW_MS, quotes)
    return Situation(book, snapshot, desk.OUTER, desk.INNER, 1e6, 1e6)


def net_zero(draw: st.DrawFn, size: int) -> list[int]:
    """Hedged amounts of 2 to 4 legs, some of them nothing."""
    first = draw(st.lists(st.integers(-300, 300), min_size=size - 1, max_size=size - 1))
    return [*first, -sum(first)]


@dataclass(frozen=True)
class Wish:
    """What is held and what is wanted of each leg, in hundredths of a coin."""

    held: Mapping[InstrumentId, int]
    wanted: Mapping[InstrumentId, int]

    @property
    def terms(self) -> Terms:
        return terms(tuple(self.held))

    def plan(self, here: Situation) -> Plan:
        amounts = {name: count * UNIT + 1e-9 * count for name, count in self.wanted.items()}
        return plan_targets(self.terms, here, Targets(amounts, {}, {}, "test"), 1)


@st.composite
def wishes(draw: st.DrawFn) -> Wish:
    size = draw(st.integers(2, 4))
    names = tuple(draw(st.permutations(sorted(CONTRACTS))))[:size]
    held, wanted = net_zero(draw, size), net_zero(draw, size)
    assume(held != wanted)
    return Wish(dict(zip(names, held, strict=True)), dict(zip(names, wanted, strict=True)))


def coins(order: Order) -> Decimal:
    return order.lots * CONTRACTS[order.instrument].lot


def orders(plan: Plan) -> list[Order]:
    return [action for action in plan.actions if isinstance(action, Order)]


def exposed(actions: list[Action]) -> float:
    """Dollars that are not hedged once a hedged book has traded these."""
    return abs(float(sum(coins(a) for a in actions if isinstance(a, Order)))) * TICKS / 10


# A leg is never more than one of its own lots from the others' proportion.
LOT_USD = sum(float(lot) for lot in LOTS) * TICKS / 10


@settings(max_examples=150)
@given(wishes())
def test_every_prefix_of_a_plan_is_hedged_and_no_order_exceeds_the_naked_limit(wish: Wish) -> None:
    plan = wish.plan(situation(wish.held))
    done: list[Action] = []
    for step in plan.steps:
        for order in step.actions:
            assert abs(float(coins(order))) * TICKS / 10 <= NAKED_USD  # type: ignore[arg-type]
        done += step.actions
        assert exposed(done) <= LOT_USD
    assert exposed(done) == 0


@settings(max_examples=150)
@given(wishes())
def test_plans_one_after_another_add_up_to_the_whole_change_and_then_stop(wish: Wish) -> None:
    """First what reduces, then all the rest; nothing is traded to and fro. A reduction that is
    shared among legs rounds each down, so that a little of it may be left to the next plan."""
    here = situation(wish.held)
    traded: dict[InstrumentId, Decimal] = dict.fromkeys(wish.held, Decimal(0))
    for _ in range(PLANS_MAX):
        plan = wish.plan(here)
        for order in orders(plan):
            traded[order.instrument] += abs(coins(order))
        here = situation_after(wish.terms, here, plan.actions)
    assert wish.plan(here).steps == ()
    for name, count in wish.wanted.items():
        lots = held_lots(here.portfolio.accounts[CONTRACTS[name].venue], CONTRACTS[name])
        assert lots * CONTRACTS[name].lot == Decimal(count) / 100
        assert traded[name] == abs(Decimal(count - wish.held[name])) / 100


@settings(max_examples=150)
@given(wishes())
def test_reductions_come_first_and_only_take_positions_toward_nothing(wish: Wish) -> None:
    plan = wish.plan(situation(wish.held))
    reducing = [order for order in orders(plan) if order.reduce_only]
    assert not (reducing and plan.raises)
    assert [order for order in orders(plan) if not order.reduce_only] == [
        order for order in orders(plan) if plan.raises
    ]
    left = {name: Decimal(count) / 100 for name, count in wish.held.items()}
    for order in reducing:
        assert left[order.instrument] * coins(order) < 0
        assert abs(coins(order)) <= abs(left[order.instrument])
        left[order.instrument] += coins(order)
    longs = sum(coins(order) for order in reducing if order.lots < 0)
    assert longs == -sum(coins(order) for order in reducing if order.lots > 0)


@given(wishes())
def test_reduction_is_as_large_as_the_smaller_side_that_can_be_reduced(wish: Wish) -> None:
    """Nothing that could be taken off hedged is left to what enlarges."""
    toward = {
        name: min(abs(wish.wanted[name] - count), abs(count))
        for name, count in wish.held.items()
        if count * (wish.wanted[name] - count) < 0
    }
    sides = [sum(toward[name] for name in toward if wish.held[name] * side > 0) for side in (1, -1)]
    plan = wish.plan(situation(wish.held))
    closed = sum(coins(order) for order in orders(plan) if order.reduce_only and order.lots > 0)
    # Sharing among legs rounds each down to a hundredth of a coin.
    assert min(sides) - len(wish.held) < 100 * closed <= min(sides)


def test_leg_that_moves_to_another_venue_closes_and_opens_in_the_same_slices() -> None:
    wish = Wish(
        {"a:BTC": 100, "b:BTC": -100, "c:BTC": 0}, {"a:BTC": 100, "b:BTC": 0, "c:BTC": -100}
    )
    plan = wish.plan(situation(wish.held))
    assert plan.raises
    assert len(plan.steps) == 3
    for step in plan.steps:
        legs = {order.instrument: coins(order) for order in step.actions}  # type: ignore[arg-type,union-attr]
        assert set(legs) == {"b:BTC", "c:BTC"}
        assert abs(sum(legs.values())) <= Decimal("0.001")


def test_reduction_on_one_side_and_a_move_on_the_other_reduce_first() -> None:
    """Half of the pair is closed, and of the half that stays the short moves."""
    wish = Wish({"a:BTC": 100, "b:BTC": -100, "c:BTC": 0}, {"a:BTC": 50, "b:BTC": 0, "c:BTC": -50})
    here = situation(wish.held)
    first = wish.plan(here)
    assert {order.instrument for order in orders(first)} == {"a:BTC", "b:BTC"}
    assert all(order.reduce_only for order in orders(first))
    second = wish.plan(situation_after(wish.terms, here, first.actions))
    assert {order.instrument for order in orders(second)} == {"b:BTC", "c:BTC"}
    assert second.raises


def test_orphan_is_closed_whole_though_nothing_hedges_the_closing() -> None:
    wish = Wish({"a:BTC": 100, "b:BTC": 0}, {"a:BTC": 0, "b:BTC": 0})
    plan = wish.plan(situation(wish.held))
    assert sum(coins(order) for order in orders(plan)) == -1
    assert all(order.reduce_only for order in orders(plan))
    assert not plan.raises
