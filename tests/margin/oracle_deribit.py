# SPDX-License-Identifier: Apache-2.0
"""Deribit's portfolio margin, the slow way: segregated (one coin) or crossed (US dollars).

One published capture pins the linear arithmetic, the roll shock on its floor and MM = 0.8 of the
risk matrix. What it leaves open is said where the choice is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp, sqrt
from typing import NamedTuple

from tests.margin.oracle_black import DAY_MS, YEAR_MS, Margins, black, black_delta, years
from tidegate.margin.holdings import Holding, Holdings
from tidegate.margin.market_values import (
    MarketValues,
    dollar_of,
    forward_of,
    index_of,
    mark_of,
    vol_of,
)
from tidegate.model.instruments import Future, Option, Perpetual

EXTENDED_MOVES = (-0.66, -0.33, 0.50, 1.00, 2.00, 3.00, 4.00, 5.00)
VOL_SCENARIOS = ("down", "same", "up")
DECAY_MS = 30 * 60 * 1000
DOLLARS = ("USDC", "USDT", "USD")
BookKey = tuple[str, str]


@dataclass(frozen=True)
class DeribitCurrency:
    """`model_params.currency`: what is asked of the asset in which a position settles.

    With `equity_side_impact` "both" a crossed account's equity in the coin gains and loses with it.
    """

    min_annualised_move: float = 0.01
    annualised_move_risk: float = 0.075
    pnl_offset: float = 0.0
    max_offsetable_pnl: float = 0.0
    extended_dampener: float = 100_000.0
    haircut: float = 0.0
    equity_side_impact: str = "none"


@dataclass(frozen=True)
class DeribitPair:
    """`model_params.currency_pair`: how an underlying is shocked."""

    price_range: float = 0.16
    volatility_range_up: float = 0.50
    volatility_range_down: float = 0.25
    min_volatility_for_shock_up: float = 0.50
    short_term_vega_power: float = 0.30
    long_term_vega_power: float = 0.13
    extended_table_factor: float = 1.0
    m_inc: float = 5e-5
    delta_total_liq_shock_threshold: float = 20_000_000.0
    max_delta_shock: float = 0.1


@dataclass(frozen=True)
class DeribitPortfolioParameters:
    """`currencies` by settlement asset, `pairs` by underlying coin.

    `settlement` names the asset of a segregated account; without it the account is crossed and its
    unit the dollar. The three margins at the end are given, not worked out: the venue's formulas
    for working orders and market-maker protection are not published.
    """

    currencies: Mapping[str, DeribitCurrency]
    pairs: Mapping[str, DeribitPair]
    settlement: str | None = None
    mm_factor: float = 0.8
    buckets_count: int = 4
    extended_moves: tuple[float, ...] = EXTENDED_MOVES
    open_orders_margin: float = 0.0
    mmp_margin: float = 0.0
    spot_margin: float = 0.0
    fixed: Mapping[tuple[str, int], float] = field(default_factory=dict)
    """Share of an option's forward, by coin and expiry, that the delivery average has fixed."""


class Exposure(NamedTuple):
    """A position with what its scenarios need; `settle` is a coin or a dollar coin."""

    position: Holding
    underlying: str
    settle: str
    expiry: int | None  # none for a perpetual
    price: float  # mark of a future, forward of an option
    vol: float
    root_years: float
    days: float
    mark: float
    fixed: float = 0.0


@dataclass
class DeribitParts:
    """Every line of the sum; vectors of 27 + 8 scenarios by (underlying, settlement), of a crossed
    account in dollars, else in the settlement asset."""

    vectors: dict[BookKey, list[float]]
    total: list[float]
    names: list[str]
    worst_case: float
    binding: str
    roll_shock: float
    delta_shock: float
    risk_matrix: float
    margins: Margins


# --- reading the account ---------------------------------------------------------------------


def exposures_of(h: Holdings, m: MarketValues, p: DeribitPortfolioParameters) -> list[Exposure]:
    """Only what settles in the segregated account's asset; everything where it is crossed."""
    held = [x for x in h.positions if x.size != 0.0]
    if p.settlement is not None:
        held = [x for x in held if x.instrument.settle == p.settlement]
    found = [exposure_of(x, m) for x in held]
    shares = [p.fixed.get((x.underlying, x.expiry or 0), 0.0) for x in found]
    return [x._replace(fixed=share) for x, share in zip(found, shares, strict=True)]


def exposure_of(x: Holding, m: MarketValues) -> Exposure:
    thing, mark = x.instrument, m.value(mark_of(x.instrument.id))
    if isinstance(thing, Perpetual):
        return Exposure(x, thing.base, thing.settle, None, mark, 0.0, 0.0, 0.0, mark)
    if isinstance(thing, Future):
        days = (thing.expiry_ms - m.now_ms) / DAY_MS
        return Exposure(x, thing.base, thing.settle, thing.expiry_ms, mark, 0.0, 0.0, days, mark)
    if not isinstance(thing, Option):
        raise ValueError(f"{thing.id} is not margined as a position")
    time = years(thing.expiry_ms, m.now_ms)
    forward, vol = m.value(forward_of(thing.base, thing.expiry_ms)), m.value(vol_of(thing.id))
    days = time * YEAR_MS / DAY_MS
    terms = (forward, vol, sqrt(time), days, mark)
    return Exposure(x, thing.base, thing.settle, thing.expiry_ms, *terms)


def usd_of(asset: str, m: MarketValues) -> float:
    return m.value(dollar_of(asset) if asset in DOLLARS else index_of(asset))


# --- one position in one scenario ------------------------------------------------------------


def futures_coins(x: Exposure) -> float:
    """Size in coins: an inverse contract's dollars of face at its mark."""
    return x.position.size / x.mark if x.position.instrument.inverse else x.position.size


def futures_profit(x: Exposure, move: float) -> float:
    """Inverse: q (1 - 1 / (1 + m)) coins, to the last digit of the capture. Linear: q m P."""
    if x.position.instrument.inverse:
        return futures_coins(x) * (1.0 - 1.0 / (1.0 + move))
    return x.position.size * move * x.price


def vega_ratio(pair: DeribitPair, days: float) -> float:
    """(30 / DTE)^p, short-term power below 30 days; no floor is published."""
    power = pair.short_term_vega_power if days < 30.0 else pair.long_term_vega_power
    return (30.0 / days) ** power


def shocked_vol(pair: DeribitPair, x: Exposure, direction: str) -> float:
    if direction == "same":
        return x.vol
    if direction == "up":
        raised = x.vol * (1.0 + pair.volatility_range_up * vega_ratio(pair, x.days))
        return max(raised, pair.min_volatility_for_shock_up)
    return max(x.vol * (1.0 - pair.volatility_range_down * vega_ratio(pair, x.days)), 0.0)


def option_price(x: Exposure, move: float, vol: float) -> float:
    """Black on the shocked forward; where the coin settles, in coins of the shocked price. What of
    the delivery average is fixed does not move."""
    option, forward = x.position.instrument, x.price * (1.0 + (1.0 - x.fixed) * move)
    assert isinstance(option, Option)
    worth = black(forward, float(option.strike), option.is_call, vol * x.root_years)
    return worth / forward if option.coin_settled else worth


def option_profit(x: Exposure, move: float, vol: float, unmoved: float) -> float:
    """Against the model's own price at the mark volatility, not against the mark.

    The venue's mark is that price, rounded to its step; with the rounded figure every scenario
    would carry a profit that no shock makes.
    """
    return x.position.size * (option_price(x, move, vol) - unmoved)


# --- the tables ------------------------------------------------------------------------------


def standard_moves(pair: DeribitPair, buckets: int) -> list[float]:
    """k range / 4 for k = -4 .. 4."""
    return [k * pair.price_range / buckets for k in range(-buckets, buckets + 1)]


def scenario_names(p: DeribitPortfolioParameters) -> list[str]:
    """By bucket and not by move, for each pair has a range of its own."""
    span = range(-p.buckets_count, p.buckets_count + 1)
    standard = [f"{k:+d} {direction}" for k in span for direction in VOL_SCENARIOS]
    return standard + [f"{100 * move:+.0f}% extended" for move in p.extended_moves]


def position_vector(x: Exposure, p: DeribitPortfolioParameters) -> list[float]:
    """Profit in the settlement asset: 27 standard scenarios, then 8 moves, not yet scaled."""
    pair = p.pairs[x.underlying]
    standard = standard_moves(pair, p.buckets_count)
    if not isinstance(x.position.instrument, Option):
        found = [futures_profit(x, move) for move in standard for _ in VOL_SCENARIOS]
        return found + [futures_profit(x, move) for move in p.extended_moves]
    vols = [shocked_vol(pair, x, direction) for direction in VOL_SCENARIOS]
    unmoved = option_price(x, 0.0, x.vol)
    found = [option_profit(x, move, vol, unmoved) for move in standard for vol in vols]
    return found + [option_profit(x, move, vols[-1], unmoved) for move in p.extended_moves]


def edge(pair: DeribitPair, move: float) -> float:
    """1 + sign(move) range: the price at the edge of the standard table on the move's side."""
    return 1.0 + pair.price_range if move > 0 else 1.0 - pair.price_range


def scaled(pair: DeribitPair, profit: float, move: float, coin: bool) -> float:
    """profit factor (range / |move|), and for coins (1 + move) / (1 + sign range).

    A linear position then has the profit of the edge bucket. For what settles in dollars that
    needs no third factor, and it is left out.
    """
    shrunk = profit * pair.extended_table_factor * pair.price_range / abs(move)
    return shrunk * (1.0 + move) / edge(pair, move) if coin else shrunk


def dampener(pair: DeribitPair, usd: float, move: float, index: float | None) -> float:
    """(max(|move| / range, 1) - 1) dampener_USD, in coins at the price of the edge."""
    width = (max(abs(move) / pair.price_range, 1.0) - 1.0) * usd
    return width if index is None else width / (edge(pair, move) * index)


def toward_zero(profit: float, by: float) -> float:
    """Gains shrink as losses do (all eight entries of the capture are 0)."""
    return max(profit - by, 0.0) if profit >= 0 else min(profit + by, 0.0)


def book_sums(xs: list[Exposure], p: DeribitPortfolioParameters) -> list[float]:
    """All positions of one underlying and settlement, the extended table as it comes."""
    if not xs:
        return [0.0] * len(scenario_names(p))
    return [sum(column) for column in zip(*(position_vector(x, p) for x in xs), strict=True)]


def segregated_vector(
    xs: list[Exposure], m: MarketValues, p: DeribitPortfolioParameters
) -> list[float]:
    """A book in the settlement asset, with the extended table scaled and damped.

    Scaling and dampener work on the sum of the book, not on each position.
    """
    pair, settle = p.pairs[xs[0].underlying], xs[0].settle
    sums, coin = book_sums(xs, p), settle not in DOLLARS
    index = m.value(index_of(xs[0].underlying)) if coin else None
    start = len(sums) - len(p.extended_moves)
    for at, move in enumerate(p.extended_moves, start):
        by = dampener(pair, p.currencies[settle].extended_dampener, move, index)
        sums[at] = toward_zero(scaled(pair, sums[at], move, coin), by)
    return sums


def coin_equity(asset: str, h: Holdings, xs: list[Exposure]) -> float:
    """Coins that the account would have if its options were at their model prices, as scenarios
    take them."""
    total = h.collateral.get(asset, 0.0)
    for x in xs:
        if isinstance(x.position.instrument, Option):
            total += x.position.size * option_price(x, 0.0, x.vol) + x.position.funding
        else:
            total += position_equity(x)
    return total


def crossed_vector(
    at: BookKey,
    xs: list[Exposure],
    account: tuple[Holdings, MarketValues],
    p: DeribitPortfolioParameters,
) -> list[float]:
    """A book in dollars, at the prices of each scenario.

    A coin that is won or lost is worth what it costs then, so that a contract settled in coins
    loses what its twin in dollars wins; at the price of today a short would lose too little. Far
    moves are shrunk in dollars by factor range / |move|, which gives a linear position its dollars
    at the edge, and damped in dollars.
    """
    pair, settle, (h, m) = p.pairs[at[0]], at[1], account
    moves = [x for x in standard_moves(pair, p.buckets_count) for _ in VOL_SCENARIOS]
    sums, start = book_sums(xs, p), len(moves)
    moves += p.extended_moves
    if settle not in DOLLARS:
        sums = [profit * (1.0 + move) for profit, move in zip(sums, moves, strict=True)]
        if p.currencies[settle].equity_side_impact == "both":
            held = coin_equity(settle, h, xs)
            sums = [profit + held * move for profit, move in zip(sums, moves, strict=True)]
    usd = [profit * usd_of(settle, m) for profit in sums]
    for place in range(start, len(usd)):
        by = dampener(pair, p.currencies[settle].extended_dampener, moves[place], None)
        usd[place] = toward_zero(scaled(pair, usd[place], moves[place], False), by)
    return usd


def books_of(xs: list[Exposure]) -> dict[BookKey, list[Exposure]]:
    """By (underlying, settlement)."""
    found: dict[BookKey, list[Exposure]] = {}
    for x in xs:
        found.setdefault((x.underlying, x.settle), []).append(x)
    return found


def book_vectors(
    h: Holdings, xs: list[Exposure], m: MarketValues, p: DeribitPortfolioParameters
) -> dict[BookKey, list[float]]:
    """Of each book, and crossed of each coin that is owned or owed besides."""
    books = books_of(xs)
    if p.settlement is not None:
        return {at: segregated_vector(book, m, p) for at, book in books.items()}
    for asset in h.collateral:
        if asset not in DOLLARS:
            books.setdefault((asset, asset), [])
    return {at: crossed_vector(at, book, (h, m), p) for at, book in books.items()}


def offset(currency: DeribitCurrency, profit: float) -> float:
    """A gain counts pnl_offset of itself and at most max_offsetable_pnl; a loss counts whole."""
    if profit <= 0.0:
        return profit
    return min(profit * currency.pnl_offset, currency.max_offsetable_pnl)


def total_vector(
    vectors: Mapping[BookKey, list[float]], p: DeribitPortfolioParameters
) -> list[float]:
    """Scenario by scenario over all books, gains by their offset; bucket k is k/4 of each range.

    A coin's account has one book, and nothing to be offset. Between books of one currency, such as
    two coins settled in dollars, gains count by the offset too: "per currency" might be read to
    net them whole, but what the venue charges for coins that do not move together (correlation
    contingency) is not published, and to net without it would ask too little.
    """
    total = [0.0] * len(scenario_names(p))
    for (_, settle), vector in vectors.items():
        if settle == p.settlement and settle not in DOLLARS:
            return vector
        for at, profit in enumerate(vector):
            total[at] += offset(p.currencies[settle], profit)
    return total


# --- roll and delta --------------------------------------------------------------------------


def life_left(x: Exposure) -> float:
    """Over the last 30 minutes delta and mark of an option fade to nothing in a line."""
    return min(1.0, x.days * DAY_MS / DECAY_MS)


def net_delta(x: Exposure) -> float:
    """Coins: of futures the size; of options BS delta, less the mark where the coin settles.

    The page on fading speaks of options; a future keeps its size to the end, which asks for more.
    """
    thing = x.position.instrument
    if not isinstance(thing, Option):
        return futures_coins(x)
    deviation = x.vol * x.root_years
    delta = black_delta(x.price, float(thing.strike), thing.is_call, deviation)
    return x.position.size * (delta - (x.mark if thing.coin_settled else 0.0)) * life_left(x)


def roll_move(currency: DeribitCurrency, x: Exposure, m: MarketValues) -> float:
    """max(min_annualised_move, exp(annualised_move_risk T) - 1); a perpetual's is the minimum.

    The form of f is second-hand; the capture stands on the floor.
    """
    if x.expiry is None:
        return currency.min_annualised_move
    growth = exp(currency.annualised_move_risk * (x.expiry - m.now_ms) / YEAR_MS) - 1.0
    return max(currency.min_annualised_move, growth)


def roll_shock(book: list[Exposure], m: MarketValues, p: DeribitPortfolioParameters) -> float:
    """sum over expiries |delta_e| move_e, in coins; expiries do not offset each other."""
    by_expiry: dict[int | None, list[Exposure]] = {}
    for x in book:
        by_expiry.setdefault(x.expiry, []).append(x)
    currency, total = p.currencies[book[0].settle], 0.0
    for xs in by_expiry.values():
        total += abs(sum(net_delta(x) for x in xs)) * roll_move(currency, xs[0], m)
    return total


def coins_of(xs: list[Exposure]) -> list[list[Exposure]]:
    """By underlying alone: what is settled in dollars is sold into the same market."""
    found: dict[str, list[Exposure]] = {}
    for x in xs:
        found.setdefault(x.underlying, []).append(x)
    return list(found.values())


def delta_shock(book: list[Exposure], m: MarketValues, p: DeribitPortfolioParameters) -> float:
    """|DeltaTotal| min(max_delta_shock, m_inc (|DeltaTotal| - threshold)), in coins.

    Only the names of the fields are published. As in standard margin, whose slope m_inc is, a rate
    that grows with the size is taken of the whole size; it grows from the threshold on. The three
    fields are of the pair, so that DeltaTotal is of all positions of its coin, however settled.
    """
    pair = p.pairs[book[0].underlying]
    total = abs(sum(net_delta(x) for x in book))
    threshold = pair.delta_total_liq_shock_threshold / m.value(index_of(book[0].underlying))
    return total * min(pair.max_delta_shock, pair.m_inc * max(0.0, total - threshold))


def in_unit(
    coins: float, book: list[Exposure], m: MarketValues, p: DeribitPortfolioParameters
) -> float:
    """Coins of the underlying in the account's unit: the coin itself, or dollars at the index."""
    if p.settlement is not None and p.settlement not in DOLLARS:
        return coins
    return coins * m.value(index_of(book[0].underlying))


# --- equity and the sum ----------------------------------------------------------------------


def position_equity(x: Exposure) -> float:
    """In the settlement asset: N (1 / p0 - 1 / p1), q (p1 - p0), or an option at its mark."""
    held, thing = x.position, x.position.instrument
    if isinstance(thing, Option):
        return held.size * x.mark + held.funding
    if thing.inverse:
        return held.size * (1.0 / held.entry - 1.0 / x.mark) + held.funding
    return held.size * (x.mark - held.entry) + held.funding


def equity(
    h: Holdings, xs: list[Exposure], m: MarketValues, p: DeribitPortfolioParameters
) -> tuple[float, float]:
    """Per asset collateral and positions; and what haircuts ask of the positive sums, initially.

    "For the purposes of calculating the initial margin": support.deribit.com 25944777203869.
    """
    sums = dict(h.collateral)
    for x in xs:
        sums[x.settle] = sums.get(x.settle, 0.0) + position_equity(x)
    if p.settlement is not None:
        return sums.get(p.settlement, 0.0), 0.0
    usd = {asset: amount * usd_of(asset, m) for asset, amount in sums.items()}
    haircuts = sum(max(worth, 0.0) * p.currencies[asset].haircut for asset, worth in usd.items())
    return sum(usd.values()), haircuts


def deribit_parts(h: Holdings, m: MarketValues, p: DeribitPortfolioParameters) -> DeribitParts:
    """risk_matrix = worst + roll + delta; MM = mm_factor of it; IM = it + orders + mmp + spot, and
    haircuts."""
    xs = exposures_of(h, m, p)
    vectors, names = book_vectors(h, xs, m, p), scenario_names(p)
    total = total_vector(vectors, p)
    worst = min(0.0, *total)
    books = list(books_of(xs).values())
    roll = sum(in_unit(roll_shock(book, m, p), book, m, p) for book in books)
    delta = sum(in_unit(delta_shock(coin, m, p), coin, m, p) for coin in coins_of(xs))
    matrix = roll + delta - worst
    owned, haircuts = equity(h, xs, m, p)
    initial = matrix + p.open_orders_margin + p.mmp_margin + p.spot_margin + haircuts
    margins = Margins(owned, p.mm_factor * matrix, initial)
    binding = names[total.index(worst)] if worst in total else "none"
    return DeribitParts(vectors, total, names, 0.0 - worst, binding, roll, delta, matrix, margins)


def deribit_portfolio(
    holdings: Holdings, market: MarketValues, parameters: DeribitPortfolioParameters
) -> Margins:
    """(equity, maintenance, initial) in the segregated account's asset, else in dollars."""
    return deribit_parts(holdings, market, parameters).margins
