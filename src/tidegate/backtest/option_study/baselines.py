# SPDX-License-Identifier: Apache-2.0
"""Plain policies with the same edges, options and costs: cash, fixed buffers, threshold, desk.

All sell the same strangle where its premium is worth it, as much as leaves a buffer free of the
account's equity, look again as often as the joint plan, and hedge at every step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tidegate.backtest.option_study import terms
from tidegate.backtest.option_study.books import (
    Held,
    Look,
    Perp,
    Told,
    equity_usd,
    plan_book,
)
from tidegate.backtest.option_study.candidates import ROLL_DAYS, strangle, worth_selling
from tidegate.backtest.option_study.joint import BAND_USD, Policy, Step
from tidegate.backtest.option_study.market import COINS, Contract
from tidegate.backtest.option_study.world import (
    days_left,
    hedge,
    margins,
    send,
    stressed,
    trade_option,
)
from tidegate.margin.deribit_portfolio import DeribitPortfolio
from tidegate.model.times import DAY_MS

# Sizes tried, up to this multiple of the account's equity in underlying.
SIZES, MOST = 150, 15.0


@dataclass(frozen=True, slots=True)
class Rule:
    """`buffer` of equity stays free of initial margin when a strangle is sold; below `send_at`
    times maintenance money is sent until `send_to`; with `cut` both legs are halved where none can
    come; at most `leverage` of underlying over the book's equity."""

    buffer: float
    every_days: float = 3.0
    send_at: float = 0.0
    send_to: float = 2.0
    cut: bool = False
    leverage: float = np.inf


def cash(held: Held, look: Look, last: Step | None) -> Step:
    """Nothing is traded."""
    return Step(held, look.ts_ms)


def policy(rule: Rule) -> Policy:
    """A rule as a policy."""
    return lambda held, look, last: _act(held, look, last, rule)


def _act(held: Held, look: Look, last: Step | None, rule: Rule) -> Step:
    if rule.send_at:
        held = _defended(held, look, rule)
    decided = last.decided_ms if last is not None else 0
    if last is None or look.ts_ms - decided >= rule.every_days * DAY_MS - DAY_MS / 4:
        for coin in COINS:
            held = _rolled(held, look, coin, rule)
        decided = look.ts_ms
    return Step(hedge(held, look, BAND_USD), decided)


def _rolled(held: Held, look: Look, coin: str, rule: Rule) -> Held:
    """Close what is near its expiry, and sell the strangle of now where nothing is held."""
    mine = {each: size for each, size in held.options.items() if each.coin == coin}
    for each, size in mine.items():
        if days_left(each, look) < ROLL_DAYS:
            held = trade_option(held, look, each, -size)
    if any(each.coin == coin for each in held.options) or not worth_selling(look, coin):
        return held
    body = strangle(look, coin)[:2]
    size = _size(held, look, body, rule)
    for each in body:
        held = trade_option(held, look, each, -size)
    return held


def _size(held: Held, look: Look, body: tuple[Contract, ...], rule: Rule) -> float:
    """The largest size whose initial margin leaves the buffer, whole lots."""
    coin = body[0].coin
    venue, lot = terms.DERIBIT[coin], terms.LOT[coin]
    account = plan_book(held, look, body, Told(routes=False)).accounts[venue]
    market, prepared_rule = account.book.market, account.book.rule
    assert isinstance(prepared_rule, DeribitPortfolio)
    names = [f"{venue}:{each.symbol}" for each in body]
    dealt = [each for each in account.dealt if each.id in names]
    equity = held.cash[venue]
    index = look.quoted(body[0]).index
    most = min(MOST * max(equity, 0.0), _room_usd(held, look, rule) / len(body)) / index
    prepared = prepared_rule.prepare(dealt, market, ["USDC"])
    tried = np.linspace(0.0, most, SIZES)
    rows = np.stack([prepared.sizes(dict.fromkeys(names, -float(size))) for size in tried])
    initial = prepared.statements(rows).initial
    fits = np.flatnonzero(initial <= (1.0 - rule.buffer) * equity)
    best = tried[fits[-1]] if fits.size else 0.0
    return float(np.floor(best / lot) * lot)


def _room_usd(held: Held, look: Look, rule: Rule) -> float:
    if not np.isfinite(rule.leverage):
        return 1e12
    used = sum(abs(size) * look.quoted(each).index for each, size in held.options.items())
    return max(0.0, rule.leverage * equity_usd(held, look) - used)


def _defended(held: Held, look: Look, rule: Rule) -> Held:
    """Send money to an account that is short of it, or cut where none can come."""
    seen = margins(held, look)
    coming = {each.destination for each in held.transit}
    for venue, (equity, _, maintenance) in seen.items():
        if maintenance <= 0.0 or equity >= rule.send_at * maintenance or venue in coming:
            continue
        lacks = rule.send_to * maintenance - equity
        source, free = _richest(held, look, seen, venue)
        certain = not (rule.cut and stressed(look))
        if certain and free > terms.CAPITAL_USD * 0.005:
            held = send(held, look, source, venue, min(lacks, free))
            seen = margins(held, look)
        elif rule.cut:
            held = _halved(held, look, venue)
            seen = margins(held, look)
    return held


def _richest(
    held: Held, look: Look, seen: Mapping[str, tuple[float, float, float]], but: str
) -> tuple[str, float]:
    """The account with most to spare beyond initial margin and twice maintenance; what is earned
    and not realised may not leave."""
    free = {}
    for venue, (equity, initial, maintenance) in seen.items():
        spare = equity - max(initial, 2.0 * maintenance)
        free[venue] = min(spare, held.cash[venue] - max(initial, 2.0 * maintenance))
    free.pop(but)
    best = max(free, key=lambda venue: free[venue])
    return best, max(0.0, free[best])


def _halved(held: Held, look: Look, venue: str) -> Held:
    """Half of the options of an account; of all accounts where Binance is short."""
    for each, size in dict(held.options).items():
        if venue in (terms.BINANCE, terms.DERIBIT[each.coin]):
            lot = terms.LOT[each.coin]
            held = trade_option(held, look, each, -float(np.ceil(size / 2.0 / lot) * lot))
    return held


def flat(held: Held) -> bool:
    """Whether nothing is held."""
    return not held.options and all(perp == Perp() for perp in held.perps.values())


def without_options(held: Held) -> Held:
    """The book with its options gone, for what-if questions of tests."""
    return replace(held, options={})
