# SPDX-License-Identifier: Apache-2.0
"""The policy of the gate: a tuple of plain functions, each one rule, each a list of breaches.

None can be skipped and no caller is trusted. The whole account is judged after the worst subset
of the plan's fills, never the change alone. A plan that only reduces must leave no account worse;
one that raises risk must leave each account that it touches able to survive the outer stress. One
that it leaves alone is judged by the alarm and not here.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec

from tidegate.model.account import Account
from tidegate.model.actions import Order, Transfer
from tidegate.model.instruments import Instrument, InstrumentId, Spot
from tidegate.model.times import SECOND_MS
from tidegate.model.units import MICRO
from tidegate.risk.claims import owed_quanta
from tidegate.risk.plan import (
    Plan,
    Situation,
    Step,
    Terms,
    account_after,
    capped_room_usd,
    certain_lots,
    held_lots,
    is_unsettled,
    net_coins,
    reached,
    worst_accounts,
)
from tidegate.risk.stress import Moves, stressed_health


class Breach(msgspec.Struct, frozen=True):
    """One broken rule: its name, where, and the figures."""

    rule: str
    where: str
    detail: str


Check = Callable[[Terms, Situation, Plan], list[Breach]]


def quotes_are_fresh(terms: Terms, situation: Situation, plan: Plan) -> list[Breach]:
    """Stale data never trades, and nothing is raised while anything held has no fresh quote."""
    breaches = []
    oldest_ms = situation.snapshot.ts_ms - terms.mandate.limits.quote_age_s * SECOND_MS
    for name in sorted(_concerned(terms, situation, plan)):
        if situation.snapshot.quotes[name].as_of_ms < oldest_ms:
            breaches.append(Breach("fresh quotes", name, "quote too old"))
    return breaches


def quotes_agree(terms: Terms, situation: Situation, plan: Plan) -> list[Breach]:
    """No crossed book is traded on, and nothing is raised in a coin whose venues quote too far
    apart: one of them may be wrong."""
    breaches = []
    prices: dict[str, list[float]] = {}
    for name in sorted(_concerned(terms, situation, plan)):
        quote, instrument = situation.snapshot.quotes[name], terms.instruments[name]
        prices.setdefault(instrument.base, []).append(instrument.price(situation.marks[name]))
        if quote.half_spread is not None and quote.half_spread < 0:
            breaches.append(Breach("quotes agree", name, "the book is crossed"))
    for coin, quoted in prices.items():
        low, high = min(quoted), max(quoted)
        if plan.raises and high > low * (1 + terms.mandate.limits.venue_gap):
            breaches.append(Breach("quotes agree", coin, f"venues quote {low:g} and {high:g}"))
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


def unsettled_only_shrinks(terms: Terms, situation: Situation, plan: Plan) -> list[Breach]:
    """Where an order is in flight or the venue's account is in doubt, nothing is traded but what
    reduces whatever is true, and no money leaves; while anything is in doubt nothing is raised
    there."""
    breaches = []
    for name in sorted({a.instrument for a in plan.actions if isinstance(a, Order)}):
        if not is_unsettled(terms, situation, name):
            continue
        sure = certain_lots(terms, situation, name)
        orders = [a for a in plan.actions if isinstance(a, Order) and a.instrument == name]
        low, high = reached(plan, name, sure)
        if low < min(0, sure) or high > max(0, sure) or not all(o.reduce_only for o in orders):
            breaches.append(Breach("unsettled", name, f"{sure} lots are sure, {low} to {high}"))
    doubtful = situation.unsettled.venues({n: i.venue for n, i in terms.instruments.items()})
    for action in plan.actions:
        if isinstance(action, Transfer) and action.source in doubtful:
            breaches.append(Breach("unsettled", action.source, "its account is in doubt"))
    return breaches


def money_can_leave(terms: Terms, situation: Situation, plan: Plan) -> list[Breach]:
    """Transfers stay within what the venue's exact rule lets go once what comes before them in
    the plan is done, on open routes, in the asset that the route carries, in their hours and
    within their daily caps."""
    breaches, sent_usd = [], dict[tuple[str, str], float]()
    for index, action in enumerate(plan.actions):
        if isinstance(action, Transfer):
            route, venue = (action.source, action.destination), action.source
            sent_usd[route] = sent_usd.get(route, 0.0) + action.quanta / MICRO
            breaches += _route_breaches(terms, situation, action, sent_usd[route])
            account = account_after(terms, situation, venue, plan.actions[:index])
            free = terms.rules[venue].state(account, situation.marks).withdrawable
            if not 0 < action.quanta <= free:
                breaches.append(Breach("withdrawable", venue, f"{action.quanta} of {free} quanta"))
    return breaches


def _route_breaches(
    terms: Terms, situation: Situation, transfer: Transfer, amount_usd: float
) -> list[Breach]:
    """What keeps a transfer's route from taking an amount in all from a plan; what may leave is
    counted in the asset that it carries."""
    route = (transfer.source, transfer.destination)
    snapshot, passage = situation.snapshot, terms.passages.get(route)
    frozen = [end for end in route if end in snapshot.frozen_venues]
    breaches = [Breach("open route", end, "venue is frozen") for end in frozen]
    if passage is None:
        return [*breaches, Breach("open route", route[0], "no such route")]
    if passage.asset_sent != transfer.asset:
        breaches.append(Breach("open route", route[0], f"does not carry {transfer.asset}"))
    where = " to ".join(route)
    if not passage.window.holds(snapshot.ts_ms):
        breaches.append(Breach("route hours", where, "closed at this hour"))
    if passage.cap_usd_day is None:
        return breaches
    room_usd = capped_room_usd(passage, situation)
    if amount_usd > room_usd:
        known = "unknown what was sent" if situation.sent_day_usd is None else f"{room_usd:.2f} USD"
        breaches.append(Breach("daily cap", where, f"{amount_usd:.2f} USD, room: {known}"))
    return breaches


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


def remainders_count(terms: Terms, situation: Situation, plan: Plan) -> list[Breach]:
    """Where a coin is off its hedge by more than the smallest trade, no part of a step may fill so
    that with it more than the naked limit is exposed, unless so much was exposed before. What the
    whole step leaves is judged with the steps."""
    limits, breaches = terms.mandate.limits, []
    for coin, held in net_coins(terms, situation).items():
        steps = [_step_coins(terms, step, coin) for step in plan.steps]
        if not any(any(step) for step in steps):
            continue
        price = _traded_price(terms, situation, plan, coin)
        if abs(float(held)) * price <= limits.minimum_trade_usd:
            continue
        net = held
        for index, (sold, bought) in enumerate(steps):
            worst, net = max(abs(net + sold), abs(net + bought)), net + sold + bought
            exposed = float(worst) * price
            if worst > max(abs(held), abs(net)) and exposed > limits.naked_usd * 1.001:
                breaches.append(Breach("naked leg", coin, f"{exposed:.0f} USD in step {index}"))
    return breaches


def _step_coins(terms: Terms, step: Step, coin: str) -> tuple[Decimal, Decimal]:
    """Coins that a step sells (not positive) and buys."""
    orders = [a for a in step.actions if isinstance(a, Order)]
    named = [(a.lots, terms.instruments[a.instrument]) for a in orders]
    amounts = [lots * contract.lot for lots, contract in named if contract.base == coin]
    zero = Decimal(0)
    return sum((a for a in amounts if a < 0), zero), sum((a for a in amounts if a > 0), zero)


def coins_stay_hedged(terms: Terms, situation: Situation, plan: Plan) -> list[Breach]:
    """No step leaves a coin further from hedged than the naked limit, nor the whole plan further
    than the smallest trade, unless the book was further from hedged before.

    What is exposed is counted in coins, so that venues which quote apart leave no hedge naked.
    """
    limits, net = terms.mandate.limits, net_coins(terms, situation)
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
    """Gross notional of margined positions once every order has filled, and with them what is not
    settled."""
    change: dict[str, int] = {}
    for action in plan.actions:
        if isinstance(action, Order):
            change[action.instrument] = change.get(action.instrument, 0) + action.lots
    gross = 0.0
    for name, instrument in terms.instruments.items():
        if isinstance(instrument, Spot):
            continue
        account = situation.portfolio.accounts[instrument.venue]
        low, high = situation.unsettled.lots.get(name, (0, 0))
        lots = held_lots(account, instrument) + change.get(name, 0)
        lots = max(lots + low, lots + high, key=abs)
        gross += instrument.notional(lots, situation.marks[name]) / MICRO if lots else 0.0
    return gross


def claims_stay_capped(terms: Terms, situation: Situation, plan: Plan) -> list[Breach]:
    """No transfer lifts what one venue owes us, unrealised profit and money that is or may be under
    way to it included, above its cap."""
    breaches = []
    arriving: dict[str, int] = {}
    for action in plan.actions:
        if isinstance(action, Transfer):
            arriving[action.destination] = arriving.get(action.destination, 0) + action.quanta
    for venue, quanta in arriving.items():
        claim = owed_quanta(terms, situation, venue) + quanta
        cap = terms.mandate.venue[venue].claim_cap * situation.equity_usd
        if claim / MICRO > cap:
            breaches.append(Breach("claim cap", venue, f"{claim / MICRO:.0f} USD"))
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
    quotes_agree,
    authority_allows,
    reductions_reduce,
    unsettled_only_shrinks,
    money_can_leave,
    accounts_survive,
    wallets_hold,
    legs_stay_together,
    remainders_count,
    coins_stay_hedged,
    book_stays_small,
    claims_stay_capped,
    orders_fit_the_market,
)


def findings(terms: Terms, situation: Situation, plan: Plan) -> dict[str, list[Breach]]:
    """What every check found, by its name; where a quote is missing, or an order is of nothing and
    has no cost, nothing else can be judged."""
    needed = _held(terms, situation) | _concerned(terms, situation, plan)
    missing = sorted(needed - situation.snapshot.quotes.keys())
    if missing:
        blind = [Breach("fresh quotes", name, "no quote") for name in missing]
        return {quotes_are_fresh.__name__: blind}
    orders = [action for action in plan.actions if isinstance(action, Order)]
    if void := [Breach("no lots", o.instrument, f"order {o.id}") for o in orders if not o.lots]:
        return {orders_fit_the_market.__name__: void}
    return {check.__name__: check(terms, situation, plan) for check in CHECKS}


def breaches(terms: Terms, situation: Situation, plan: Plan) -> list[Breach]:
    """Every broken rule of a plan."""
    return [breach for found in findings(terms, situation, plan).values() for breach in found]


def check_names() -> list[str]:
    """What every plan is judged by, in order, as a journal's header pins it."""
    return [check.__name__ for check in CHECKS]
