# SPDX-License-Identifier: Apache-2.0
"""What the checks look at: a plan of actions, and the book and market that it would act on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from math import inf

import msgspec

from tidegate.costs.financing import Passage
from tidegate.costs.trading import TradingCosts, slippage
from tidegate.margin.rule import MarginRule
from tidegate.model.account import (
    FLAT,
    SETTLED,
    Account,
    Portfolio,
    Position,
    Unsettled,
    fill_position,
)
from tidegate.model.actions import Action, Order, Transfer
from tidegate.model.instruments import Instrument, InstrumentId, Spot
from tidegate.model.mandate import Mandate
from tidegate.model.market import MarketSnapshot
from tidegate.model.units import MICRO
from tidegate.risk.stress import Moves, stressed_health


class Step(msgspec.Struct, frozen=True):
    """Actions that are sent together, not before `offset_ms` after the plan began; a step waits for
    the one before it."""

    actions: tuple[Action, ...]
    offset_ms: int = 0


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
    which are at least the mandate's, `adl_ranks` our places in the venues' deleveraging queues
    where they show them (1 is closed first). `unsettled` is how far the truth may lie from the
    portfolio, `loose` are coins whose legs came apart and were not mended in the mandate's time,
    `sent_day_usd` is what left over each route within the last 24 hours (None: unknown, and then
    nothing may be sent over a capped route). `void` are shipments that may be gone or back where
    they left: they are no part of equity, and are not counted on to land. `failed` are venues that
    are gone for good."""

    portfolio: Portfolio
    snapshot: MarketSnapshot
    outer: Moves
    inner: Moves
    equity_usd: float
    peak_usd: float
    adl_ranks: Mapping[InstrumentId, float] = {}
    unsettled: Unsettled = SETTLED
    loose: frozenset[str] = frozenset()
    sent_day_usd: Mapping[tuple[str, str], float] | None = None
    void: frozenset[str] = frozenset()
    failed: frozenset[str] = frozenset()

    @property
    def marks(self) -> dict[InstrumentId, int]:
        """Prices in ticks."""
        return self.snapshot.ticks()


def held_lots(account: Account, instrument: Instrument) -> int:
    """Signed lots of an instrument; a coin held outright counts as long spot."""
    if isinstance(instrument, Spot):
        return account.balances.get(instrument.base, 0) // instrument.base_quanta(1)
    return account.positions.get(instrument.id, FLAT).lots


def capped_room_usd(passage: Passage, situation: Situation) -> float:
    """What a route's daily cap leaves to send now; infinite without one, nothing where it is
    unknown what was sent. A dollar coin counts as a dollar."""
    if passage.cap_usd_day is None:
        return inf
    if situation.sent_day_usd is None:
        return 0.0
    sent_usd = situation.sent_day_usd.get((passage.source, passage.destination), 0.0)
    return max(0.0, passage.cap_usd_day - sent_usd)


def route_room_usd(passage: Passage, situation: Situation) -> float:
    """What a route can take now: nothing outside its hours or while an end is frozen, else what
    its cap leaves."""
    snapshot = situation.snapshot
    frozen = {passage.source, passage.destination}.intersection(snapshot.frozen_venues)
    opened = passage.window.holds(snapshot.ts_ms) and not frozen
    return capped_room_usd(passage, situation) if opened else 0.0


def reached(plan: Plan, name: InstrumentId, held: int) -> tuple[int, int]:
    """Lowest and highest signed lots that any outcome of a plan can reach: a step waits for the
    steps before it, and of a step's own orders any may fill."""
    low = high = after = held
    for step in plan.steps:
        lots = [a.lots for a in step.actions if isinstance(a, Order) and a.instrument == name]
        low = min(low, after + sum(n for n in lots if n < 0))
        high = max(high, after + sum(n for n in lots if n > 0))
        after += sum(lots)
    return low, high


def order_cost(terms: Terms, situation: Situation, order: Order, before_usd: float) -> int:
    """Fee and slippage expected of an order after `before_usd` of the same instrument, in
    settlement quanta, rounded up."""
    instrument = terms.instruments[order.instrument]
    quote = situation.snapshot.quotes[order.instrument]
    costs = terms.costs[order.instrument]
    slip = slippage(instrument, costs, order.lots, quote, before_usd)
    fee = costs.fee_quanta(instrument.notional(order.lots, slip.ticks))
    return slip.spread_quanta + slip.impact_quanta + fee


def account_after(
    terms: Terms, situation: Situation, venue: str, actions: Sequence[Action]
) -> Account:
    """The account once actions have filled in order at the marks with their costs paid, transfers
    out gone and none landed."""
    account, marks = situation.portfolio.accounts[venue], situation.marks
    balances, positions = dict(account.balances), dict(account.positions)
    spent = _spent(terms, situation, venue, actions)
    for action in actions:
        if isinstance(action, Transfer):
            if action.source == venue:
                balances[action.asset] = balances.get(action.asset, 0) - action.quanta
            continue
        instrument = terms.instruments[action.instrument]
        if instrument.venue != venue:
            continue
        settle, cost = instrument.settle, instrument.entry_cost(action.lots, marks[instrument.id])
        if isinstance(instrument, Spot):
            coins = balances.get(instrument.base, 0) + instrument.base_quanta(action.lots)
            balances |= {instrument.base: coins, settle: balances.get(settle, 0) - cost}
            continue
        outcome = fill_position(positions.get(instrument.id, FLAT), action.lots, cost)
        positions[instrument.id] = outcome.position
        balances[settle] = balances.get(settle, 0) + outcome.realised_quanta
    for asset, quanta in spent.items():
        balances[asset] = balances.get(asset, 0) - quanta
    return Account(venue, balances, {n: p for n, p in positions.items() if p.lots})


def situation_after(terms: Terms, situation: Situation, actions: Sequence[Action]) -> Situation:
    """The same market with every account after the actions."""
    accounts = {
        venue: account_after(terms, situation, venue, actions)
        for venue in situation.portfolio.accounts
    }
    book = msgspec.structs.replace(situation.portfolio, accounts=accounts)
    return msgspec.structs.replace(situation, portfolio=book)


def _spent(
    terms: Terms,
    situation: Situation,
    venue: str,
    actions: Sequence[Action],
    traded_usd: dict[InstrumentId, float] | None = None,
) -> dict[str, int]:
    """Fees and slippage of orders at a venue, in quanta per asset, after what `traded_usd` says was
    traded before them, to which it adds."""
    spent: dict[str, int] = {}
    traded = {} if traded_usd is None else traded_usd
    for action in actions:
        if not isinstance(action, Order):
            continue
        instrument = terms.instruments[action.instrument]
        if instrument.venue != venue:
            continue
        before_usd = traded.get(instrument.id, 0.0)
        size = instrument.notional(action.lots, situation.marks[instrument.id])
        traded[instrument.id] = before_usd + size / MICRO
        cost = order_cost(terms, situation, action, before_usd)
        spent[instrument.settle] = spent.get(instrument.settle, 0) + cost
    return spent


def worst_accounts(
    terms: Terms, situation: Situation, venue: str, plan: Plan, moves: Moves
) -> Iterator[Account]:
    """The account at its worst in every step that touches it: the steps before it done, and of its
    own orders the worst subset filled, all its costs paid, transfers out gone and none landed.

    The loss under an adverse move plus maintenance is convex in each position's lots and separable
    over instruments, so the worst subset takes, per instrument, the worse of both ends. What is not
    settled is at its worst before the first step.
    """
    account = least_certain(terms, situation, venue, moves)
    traded_usd = dict[InstrumentId, float]()
    for step in plan.steps:
        actions = [action for action in step.actions if _venue_of(terms, action) == venue]
        if not actions:
            continue
        balances = dict(account.balances)
        for asset, quanta in _spent(terms, situation, venue, actions, traded_usd).items():
            balances[asset] = balances.get(asset, 0) - quanta
        after = dict(account.positions)
        for action in actions:
            _act_on(terms, situation, (balances, after), action)
        worst = dict(after)
        for name, position in after.items():
            ends = (account.positions.get(name, FLAT), position)
            if ends[0] != ends[1]:
                alone = [Account(venue, {}, {name: end}) for end in ends]
                worst[name] = ends[_least_healthy(terms, situation, alone, moves)]
        yield Account(venue, balances, worst)
        account = Account(venue, balances, after)


def least_certain(terms: Terms, situation: Situation, venue: str, moves: Moves) -> Account:
    """The account at the worst that is not excluded: money that may be missing is gone, and each
    position stands at the end of its range that has least health under the moves."""
    account, unsettled = situation.portfolio.accounts[venue], situation.unsettled
    ranges = {n: ends for n, ends in unsettled.lots.items() if terms.instruments[n].venue == venue}
    missing = unsettled.missing.get(venue, {})
    if not ranges and not missing:
        return account
    balances, positions = dict(account.balances), dict(account.positions)
    for asset, quanta in missing.items():
        balances[asset] = balances.get(asset, 0) - quanta
    for name, ends in ranges.items():
        instrument = terms.instruments[name]
        if isinstance(instrument, Spot):
            coins = balances.get(instrument.base, 0) - instrument.base_quanta(-ends[0])
            balances[instrument.base] = max(0, coins)
            continue
        held = positions.get(name, FLAT)
        reached = [_shifted(held, instrument, by, situation) for by in (0, *ends)]
        alone = [Account(venue, {}, {name: end}) for end in reached]
        positions[name] = reached[_least_healthy(terms, situation, alone, moves)]
    return Account(venue, balances, {n: p for n, p in positions.items() if p.lots})


def _shifted(held: Position, instrument: Instrument, by: int, situation: Situation) -> Position:
    """A position with lots more or less, which were traded at the mark."""
    cost = instrument.entry_cost(by, situation.marks[instrument.id]) if by else 0
    return Position(held.lots + by, held.cost + cost)


def net_coins(terms: Terms, situation: Situation) -> dict[str, Decimal]:
    """How far each coin is from hedged, over all venues."""
    net = dict.fromkeys(terms.mandate.coins, Decimal(0))
    for instrument in terms.instruments.values():
        lots = held_lots(situation.portfolio.accounts[instrument.venue], instrument)
        net[instrument.base] += lots * instrument.lot
    return net


def certain_lots(terms: Terms, situation: Situation, name: InstrumentId) -> int:
    """Lots that are held for sure: the end nearest to zero of what may be held, 0 if the sides
    differ."""
    instrument = terms.instruments[name]
    held = held_lots(situation.portfolio.accounts[instrument.venue], instrument)
    low, high = situation.unsettled.lots.get(name, (0, 0))
    if held + low > 0:
        return held + low
    return min(0, held + high)


def is_unsettled(terms: Terms, situation: Situation, name: InstrumentId) -> bool:
    """Whether an instrument may only be reduced, as something about it or its venue is open."""
    unsettled = situation.unsettled
    return name in unsettled.lots or terms.instruments[name].venue in unsettled.unseen


def _venue_of(terms: Terms, action: Action) -> str:
    if isinstance(action, Transfer):
        return action.source
    return terms.instruments[action.instrument].venue


def _act_on(
    terms: Terms,
    situation: Situation,
    held: tuple[dict[str, int], dict[InstrumentId, Position]],
    action: Action,
) -> None:
    """Change balances and positions by what one action does at its own venue."""
    balances, positions = held
    if isinstance(action, Transfer):
        balances[action.asset] = balances.get(action.asset, 0) - action.quanta
        return
    instrument = terms.instruments[action.instrument]
    if isinstance(instrument, Spot):
        _spend(balances, instrument, action.lots, situation.marks)
        return
    before = positions.get(instrument.id, FLAT)
    cost = instrument.entry_cost(action.lots, situation.marks[instrument.id])
    positions[instrument.id] = Position(before.lots + action.lots, before.cost + cost)


def _least_healthy(
    terms: Terms, situation: Situation, accounts: Sequence[Account], moves: Moves
) -> int:
    """Which of several accounts at one venue has least health under the moves."""
    rule, marks = terms.rules[accounts[0].venue], situation.marks
    health = [stressed_health(rule, a, marks, terms.instruments, moves) for a in accounts]
    return health.index(min(health))


def _spend(
    balances: dict[str, int], instrument: Spot, lots: int, marks: Mapping[InstrumentId, int]
) -> None:
    """A purchase of coins spends dollars for sure and brings the coin; a sale only risks it."""
    if lots > 0:
        balances[instrument.settle] -= instrument.notional(lots, marks[instrument.id])
        balances[instrument.base] = balances.get(instrument.base, 0) + instrument.base_quanta(lots)
