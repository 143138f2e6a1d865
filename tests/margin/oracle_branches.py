# SPDX-License-Identifier: Apache-2.0
"""Which branch of a rule decides for a book: labels, to count that random books meet them all."""

from __future__ import annotations

from collections.abc import Iterator
from math import exp, sqrt

from tests.margin import oracle_derive_portfolio as portfolio
from tests.margin import oracle_derive_standard as standard
from tests.margin.oracle_deribit import (
    EXTENDED_MOVES,
    DeribitParts,
    Exposure,
    books_of,
    coins_of,
    deribit_parts,
    exposures_of,
    net_delta,
    roll_move,
    shocked_vol,
)
from tests.margin.oracle_derive_portfolio import MONTH_YEARS, derive_portfolio_parts
from tests.margin.oracle_derive_standard import derive_standard_parts
from tests.margin.random_books import DeribitBook, PortfolioBook, StandardBook
from tests.margin.random_parameters import TAILS
from tidegate.margin.market_values import index_of
from tidegate.model.instruments import Option

PORTFOLIO_BRANCHES = frozenset(
    """
    empty;only collateral;owed cash
    decided by basis;decided by linear;decided by abs
    decided by up;decided by none;decided by down
    doubt of perp;doubt of options;doubt of collateral;depeg
    naked shorts;call and put cancel;perp;risk-cancelling;plain collateral
    owned discount;owed discount capped;owed discount free;negative rate;zero rate
    up floored;up free;down to zero;short power;long power;day floor;zero vol
    linear capped;linear free;abs capped;abs free;k* floored;skew below zero
    """.strip()
    .replace("\n", ";")
    .replace("    ", "")
    .split(";")
) | {f"decided by tail {move:+.2f}" for move, _ in TAILS}

STANDARD_BRANCHES = frozenset(
    """
    isolated;bounded;zero;put by its mark;put by spot;put by offset scale
    rate between;rate at its floor;rate at its top;unpaired calls;loss at strike zero
    doubt of options;doubt of perp;doubt of collateral;depeg;perp;collateral;both coins
    """.strip()
    .replace("\n", ";")
    .replace("    ", "")
    .split(";")
)

DERIBIT_BRANCHES = frozenset(
    """
    empty;segregated coin;segregated dollars;crossed
    decided by up;decided by same;decided by down
    decided by lowest bucket;decided by highest bucket;decided by inner bucket
    up floored;up free;down to zero;down free;short power;long power
    roll floored;roll growing;expiries do not offset;delta shock;delta shock capped
    damped to nothing;damped in part;gain offset;gain at its cap;gain not offset;owing coin
    coins as positions
    """.strip()
    .replace("\n", ";")
    .replace("    ", "")
    .split(";")
) | {f"decided by extended {100 * move:+.0f}%" for move in EXTENDED_MOVES}


# --- Derive, portfolio margin ----------------------------------------------------------------


def portfolio_branches(book: PortfolioBook) -> set[str]:
    parts = derive_portfolio_parts(*book)
    found = {f"doubt of {name}" for name, usd in parts.oracle.items() if usd > 0.0}
    found |= set(account_branches(book, parts))
    found |= {label for e in parts.expiries for label in expiry_branches(book, e)}
    if parts.worst < 0.0:
        found.add(deciding(parts.binding, book))
    return found


def deciding(binding: str, book: PortfolioBook) -> str:
    """The kind of scenario that decides; of tails, its very move."""
    for s in book.parameters.scenarios:
        if s.name == binding:
            far = abs(s.spot - 1.0) > 0.2
            return f"decided by tail {s.spot - 1.0:+.2f}" if far else f"decided by {s.kind}"
    return f"decided by {binding}"


def account_branches(book: PortfolioBook, parts: portfolio.DerivePortfolioParts) -> Iterator[str]:
    held, p = book.holdings, book.parameters
    if not held.positions:
        yield "only collateral" if any(held.collateral.values()) else "empty"
    if held.collateral.get("USDC", 0.0) < 0.0:
        yield "owed cash"
    if parts.depeg > 0.0:
        yield "depeg"
    if portfolio.perp_of(held, p):
        yield "perp"
    if portfolio.naked_shorts(parts.expiries) > 0.0:
        yield "naked shorts"
    for asset in portfolio.collateral_values(held, book.market, p):
        yield "risk-cancelling" if p.collaterals[asset].risk_cancelling else "plain collateral"


def expiry_branches(book: PortfolioBook, e: portfolio.Expiry) -> Iterator[str]:
    p = book.parameters
    uncapped = p.short_base * exp(e.years * (e.rate * p.short_mult + p.short_add))
    if e.value >= 0.0:
        yield "owned discount"
    else:
        yield "owed discount free" if uncapped < 1.0 / e.discount else "owed discount capped"
    if e.rate <= 0.0:
        yield "negative rate" if e.rate < 0.0 else "zero rate"
    yield "short power" if e.years <= MONTH_YEARS else "long power"
    if e.years < p.dte_floor_days * portfolio.DAY_YEARS:
        yield "day floor"
    if portfolio.k_star(p, e.years) == p.min_k_star:
        yield "k* floored"
    shorts = {leg.strike for leg in e.legs if leg.is_call and leg.size < 0.0}
    if any(leg.strike in shorts and not leg.is_call and leg.size > 0.0 for leg in e.legs):
        yield "call and put cancel"
    for leg in e.legs:
        yield from leg_branches(p, e, leg)


def leg_branches(
    p: portfolio.DerivePortfolioParameters, e: portfolio.Expiry, leg: portfolio.Leg
) -> Iterator[str]:
    yield "up floored" if leg.vols["up"] == p.min_vol_up_shock else "up free"
    if leg.vol == 0.0:
        yield "zero vol"
        return
    if leg.vols["down"] == 0.0:
        yield "down to zero"
    if leg.vols["linear"] == 0.0:
        yield "skew below zero"
    caps = {
        "linear": p.linear_c_base * sqrt(e.years) + p.linear_base_cap,
        "abs": p.abs_c_base * sqrt(e.years) + p.abs_base_cap,
    }
    for kind, cap in caps.items():
        lean = abs(leg.vols[kind] / leg.vol - 1.0)
        capped = leg.vols[kind] == 0.0 or abs(lean - cap) < 1e-12
        yield f"{kind} capped" if capped else f"{kind} free"


# --- Derive, standard manager ----------------------------------------------------------------


def standard_branches(book: StandardBook) -> set[str]:
    parts = derive_standard_parts(*book)
    found = {f"doubt of {name}" for name, usd in parts.oracle.items() if usd > 0.0}
    for at, bounded in parts.bounded.items():
        found.add("zero" if parts.options_maintenance[at] == 0.0 else "isolated")
        found |= {"bounded"} if bounded else set()
    expiries = standard.expiries_of(book.holdings, book.market)
    for e in expiries.values():
        found |= set(standard_expiry_branches(book, e))
    found |= {"depeg"} if parts.depeg > 0.0 else set()
    found |= {"perp"} if parts.perp_maintenance > 0.0 else set()
    found |= {"both coins"} if len({coin for coin, _ in expiries}) == 2 else set()
    return found | ({"collateral"} if standard.bases_of(*book[::2]) else set())


def standard_expiry_branches(book: StandardBook, e: standard.Expiry) -> Iterator[str]:
    p = book.parameters
    if standard.unpaired(e, 1.0) < 0.0:
        yield "unpaired calls"
    if standard.max_loss(e) == standard.payoff(e, 0.0) < 0.0:
        yield "loss at strike zero"
    for leg in e.legs:
        if leg.size < 0.0:
            yield from short_branches(p, e, leg)


def short_branches(
    p: standard.DeriveStandardParameters, e: standard.Expiry, leg: standard.Leg
) -> Iterator[str]:
    rate = standard.initial_rate(leg, e.spot, p)
    edges = {p.max_spot: "rate at its top", p.min_spot: "rate at its floor"}
    yield edges.get(rate, "rate between")
    if leg.is_call:
        return
    by_mark = p.put_mark * leg.mark > p.maintenance_put * e.spot
    yield "put by its mark" if by_mark else "put by spot"
    own = standard.mark(leg) - rate * e.spot * abs(leg.size)
    if standard.isolated_initial(leg, e.spot, p) < own:
        yield "put by offset scale"


# --- Deribit ---------------------------------------------------------------------------------


def deribit_branches(book: DeribitBook) -> set[str]:
    parts, p = deribit_parts(*book), book.parameters
    xs = exposures_of(book.holdings, book.market, p)
    found = {"empty"} if not xs else set()
    found.add(
        "crossed"
        if p.settlement is None
        else ("segregated dollars" if p.settlement == "USDC" else "segregated coin")
    )
    if parts.worst_case > 0.0:
        found |= set(deribit_deciding(parts.binding))
    for x in xs:
        found |= set(exposure_branches(book, x))
    found |= {label for coin in coins_of(xs) for label in shock_branches(book, coin)}
    for vector in parts.vectors.values():
        for profit in vector[27:]:
            found.add("damped in part" if profit else "damped to nothing")
    found |= {label for each in books_of(xs).values() for label in book_branches(book, each)}
    if p.settlement is None and any(x.equity_side_impact == "both" for x in p.currencies.values()):
        found.add("coins as positions")
    return found | (set(offset_branches(book, parts)) if p.settlement is None else set())


def deribit_deciding(binding: str) -> Iterator[str]:
    bucket, how = binding.split()
    if how == "extended":
        yield f"decided by extended {bucket}"
        return
    yield f"decided by {how}"
    places = {"-4": "lowest", "+4": "highest"}
    yield f"decided by {places.get(bucket, 'inner')} bucket"


def exposure_branches(book: DeribitBook, x: Exposure) -> Iterator[str]:
    p = book.parameters
    if x.expiry is not None:
        floor = p.currencies[x.settle].min_annualised_move
        move = roll_move(p.currencies[x.settle], x, book.market)
        yield "roll floored" if move == floor else "roll growing"
    if isinstance(x.position.instrument, Option):
        pair = p.pairs[x.underlying]
        yield "short power" if x.days < 30.0 else "long power"
        up = shocked_vol(pair, x, "up")
        yield "up floored" if up == pair.min_volatility_for_shock_up else "up free"
        yield "down to zero" if shocked_vol(pair, x, "down") == 0.0 else "down free"


def shock_branches(book: DeribitBook, coin: list[Exposure]) -> Iterator[str]:
    pair = book.parameters.pairs[coin[0].underlying]
    index = book.market.value(index_of(coin[0].underlying))
    total = abs(sum(net_delta(x) for x in coin))
    over = total - pair.delta_total_liq_shock_threshold / index
    if over > 0.0:
        capped = over * pair.m_inc > pair.max_delta_shock
        yield "delta shock capped" if capped else "delta shock"


def book_branches(book: DeribitBook, xs: list[Exposure]) -> Iterator[str]:
    deltas = [net_delta(x) for x in xs]
    if min(deltas) < 0.0 < max(deltas) and len({x.expiry for x in xs}) > 1:
        yield "expiries do not offset"


def offset_branches(book: DeribitBook, parts: DeribitParts) -> Iterator[str]:
    for (_, settle), vector in parts.vectors.items():
        currency = book.parameters.currencies[settle]
        for profit in (x for x in vector if x > 0.0):
            if currency.pnl_offset == 0.0:
                yield "gain not offset"
            elif profit * currency.pnl_offset > currency.max_offsetable_pnl:
                yield "gain at its cap"
            else:
                yield "gain offset"
    if any(amount < 0.0 for amount in book.holdings.collateral.values()):
        yield "owing coin"
