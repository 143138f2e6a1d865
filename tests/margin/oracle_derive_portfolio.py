# SPDX-License-Identifier: Apache-2.0
"""Derive's portfolio margin (PMRM2) of one underlying, the slow way: one function a formula line.

Written from the published formulas and Derive's own published cases, beside no other programme.
Where the formulas can be read in two ways, the reading and what confirms it stand at the function.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp, log, sqrt
from typing import NamedTuple

from tests.margin.oracle_black import DAY_MS, YEAR_MS, Margins, black, years
from tidegate.margin.holdings import Holding, Holdings
from tidegate.margin.market_values import (
    MarketValues,
    dollar_of,
    forward_of,
    index_of,
    mark_of,
    rate_of,
    vol_of,
)
from tidegate.model.instruments import Option, Perpetual

MONTH_YEARS = 30 * DAY_MS / YEAR_MS
DAY_YEARS = DAY_MS / YEAR_MS
SKEWS = ("linear", "abs")


class Scenario(NamedTuple):
    """`spot` multiplies every price (1.18 is +18 %); `kind` is up, none, down, linear or abs."""

    spot: float
    kind: str
    dampening: float = 1.0

    @property
    def name(self) -> str:
        return f"{100 * (self.spot - 1):+.1f}% {self.kind}"


class CollateralTerms(NamedTuple):
    """Contingencies of one collateral, as fractions of its value; the initial one comes on top."""

    maintenance_haircut: float
    initial_haircut: float
    risk_cancelling: bool


@dataclass(frozen=True)
class DerivePortfolioParameters:
    """Names follow the formulas; `coin` is the underlying, `cash` the asset that pays and owes."""

    coin: str
    scenarios: tuple[Scenario, ...]
    collaterals: Mapping[str, CollateralTerms]
    cash: str = "USDC"
    maintenance_factor: float = 0.8
    initial_factor: float = 1.0
    vol_up: float = 0.5
    vol_down: float = 0.275
    short_power: float = 0.3
    long_power: float = 0.13
    dte_floor_days: float = 1.0
    min_vol_up_shock: float = 0.45
    long_base: float = 0.95
    long_mult: float = 1.0
    long_add: float = 0.08
    short_base: float = 1.04
    short_mult: float = 0.5
    short_add: float = 0.08
    linear_base_cap: float = 0.15
    linear_c_base: float = -0.05
    abs_base_cap: float = 0.15
    abs_c_base: float = -0.05
    min_k_star: float = 0.01
    width: float = 4.0
    vol_static: float = 0.6
    vol_scale: float = -0.1
    basis_up: float = 1.045
    basis_down: float = 0.955
    basis_add: float = 0.5
    basis_mult: float = 2.0
    maintenance_perp: float = 0.015
    initial_perp: float = 0.005
    maintenance_option: float = 0.003
    initial_option: float = 0.002
    peg_threshold: float = 0.98
    peg_factor: float = 2.0
    confidence_threshold: float = 0.55
    confidence_margin: float = 1.0
    fixed: Mapping[int, float] = field(default_factory=dict)
    """Share of the forward that settlement has fixed already, by expiry; it is not shocked."""


@dataclass
class Leg:
    """One option of an expiry; `vols` by kind of scenario."""

    size: float
    strike: float
    is_call: bool
    vol: float
    vols: dict[str, float]


@dataclass
class Expiry:
    """All options of one expiry, with what its formulas need, worked out once."""

    years: float
    root_years: float
    forward: float
    fixed: float
    rate: float
    confidence: float
    discount: float
    positive: float
    negative: float
    legs: list[Leg]
    value: float


@dataclass
class DerivePortfolioParts:
    """Every line of the sum, for whoever looks for the line that differs."""

    base: float
    expiries: list[Expiry]
    losses: list[tuple[str, float]]
    worst: float
    binding: str
    maintenance_contingency: float
    initial_contingency: float
    oracle: dict[str, float]
    depeg: float
    margins: Margins


# --- discounting -----------------------------------------------------------------------------


def mark_discount(rate: float, time: float) -> float:
    """exp(-max(r, 0) T): a negative rate discounts nothing."""
    return exp(-max(rate, 0.0) * time)


def positive_discount(p: DerivePortfolioParameters, rate: float, time: float) -> float:
    """dPos = longBase exp(-T (r longMult + longAdd)), on an expiry that is worth >= 0.

    A negative rate counts as none, as in the mark. No published case has one and the formula writes
    the max in the mark alone; but the venue holds one rate of an expiry, without a sign, which
    goes into all three discounts (derivexyz/v2-core, PMRMLib_2). It is also the dearer reading.
    """
    return p.long_base * exp(-time * (max(rate, 0.0) * p.long_mult + p.long_add))


def negative_discount(p: DerivePortfolioParameters, rate: float, time: float) -> float:
    """dNeg = min(1 / disc, shortBase exp(T (r shortMult + shortAdd))), on an expiry that owes.

    The cap makes the debt at most undiscounted (a short box of 10,000 owes 10,000, case 24). Of a
    negative rate the same holds as for what is owned.
    """
    shock = p.short_base * exp(time * (max(rate, 0.0) * p.short_mult + p.short_add))
    return min(1.0 / mark_discount(rate, time), shock)


# --- volatility ------------------------------------------------------------------------------


def month_ratio(p: DerivePortfolioParameters, time: float) -> float:
    """(30 d / max(T, floor))^p; short or long power by the time that is really left (case 81)."""
    power = p.short_power if time <= MONTH_YEARS else p.long_power
    return (MONTH_YEARS / max(time, p.dte_floor_days * DAY_YEARS)) ** power


def vol_when_up(p: DerivePortfolioParameters, vol: float, time: float) -> float:
    """The floor is on the shocked volatility, not on the multiplier."""
    return max(vol * (1.0 + p.vol_up * month_ratio(p, time)), p.min_vol_up_shock)


def vol_when_down(p: DerivePortfolioParameters, vol: float, time: float) -> float:
    return vol * max(0.0, 1.0 - p.vol_down * month_ratio(p, time))


def k_star(p: DerivePortfolioParameters, time: float) -> float:
    """k* = max(minK, sqrtT width (volStatic + sqrtT volScale))."""
    root = sqrt(time)
    return max(p.min_k_star, root * p.width * (p.vol_static + root * p.vol_scale))


def skewed(p: DerivePortfolioParameters, vol: float, k: float, cap: float, time: float) -> float:
    """vol (1 + clamp(k cap / k*, -cap, +cap)), never below zero.

    A cap above 1 makes the factor negative; that a negative volatility prices as zero is what
    case 61 confirms (its cap is 3.99).
    """
    lean = max(-cap, min(cap, k * cap / k_star(p, time)))
    return max(0.0, vol * (1.0 + lean))


def vol_when_linear(p: DerivePortfolioParameters, vol: float, k: float, time: float) -> float:
    return skewed(p, vol, k, p.linear_c_base * sqrt(time) + p.linear_base_cap, time)


def vol_when_abs(p: DerivePortfolioParameters, vol: float, k: float, time: float) -> float:
    return skewed(p, vol, abs(k), p.abs_c_base * sqrt(time) + p.abs_base_cap, time)


def shocked_vols(
    p: DerivePortfolioParameters, vol: float, k: float, time: float
) -> dict[str, float]:
    """k = ln(K / F) at the forward before any shock."""
    return {
        "none": vol,
        "up": vol_when_up(p, vol, time),
        "down": vol_when_down(p, vol, time),
        "linear": vol_when_linear(p, vol, k, time),
        "abs": vol_when_abs(p, vol, k, time),
    }


# --- reading the account ---------------------------------------------------------------------


def holding_is(position: Holding, kind: type[Option] | type[Perpetual], coin: str) -> bool:
    return isinstance(position.instrument, kind) and position.instrument.base == coin


def perp_of(h: Holdings, p: DerivePortfolioParameters) -> Holding | None:
    """The one perpetual of the underlying; several would be a contradiction in the input."""
    found = [x for x in h.positions if holding_is(x, Perpetual, p.coin) and x.size != 0.0]
    if len(found) > 1:
        raise ValueError("several perpetuals of one coin")
    return found[0] if found else None


def refuse_strangers(h: Holdings, p: DerivePortfolioParameters) -> None:
    """Every portfolio manager knows one underlying; futures and spot positions it has none."""
    for x in h.positions:
        known = holding_is(x, Option, p.coin) or holding_is(x, Perpetual, p.coin)
        if not known or x.instrument.inverse:
            raise ValueError(f"{x.instrument.id} is not margined by {p.coin}")


def expiries_of(h: Holdings, m: MarketValues, p: DerivePortfolioParameters) -> list[Expiry]:
    by_time: dict[int, list[Holding]] = {}
    for x in h.positions:
        if isinstance(x.instrument, Option) and x.size != 0.0:
            by_time.setdefault(x.instrument.expiry_ms, []).append(x)
    return [expiry_of(at, held, m, p) for at, held in sorted(by_time.items())]


def expiry_of(
    at_ms: int, held: list[Holding], m: MarketValues, p: DerivePortfolioParameters
) -> Expiry:
    time = years(at_ms, m.now_ms)
    forward, rate = m.seen(forward_of(p.coin, at_ms)), m.seen(rate_of(p.coin, at_ms))
    legs, sure = [], min(forward.confidence, rate.confidence)
    for x in held:
        option = x.instrument
        assert isinstance(option, Option)
        vol, strike = m.seen(vol_of(option.id)), float(option.strike)
        sure = min(sure, vol.confidence)
        vols = shocked_vols(p, vol.value, log(strike / forward.value), time)
        legs.append(Leg(x.size, strike, option.is_call, vol.value, vols))
    expiry = Expiry(
        time,
        sqrt(time),
        forward.value,
        p.fixed.get(at_ms, 0.0),
        rate.value,
        sure,
        mark_discount(rate.value, time),
        positive_discount(p, rate.value, time),
        negative_discount(p, rate.value, time),
        legs,
        0.0,
    )
    expiry.value = expiry_value(expiry, 1.0, "none")
    return expiry


def stable_price(m: MarketValues, p: DerivePortfolioParameters) -> float:
    return m.value(dollar_of(p.cash))


def collateral_values(
    h: Holdings, m: MarketValues, p: DerivePortfolioParameters
) -> dict[str, float]:
    """amount x price / stablePx, of everything but the cash; cash counts one for one."""
    stable = stable_price(m, p)
    return {
        asset: amount * m.value(index_of(asset)) / stable
        for asset, amount in h.collateral.items()
        if asset != p.cash and amount != 0.0
    }


# --- scenarios -------------------------------------------------------------------------------


def expiry_value(e: Expiry, spot: float, kind: str) -> float:
    """Every option at the forward F (var s + fixed), discounted as the mark is; a skew moves
    volatilities alone, whatever the scenario says of spot (PMRMLib_2; no case shows it)."""
    spot = 1.0 if kind in SKEWS else spot
    forward = e.forward * ((1.0 - e.fixed) * spot + e.fixed)
    total = 0.0
    for leg in e.legs:
        total += leg.size * black(forward, leg.strike, leg.is_call, leg.vols[kind] * e.root_years)
    return e.discount * total


def expiry_profit(e: Expiry, spot: float, kind: str) -> float:
    """value (dPos if >= 0 else dNeg) - mtm: the sign is that of the expiry's shocked sum."""
    value = expiry_value(e, spot, kind)
    return value * (e.positive if value >= 0.0 else e.negative) - e.value


def perp_profit(perp: Holding | None, m: MarketValues, spot: float) -> float:
    """q (s - 1) P at the perpetual's own price."""
    if perp is None:
        return 0.0
    return perp.size * (spot - 1.0) * m.value(mark_of(perp.instrument.id))


def cancelling_profit(
    values: Mapping[str, float], p: DerivePortfolioParameters, spot: float
) -> float:
    """v (s - 1) of collateral that moves with the underlying; the rest of it stays put."""
    moving = sum(v for asset, v in values.items() if p.collaterals[asset].risk_cancelling)
    return moving * (spot - 1.0)


def scenario_profit(s: Scenario, expiries: list[Expiry], other: float) -> float:
    """damp (perp + collateral + sum of expiries); a skew takes -|profit| of each expiry.

    That the dampening multiplies the skews too is confirmed by cases 41 (2) and 45 (0). All their
    skews stand at s = 1, where perpetual and collateral earn nothing; with another s they are added
    here as they are elsewhere, while options stay at their forwards.
    """
    profits = [expiry_profit(e, s.spot, s.kind) for e in expiries]
    if s.kind in SKEWS:
        profits = [-abs(x) for x in profits]
    return s.dampening * (other + sum(profits))


def basis_contingency(p: DerivePortfolioParameters, expiries: list[Expiry]) -> float:
    """sum over expiries min(mtm(up) - mtm, mtm(dn) - mtm, 0) (add + mult T), marks' discount only.

    The forward alone moves; volatility, perpetual and collateral do not.
    """
    total = 0.0
    for e in expiries:
        up = expiry_value(e, p.basis_up, "none") - e.value
        down = expiry_value(e, p.basis_down, "none") - e.value
        total += min(up, down, 0.0) * (p.basis_add + p.basis_mult * e.years)
    return total


# --- contingencies ---------------------------------------------------------------------------


def naked_shorts(expiries: list[Expiry]) -> float:
    """max(0, -(calls + puts)) of each strike of each expiry: a short call and a long put cancel."""
    total = 0.0
    for e in expiries:
        nets: dict[float, float] = {}
        for leg in e.legs:
            nets[leg.strike] = nets.get(leg.strike, 0.0) + leg.size
        total += sum(max(0.0, -net) for net in nets.values())
    return total


def doubt(p: DerivePortfolioParameters, confidence: float) -> float:
    """(1 - conf) confMargin, where confidence is below (not at) the threshold."""
    if confidence >= p.confidence_threshold:
        return 0.0
    return (1.0 - confidence) * p.confidence_margin


def oracle_contingency(
    h: Holdings, m: MarketValues, p: DerivePortfolioParameters, expiries: list[Expiry]
) -> dict[str, float]:
    """What low confidence adds to the initial requirement, by source.

    Perpetual: min(spot, perp) on |q| S. Options, each expiry: min(spot, perp where one is held,
    forward, rate, vols) on S times *all* of |q|, long and short (cases 33, 49). Collateral: the
    lower of its own and the underlying's spot, whatever it is made of, on its value (cases 9, 61;
    33 shows that the perpetual's does not count here). The dollar coin's counts nowhere (case 9).
    """
    spot, perp = m.seen(index_of(p.coin)), perp_of(h, p)
    found, sure = {"perp": 0.0, "options": 0.0, "collateral": 0.0}, spot.confidence
    if perp is not None:
        sure = min(sure, m.seen(mark_of(perp.instrument.id)).confidence)
        found["perp"] = doubt(p, sure) * abs(perp.size) * spot.value
    for e in expiries:
        size = sum(abs(leg.size) for leg in e.legs)
        found["options"] += doubt(p, min(sure, e.confidence)) * size * spot.value
    for asset, value in collateral_values(h, m, p).items():
        own = min(spot.confidence, m.seen(index_of(asset)).confidence)
        found["collateral"] += doubt(p, own) * value
    return found


def depeg(m: MarketValues, p: DerivePortfolioParameters) -> float:
    """(threshold - stable) pegFactor, added to the factor of the worst loss, initial only."""
    return max(0.0, p.peg_threshold - stable_price(m, p)) * p.peg_factor


def contingencies(
    h: Holdings, m: MarketValues, p: DerivePortfolioParameters, expiries: list[Expiry]
) -> tuple[float, float]:
    """Perpetual, options and collateral: of maintenance, and what initial adds to it."""
    spot, perp = m.value(index_of(p.coin)), perp_of(h, p)
    perp_usd = abs(perp.size) * spot if perp else 0.0
    naked_usd = naked_shorts(expiries) * spot
    maintenance = perp_usd * p.maintenance_perp + naked_usd * p.maintenance_option
    initial = perp_usd * p.initial_perp + naked_usd * p.initial_option
    for asset, value in collateral_values(h, m, p).items():
        maintenance += value * p.collaterals[asset].maintenance_haircut
        initial += value * p.collaterals[asset].initial_haircut
    return maintenance, initial


# --- the sum ---------------------------------------------------------------------------------


def base_equity(
    h: Holdings, m: MarketValues, p: DerivePortfolioParameters, expiries: list[Expiry]
) -> float:
    """cash + options at mark + perpetual's profit and funding + collateral / stablePx."""
    total = h.collateral.get(p.cash, 0.0) + sum(e.value for e in expiries)
    perp = perp_of(h, p)
    if perp is not None:
        mark = m.value(mark_of(perp.instrument.id))
        total += perp.size * (mark - perp.entry) + perp.funding
    return total + sum(collateral_values(h, m, p).values())


def all_losses(
    h: Holdings, m: MarketValues, p: DerivePortfolioParameters, expiries: list[Expiry]
) -> list[tuple[str, float]]:
    """Profit by scenario, in the order given, and the basis contingency last."""
    perp, values, found = perp_of(h, p), collateral_values(h, m, p), []
    for s in p.scenarios:
        other = perp_profit(perp, m, s.spot) + cancelling_profit(values, p, s.spot)
        found.append((s.name, scenario_profit(s, expiries, other)))
    found.append(("basis", basis_contingency(p, expiries)))
    return found


def derive_portfolio_parts(
    h: Holdings, m: MarketValues, p: DerivePortfolioParameters
) -> DerivePortfolioParts:
    """worst = min(basis, scenarios) <= 0; MM and IM are base + worst x factor - contingencies."""
    refuse_strangers(h, p)
    expiries = expiries_of(h, m, p)
    base, losses = base_equity(h, m, p, expiries), all_losses(h, m, p, expiries)
    binding, worst = min(losses, key=lambda named: named[1])
    fixed, more = contingencies(h, m, p, expiries)
    oracle, peg = oracle_contingency(h, m, p, expiries), depeg(m, p)
    maintenance = fixed - worst * p.maintenance_factor
    initial = fixed + more + sum(oracle.values()) - worst * (p.initial_factor + peg)
    margins = Margins(base, maintenance, initial)
    return DerivePortfolioParts(
        base, expiries, losses, worst, binding, fixed, more, oracle, peg, margins
    )


def derive_portfolio(
    holdings: Holdings, market: MarketValues, parameters: DerivePortfolioParameters
) -> Margins:
    """(base, maintenance, initial) in dollars of the cash asset, requirements >= 0."""
    return derive_portfolio_parts(holdings, market, parameters).margins
