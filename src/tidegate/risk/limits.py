# SPDX-License-Identifier: Apache-2.0
"""The policy of the gate: a tuple of plain functions, each one rule, each a list of breaches.

None can be skipped and no caller is trusted. The whole account is judged after the worst subset
of the plan's fills, never the change alone. A plan that only reduces must leave no account worse;
a plan that raises risk must leave every account able to survive the outer stress.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec

from tidegate.model.account import Account
from tidegate.model.actions import Order, Transfer
from tidegate.model.instruments import Instrument, InstrumentId, Spot
from tidegate.model.units import MICRO
from tidegate.risk.plan import (
    Plan,
    Situation,
    Terms,
    account_after,
    held_lots,
    reached,
    worst_accounts,
)
from tidegate.risk.stress import Moves, stressed_health

QUOTE_AGE_MAX_MS = 2 * 3_600_000


class Breach(msgspec.Struct, frozen=True):
    """One broken rule: its name, where, and the figures."""

    rule: str
    where: str
    detail: str


Check = Callable[[Terms, Situation, Plan], list[Breach]]


def quotes_are_fresh(terms: Terms, situation: Situation, plan: Plan) -> list[Breach]:
    """Stale data never trades, and nothing is raised while anything held has no fresh quote."""
    breaches = []
    for name in sorted(_concerned(terms, situation, plan)):
        quote = situation.snapshot.quotes[name]
        if situation.snapshot.ts_ms - quote.as_of_ms > QUOTE_AGE_MAX_MS:
            breaches.append(Breach("fresh quotes", name, "quote too old"))
    return breaches


def _concerned(terms: Terms, situation: Situation, plan: Plan) -> set[InstrumentId]:
    traded = {action.instrument for action in plan.actions if isinstance(action, Order)}
    return traded | _held(terms, situation) if plan.raises else traded


def _held(terms: Terms, situation: Situation) -> set[InstrumentId]:
    accounts = situation.portfolio.accounts
    return {n for n, i in terms.instruments.items() if held_lots(accounts[i.venue], i)}


def authority_allows(terms: Terms, situation: Situation, plan: Plan) -> list[Breach]:
    """Below `act` nothing is done but, where the mandate allows it, orders that reduce."""
    authority = terms.mandate.authority
    moves_money = any(isinstance(action, Transfer) for action in plan.actions)
    only_reduces = not plan.raises and not moves_money
    if authority.level == "act" or (only_reduces and authority.reduce_without_human):
        return []
    return [Breach("authority", authority.level, "the mandate does not allow acting")]


def reductions_reduce(terms: Terms, situation: Situation, plan: Plan) -> list[Breach]:
    """In a plan that does not raise risk no position gets larger or to the other side, whatever
    part of the plan fills."""
    if plan.raises:
        return []
    breaches = []
    for name in sorted({a.instrument for a in plan.actions if isinstance(a, Order)}):
        instrument = terms.instruments[name]
        held = held_lots(situation.portfolio.accounts[instrument.venue], instrument)
        low, high = reached(plan, name, held)
        if low < min(0, held) or high > max(0, held):
            breaches.append(Breach("reduce only", name, f"{held} to {low} or {high} lots"))
    return breaches


def money_can_leave(terms: Terms, situation: Situation, plan: Plan) -> list[Breach]:
    """Transfers stay within what the venue's exact rule lets go once what comes before them in
    the plan is done, on open routes, in the asset that the route carries."""
    breaches = []
    for index, action in enumerate(plan.actions):
        if isinstance(action, Transfer):
            breaches += _closed(terms, situation, action)
            account = account_after(terms, situation, action.source, plan.actions[:index])
            free = terms.rules[action.source].state(account, situation.marks).withdrawable
            if not 0 < action.quanta <= free:
                detail = f"{action.quanta} of {free} quanta"
                breaches.append(Breach("withdrawable", action.source, detail))
    return breaches


def _closed(terms: Terms, situation: Situation, transfer: Transfer) -> list[Breach]:
    """Why a transfer's route does not take it; what may leave is counted in the asset carried."""
    route = transfer.source, transfer.destination
    frozen = (end for end in route if end in situation.snapshot.frozen_venues)
    found = [Breach("open route", end, "venue is frozen") for end in frozen]
    if route not in terms.passages:
        found.append(Breach("open route", transfer.source, "no such route"))
    elif terms.passages[route].asset_sent != transfer.asset:
        found.append(Breach("open route", transfer.source, f"does not carry {transfer.asset}"))
    return found


def accounts_survive(terms: Terms, situation: Situation, plan: Plan) -> list[Breach]:
    """Every account survives the stress in every step of a plan, whatever part of the step fills,
    or is not worse off."""
    moves = situation.outer if plan.raises else situation.inner
    for venue in situation.portfolio.accounts:
        for worst in worst_accounts(terms, situation, venue, plan, moves):
            unsafe = _unsafe(terms, situation, plan, worst, moves)
            if unsafe:
                return unsafe
    return []


def _unsafe(
    terms: Terms, situation: Situation, plan: Plan, after: Account, moves: Moves
) -> list[Breach]:
    """What is wrong with an account as a plan may leave it."""
    rule, marks, found = terms.rules[after.venue], situation.marks, []
    if not any(position.lots for position in after.positions.values()):
        return []
    health = stressed_health(rule, after, marks, terms.instruments, moves)
    if health < 0 and not _only_reduces(terms, situation, plan, after.venue):
        found.append(Breach("survives stress", after.venue, f"health {health} quanta"))
    if plan.raises:
        state = rule.state(after, marks)
        if state.equity < state.initial:
            short = state.initial - state.equity
            found.append(Breach("initial margin", after.venue, f"short {short}"))
    return found


def wallets_hold(terms: Terms, situation: Situation, plan: Plan) -> list[Breach]:
    """Where nothing is lent, no step spends dollars that the steps before it have not brought."""
    breaches = []
    for venue, account in situation.portfolio.accounts.items():
        asset = terms.rules[venue].collateral
        if account.positions or any(
            instrument.venue == venue and not isinstance(instrument, Spot)
            for instrument in terms.instruments.values()
        ):
            continue
        for count in range(1, len(plan.actions) + 1):
            after = account_after(terms, situation, venue, plan.actions[:count])
            missing = -after.balances.get(asset, 0)
            if missing > 0:
                breaches.append(Breach("balance", venue, f"short {missing} quanta"))
                break
    return breaches


def _only_reduces(terms: Terms, situation: Situation, plan: Plan, venue: str) -> bool:
    """Whether the plan takes no money from a venue and enlarges none of its positions."""
    if plan.raises:
        return False
    return not any(isinstance(a, Transfer) and a.source == venue for a in plan.actions)


def legs_stay_together(terms: Terms, situation: Situation, plan: Plan) -> list[Breach]:
    """No single order exposes more than the mandate's naked limit while its partner is unfilled."""
    breaches = []
    limit = terms.mandate.limits.naked_usd
    for action in plan.actions:
        if isinstance(action, Order) and _paired(plan, action):
            size = _notional_usd(terms.instruments[action.instrument], action, situation)
            if size > limit * 1.001:
                breaches.append(Breach("naked leg", action.instrument, f"{size:.0f} USD"))
    return breaches


def _paired(plan: Plan, order: Order) -> bool:
    step = next(s for s in plan.steps if order in s.actions)
    return sum(isinstance(a, Order) for a in step.actions) > 1


def _notional_usd(instrument: Instrument, order: Order, situation: Situation) -> float:
    ticks = situation.marks[instrument.id]
    return instrument.notional(order.lots, ticks) / MICRO


def coins_stay_hedged(terms: Terms, situation: Situation, plan: Plan) -> list[Breach]:
    """No step leaves a coin further from hedged than the naked limit, nor the whole plan further
    than the smallest trade, unless the book was further from hedged before.

    What is exposed is counted in coins, so that venues which quote apart leave no hedge naked.
    """
    limits = terms.mandate.limits
    net = dict.fromkeys(terms.mandate.coins, Decimal(0))
    for instrument in terms.instruments.values():
        lots = held_lots(situation.portfolio.accounts[instrument.venue], instrument)
        net[instrument.base] += lots * instrument.lot
    before, breaches = dict(net), []
    for index, step in enumerate(plan.steps):
        for action in step.actions:
            if isinstance(action, Order):
                instrument = terms.instruments[action.instrument]
                net[instrument.base] += action.lots * instrument.lot
        last = index == len(plan.steps) - 1
        limit = limits.minimum_trade_usd if last else limits.naked_usd
        for coin in (c for c, amount in net.items() if abs(amount) > abs(before[c])):
            exposed = float(net[coin]) * _traded_price(terms, situation, plan, coin)
            if abs(exposed) > limit * 1.001:
                breaches.append(Breach("hedged", coin, f"{exposed:.0f} USD after step {index}"))
    return breaches


def _traded_price(terms: Terms, situation: Situation, plan: Plan, coin: str) -> float:
    """The lowest price of a coin where the plan trades it, by which no allowed slice is larger."""
    names = {action.instrument for action in plan.actions if isinstance(action, Order)}
    traded = (terms.instruments[name] for name in names)
    return min(i.price(situation.marks[i.id]) for i in traded if i.base == coin)


def book_stays_small(terms: Terms, situation: Situation, plan: Plan) -> list[Breach]:
    """Raising plans keep gross leverage within the mandate and stop after a drawdown."""
    if not plan.raises:
        return []
    limits = terms.mandate.limits
    breaches = []
    gross = gross_after_usd(terms, situation, plan)
    if gross > limits.gross_leverage * situation.equity_usd * 1.001:
        breaches.append(Breach("gross leverage", "book", f"{gross / situation.equity_usd:.2f}x"))
    if situation.equity_usd < (1 - limits.loss_from_peak) * situation.peak_usd:
        breaches.append(Breach("loss from peak", "book", f"{situation.equity_usd:.0f} USD"))
    return breaches


def gross_after_usd(terms: Terms, situation: Situation, plan: Plan) -> float:
    """Gross notional of margined positions once every order has filled."""
    change: dict[str, int] = {}
    for action in plan.actions:
        if isinstance(action, Order):
            change[action.instrument] = change.get(action.instrument, 0) + action.lots
    gross = 0.0
    for name, instrument in terms.instruments.items():
        if isinstance(instrument, Spot):
            continue
        account = situation.portfolio.accounts[instrument.venue]
        lots = held_lots(account, instrument) + change.get(name, 0)
        gross += instrument.notional(lots, situation.marks[name]) / MICRO if lots else 0.0
    return gross


def claims_stay_capped(terms: Terms, situation: Situation, plan: Plan) -> list[Breach]:
    """No transfer lifts what one venue owes us, unrealised profit and money under way to it
    included, above its cap."""
    breaches = []
    arriving: dict[str, int] = {}
    under_way: dict[str, int] = {}
    for shipment in situation.portfolio.shipments:
        received = terms.passages[shipment.source, shipment.destination].received(shipment.quanta)
        under_way[shipment.destination] = under_way.get(shipment.destination, 0) + received
    for action in plan.actions:
        if isinstance(action, Transfer):
            arriving[action.destination] = arriving.get(action.destination, 0) + action.quanta
    for venue, quanta in arriving.items():
        account = situation.portfolio.accounts[venue]
        equity, _ = terms.rules[venue].health_at(account, situation.marks)
        equity += under_way.get(venue, 0)
        cap = terms.mandate.venue[venue].claim_cap * situation.equity_usd
        if (equity + quanta) / MICRO > cap:
            breaches.append(Breach("claim cap", venue, f"{(equity + quanta) / MICRO:.0f} USD"))
    return breaches


def orders_fit_the_market(terms: Terms, situation: Situation, plan: Plan) -> list[Breach]:
    """The plan's trading in one instrument stays within its share of a day's volume."""
    traded: dict[str, float] = {}
    for action in plan.actions:
        if isinstance(action, Order):
            instrument = terms.instruments[action.instrument]
            size = _notional_usd(instrument, action, situation)
            traded[action.instrument] = traded.get(action.instrument, 0.0) + size
    breaches = []
    for name, size in traded.items():
        venue = terms.instruments[name].venue
        share = terms.mandate.venue[venue].volume_share
        if plan.raises and size > 1.001 * share * situation.snapshot.quotes[name].volume_day_usd:
            breaches.append(Breach("volume share", name, f"{size:.0f} USD"))
    return breaches


CHECKS: tuple[Check, ...] = (
    quotes_are_fresh,
    authority_allows,
    reductions_reduce,
    money_can_leave,
    accounts_survive,
    wallets_hold,
    legs_stay_together,
    coins_stay_hedged,
    book_stays_small,
    claims_stay_capped,
    orders_fit_the_market,
)


def breaches(terms: Terms, situation: Situation, plan: Plan) -> list[Breach]:
    """Every broken rule of a plan; where a quote is missing nothing else can be judged."""
    needed = _held(terms, situation) | _concerned(terms, situation, plan)
    missing = sorted(needed - situation.snapshot.quotes.keys())
    if missing:
        return [Breach("fresh quotes", name, "no quote") for name in missing]
    return [breach for check in CHECKS for breach in check(terms, situation, plan)]
