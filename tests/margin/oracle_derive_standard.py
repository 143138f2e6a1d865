# SPDX-License-Identifier: Apache-2.0
"""Derive's standard manager over all coins of an account, the slow way.

Its published results are net margins. Split into equity and requirement here, equity is cash,
collateral at the factor of maintenance, and the perpetuals' profit and funding; options stand
wholly in the requirement, where a long one is worth nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

from tests.margin.oracle_black import Margins, black, years
from tidegate.margin.holdings import Holding, Holdings
from tidegate.margin.market_values import (
    MarketValues,
    dollar_of,
    forward_of,
    index_of,
    mark_of,
    vol_of,
)
from tidegate.model.instruments import Option, Perpetual


class BaseTerms(NamedTuple):
    """What a collateral coin counts for: `margin_factor`, and x `initial_scale` initially."""

    margin_factor: float
    initial_scale: float = 1.0


@dataclass(frozen=True)
class DeriveStandardParameters:
    """Names follow the formulas; the defaults are those of Derive's published unit tests."""

    bases: Mapping[str, BaseTerms]
    cash: str = "USDC"
    max_spot: float = 0.15
    min_spot: float = 0.10
    maintenance_call: float = 0.075
    maintenance_put: float = 0.075
    put_mark: float = 0.075
    unpaired_initial: float = 1.2
    unpaired_maintenance: float = 1.1
    offset_scale: float = 1.05
    perp_maintenance: float = 0.05
    perp_initial: float = 0.065
    confidence_threshold: float = 0.4
    oracle_factor: float = 0.4
    depeg_threshold: float = 0.98
    depeg_factor: float = 1.2


class Leg(NamedTuple):
    size: float
    strike: float
    is_call: bool
    mark: float  # undiscounted, of one coin
    confidence: float


@dataclass
class Expiry:
    """Options of one coin and expiry."""

    coin: str
    spot: float
    forward: float
    confidence: float
    legs: list[Leg]


@dataclass
class DeriveStandardParts:
    """Every line of the sum; margins of options <= 0 by (coin, expiry in ms)."""

    options_maintenance: dict[tuple[str, int], float]
    options_initial: dict[tuple[str, int], float]
    bounded: dict[tuple[str, int], bool]
    perp_maintenance: float
    perp_initial: float
    oracle: dict[str, float]
    depeg: float
    margins: Margins


# --- options ---------------------------------------------------------------------------------


def mark(leg: Leg) -> float:
    """Signed worth of the leg: Black on the forward, discount 1."""
    return leg.size * leg.mark


def out_of_the_money(leg: Leg, spot: float) -> float:
    """max(K - S, 0) of a call, max(S - K, 0) of a put: by spot, not by forward.

    `test_short_put_spread_with_iso_margin` tells them apart: S is 2000, F 2002.83, K 2000.
    """
    return max(leg.strike - spot if leg.is_call else spot - leg.strike, 0.0)


def initial_rate(leg: Leg, spot: float, p: DeriveStandardParameters) -> float:
    return max(p.max_spot - out_of_the_money(leg, spot) / spot, p.min_spot)


def isolated_maintenance(leg: Leg, spot: float, p: DeriveStandardParameters) -> float:
    """<= 0; a put's marks are negative here, so putMtM x MtM is the larger charge deep in."""
    if leg.size >= 0.0:
        return 0.0
    if leg.is_call:
        return mark(leg) - p.maintenance_call * spot * abs(leg.size)
    charge = min(-p.maintenance_put * spot * abs(leg.size), p.put_mark * mark(leg))
    return charge + mark(leg)


def isolated_initial(leg: Leg, spot: float, p: DeriveStandardParameters) -> float:
    if leg.size >= 0.0:
        return 0.0
    own = mark(leg) - initial_rate(leg, spot, p) * spot * abs(leg.size)
    if leg.is_call:
        return own
    return min(own, isolated_maintenance(leg, spot, p) * p.offset_scale)


def payoff(e: Expiry, price: float) -> float:
    return sum(
        x.size * max(price - x.strike if x.is_call else x.strike - price, 0.0) for x in e.legs
    )


def max_loss(e: Expiry) -> float:
    """The payoff is straight between strikes, and above all of them if calls do not net short."""
    return min(min(payoff(e, price), 0.0) for price in [0.0, *(x.strike for x in e.legs)])


def unpaired(e: Expiry, scale: float) -> float:
    """scale x F x net calls, where they are short."""
    net = sum(x.size for x in e.legs if x.is_call)
    return scale * e.forward * min(net, 0.0)


def expiry_maintenance(e: Expiry, p: DeriveStandardParameters) -> tuple[float, float]:
    """The isolated and the bounded sum; what counts is the larger, the smaller requirement."""
    alone = sum(isolated_maintenance(x, e.spot, p) for x in e.legs)
    return alone, max_loss(e) + unpaired(e, p.unpaired_maintenance)


def expiry_initial(e: Expiry, p: DeriveStandardParameters) -> tuple[float, float]:
    alone = sum(isolated_initial(x, e.spot, p) for x in e.legs)
    return alone, max_loss(e) + unpaired(e, p.unpaired_initial)


def shorts(e: Expiry) -> float:
    """All short options of an expiry, calls and puts; longs do not lessen them."""
    return sum(max(0.0, -x.size) for x in e.legs)


# --- reading the account ---------------------------------------------------------------------


def expiries_of(h: Holdings, m: MarketValues) -> dict[tuple[str, int], Expiry]:
    found: dict[tuple[str, int], Expiry] = {}
    for x in h.positions:
        option = x.instrument
        if isinstance(option, Option) and x.size != 0.0:
            at = (option.base, option.expiry_ms)
            if at not in found:
                forward, spot = m.seen(forward_of(*at)), m.value(index_of(option.base))
                found[at] = Expiry(at[0], spot, forward.value, forward.confidence, [])
            found[at].legs.append(leg_of(x.size, option, found[at].forward, m))
    return found


def leg_of(size: float, option: Option, forward: float, m: MarketValues) -> Leg:
    vol, strike = m.seen(vol_of(option.id)), float(option.strike)
    deviation = vol.value * sqrt(years(option.expiry_ms, m.now_ms))
    worth = black(forward, strike, option.is_call, deviation)
    return Leg(size, strike, option.is_call, worth, vol.confidence)


def perps_of(h: Holdings) -> list[Holding]:
    return [x for x in h.positions if isinstance(x.instrument, Perpetual) and x.size != 0.0]


def bases_of(h: Holdings, p: DeriveStandardParameters) -> dict[str, float]:
    return {coin: amount for coin, amount in h.collateral.items() if coin != p.cash}


def refuse_strangers(h: Holdings) -> None:
    for x in h.positions:
        if not isinstance(x.instrument, Option | Perpetual) or x.instrument.inverse:
            raise ValueError(f"{x.instrument.id} is not margined by the standard manager")


# --- perpetuals and collateral ---------------------------------------------------------------


def perp_requirement(h: Holdings, m: MarketValues, rate: float) -> float:
    """|q| perpPx req."""
    return sum(abs(x.size) * m.value(mark_of(x.instrument.id)) * rate for x in perps_of(h))


def perp_profit(h: Holdings, m: MarketValues) -> float:
    """Unrealised profit and unsettled funding, both in maintenance and initial."""
    return sum(
        x.size * (m.value(mark_of(x.instrument.id)) - x.entry) + x.funding for x in perps_of(h)
    )


def base_maintenance(h: Holdings, m: MarketValues, p: DeriveStandardParameters) -> float:
    return sum(
        amount * m.value(index_of(coin)) * p.bases[coin].margin_factor
        for coin, amount in bases_of(h, p).items()
    )


def base_initial(h: Holdings, m: MarketValues, p: DeriveStandardParameters) -> float:
    return sum(
        amount * m.value(index_of(coin)) * p.bases[coin].margin_factor * p.bases[coin].initial_scale
        for coin, amount in bases_of(h, p).items()
    )


# --- initial only: doubtful feeds and the dollar coin ----------------------------------------


def doubt(p: DeriveStandardParameters, confidence: float) -> float:
    """(1 - conf) OCFactor below, not at, the threshold."""
    if confidence >= p.confidence_threshold:
        return 0.0
    return (1.0 - confidence) * p.oracle_factor


def options_doubt(e: Expiry, m: MarketValues, p: DeriveStandardParameters) -> float:
    """min(spot, forward, vols of the expiry) on S x shorts.

    The vols' and the forward's confidences are confirmed by the portfolio cases of low confidence.
    That spot counts as well is read from "spot" standing in the same list; no case shows it.
    """
    sure = min(e.confidence, m.seen(index_of(e.coin)).confidence, *(x.confidence for x in e.legs))
    return doubt(p, sure) * e.spot * shorts(e)


def perp_doubt(x: Holding, m: MarketValues, p: DeriveStandardParameters) -> float:
    """min(spot, perp) on S |q|; of cases, only ones of full confidence hold a perpetual."""
    spot, own = m.seen(index_of(x.instrument.base)), m.seen(mark_of(x.instrument.id))
    return doubt(p, min(spot.confidence, own.confidence)) * spot.value * abs(x.size)


def base_doubt(coin: str, amount: float, m: MarketValues, p: DeriveStandardParameters) -> float:
    """Spot's confidence on the whole value, without the haircut (case Test20)."""
    spot = m.seen(index_of(coin))
    return doubt(p, spot.confidence) * spot.value * amount


def oracle_contingency(
    h: Holdings, m: MarketValues, p: DeriveStandardParameters, expiries: list[Expiry]
) -> dict[str, float]:
    return {
        "options": sum(options_doubt(e, m, p) for e in expiries),
        "perp": sum(perp_doubt(x, m, p) for x in perps_of(h)),
        "collateral": sum(base_doubt(c, q, m, p) for c, q in bases_of(h, p).items()),
    }


def depeg(
    h: Holdings, m: MarketValues, p: DeriveStandardParameters, expiries: list[Expiry]
) -> float:
    """(thr - stable) depegFactor S (shorts + |perps|), summed over coins."""
    gap = max(0.0, p.depeg_threshold - m.value(dollar_of(p.cash))) * p.depeg_factor
    held = sum(shorts(e) * e.spot for e in expiries)
    held += sum(abs(x.size) * m.value(index_of(x.instrument.base)) for x in perps_of(h))
    return gap * held


# --- the sum ---------------------------------------------------------------------------------


def derive_standard_parts(
    h: Holdings, m: MarketValues, p: DeriveStandardParameters
) -> DeriveStandardParts:
    refuse_strangers(h)
    expiries = expiries_of(h, m)
    pairs = {at: expiry_maintenance(e, p) for at, e in expiries.items()}
    options_mm = {at: max(pair) for at, pair in pairs.items()}
    options_im = {at: max(expiry_initial(e, p)) for at, e in expiries.items()}
    perp_mm = perp_requirement(h, m, p.perp_maintenance)
    perp_im = perp_requirement(h, m, p.perp_initial)
    oracle = oracle_contingency(h, m, p, list(expiries.values()))
    peg = depeg(h, m, p, list(expiries.values()))
    worth = base_maintenance(h, m, p)
    equity = h.collateral.get(p.cash, 0.0) + worth + perp_profit(h, m)
    maintenance = perp_mm - sum(options_mm.values())
    initial = perp_im - sum(options_im.values()) + sum(oracle.values()) + peg
    initial += worth - base_initial(h, m, p)
    bounded = {at: pair[1] > pair[0] for at, pair in pairs.items()}
    margins = Margins(equity, maintenance, initial)
    return DeriveStandardParts(
        options_mm, options_im, bounded, perp_mm, perp_im, oracle, peg, margins
    )


def derive_standard(
    holdings: Holdings, market: MarketValues, parameters: DeriveStandardParameters
) -> Margins:
    """(equity, maintenance, initial) in dollars of the cash asset, requirements >= 0."""
    return derive_standard_parts(holdings, market, parameters).margins
