# SPDX-License-Identifier: Apache-2.0
"""What happens to a book between two steps, and what trading costs it.

Accounts are judged at every quarter hour's low, high and close by the venue's own rule, with the
surface moved between the snapshots (`market.Between`); where one is below maintenance the venue
closes all of it there. Money in transit counts nowhere until it has landed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tidegate.backtest.option_study import terms
from tidegate.backtest.option_study.books import Held, Look, Perp, Told, Transit, plan_book
from tidegate.backtest.option_study.market import (
    COINS,
    Between,
    Contract,
    between,
    years_to,
)
from tidegate.engine.margin_book.exact_account import ExactAccount
from tidegate.engine.plan.book import PlanAccount, PlanBook
from tidegate.margin.batch import health, stacked_lines
from tidegate.margin.deribit_portfolio import DeribitPortfolio
from tidegate.margin.market_values import Key, forward_of, index_of, mark_of, vol_of
from tidegate.model.times import DAY_MS
from tidegate.pricing.black76 import price

FloatArray = NDArray[np.float64]
NOTHING = Told(routes=False)


@dataclass(frozen=True, slots=True)
class Death:
    """An account that was liquidated, and when."""

    venue: str
    ts_ms: int


def trade_perp(held: Held, look: Look, coin: str, size: float) -> Held:
    """Buy or sell a perpetual at its price, for fee, half spread and impact."""
    if not size:
        return held
    at = look.price(coin)
    usd = abs(size) * at
    impact = terms.VOL_DAILY[coin] * np.sqrt(usd / terms.PERP_VOLUME_USD[coin])
    perp, profit = held.perps[coin].traded(size, at)
    cost = usd * (terms.PERP_TAKER + terms.PERP_HALF_SPREAD + float(impact))
    after = replace(held, perps={**held.perps, coin: perp})
    return after.with_cash(terms.BINANCE, profit - cost)


def trade_option(held: Held, look: Look, each: Contract, size: float) -> Held:
    """Buy or sell an option at its mark, for fee, half spread, impact and conversion."""
    if not size:
        return held
    seen = look.quoted(each)
    notional = abs(size) * seen.index
    moved = terms.VOL_DAILY[each.coin] * max(0.05, abs(seen.delta))
    impact = moved * np.sqrt(notional / terms.OPTION_VOLUME_USD[each.coin])
    fee = min(terms.OPTION_FEE, terms.OPTION_CAP * seen.mark)
    premium = size * seen.mark * seen.index
    cost = notional * (fee + seen.half_spread + float(impact))
    cost += abs(premium) * terms.CONVERSION
    left = {**held.options, each: round(held.options.get(each, 0.0) + size, 6)}
    options = {one: amount for one, amount in left.items() if abs(amount) > 1e-9}
    after = replace(held, options=options)
    return after.with_cash(terms.DERIBIT[each.coin], -premium - cost)


def send(held: Held, look: Look, source: str, destination: str, usd: float) -> Held:
    """Money leaves now and lands after the latency that holds now."""
    if usd <= 0.0:
        return held
    wait = terms.LATENCY.stress_s if stressed(look) else terms.LATENCY.calm_s
    received = (usd - 2.0) * (1.0 - terms.CONVERSION)
    way = Transit(look.ts_ms + int(wait * 1000.0), destination, max(0.0, received))
    return replace(held.with_cash(source, -usd), transit=(*held.transit, way))


def stressed(look: Look) -> bool:
    """Whether bitcoin has moved so much within a day that money is slow."""
    last = look.market.last_bar("BTC", look.step)
    closes = look.market.bars["BTC"].close[max(0, last - 96) : last + 1]
    return bool(abs(np.log(closes[-1] / closes).max()) > terms.LATENCY.stress_move) or bool(
        abs(np.log(closes[-1] / closes).min()) > terms.LATENCY.stress_move
    )


def delta_coins(held: Held, look: Look, coin: str) -> float:
    """Delta of a coin over all accounts, coins."""
    total = held.perps[coin].size
    for each, size in held.options.items():
        if each.coin == coin:
            total += size * look.quoted(each).delta
    return total


def hedge(held: Held, look: Look, band_usd: float) -> Held:
    """Bring each coin's delta to nought with the perpetual where it is outside the band, as far as
    Binance's initial margin lets."""
    for coin in COINS:
        delta, at = delta_coins(held, look, coin), look.price(coin)
        if abs(delta) * at <= band_usd:
            continue
        size = -round(delta, 3)
        after = trade_perp(held, look, coin, size)
        if abs(held.perps[coin].size + size) > abs(held.perps[coin].size):
            free = _free_initial(held, look)
            room = max(0.0, free) * terms.LEVERAGE / at
            size = float(np.sign(size)) * min(abs(size), round(room, 3))
            after = trade_perp(held, look, coin, size)
        held = after
    return held


def _free_initial(held: Held, look: Look) -> float:
    equity = held.cash[terms.BINANCE]
    used = 0.0
    for coin, perp in held.perps.items():
        equity += perp.size * (look.price(coin) - perp.entry)
        used += abs(perp.size) * look.price(coin) / terms.LEVERAGE
    return equity - used


def accounts(held: Held, look: Look) -> PlanBook:
    """The accounts as the venues see them."""
    return plan_book(held, look, (), NOTHING)


def pass_time(held: Held, look: Look) -> tuple[Held, tuple[Death, ...]]:
    """The book at the next step: money that landed, funding, forced closings, expiries."""
    seen = between(look.market, look.step)
    held = _settled(held, look, seen)
    book = accounts(held, look)
    deaths = list[Death]()
    for account in book.accounts.values():
        left = _health(account, held, seen)
        if left is None or (left >= 0.0).all():
            continue
        # Money that lands within the step counts from when it lands.
        landed = np.zeros(left.size)
        for each in held.transit:
            if each.destination == account.venue:
                landed += np.where(seen.ts_ms >= each.lands_ms, each.usd, 0.0)
        dead = np.flatnonzero(left + landed < 0.0)
        if dead.size:
            at = int(dead[0])
            held = _closed(held, look, seen, account.venue, at)
            deaths.append(Death(account.venue, int(seen.ts_ms[at])))
    held = _landed(held, look.market.ts_ms[look.step + 1])
    return held, tuple(deaths)


def _landed(held: Held, by_ms: int) -> Held:
    kept = tuple(each for each in held.transit if each.lands_ms > by_ms)
    for each in held.transit:
        if each.lands_ms <= by_ms:
            held = held.with_cash(each.destination, each.usd)
    return replace(held, transit=kept)


def _settled(held: Held, look: Look, seen: Between) -> Held:
    """Funding that falls due, at the price of its bar; options that expire, at the index."""
    start, end = look.ts_ms, look.market.ts_ms[look.step + 1]
    for coin, perp in held.perps.items():
        prints = look.market.funding[coin]
        for row in np.flatnonzero((prints.ts_ms > start) & (prints.ts_ms <= end)).tolist():
            place = int(np.searchsorted(seen.ts_ms, prints.ts_ms[row]))
            at = seen.prices[coin][min(place, seen.ts_ms.size - 1)]
            paid = perp.size * at * prints.rate_e12[row] / 1e12
            held = held.with_cash(terms.BINANCE, -float(paid))
    for each, size in held.options.items():
        if each.expiry_ms <= end:
            place = min(int(np.searchsorted(seen.ts_ms, each.expiry_ms)), seen.ts_ms.size - 1)
            index = float(seen.index(each.coin)[place])
            side = 1.0 if each.is_call else -1.0
            inner = max(0.0, side * (index - each.strike_usd))
            held = held.with_cash(terms.DERIBIT[each.coin], size * inner)
    left = {one: size for one, size in held.options.items() if one.expiry_ms > end}
    return replace(held, options=left)


def _health(account: PlanAccount, held: Held, seen: Between) -> FloatArray | None:
    """Health in every market of the bars, USD; None where nothing is held."""
    if not account.book.holdings.positions:
        return None
    if isinstance(account.book.rule, DeribitPortfolio):
        return _option_health(account, held, seen)
    return _perp_health(account, seen)


def _option_health(account: PlanAccount, held: Held, seen: Between) -> FloatArray:
    rule, holdings, market = account.book.rule, account.book.holdings, account.book.market
    assert isinstance(rule, DeribitPortfolio)
    moved: dict[Key, FloatArray] = {}
    symbols = {f"{account.venue}:{each.symbol}": each for each in held.options}
    for holding in holdings.positions:
        each = symbols[holding.instrument.id]
        moved[index_of(each.coin)] = seen.index(each.coin)
        moved[forward_of(each.coin, each.expiry_ms)] = seen.forward(each.coin, each.expiry_ms)
        moved[vol_of(holding.instrument.id)] = np.maximum(seen.vol(each), 0.01)
    return np.asarray(rule.moving(holdings, market).statements(moved).health)


def _perp_health(account: PlanAccount, seen: Between) -> FloatArray:
    """The worst of coins at their extremes together and apart."""
    rule = account.book.rule
    assert isinstance(rule, ExactAccount)
    positions = account.book.holdings.positions
    sizes = np.array([each.size for each in positions])
    costs = np.array([each.size * each.entry for each in positions])
    wallet = np.asarray(account.book.holdings.collateral[rule.unit])
    lines = []
    for each in positions:
        mark = account.book.market.positive(mark_of(each.instrument.id))
        ticks = int(mark / float(each.instrument.tick))
        lines.append(rule.rule.lines(each.instrument.id, ticks, 4.0 * abs(each.size) * mark))
    stacked = stacked_lines(lines)
    together = np.stack([seen.prices[each.instrument.base] for each in positions], axis=-1)
    bars = together.reshape(-1, 3, together.shape[-1])
    apart = bars.copy()
    if apart.shape[-1] > 1:
        apart[:, [0, 1], 1] = bars[:, [1, 0], 1]
    worst = [health(stacked, wallet, sizes, costs, rows) for rows in (bars, apart)]
    return np.asarray(np.minimum(*worst).ravel())


def _closed(held: Held, look: Look, seen: Between, venue: str, at: int) -> Held:
    """An account that its venue closes, at the market where it died; what it owes is gone."""
    if venue == terms.BINANCE:
        for coin, perp in held.perps.items():
            now = float(seen.prices[coin][at])
            cost = abs(perp.size) * now * (terms.PERP_TAKER + terms.LIQUIDATION["perp"])
            held = held.with_cash(venue, perp.size * (now - perp.entry) - cost)
        held = replace(held, perps={coin: Perp() for coin in COINS})
    else:
        held = _options_closed(held, look, seen, venue, at)
    return replace(held, cash={**held.cash, venue: max(0.0, held.cash[venue])})


def _options_closed(held: Held, look: Look, seen: Between, venue: str, at: int) -> Held:
    for each, size in held.options.items():
        if terms.DERIBIT[each.coin] != venue:
            continue
        forward = float(seen.forward(each.coin, each.expiry_ms)[at])
        index = float(seen.index(each.coin)[at])
        years = max(1e-6, years_to(each.expiry_ms, int(seen.ts_ms[at])))
        worth = price(forward, each.strike_usd, years, float(seen.vol(each)[at]), each.is_call)
        value = float(worth) / forward * index
        cost = abs(size) * index * (look.quoted(each).half_spread + terms.LIQUIDATION["option"])
        held = held.with_cash(venue, size * value - cost)
    left = {one: size for one, size in held.options.items() if terms.DERIBIT[one.coin] != venue}
    return replace(held, options=left)


def days_left(each: Contract, look: Look) -> float:
    """Days to an option's expiry."""
    return (each.expiry_ms - look.ts_ms) / DAY_MS


def margins(held: Held, look: Look) -> Mapping[str, tuple[float, float, float]]:
    """Equity, initial and maintenance margin by account, USD."""
    found = {}
    for venue, account in accounts(held, look).accounts.items():
        stated = account.statement()
        found[venue] = (stated.equity, stated.initial, stated.maintenance)
    return found
