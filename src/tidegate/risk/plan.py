# SPDX-License-Identifier: Apache-2.0
"""What the checks look at: a plan of actions, and the book and market that it would act on."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tidegate.costs.financing import Passage
from tidegate.costs.trading import TradingCosts, slippage
from tidegate.margin.rule import MarginRule
from tidegate.model.account import Account, Portfolio, Position
from tidegate.model.actions import Action, Order, Transfer
from tidegate.model.instruments import Instrument, InstrumentId, Spot
from tidegate.model.mandate import Mandate
from tidegate.model.market import MarketSnapshot
from tidegate.model.units import MICRO
from tidegate.risk.stress import Moves

FLAT = Position(0, 0)


class Step(msgspec.Struct, frozen=True):
    """Actions that are sent together; a step waits for the one before it."""

    actions: tuple[Action, ...]


class Plan(msgspec.Struct, frozen=True):
    """Steps in order, and whether the plan may raise risk."""

    steps: tuple[Step, ...]
    raises: bool

    @property
    def actions(self) -> tuple[Action, ...]:
        """All actions in order."""
        return tuple(action for step in self.steps for action in step.actions)


class Terms(msgspec.Struct, frozen=True):
    """What does not change within a decision: the mandate, contracts, rules and costs in force."""

    mandate: Mandate
    instruments: Mapping[InstrumentId, Instrument]
    rules: Mapping[str, MarginRule]
    costs: Mapping[InstrumentId, TradingCosts]
    passages: Mapping[tuple[str, str], Passage]


class Situation(msgspec.Struct, frozen=True):
    """The book and the market at one time; `outer` and `inner` are the stress moves that hold now,
    which are at least the mandate's."""

    portfolio: Portfolio
    snapshot: MarketSnapshot
    outer: Moves
    inner: Moves
    equity_usd: float
    peak_usd: float

    @property
    def marks(self) -> dict[InstrumentId, int]:
        """Prices in ticks."""
        return self.snapshot.ticks()


def held_lots(account: Account, instrument: Instrument) -> int:
    """Signed lots of an instrument; a coin held outright counts as long spot."""
    if isinstance(instrument, Spot):
        return account.balances.get(instrument.base, 0) // instrument.base_quanta(1)
    return account.positions.get(instrument.id, FLAT).lots


def realised_profit(terms: Terms, situation: Situation, plan: Plan, venue: str) -> int:
    """Unrealised profit that the plan's own reducing orders turn into wallet balance."""
    account = situation.portfolio.accounts[venue]
    total = 0
    for action in plan.actions:
        if not isinstance(action, Order) or not action.reduce_only:
            continue
        instrument = terms.instruments[action.instrument]
        position = account.positions.get(action.instrument)
        if instrument.venue != venue or position is None or position.lots * action.lots >= 0:
            continue
        profit = instrument.value(position.lots, situation.marks[instrument.id]) - position.cost
        closed = min(abs(action.lots), abs(position.lots))
        total += max(0, profit * closed // abs(position.lots))
    return total


def order_cost(terms: Terms, situation: Situation, order: Order, before_usd: float) -> int:
    """Fee and slippage expected of an order after `before_usd` of the same instrument, in
    settlement quanta, rounded up."""
    instrument = terms.instruments[order.instrument]
    quote = situation.snapshot.quotes[order.instrument]
    costs = terms.costs[order.instrument]
    slip = slippage(instrument, costs, order.lots, quote, before_usd)
    fee = costs.fee_quanta(instrument.notional(order.lots, slip.ticks))
    return slip.spread_quanta + slip.impact_quanta + fee


def worst_account(terms: Terms, situation: Situation, venue: str, plan: Plan) -> Account:
    """The account after the worst subset of a plan's fills, transfers out gone, none landed.

    The loss under an adverse move plus maintenance is convex in each position's lots and separable
    over instruments, so the worst of all subsets takes, per instrument, the larger of the sizes
    before and after every prefix of its own orders; all costs are paid in every subset.
    """
    account = situation.portfolio.accounts[venue]
    balances, positions = dict(account.balances), dict(account.positions)
    reached: dict[InstrumentId, list[int]] = {}
    traded_usd: dict[InstrumentId, float] = {}
    for action in plan.actions:
        if isinstance(action, Transfer):
            if action.source == venue:
                balances[action.asset] = balances.get(action.asset, 0) - action.quanta
            continue
        instrument = terms.instruments[action.instrument]
        if instrument.venue != venue:
            continue
        before_usd = traded_usd.get(instrument.id, 0.0)
        size = instrument.notional(action.lots, situation.marks[instrument.id])
        traded_usd[instrument.id] = before_usd + size / MICRO
        spent = order_cost(terms, situation, action, before_usd)
        balances[instrument.settle] = balances.get(instrument.settle, 0) - spent
        if isinstance(instrument, Spot):
            _spend(balances, instrument, action.lots, situation.marks)
            continue
        path = reached.setdefault(action.instrument, [held_lots(account, instrument)])
        path.append(path[-1] + action.lots)
    for name, path in reached.items():
        worst = max(path, key=abs)
        held = positions.get(name, FLAT)
        added = terms.instruments[name].entry_cost(worst - held.lots, situation.marks[name])
        positions[name] = Position(worst, held.cost + added)
    return Account(venue, balances, positions)


def _spend(
    balances: dict[str, int], instrument: Spot, lots: int, marks: Mapping[InstrumentId, int]
) -> None:
    """A purchase of coins spends dollars for sure and brings the coin; a sale only risks it."""
    if lots > 0:
        balances[instrument.settle] -= instrument.notional(lots, marks[instrument.id])
        balances[instrument.base] = balances.get(instrument.base, 0) + instrument.base_quanta(lots)
