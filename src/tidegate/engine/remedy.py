# SPDX-License-Identifier: Apache-2.0
"""The cheapest fix: wire money to an account, or cut both legs, until it survives the target.

Sizes are found on the exact rule with their own costs paid, and the account after the fix is
judged again by that rule. A cut takes the hedge with it, so that no coin is left more naked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Literal

import msgspec

from tidegate.costs.trading import TradingCosts, slippage
from tidegate.engine.deaths import Death, threat, venue_deaths
from tidegate.engine.observed_book import Leg, SeenBook, SeenVenue
from tidegate.engine.rescue import LATE_ALLOWED, Wire, dies_before, shortfall, wires
from tidegate.model.account import FLAT, Account, fill_position
from tidegate.model.instruments import InstrumentId, Spot
from tidegate.model.market import Quote
from tidegate.model.units import ceil_div

FREE = TradingCosts(0, 0.0, 0.0)


class Trade(msgspec.Struct, frozen=True):
    """Signed lots to trade at market, and the fee and half spread of it in dollars if known."""

    instrument: InstrumentId
    lots: int
    cost_usd: float | None


class Option(msgspec.Struct, frozen=True):
    """One way to restore an account, and whether it does by the exact rule.

    `cost_usd` None is UNKNOWN: the trades were then sized before costs, and `restores` is not
    claimed. A wire `in_time` lands before death with at least 99 %; a cut needs no landing.
    """

    kind: Literal["wire", "cut"]
    wires: tuple[Wire, ...]
    trades: tuple[Trade, ...]
    cost_usd: float | None
    restores: bool | None
    dies_before: float | None
    in_time: bool | None


class Remedy(msgspec.Struct, frozen=True):
    """What an account lacks for the target, the options seen, and the cheapest that is proven."""

    venue: str
    needed_usd: float | None
    options: tuple[Option, ...]
    cheapest: Option | None


def remedies(book: SeenBook) -> tuple[tuple[Remedy, ...], SeenBook]:
    """A remedy for every account short of the target, the neediest first, each on the book that
    those before it leave; and the book after all that were chosen."""
    found: list[Remedy] = []
    for name in _neediest_first(book):
        # An earlier fix may have cured it, or the target may be met without any.
        if not shortfall(book, book.venues[name]):
            continue
        remedy = remedy_of(book, book.venues[name])
        found.append(remedy)
        if remedy.cheapest is not None:
            book = applied(book, remedy.cheapest)
    return tuple(found), book


def _neediest_first(book: SeenBook) -> list[str]:
    needs = {name: shortfall(book, venue) or 0 for name, venue in book.venues.items()}
    return sorted((name for name in needs if needs[name]), key=lambda name: (-needs[name], name))


def remedy_of(book: SeenBook, venue: SeenVenue) -> Remedy:
    """All options for one account, judged, and the cheapest of those proven to help in time."""
    need = shortfall(book, venue) or 0
    death = threat(venue_deaths(book, venue))
    groups: list[tuple[str, ...]] = [(coin,) for coin in venue.coins]
    if len(groups) > 1:
        groups.append(venue.coins)
    options = [_wire_option(book, venue, need, death)]
    options += [_cut_option(book, venue, coins) for coins in groups]
    seen = tuple(option for option in options if option is not None)
    proven = [o for o in seen if o.restores and o.in_time and o.cost_usd is not None]
    cheapest = min(proven, key=lambda o: o.cost_usd or 0.0, default=None)
    return Remedy(venue.name, book.usd(need, venue.collateral), seen, cheapest)


def applied(book: SeenBook, option: Option) -> SeenBook:
    """The book once an option's wires have landed or its trades have filled."""
    for wire in option.wires:
        book = _moved(book, wire.source, -wire.sent)
        book = _moved(book, wire.destination, wire.received)
    for trade in option.trades:
        book = _traded(book, trade)
    return book


def _moved(book: SeenBook, name: str, quanta: int) -> SeenBook:
    venue = book.venues[name]
    if venue.margined is None:
        return book
    account, asset = venue.margined.account, venue.collateral
    balances = {**account.balances, asset: account.balances[asset] + quanta}
    return book.with_venue(venue.with_account(Account(name, balances, account.positions)))


def _traded(book: SeenBook, trade: Trade) -> SeenBook:
    leg = book.leg(trade.instrument)
    venue = book.venues[leg.instrument.venue]
    if venue.margined is None:
        return book
    return book.with_venue(venue.with_account(_filled(venue.margined.account, leg, trade.lots)))


def _filled(account: Account, leg: Leg, lots: int) -> Account:
    """The account after a fill with fee and half spread, or at the mark where these are
    unknown."""
    instrument, (ticks, fee) = leg.instrument, _fill(leg, lots)
    cost, settle = instrument.entry_cost(lots, ticks), instrument.settle
    balances, positions = dict(account.balances), dict(account.positions)
    if isinstance(instrument, Spot):
        balances[instrument.base] += instrument.base_quanta(lots)
        balances[settle] += -cost - fee
        return Account(account.venue, balances, positions)
    outcome = fill_position(positions.get(instrument.id, FLAT), lots, cost)
    positions[instrument.id] = outcome.position
    balances[settle] += outcome.realised_quanta - fee
    return Account(account.venue, balances, {n: p for n, p in positions.items() if p.lots})


def _fill(leg: Leg, lots: int) -> tuple[int, int]:
    """Tick of a fill at half a spread from the mark, and its fee in quanta."""
    costs, mark = leg.costs or FREE, leg.mark_ticks or 0
    # Without an impact coefficient the quote's volume and volatility do not enter the fill.
    fill = slippage(leg.instrument, costs, lots, Quote(mark, 0, False, 1.0, 0.0))
    return fill.ticks, costs.fee_quanta(leg.instrument.notional(lots, fill.ticks))


def _cost_usd(book: SeenBook, leg: Leg, lots: int) -> float | None:
    if leg.costs is None or leg.mark_ticks is None:
        return None
    ticks, fee = _fill(leg, lots)
    instrument = leg.instrument
    slipped = instrument.entry_cost(lots, ticks) - instrument.entry_cost(lots, leg.mark_ticks)
    return book.usd(slipped + fee, instrument.settle)


def _wire_option(book: SeenBook, venue: SeenVenue, need: int, death: Death | None) -> Option | None:
    found = wires(book, venue, need)
    if found is None:
        return None
    sent = tuple(wire for wire, _ in found)
    costs = [wire.cost_usd for wire in sent]
    risks = [dies_before(book, way, death) for _, way in found]
    # Death before the last of several landings is at most as likely as the sum of each.
    risk = min(1.0, _total(risks)) if None not in risks else None
    in_time = None if risk is None else risk <= LATE_ALLOWED
    cost = None if None in costs else _total(costs)
    option = Option("wire", sent, (), cost, None, risk, in_time)
    return msgspec.structs.replace(option, restores=_restores(book, venue, option))


def _total(parts: list[float | None]) -> float:
    return sum(part for part in parts if part is not None)


def _restores(book: SeenBook, venue: SeenVenue, option: Option) -> bool:
    """Whether the account then survives the target, and no other account is taken below it."""
    after = applied(book, option)
    if shortfall(after, after.venues[venue.name]) != 0:
        return False
    others = [name for name in book.venues if name != venue.name]
    return all(
        (shortfall(after, after.venues[name]) or 0) <= (shortfall(book, book.venues[name]) or 0)
        for name in others
    )


def _cut_option(book: SeenBook, venue: SeenVenue, coins: tuple[str, ...]) -> Option | None:
    """The smallest cut of some coins, all in one proportion, that restores the account."""
    whole = max(abs(leg.lots) for leg in venue.legs if leg.instrument.base in coins)

    def cut(part: int) -> Option:
        return _cut(book, venue, coins, Fraction(part, whole))

    part = _least(lambda part: _restores(book, venue, cut(part)), whole)
    if part is None:
        return None
    option = cut(part)
    proven = None if option.cost_usd is None else True
    return msgspec.structs.replace(option, restores=proven)


def _least(holds: Callable[[int], bool], most: int) -> int | None:
    """The least of 1..most at which a condition holds that, once true, stays true; else None."""
    if not holds(most):
        return None
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _cut(book: SeenBook, venue: SeenVenue, coins: tuple[str, ...], share: Fraction) -> Option:
    lots: dict[InstrumentId, int] = {}
    for coin in coins:
        own = [leg for leg in venue.legs if leg.instrument.base == coin and leg.lots]
        for leg in own:
            size = ceil_div(abs(leg.lots) * share.numerator, share.denominator)
            lots[leg.instrument.id] = -size if leg.lots > 0 else size
        lots |= _hedge_lots(
            book,
            venue,
            coin,
            sum(
                (lots[leg.instrument.id] * Fraction(leg.instrument.lot) for leg in own), Fraction(0)
            ),
        )
    return _cut_of(book, lots)


def _cut_of(book: SeenBook, lots: Mapping[InstrumentId, int]) -> Option:
    trades = tuple(
        Trade(name, count, _cost_usd(book, book.leg(name), count))
        for name, count in lots.items()
        if count
    )
    costs = [trade.cost_usd for trade in trades]
    cost = None if None in costs else _total(costs)
    return Option("cut", (), trades, cost, None, None, True)


def _hedge_lots(
    book: SeenBook, venue: SeenVenue, coin: str, traded: Fraction
) -> dict[InstrumentId, int]:
    """Lots to trade elsewhere against `traded` coins here, the largest hedge first.

    What the book holds unhedged on this venue's side is let go first, so that the coin is never
    more naked after than before.
    """
    net, lots = book.net_coins(coin), {}
    excess = abs(net) if net * traded < 0 else Fraction(0)
    left = max(Fraction(0), abs(traded) - excess)
    for leg in _hedges(book, venue, coin, traded):
        size = min(left, abs(leg.coins))
        count = round(size / Fraction(leg.instrument.lot))
        lots[leg.instrument.id] = -count if leg.lots > 0 else count
        left -= size
    return lots


def _hedges(book: SeenBook, venue: SeenVenue, coin: str, traded: Fraction) -> list[Leg]:
    """Holdings elsewhere on the side opposite to what is closed here."""
    legs = [leg for other in book.venues.values() if other is not venue for leg in other.legs]
    hedges = [leg for leg in legs if leg.instrument.base == coin and leg.coins * traded > 0]
    return sorted(hedges, key=lambda leg: (-abs(leg.coins), leg.instrument.id))
